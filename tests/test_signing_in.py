"""Signing in with a password: its proofs hold, with Row Level Security and without, and mistakes are noticed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dev.postgres import Server
from mutants import Mutant
from noticing import Notices, compiled
from projects import PROOFS_TOO, Render, run_suite, with_proofs
from sign_in_mutants import MUTANTS


@pytest.mark.parametrize(("server", "row_level_security"), [("18", True), ("15", False)], indirect=["server"])
def test_proofs_hold(server: Server, row_level_security: bool, render: Render, progress: Callable[[str], None]) -> None:
    project = with_proofs(render(row_level_security=row_level_security), "signing_in")
    if not row_level_security:
        (project / "tests/signing_in/with_row_security.py").unlink()
    closing = run_suite(project, server.url(), PROOFS_TOO, "tests/signing_in", "tests/auth")
    policies = "with policies" if row_level_security else "without policies"
    progress(f"signing in on PostgreSQL {server.version}, {policies}, {closing}")


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    return compiled(with_proofs(render(), "signing_in"))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mistake_is_noticed(mutant: Mutant, project: Path, assert_noticed: Notices) -> None:
    assert_noticed(mutant, project)
