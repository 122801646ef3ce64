"""A project stays small enough for its owner to read."""

import ast
import io
import tokenize
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from projects import Render, files_of

LAYOUT = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}
FURTHER_TABLE = (
    "Review product:Product:cascade author:str(80):index stars:int:min(1):max(5):index body:text:null "
    "status:enum(hidden,shown):default(hidden) written_on:date"
)


def lines_of(project: Path, folder: str = ".") -> tuple[int, int]:
    """How many lines of code, and how many lines of any kind, there are in a folder."""
    paths = [path for path in files_of(project / folder) if path.name[0] != "."]
    return sum(map(code_of, paths)), sum(len(path.read_text().splitlines()) for path in paths)


def code_of(path: Path) -> int:
    """How many lines say what happens: no blank line, and in Python neither comments nor docstrings."""
    text = path.read_text()
    if path.suffix != ".py":
        return sum(line.strip() != "" for line in text.splitlines())
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in LAYOUT]
    lines = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    strings = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Expr) and is_text(node.value)]
    return len(lines - {line for node in strings for line in range(node.lineno, (node.end_lineno or 0) + 1)})


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@dataclass(frozen=True)
class Limits:
    """Of a project with the shop's tables: how many files, and how many lines in two folders."""

    files: int
    app: int
    tests: int | None = None


@pytest.mark.parametrize(
    ("answers", "limits"),
    [
        ({}, Limits(files=110, app=3_000)),
        ({"auth": "none"}, Limits(files=90, app=2_000, tests=1_800)),
        ({"auth": "none", "migrations": "none"}, Limits(files=80, app=2_400, tests=1_800)),
    ],
    ids=lambda value: ", ".join(value) or "default" if isinstance(value, dict) else "",
)
def test_project(answers: dict[str, str], limits: Limits, render: Render, progress: Callable[[str], None]) -> None:
    project, name = render(**answers), " and no ".join(["the project", *answers])
    files, (app, app_in_all) = len(files_of(project)), lines_of(project, "app")
    tests, tests_in_all = lines_of(project, "tests")
    progress(
        f"sizes of {name}: {files} of {limits.files} files, app/ {app:,} of {limits.app:,} lines of code "
        f"({app_in_all:,} in all), tests/ {tests:,} ({tests_in_all:,})"
    )
    assert files <= limits.files
    assert app <= limits.app
    assert limits.tests is None or tests_in_all <= limits.tests


def test_further_table(render: Render, questions: dict[str, Any], progress: Callable[[str], None]) -> None:
    """Of a table whose rows belong to users, in the project that protects them twice."""
    before, after = render(), render(tables=[*questions["tables"]["default"], FURTHER_TABLE])
    files = len(files_of(after)) - len(files_of(before))
    lines, in_all = (now - then for now, then in zip(lines_of(after), lines_of(before), strict=True))
    progress(f"sizes: a further table is {files} of 5 files and {lines} of 300 lines of code ({in_all} in all)")
    assert files <= 5
    assert lines <= 300
