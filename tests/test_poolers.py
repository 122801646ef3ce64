"""What holds on a server holds by way of PgBouncer, in both of its modes; each mistake in doing so is noticed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dev.postgres import Server
from mutants import POOLER_MUTANTS, Mutant
from noticing import Notices, compiled
from poolers import PGBOUNCER
from projects import MISSING, PROOFS_TOO, Render, run_suite, with_proofs

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
    project = with_proofs(render(auth="none"), "proofs", "pooled")
    with (project / "tests/conftest.py").open("a") as conftest:
        conftest.write(SETTINGS)
    return compiled(project)


@pytest.mark.parametrize(
    ("mode", "server"), [("transaction", "18"), ("transaction", "15"), ("session", "15")], indirect=["server"]
)
def test_everything_holds_by_way_of_a_pooler(
    mode: str, server: Server, project: Path, progress: Callable[[str], None]
) -> None:
    chosen = [*POOLED[mode], *ITS_OWN, *(f"tests/proofs/{name}.py" for name in PROOFS)]
    left_out = [f"--deselect={name}" for name in DIRECT]
    closing = run_suite(project, server.url(), PROOFS_TOO, *left_out, *chosen, POOL_MODE=mode)
    progress(f"by way of a pooler in {mode} mode to PostgreSQL {server.version}, {closing}")


@pytest.mark.parametrize("mutant", POOLER_MUTANTS, ids=lambda mutant: mutant.name)
def test_mistake_is_noticed(mutant: Mutant, project: Path, assert_noticed: Notices) -> None:
    assert_noticed(mutant, project)
