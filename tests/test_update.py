"""`copier update` of a project that its user has edited: the template's changes arrive, the user's stay."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from databases import alembic, create_database, read_catalog
from dev.postgres import Server
from first_revision import prepare
from projects import commit, git, run_suite
from updating import assert_merged, contents, made, update

BEFORE = [
    "Author name:str(80):unique",
    "Book title:str(200):index author:Author:restrict pages:int:min(1)",
    "Draft text:text",
]
# A new field in a table that the user has edited, a new table, and one dropped.
AFTER = [
    "Author name:str(80):unique born_on:date:null",
    "Book title:str(200):index author:Author:restrict pages:int:min(1) language:str(2):default(en) shelf:Shelf:null",
    "Shelf place:str(20)",
]
ROUTER = '''"""`/reports`."""

from fastapi import APIRouter

router = APIRouter(prefix="/reports", tags=["reports"])


@router.get("")
async def list_reports() -> list[str]:
    """List nothing yet."""
    return []
'''
METHOD = '''
    @property
    def is_long(self) -> bool:
        """Whether it takes more than a weekend."""
        return self.pages > 400
'''
PARAGRAPH = "\n## Our own notes\n\nAsk Ada.\n"


@pytest.fixture
def project(released: Path, tmp_path: Path) -> Path:
    """A project as rendered from the release, committed."""
    return made(released, tmp_path / "library", auth="none", tables=BEFORE)


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def edit(project: Path) -> None:
    """Extend the project in each of the ways that docs/extending.md describes."""
    append(project / "app/models/book.py", METHOD)
    (project / "app/api/reports.py").write_text(ROUTER)
    dependencies = (project / "pyproject.toml").read_text()
    assert '    "uvicorn' in dependencies
    (project / "pyproject.toml").write_text(dependencies.replace('    "uvicorn', '    "rich>=13",\n    "uvicorn', 1))
    append(project / "README.md", PARAGRAPH)
    commit(project, "Our own")


def without_revisions(project: Path) -> dict[str, str]:
    return {name: text for name, text in contents(project).items() if "versions" not in name}


def test_update_brings_new_fields_and_keeps_what_the_user_wrote(project: Path, postgres_18: Server) -> None:
    revision = project / "alembic/versions/0001_create_tables.py"
    first = revision.read_bytes()
    edit(project)

    update(project, tables=AFTER)

    assert_merged(project)
    now = contents(project)
    assert "language: Mapped[str]" in now["app/models/book.py"]
    assert "born_on: dt.date | None" in now["app/schemas/author.py"]
    assert "shelf_id" in now["app/queries/book.py"]
    assert "class Shelf(Base)" in now["app/models/shelf.py"]
    assert [name for name in now if "draft" in Path(name).stem] == []
    assert now["app/models/book.py"].endswith(METHOD)
    assert now["app/api/reports.py"] == ROUTER
    assert '    "rich>=13",\n' in now["pyproject.toml"]
    assert PARAGRAPH in now["README.md"]
    assert revision.read_bytes() == first

    commit(project, "Update")
    update(project)
    assert git(project, "status", "--porcelain") == ""

    url = create_database(postgres_18)
    alembic(project, url, "upgrade head", "revision --autogenerate -m 'shelves'", "upgrade head", "check")
    run_suite(project, postgres_18.url())


def test_update_changes_what_a_fresh_copy_would_have(project: Path, released: Path, tmp_path: Path) -> None:
    edit(project)
    update(project, tables=AFTER)

    fresh = tmp_path / "fresh"
    made(released, fresh, auth="none", tables=AFTER)
    edit(fresh)
    assert without_revisions(project) == without_revisions(fresh)


@pytest.mark.parametrize("name", ["squashed.py", "0001_create_tables.py"])
def test_squashed_revision_stays_as_the_user_left_it(name: str, project: Path) -> None:
    versions = project / "alembic/versions"
    squashed = (versions / "0001_create_tables.py").read_text().replace('"0001"', '"squashed"') + "\n# All so far.\n"
    (versions / "0001_create_tables.py").unlink()
    (versions / name).write_text(squashed)
    commit(project, "Squash")

    update(project, tables=AFTER)

    assert_merged(project)
    assert [path.name for path in versions.glob("*.py")] == [name]
    assert (versions / name).read_text() == squashed


def test_answers_can_be_changed_there_and_back(project: Path) -> None:
    before = without_revisions(project)
    there = {"database": "hybrid", "auth": "supabase", "migrations": "none", "pool_tier": "large"}
    update(project, **there)
    assert_merged(project)
    assert there.items() <= yaml.safe_load((project / ".copier-answers.yml").read_text()).items()
    commit(project, "Change the answers")
    update(project, database="postgres", auth="none", migrations="autogenerate", pool_tier="small")
    assert_merged(project)
    assert without_revisions(project) == before


OWN_QUERIES = {"auth": "password", "row_level_security": False}
PROTECTED = {"auth": "password", "row_level_security": True}


@pytest.mark.parametrize(
    ("before", "after"),
    [({"auth": "none"}, OWN_QUERIES), (OWN_QUERIES, PROTECTED)],
    ids=["people sign in", "row security"],
)
def test_access_can_be_decided_later(
    before: dict[str, Any], after: dict[str, Any], released: Path, tmp_path: Path, postgres_18: Server
) -> None:
    """While tables are empty: whose the rows are that somebody has stored, nobody could say but the user."""
    project, url = made(released, tmp_path / "library", tables=BEFORE, **before), create_database(postgres_18)
    prepare(project, url)
    alembic(project, url, "upgrade head")

    update(project, **after)

    assert_merged(project)
    fresh = made(released, tmp_path / "fresh", tables=BEFORE, **after)
    assert without_revisions(project) == without_revisions(fresh)
    prepare(project, url)
    alembic(project, url, "revision --autogenerate -m 'access'", "upgrade head", "check")
    run_suite(project, postgres_18.url())
    twin = create_database(postgres_18)
    prepare(fresh, twin)
    alembic(fresh, twin, "upgrade head")
    assert read_catalog(url) == read_catalog(twin)
    alembic(project, url, "downgrade 0001", "upgrade head", "check")
