"""Signing in with a password: its proofs hold, with Row Level Security and without, and mistakes are noticed."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

from dev.postgres import Server
from mutants import Mutant
from projects import ROOT, Render, run, run_suite
from sign_in_mutants import MUTANTS
from test_mutants import PYTEST, QUICK, noticed_by
from test_proofs import ALL_PROOFS


def with_proofs(project: Path) -> Path:
    """Add the proofs to a rendered project's own tests."""
    return copytree(ROOT / "tests/signing_in", project / "tests/signing_in").parents[1]


@pytest.mark.parametrize(("version", "row_level_security"), [("postgres_18", True), ("postgres_15", False)])
def test_proofs_hold(
    version: str,
    row_level_security: bool,
    render: Render,
    request: pytest.FixtureRequest,
    progress: Callable[[str], None],
) -> None:
    server: Server = request.getfixturevalue(version)
    project = with_proofs(render(row_level_security=row_level_security))
    if not row_level_security:
        (project / "tests/signing_in/with_row_security.py").unlink()
    closing = run_suite(project, server.url(), ALL_PROOFS[0], "tests/signing_in", "tests/auth")
    progress(f"signing in on {version}, {'with' if row_level_security else 'without'} policies, {closing}")


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    project = with_proofs(render())
    run(project, *PYTEST, "--collect-only", check=True, **QUICK)
    return project


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mistake_is_noticed(
    mutant: Mutant, project: Path, postgres_18: Server, tmp_path: Path, progress: Callable[[str], None]
) -> None:
    progress(f"{mutant.name}: {noticed_by(mutant, project, tmp_path / 'copy', postgres_18)}")
