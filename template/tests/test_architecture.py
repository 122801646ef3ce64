"""Rules that keep the layers apart, each with the harm it prevents."""

import ast
from pathlib import Path

import pytest

APP = Path(__file__).parents[1] / "app"
FILES = sorted(APP.rglob("*.py"))
# A database module that knows its callers cannot be used by the next one; SQL in a route cannot be found again.
FORBIDDEN = {
    "database": ("app.api", "app.queries", "app.schemas", "app.models"),
    "models": ("app.api", "app.queries", "app.schemas"),
    "schemas": ("app.api", "app.queries"),
    "queries": ("app.api", "fastapi"),
    "": ("dev", "tests"),
}


def imported(path: Path) -> list[str]:
    """Return the modules that a file imports, with the names taken from them."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(APP)))
def test_imports_point_one_way(path: Path) -> None:
    layer = path.relative_to(APP).parts[0]
    forbidden = FORBIDDEN.get(layer, ()) + FORBIDDEN[""]
    assert not [name for name in imported(path) for start in forbidden if f"{name}.".startswith(f"{start}.")]


@pytest.mark.parametrize("path", sorted((APP / "queries").glob("*.py")), ids=lambda path: path.name)
def test_queries_leave_the_transaction_to_its_session(path: Path) -> None:
    calls = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert not {"commit", "rollback", "begin"} & calls
