"""A project's own tests notice who could reach what is another's: each change of `access_mutants.py` fails one."""

import re
from collections.abc import Callable
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import pytest

from access_mutants import FIRST_WALL, IN_REVISIONS, SECOND_WALL, TABLES
from dev.postgres import Server
from mutants import Mutant
from projects import Render, run
from test_mutants import PYTEST, QUICK

# Where PostgreSQL holds as well, a mistake of the application's may have no effect that could be noticed.
ANSWERS: dict[str, dict[str, Any]] = {
    "application": {"migrations": "none", "row_level_security": False},
    "database": {"migrations": "none"},
    "revision": {"migrations": "manual"},
}
MISTAKES = [
    pytest.param(place, mutant, id=f"{place}: {mutant.name}")
    for place, mutants in zip(ANSWERS, (FIRST_WALL, SECOND_WALL, IN_REVISIONS), strict=True)
    for mutant in mutants
]
NOTICED = r"^(?:FAILED|ERROR) \S*::(\w+)"
# A start that is refused has been noticed, too.
REFUSED = r"^ERROR .*(?:StartError|SystemExit)"


@pytest.fixture(scope="module")
def project_of(render: Render) -> Callable[[str], Path]:
    """The project for mistakes at a place, compiled beforehand."""
    made: dict[str, Path] = {}

    def project(place: str) -> Path:
        if place not in made:
            made[place] = render(tables=TABLES, **ANSWERS[place])
            run(made[place], *PYTEST, "--collect-only", "tests/contract", check=True, **QUICK)
        return made[place]

    return project


def noticed_by(mutant: Mutant, project: Path, copy: Path, server: Server) -> str:
    """Make the mistake in a copy of the project, run the tests that should notice, and return which one did."""
    mutant.apply(copytree(project, copy))
    arguments = ("--exitfirst", "--tb=no", mutant.noticed_by)
    output = run(copy, *PYTEST, *arguments, check=False, **QUICK, COLUMNS="1000", TEST_DATABASE_URL=server.url())
    rmtree(copy)
    # A test that fails or a start that is refused, not code that cannot even be imported.
    failed = re.search(r"^1 failed\b(?!.*\berror)", output, re.MULTILINE) or re.search(REFUSED, output, re.MULTILINE)
    assert failed, f"{mutant} survives:\n{output}"
    (noticed,) = re.findall(NOTICED, output, re.MULTILINE)
    return str(noticed)


@pytest.mark.parametrize(("place", "mutant"), MISTAKES)
def test_mistake_is_noticed(  # noqa: PLR0913, PLR0917 - fixtures
    place: str,
    mutant: Mutant,
    project_of: Callable[[str], Path],
    postgres_18: Server,
    tmp_path: Path,
    progress: Callable[[str], None],
) -> None:
    progress(f"{mutant.name}: {noticed_by(mutant, project_of(place), tmp_path / 'copy', postgres_18)}")
