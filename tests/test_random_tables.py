"""Random table sets are rendered as `ruff` would write them: line lengths, import orders, whatever the names."""

import ast
import json
import os
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from shutil import copytree
from typing import Any

import jinja2
import pytest
import yaml
from jinja2.sandbox import SandboxedEnvironment

from hard_tables import EVERY_TYPE
from projects import Render, lint
from random_tables import Lines, random_tables

SEED = int(os.environ.get("RANDOM_TABLES_SEED", "20"))
SETS = 50
ACCESS: dict[str, dict[str, Any]] = {
    "nobody signs in": {"database": "postgres", "auth": "none", "row_level_security": False},
    "password": {"database": "postgres", "auth": "password", "row_level_security": False},
    "password, row security": {"database": "postgres", "auth": "password", "row_level_security": True},
    "Supabase, row security": {"database": "supabase", "auth": "supabase", "row_level_security": True},
}
YIELD = re.compile(r"{% yield (\w+) from (\w+) %}(.*?){% endyield %}")


class Renderer:
    """Renders the files that depend on the tables as Copier does, but compiles each template once: 20 times faster."""

    def __init__(self, template: Path, answers: dict[str, Any]) -> None:
        self.settings: dict[str, Any] = yaml.safe_load((template / "copier.yml").read_text())
        options = {name: value for name, value in self.settings["_envops"].items() if name != "undefined"}
        self.jinja = SandboxedEnvironment(
            loader=jinja2.FileSystemLoader(template),
            extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"],
            undefined=jinja2.StrictUndefined,
            **options,
        )
        self.answers = answers
        self.sources = [
            path.relative_to(template)
            for path in sorted((template / "template").rglob("*.py.jinja"))
            + sorted((template / "template").rglob("*%}.jinja"))
            if re.search(r"\bentit(y|ies)\b|_entities\b", path.name + path.read_text())
        ]

    def problem(self, tables: Lines) -> str:
        return self.jinja.from_string(self.settings["tables"]["validator"]).render(tables=tables).strip()

    def write(self, tables: Lines, folder: Path) -> Iterator[Path]:
        facts = self._facts(tables)
        patterns = "".join(
            self.jinja.from_string(text).render(facts, _copier_operation="copy") for text in self.settings["_exclude"]
        )
        excluded = tuple(pattern.strip().removeprefix("/") for pattern in patterns.split())
        for source in self.sources:
            code = self.jinja.get_template(str(source))
            for path, context in self._paths(str(source.relative_to("template")), facts):
                if path.startswith(excluded):
                    continue
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(code.render(context))
                yield folder / path

    def _facts(self, tables: Lines) -> dict[str, Any]:
        facts = self.answers | {"tables": tables}
        for name, item in self.settings.items():
            if name[0] != "_" and item.get("when") is False:
                text = self.jinja.from_string(item["default"]).render(facts)
                facts[name] = text if item["type"] == "str" else _from_json(text)
        return facts

    def _paths(self, name: str, facts: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        name = name.removesuffix(".jinja")
        if loop := YIELD.search(name):
            variable, items, inner = loop.groups()
            for item in facts[items]:
                context = facts | {variable: item}
                path = YIELD.sub(lambda _: inner, name)
                yield self.jinja.from_string(path).render(context), context
        elif (path := self.jinja.from_string(name).render(facts)) and not path.endswith("/"):
            yield path, facts


def _from_json(text: str) -> Any:
    text = text.strip()
    return {"True": True, "False": False}[text] if text in ("True", "False") else json.loads(text)


@pytest.fixture(scope="module", params=ACCESS)
def answers(request: pytest.FixtureRequest) -> dict[str, Any]:
    return ACCESS[request.param]


@pytest.fixture(scope="module")
def renderer(answers: dict[str, Any], template: Path, questions: dict[str, Any]) -> Renderer:
    return Renderer(template, {name: item["default"] for name, item in questions.items()} | answers)


@pytest.fixture(scope="module")
def skeleton(
    answers: dict[str, Any], renderer: Renderer, render: Render, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project without what depends on its tables; the import sorter looks for what is first-party in the rest."""
    project, example = render(**answers), tmp_path_factory.mktemp("example")
    for path in renderer.write(renderer.answers["tables"], example):
        (project / path.relative_to(example)).unlink()
    return project


def test_renders_what_copier_renders(
    answers: dict[str, Any], renderer: Renderer, render: Render, tmp_path: Path
) -> None:
    written = {path.relative_to(tmp_path) for path in renderer.write(renderer.answers["tables"], tmp_path)}
    project = render(**answers)
    assert {Path("app/models/order_line.py"), Path("alembic/versions/0001_create_tables.py")} < written
    assert {path: (tmp_path / path).read_text() for path in written} == {
        path: (project / path).read_text() for path in written
    }


def names_in(module: Path) -> set[str]:
    """The names that a file imports, or defines for itself."""
    tree = ast.parse(module.read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.asname or alias.name for node in imports for alias in node.names}
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_a_table_cannot_be_named_like_what_its_files_use(renderer: Renderer, tmp_path: Path) -> None:
    tables = [
        "Zebra +shared stripes:Zebra[] parent:Zebra:null:cascade kind:enum(a,b)",
        f"Quokka {EVERY_TYPE} zebra:Zebra:unique zebras:Zebra[]",
    ]
    words = vars(renderer.jinja.get_template("hooks/words.jinja").module)
    beside_the_class, beside_the_link = set(), set()
    for path in renderer.write(tables, tmp_path):
        if path.suffix == ".py" and re.search(
            r"^from app\.models\.|class \w+\(.*Base\)", path.read_text(), re.MULTILINE
        ):
            beside_the_class |= names_in(path)
        if path.parent.name in ("models", "queries"):
            beside_the_link |= names_in(path)
    classes = {name for name in beside_the_class if name[0].isupper() and not name.startswith(("Zebra", "Quokka"))}
    assert {name for name in classes if "_" not in name and name.lower() not in words["TAKEN_CLASSES"]} == set()
    functions = {name for name in beside_the_link if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", name)}
    own = re.compile(r"(zebra|quokka)_|(list|get|create|update)_(zebra|quokka)s?")
    assert {name for name in functions if not own.match(name) and name not in words["TAKEN_LINKS"]} == set()


def test_ruff_has_nothing_to_do_and_names_fit(
    answers: dict[str, Any], renderer: Renderer, skeleton: Path, tmp_path: Path, progress: Callable[[str], None]
) -> None:
    seed = SEED * len(ACCESS) + list(ACCESS.values()).index(answers)
    sets = [tables for tables in islice(random_tables(seed), 2 * SETS) if not renderer.problem(tables)][:SETS]
    assert len(sets) == SETS, "the generator makes too many sets that are refused"
    written: list[Path] = []
    for number, tables in enumerate(sets):
        folder = copytree(skeleton, tmp_path / str(number), copy_function=os.link)
        written += renderer.write(tables, folder)
        (folder / "tables.txt").write_text("\n".join(tables))
        revision = (folder / "alembic" / "versions" / "0001_create_tables.py").read_text()
        # PostgreSQL would cut a longer one, and two might then be one.
        assert [name for name in re.findall(r'op\.f\(\s*"(\w+)"', revision) if len(name) > 63] == []
    progress(f"{SETS} random table sets from seed {seed}")
    lint(tmp_path, *written)
