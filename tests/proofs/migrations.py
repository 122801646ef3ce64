"""A migration in another process, while the service runs: what only adds is not noticed, a plan is lost once."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from httpx import AsyncClient

from app.settings import Settings
from tests.proofs.service import assert_problem, running, serving

PROJECT = Path(__file__).parents[2]
REVISION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "proof", "0001", None, None


def upgrade() -> None:
    op.add_column("categories", sa.Column("note", sa.Text()), schema="app")
    op.create_index("ix_proof", "categories", ["created_at"], schema="app")


def downgrade() -> None:
    op.drop_index("ix_proof", schema="app")
    op.drop_column("categories", "note", schema="app")
"""


async def migrate(project: Path, *command: str) -> None:
    """Run the command, as a deployment does."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "migrate.command", *command, cwd=project)
    assert await process.wait() == 0


@pytest.fixture
async def migrating(tmp_path: Path) -> AsyncIterator[Path]:
    """A copy of the project with a further revision, which is undone at the end."""
    project = copytree(PROJECT, tmp_path / "project", ignore=ignore_patterns(".*", "tests", "__pycache__"))
    (project / "alembic/versions/proof.py").write_text(REVISION)
    yield project
    await migrate(project, "down", "0001", "--yes")


async def test_rendered_routes_do_not_notice(client: AsyncClient, migrating: Path) -> None:
    async def use(name: str) -> list[int]:
        created = await client.post("/categories", json={"name": name})
        path, match = created.headers["Location"], created.headers["ETag"]
        changed = await client.patch(path, json={"name": f"{name}!"}, headers={"If-Match": match})
        return [answer.status_code for answer in (created, changed, await client.get("/categories"))]

    assert await use("before") == [201, 200, 200]
    await migrate(migrating)
    assert await use("after") == [201, 200, 200]


@pytest.mark.parametrize("kind", ["write", "read"])
async def test_a_plan_that_no_longer_holds_fails_once(settings: Settings, migrating: Path, kind: str) -> None:
    everything = running("SELECT * FROM app.categories", reading=kind == "read")
    async with serving(settings, everything) as service:
        assert (await service.post()).status_code == 201
        await migrate(migrating)
        assert_problem(await service.post(), 503, "contended")
        assert (await service.post()).status_code == 201
