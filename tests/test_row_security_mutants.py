"""A project's own tests notice who could reach what is another's: each change of `access_mutants.py` fails one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from access_mutants import FIRST_WALL, IN_REVISIONS, SECOND_WALL, TABLES
from dev.postgres import Server
from mutants import Mutant
from noticing import FAILED, REFUSED, compiled, noticed_by
from projects import Render

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
# A start that is refused has been noticed, too.
FAILED_OR_REFUSED = f"{FAILED}|{REFUSED}"


@pytest.fixture(scope="module")
def project_of(render: Render) -> Callable[[str], Path]:
    """The project for mistakes at a place, compiled beforehand."""
    made: dict[str, Path] = {}

    def project(place: str) -> Path:
        if place not in made:
            made[place] = compiled(render(tables=TABLES, **ANSWERS[place]), "tests/contract")
        return made[place]

    return project


@pytest.mark.parametrize(("place", "mutant"), MISTAKES)
def test_mistake_is_noticed(  # noqa: PLR0913, PLR0917 - fixtures
    place: str,
    mutant: Mutant,
    project_of: Callable[[str], Path],
    postgres_18: Server,
    tmp_path: Path,
    progress: Callable[[str], None],
) -> None:
    given = {"TEST_DATABASE_URL": postgres_18.url()}
    test = noticed_by(mutant, project_of(place), tmp_path / "copy", FAILED_OR_REFUSED, **given)
    progress(f"{mutant.name}: {test}")
