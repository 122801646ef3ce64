"""What holds on a server holds by way of PgBouncer, in both of its modes; each mistake in doing so is noticed."""

from collections.abc import Callable
from pathlib import Path
from shutil import copy2, copytree

import pytest

from dev.postgres import Server
from mutants import POOLER_MUTANTS, Mutant
from poolers import PGBOUNCER
from projects import MISSING, ROOT, Render, run, run_suite
from test_mutants import PYTEST, QUICK, noticed_by
from test_proofs import ALL_PROOFS, with_proofs

pytestmark = pytest.mark.skipif(not PGBOUNCER.exists(), reason=f"{MISSING}PgBouncer in {PGBOUNCER}")

# Instead of those that lead straight to the server.
SETTINGS = "from tests.pooled.fixtures import pooler, settings\n"
BOTH = [f"tests/pooled/{name}.py" for name in ("both_modes", "every_await", "start")]
POOLED = {
    "transaction": [*BOTH, "tests/pooled/transaction_mode.py", "tests/pooled/round_trips.py"],
    "session": [*BOTH, "tests/pooled/session_mode.py"],
}
ITS_OWN = ["tests/api", "tests/contract", "tests/database", "tests/test_main.py"]
PROOFS = ("cancellations", "commit", "contention", "errors", "swallowed", "timeouts", "versions")
# What only a connection has that goes straight to the server: a read session that autocommits.
DIRECT = (
    "tests/database/test_connection.py::test_a_connection_carries_its_limits",
    "tests/database/test_connection.py::test_behind_a_pooler_the_same_limits_hold[session]",
    "tests/proofs/swallowed.py::test_reading_goes_on_after_an_error",
)


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    """A project whose own tests take the way through a pooler."""
    project = with_proofs(render(auth="none"))
    copytree(ROOT / "tests/pooled", project / "tests/pooled")
    copy2(ROOT / "tests/poolers.py", project / "tests/poolers.py")
    with (project / "tests/conftest.py").open("a") as conftest:
        conftest.write(SETTINGS)
    run(project, *PYTEST, "--collect-only", check=True, **QUICK)
    return project


@pytest.mark.parametrize(
    ("mode", "version"),
    [("transaction", "postgres_18"), ("transaction", "postgres_15"), ("session", "postgres_15")],
)
def test_everything_holds_by_way_of_a_pooler(
    mode: str, version: str, project: Path, request: pytest.FixtureRequest, progress: Callable[[str], None]
) -> None:
    server: Server = request.getfixturevalue(version)
    chosen = [*POOLED[mode], *ITS_OWN, *(f"tests/proofs/{name}.py" for name in PROOFS)]
    left_out = [f"--deselect={name}" for name in DIRECT]
    closing = run_suite(project, server.url(), ALL_PROOFS[0], *left_out, *chosen, POOL_MODE=mode)
    progress(f"by way of a pooler in {mode} mode to {version}, {closing}")


@pytest.mark.parametrize("mutant", POOLER_MUTANTS, ids=lambda mutant: mutant.name)
def test_mistake_is_noticed(
    mutant: Mutant, project: Path, postgres_18: Server, tmp_path: Path, progress: Callable[[str], None]
) -> None:
    progress(f"{mutant.name}: {noticed_by(mutant, project, tmp_path / 'copy', postgres_18)}")
