"""A column gets another name in four deployments, as the project's README tells, and nobody who uses it notices."""

import asyncio
import re
import tomllib
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from shutil import copytree
from typing import Any, NamedTuple

import asyncpg
import pytest

from databases import alembic, as_login, execute, hand_over, query
from dev.postgres import Server
from first_revision import migrated_database
from projects import Render, python
from serving import Version, serving, using

MODEL, SCHEMAS, BACKFILL = "app/models/category.py", "app/schemas/category.py", "migrate/backfills/copy_colour.py"
FIELDS = {
    "    name: str = Field(max_length=80)": "    colour: str = Field(max_length=20)",
    "    name: str = Field(default_factory=omitted, max_length=80)": (
        "    colour: str = Field(default_factory=omitted, max_length=20)"
    ),
    "    name: str": "    colour: str",
}
COLOUR = "ALTER TABLE app.categories ADD COLUMN colour varchar(20) NOT NULL"
REVISION = f"""
from alembic import op

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None


def upgrade():
    op.execute("{COLOUR}")


def downgrade():
    op.execute("ALTER TABLE app.categories DROP COLUMN colour")
"""
ADA = {"email": "ada@example.com", "password": "your_password_here"}


class Step(NamedTuple):
    """What a deployment changes in the model, in the schema where that is not written by Alembic, and in rows."""

    model: str
    sql: str
    backfill: str


def steps_of(readme: str) -> list[Step]:
    """Return what the README tells, the version before all that first."""
    section = readme.partition("### Renaming a column\n")[2].partition("\n## ")[0]
    before, *texts = re.split(r"^\*\*\d\. ", section, flags=re.MULTILINE)
    steps = [Step(f"    {re.findall('`(colour: .*?)`', before)[0]}\n", COLOUR, "")]
    for text in texts:
        blocks = re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)
        # The last one only leaves out what stands below the class.
        model, *backfills = [code for language, code in blocks if language == "python"] or [
            steps[-1].model.partition("\n\n\n")[0] + "\n"
        ]
        sql, *updates = [code for language, code in blocks if language == "sql"] or [""]
        steps.append(Step(model, sql, "".join(backfills + updates)))
    return steps


class Project:
    """A project, its database, and how its versions come into being and its schema changes."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.secured = (folder / "app/database/row_security").exists()
        self.before, *self.steps = steps_of((folder / "README.md").read_text())
        self.original = (folder / MODEL).read_text()
        self.has_alembic = (folder / "alembic").exists()
        self.autogenerates = (folder / "migrate/autogenerate.py").exists()
        self._start()
        self.url, self.development = (migrated_database(folder, server) for _ in range(2))
        self.owner = hand_over(self.url)
        self.login = as_login(self.url, "shop_api", "tests") if self.secured else self.owner
        self.settings = {
            "DATABASE_URL": self.login,
            "MIGRATION_DATABASE_URL": self.owner,
            "CONFIRM_MIGRATION": self.url.rpartition("/")[2],
            "TOKEN_SECRET": "x" * 32,
        }

    def _start(self) -> None:
        """Give the table the column, as it is before."""
        (self.folder / MODEL).write_text(self.original + self.before.model)
        schemas = (self.folder / SCHEMAS).read_text()
        for line, more in FIELDS.items():
            assert schemas.count(f"{line}\n") == 1
            schemas = schemas.replace(f"{line}\n", f"{line}\n{more}\n")
        (self.folder / SCHEMAS).write_text(schemas)
        if self.has_alembic:
            (self.folder / "alembic/versions/0002_colour.py").write_text(REVISION)

    def run(self, folder: Path, command: str, *calls: list[str]) -> None:
        """Run a command of a version with these arguments, and then with those."""
        scripts = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["scripts"]
        module, _, function = scripts[command].partition(":")
        code = f"from {module} import {function}\nfor arguments in {calls}: {function}(arguments)"
        python(folder, "-c", code, check=True, **self.settings)

    def write(self, step: Step) -> Path:
        """Write the next version, in a folder of its own."""
        self.folder = copytree(self.folder, self.folder.with_name(f"{self.folder.name}-next"))
        (self.folder / MODEL).write_text(self.original + step.model)
        (self.folder / BACKFILL).unlink(missing_ok=True)
        if self.has_alembic and step.backfill:
            (self.folder / BACKFILL).parent.mkdir(exist_ok=True)
            (self.folder / BACKFILL).write_text(step.backfill)
        if self.autogenerates:
            alembic(self.folder, self.development, f"revision --autogenerate -m {uuid.uuid4().hex[:8]}", "upgrade head")
        elif self.has_alembic:
            alembic(self.folder, self.development, f"revision -m {uuid.uuid4().hex[:8]}")
            up = max((self.folder / "alembic/versions").glob("*.up.sql"), key=lambda file: file.stat().st_mtime_ns)
            up.write_text(step.sql)
            up.with_name(up.name.replace(".up.", ".down.")).write_text("-- irreversible: not told here\n")
        return self.folder

    def migrate(self, folder: Path, step: Step) -> None:
        """Change the schema; then it is what the models of that version say."""
        if self.has_alembic:
            self.run(folder, "migrate", [], ["check"])
        else:
            for statement in step.sql.strip().split(";\n"):
                execute(self.owner, statement)
            self.run(folder, "create-schema", ["--check"])

    def fill(self, folder: Path, step: Step) -> None:
        """Give rows new values."""
        if self.has_alembic:
            self.run(folder, "backfill", ["copy_colour"])
        else:
            asyncio.run(_repeat(self.login, step.backfill))

    async def sign_in(self, version: Version) -> dict[str, str]:
        """Return the headers of somebody who may write."""
        if not self.secured:
            return {}
        await version.ask("POST", "/auth/register", json=ADA)
        await asyncio.to_thread(self.run, self.folder, "grant-scope", [ADA["email"], "categories:write"])
        form = {"username": ADA["email"], "password": ADA["password"]}
        answer = await version.ask("POST", "/auth/token", data=form)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def _repeat(url: str, statements: str) -> None:
    """Run statements again and again, until they change no row."""
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool, pool.acquire() as connection:
        done = [""]
        while "UPDATE 0" not in done:
            done = [await connection.execute(statement) for statement in statements.strip().split(";\n")]


async def rename(project: Project) -> dict[str, str]:
    """Deploy one version after the other, and return what the clients have stored."""
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(serving(project.folder, project.settings))
        headers = await project.sign_in(old)
        versions = [(project.write(step), step) for step in project.steps]
        async with using(old, headers) as clients:
            await clients.go_on()
            for folder, step in versions:
                await asyncio.to_thread(project.migrate, folder, step)
                await clients.go_on()
                new = await stack.enter_async_context(serving(folder, project.settings))
                clients.versions.append(new)
                await clients.go_on()
                clients.versions.remove(old)
                await old.end()
                if step.backfill:
                    await asyncio.to_thread(project.fill, folder, step)
                old = new
            await clients.go_on()
        return clients.colours


CASES: dict[str, dict[str, Any]] = {
    "autogenerate": {},
    "manual": {"migrations": "manual", "auth": "none", "row_level_security": False},
    "none": {"migrations": "none"},
}


@pytest.mark.parametrize("case", CASES)
def test_no_request_fails_and_no_value_is_lost(case: str, render: Render, postgres_18: Server) -> None:
    project = Project(render(**CASES[case]), postgres_18)
    colours = asyncio.run(rename(project))
    stored = query(project.url, "SELECT ROW(id, shade)::text FROM app.categories")
    assert sorted(stored) == sorted(f"({key},{colour})" for key, colour in colours.items())
    assert query(project.url, "SELECT attname::text FROM pg_attribute WHERE attname = 'colour'") == []


def test_at_once_requests_would_fail(render: Render, postgres_18: Server) -> None:
    async def rename_at_once() -> None:
        async with serving(project.folder, project.settings) as version, using(version, {}) as clients:
            await clients.go_on()
            await asyncio.to_thread(execute, project.owner, "ALTER TABLE app.categories RENAME colour TO shade")
            await clients.go_on()

    project = Project(render(**CASES["manual"]), postgres_18)
    with pytest.raises(ExceptionGroup) as failed:
        asyncio.run(rename_at_once())
    assert "internal" in str(failed.value.exceptions)
