"""What projects with Supabase Auth promise of signing in holds, and their own tests notice mistakes in it."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

from dev.postgres import Server
from mutants import Mutant
from projects import ROOT, Render, run, run_suite
from supabase_mutants import MUTANTS, OF_USERS
from test_mutants import PYTEST, QUICK, noticed_by
from test_proofs import ALL_PROOFS

PROOFS = "tests/signing_in_supabase"
BOTH = ("admin", "development", "hostile_tokens", "keys")


@pytest.mark.parametrize(("database", "own"), [("supabase", "stand_in"), ("hybrid", "first_sight")])
def test_proofs_of_supabase_auth_hold(
    database: str, own: str, render: Render, postgres_18: Server, progress: Callable[[str], None]
) -> None:
    project = render(database=database)
    copytree(ROOT / PROOFS, project / PROOFS)
    proofs = [f"{PROOFS}/{name}.py" for name in (*BOTH, own)]
    progress(f"{database}, {run_suite(project, postgres_18.url(), ALL_PROOFS[0], *proofs)}")


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    project = render(database="hybrid")
    run(project, *PYTEST, "--collect-only", check=True, **QUICK)
    return project


@pytest.mark.parametrize("mutant", [*MUTANTS, *OF_USERS], ids=lambda mutant: mutant.name)
def test_mistake_in_supabase_auth_is_noticed(
    mutant: Mutant, project: Path, postgres_18: Server, tmp_path: Path, progress: Callable[[str], None]
) -> None:
    progress(f"{mutant.name}: {noticed_by(mutant, project, tmp_path / 'copy', postgres_18)}")
