"""What projects with Supabase Auth promise of signing in holds, and their own tests notice mistakes in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dev.postgres import Server
from mutants import Mutant
from noticing import Notices, compiled
from projects import PROOFS_TOO, Render, run_suite, with_proofs
from supabase_mutants import MUTANTS, OF_USERS

BOTH = ("admin", "development", "hostile_tokens", "keys")


@pytest.mark.parametrize(("database", "own"), [("supabase", "stand_in"), ("hybrid", "first_sight")])
def test_proofs_of_supabase_auth_hold(
    database: str, own: str, render: Render, postgres_18: Server, progress: Callable[[str], None]
) -> None:
    project = with_proofs(render(database=database), "signing_in_supabase")
    proofs = [f"tests/signing_in_supabase/{name}.py" for name in (*BOTH, own)]
    progress(f"{database}, {run_suite(project, postgres_18.url(), PROOFS_TOO, *proofs)}")


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    return compiled(render(database="hybrid"))


@pytest.mark.parametrize("mutant", [*MUTANTS, *OF_USERS], ids=lambda mutant: mutant.name)
def test_mistake_in_supabase_auth_is_noticed(mutant: Mutant, project: Path, assert_noticed: Notices) -> None:
    assert_noticed(mutant, project)
