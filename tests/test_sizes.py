"""A project stays small enough for its owner to read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from projects import Render, files_of

FURTHER_TABLE = (
    "Review product:Product:cascade author:str(80):index stars:int:min(1):max(5):index body:text:null "
    "status:enum(hidden,shown):default(hidden) written_on:date"
)


def lines_of(project: Path, folder: str = ".", *, blank: bool = True) -> int:
    texts = [path.read_text() for path in files_of(project / folder) if path.name[0] != "."]
    return sum(blank or line.strip() != "" for text in texts for line in text.splitlines())


def test_default_project(render: Render, progress: Callable[[str], None]) -> None:
    project = render()
    # What is read: the formatter puts two blank lines around everything, however small.
    files, app, tests = len(files_of(project)), lines_of(project, "app", blank=False), lines_of(project, "tests")
    with_blank = lines_of(project, "app")
    progress(
        f"sizes: {files} of 80 files, app/ {app:,} of 2,000 lines ({with_blank:,} with blank ones), "
        f"tests/ {tests:,} of 1,800 lines"
    )
    assert files <= 80
    assert app <= 2_000
    assert tests <= 1_800


def test_further_table(render: Render, questions: dict[str, Any], progress: Callable[[str], None]) -> None:
    before, after = render(), render(tables=[*questions["tables"]["default"], FURTHER_TABLE])
    files, lines = len(files_of(after)) - len(files_of(before)), lines_of(after) - lines_of(before)
    progress(f"sizes: a further table is {files} of 5 files and {lines} of 300 lines")
    assert files <= 5
    assert lines <= 300
