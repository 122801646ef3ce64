"""Projects of a released template, and `copier update` of them."""

from pathlib import Path
from shutil import copytree
from typing import Any

import copier

from projects import commit, files_of, git


def release(template: Path, folder: Path) -> Path:
    """Make the template a repository with one release."""
    repository = copytree(template, folder / "template")
    commit(repository, "Release")
    git(repository, "tag", "v1.0.0")
    return repository


def made(released: Path, folder: Path, **answers: Any) -> Path:
    """Render the release and commit the project."""
    data = {"project_name": "Library", **answers}
    copier.run_copy(str(released), folder, data=data, defaults=True, quiet=True, vcs_ref="v1.0.0")
    commit(folder)
    return folder


def update(project: Path, **answers: Any) -> None:
    """Change answers, trusting nothing; whether that went well, `assert_merged` tells."""
    copier.run_update(project, data=answers, defaults=True, overwrite=True, quiet=True, unsafe=False)


def contents(project: Path) -> dict[str, str]:
    return {str(path.relative_to(project)): path.read_text() for path in files_of(project)}


def assert_merged(project: Path) -> None:
    assert git(project, "ls-files", "--unmerged") == ""
    assert [path for path in files_of(project) if path.suffix == ".rej"] == []
    assert [name for name, text in contents(project).items() if "<<<<<<<" in text or ">>>>>>>" in text] == []
