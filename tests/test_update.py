"""`copier update` of a project that its user has edited: the template's changes arrive, the user's stay."""

from pathlib import Path
from shutil import copytree
from typing import Any

import copier
import pytest
import yaml

from databases import alembic, create_database
from dev.postgres import Server
from projects import commit, files_of, git, run_suite

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


@pytest.fixture(scope="module")
def released(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a repository with one release."""
    repository = copytree(template, tmp_path_factory.mktemp("released") / "template")
    commit(repository, "Release")
    git(repository, "tag", "v1.0.0")
    return repository


@pytest.fixture
def project(released: Path, tmp_path: Path) -> Path:
    """A project as rendered from the release, committed."""
    folder = tmp_path / "library"
    answers = {"project_name": "Library", "tables": BEFORE}
    copier.run_copy(str(released), folder, data=answers, defaults=True, quiet=True, vcs_ref="v1.0.0")
    commit(folder)
    return folder


def update(project: Path, **answers: Any) -> None:
    copier.run_update(project, data=answers, defaults=True, overwrite=True, quiet=True, unsafe=False)


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


def contents(project: Path) -> dict[str, str]:
    return {str(path.relative_to(project)): path.read_text() for path in files_of(project)}


def assert_merged(project: Path) -> None:
    assert git(project, "ls-files", "--unmerged") == ""
    assert [path for path in files_of(project) if path.suffix == ".rej"] == []
    assert [name for name, text in contents(project).items() if "<<<<<<<" in text or ">>>>>>>" in text] == []


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
    answers = {"project_name": "Library", "tables": AFTER}
    copier.run_copy(str(released), fresh, data=answers, defaults=True, quiet=True, vcs_ref="v1.0.0")
    commit(fresh)
    edit(fresh)
    assert {name: text for name, text in contents(project).items() if "versions" not in name} == {
        name: text for name, text in contents(fresh).items() if "versions" not in name
    }


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
    before = {name: text for name, text in contents(project).items() if "versions" not in name}
    there = {"database": "hybrid", "migrations": "none", "pool_tier": "large"}
    update(project, **there)
    assert_merged(project)
    assert there.items() <= yaml.safe_load((project / ".copier-answers.yml").read_text()).items()
    commit(project, "Change the answers")
    update(project, database="postgres", migrations="autogenerate", pool_tier="small")
    assert_merged(project)
    assert {name: text for name, text in contents(project).items() if "versions" not in name} == before
