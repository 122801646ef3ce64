"""Revisions run as they should, whoever else is about; and each mistake in doing so is noticed."""

from collections.abc import Callable
from pathlib import Path
from shutil import copy2, copytree

import pytest

from dev.postgres import Server
from migration_mutants import MUTANTS
from mutants import Mutant
from poolers import PGBOUNCER
from projects import MISSING, ROOT, Render, run, run_suite
from test_mutants import PYTEST, QUICK, noticed_by
from test_proofs import ALL_PROOFS

pytestmark = pytest.mark.skipif(not PGBOUNCER.exists(), reason=f"{MISSING}PgBouncer in {PGBOUNCER}")


def with_proofs(project: Path) -> Path:
    """Add the proofs to a rendered project's own tests."""
    copytree(ROOT / "tests/migrating", project / "tests/migrating")
    copy2(ROOT / "tests/poolers.py", project / "tests/poolers.py")
    return project


@pytest.mark.parametrize(
    ("version", "answers"),
    [("postgres_18", {"auth": "none"}), ("postgres_15", {}), ("postgres_15", {"migrations": "manual", "auth": "none"})],
    ids=["18", "15 with policies", "15 by hand"],
)
def test_proofs_hold(
    version: str,
    answers: dict[str, str],
    render: Render,
    request: pytest.FixtureRequest,
    progress: Callable[[str], None],
) -> None:
    server: Server = request.getfixturevalue(version)
    closing = run_suite(with_proofs(render(**answers)), server.url(), ALL_PROOFS[0], "tests/migrating")
    progress(f"migrations on {version}, {closing}")


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    project = with_proofs(render(auth="none"))
    run(project, *PYTEST, "--collect-only", check=True, **QUICK)
    return project


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mistake_is_noticed(
    mutant: Mutant, project: Path, postgres_18: Server, tmp_path: Path, progress: Callable[[str], None]
) -> None:
    progress(f"{mutant.name}: {noticed_by(mutant, project, tmp_path / 'copy', postgres_18)}")
