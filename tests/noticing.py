"""Mistakes made in copies of a project, and which of its tests notices."""

import re
from pathlib import Path
from shutil import copytree, rmtree
from typing import Protocol

from mutants import Mutant
from projects import PROOFS_TOO, python

# One plugin, and everything compiled beforehand: starting takes longer than testing.
PYTEST = ("-m", "pytest", "--quiet", "--no-header", "-p", "pytest_asyncio.plugin", PROOFS_TOO)
QUICK = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "1000"}
# A test that fails, not code that cannot even be imported.
FAILED = r"^1 failed\b(?!.*\berror)"
REFUSED = r"^ERROR .*(?:StartError|SystemExit)"
NOTICED = r"^(?:FAILED|ERROR) \S*::(\w+)"


class Notices(Protocol):
    """Makes a mistake in a copy of a project, and fails where no test notices."""

    def __call__(self, mutant: Mutant, project: Path, **environment: str) -> None: ...


def compiled(project: Path, *tests: str) -> Path:
    """Compile what its tests import."""
    python(project, *PYTEST, "--collect-only", *tests, check=True, **QUICK)
    return project


def noticed_by(mutant: Mutant, project: Path, copy: Path, noticed: str = FAILED, **environment: str) -> str:
    """Make the mistake in a copy of the project, run the tests that should notice, and return which one did."""
    mutant.apply(copytree(project, copy))
    arguments = ("--exitfirst", "--tb=no", mutant.noticed_by)
    output = python(copy, *PYTEST, *arguments, check=False, **QUICK, **environment)
    rmtree(copy)
    assert re.search(noticed, output, re.MULTILINE), f"{mutant} survives:\n{output}"
    (test,) = re.findall(NOTICED, output, re.MULTILINE)
    return str(test)
