"""Row Level Security holds in a rendered project: on every server, through a pooler, with a login that bypasses it."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from dev.postgres import Server
from poolers import PGBOUNCER
from projects import MISSING, PROOFS_TOO, Render, run_suite, with_proofs

# Beside the shop: rows in parts, and links between rows that are somebody's.
MORE = ["Event +partitioned(at) at:datetime order:Order:cascade", "Bundle name:str(80) orders:Order[]"]
PROOFS = [f"tests/row_security/{name}.py" for name in ("sessions", "requests", "claims", "statements", "relations")]
ITS_OWN = ["tests/contract", "tests/api"]

# What a transaction pooler does not keep for a client, so that there is nothing to be found there either.
KEPT = (
    "tests/row_security/statements.py::test_a_plan_that_is_kept_asks_anew_who_it_is_for",
    "tests/row_security/statements.py::test_limit_sql_can_leave_something_on_its_connection",
    "tests/row_security/statements.py::test_limit_locks_and_large_objects_are_everybodys",
)


@pytest.fixture(scope="module")
def project(render: Render, questions: dict[str, Any]) -> Path:
    """A project with every kind of table, and the proofs."""
    project = render(tables=[*questions["tables"]["default"], *MORE])
    return with_proofs(project, "proofs", "row_security", "row_security_plans")


def with_settings(project: Path, copy: Path, name: str) -> Path:
    """Copy a project whose tests have settings of this module, made of their own."""
    conftest = copytree(project, copy) / "tests/conftest.py"
    text = conftest.read_text().replace("def settings(", "def direct_settings(")
    conftest.write_text(f"{text}\nfrom tests.row_security.{name} import settings\n")
    return copy


@pytest.mark.parametrize("server", ["18", "17", "15"], indirect=True)
def test_proofs_hold(server: Server, project: Path, progress: Callable[[str], None]) -> None:
    closing = run_suite(project, server.url(), PROOFS_TOO, *PROOFS, *ITS_OWN)
    progress(f"row security on PostgreSQL {server.version}, {closing}")


@pytest.mark.skipif(not PGBOUNCER.exists(), reason=f"{MISSING}PgBouncer in {PGBOUNCER}")
def test_proofs_hold_by_way_of_a_pooler(
    server: Server, project: Path, tmp_path: Path, progress: Callable[[str], None]
) -> None:
    pooled = with_settings(project, tmp_path / "pooled", "through_pooler")
    chosen = [*PROOFS, "tests/row_security/two_processes.py", *ITS_OWN, *(f"--deselect={name}" for name in KEPT)]
    closing = run_suite(pooled, server.url(), PROOFS_TOO, *chosen)
    progress(f"row security by way of a pooler to PostgreSQL {server.version}, {closing}")


def test_roles_protect_every_path_of_a_login_that_bypasses_policies(
    project: Path, tmp_path: Path, postgres_18: Server, progress: Callable[[str], None]
) -> None:
    bypassing = with_settings(project, tmp_path / "bypassing", "bypassing")
    proofs = [f"tests/row_security/{name}.py" for name in ("sessions", "requests", "claims", "superuser")]
    closing = run_suite(bypassing, postgres_18.url(), PROOFS_TOO, *proofs, "tests/contract/test_access.py")
    progress(f"row security with a superuser, {closing}")


def test_policies_read_along_an_index_and_ask_once(
    server: Server, project: Path, progress: Callable[[str], None]
) -> None:
    closing = run_suite(project, server.url(), PROOFS_TOO, "tests/row_security_plans")
    progress(f"plans of policies on PostgreSQL {server.version}, {closing}")
