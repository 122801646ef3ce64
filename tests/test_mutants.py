"""The tests notice mistakes: each change of `mutants.py` makes one of them fail."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copytree, rmtree

import pytest

from dev.postgres import Server
from mutants import MUTANTS, Mutant
from projects import Render, run
from test_proofs import ALL_PROOFS, with_proofs

# One plugin, and everything compiled beforehand: starting takes longer than testing.
PYTEST = (sys.executable, "-m", "pytest", "--quiet", "--no-header", "-p", "pytest_asyncio.plugin", ALL_PROOFS[0])
QUICK = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": ""}


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    project = with_proofs(render(auth="none"))
    run(project, *PYTEST, "--collect-only", check=True, **QUICK)
    return project


def noticed_by(mutant: Mutant, project: Path, copy: Path, server: Server) -> str:
    """Make the mistake in a copy of the project, run the tests that should notice, and return which one did."""
    mutant.apply(copytree(project, copy))
    arguments = ("--exitfirst", "--tb=no", mutant.noticed_by)
    output = run(copy, *PYTEST, *arguments, check=False, **QUICK, TEST_DATABASE_URL=server.url())
    rmtree(copy)
    # A test that fails, not code that cannot even be imported.
    assert re.search(r"^1 failed\b(?!.*\berror)", output, re.MULTILINE), f"{mutant} survives:\n{output}"
    (noticed,) = re.findall(r"^FAILED \S*::(\w+)", output, re.MULTILINE)
    return str(noticed)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mistake_is_noticed(
    mutant: Mutant, project: Path, postgres_18: Server, tmp_path: Path, progress: Callable[[str], None]
) -> None:
    progress(f"{mutant.name}: {noticed_by(mutant, project, tmp_path / 'copy', postgres_18)}")
