"""Revisions run as they should, whoever else is about; and each mistake in doing so is noticed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dev.postgres import Server
from migration_mutants import MUTANTS
from mutants import Mutant
from noticing import Notices, compiled
from poolers import PGBOUNCER
from projects import MISSING, PROOFS_TOO, Render, run_suite, with_proofs

pytestmark = pytest.mark.skipif(not PGBOUNCER.exists(), reason=f"{MISSING}PgBouncer in {PGBOUNCER}")


@pytest.mark.parametrize(
    ("server", "answers"),
    [("18", {"auth": "none"}), ("15", {}), ("15", {"migrations": "manual", "auth": "none"})],
    ids=["18", "15 with policies", "15 by hand"],
    indirect=["server"],
)
def test_proofs_hold(server: Server, answers: dict[str, str], render: Render, progress: Callable[[str], None]) -> None:
    project = with_proofs(render(**answers), "migrating")
    closing = run_suite(project, server.url(), PROOFS_TOO, "tests/migrating")
    progress(f"migrations on PostgreSQL {server.version}, {closing}")


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    return compiled(with_proofs(render(auth="none"), "migrating"), "tests/migrating")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mistake_is_noticed(mutant: Mutant, project: Path, assert_noticed: Notices) -> None:
    assert_noticed(mutant, project)
