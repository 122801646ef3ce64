"""Random table sets are rendered as `ruff` would write them: line lengths, import orders, whatever the names."""

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

from projects import Render, lint
from random_tables import Lines, random_tables

SEED = int(os.environ.get("RANDOM_TABLES_SEED", "20"))
PARTS, SETS = 4, 50
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
        for source in self.sources:
            code = self.jinja.get_template(str(source))
            for path, context in self._paths(str(source.relative_to("template")), facts):
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


@pytest.fixture(scope="module")
def renderer(template: Path, questions: dict[str, Any]) -> Renderer:
    return Renderer(template, {name: item["default"] for name, item in questions.items()})


@pytest.fixture(scope="module")
def skeleton(renderer: Renderer, render: Render, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project without what depends on its tables; the import sorter looks for what is first-party in the rest."""
    project, example = render(), tmp_path_factory.mktemp("example")
    for path in renderer.write(renderer.answers["tables"], example):
        (project / path.relative_to(example)).unlink()
    return project


def test_renders_what_copier_renders(renderer: Renderer, render: Render, tmp_path: Path) -> None:
    written = {path.relative_to(tmp_path) for path in renderer.write(renderer.answers["tables"], tmp_path)}
    project = render()
    assert {Path("app/models/order_line.py"), Path("alembic/versions/0001_create_tables.py")} < written
    assert {path: (tmp_path / path).read_text() for path in written} == {
        path: (project / path).read_text() for path in written
    }


@pytest.mark.parametrize("part", range(PARTS))
def test_ruff_has_nothing_to_do(
    part: int, renderer: Renderer, skeleton: Path, tmp_path: Path, progress: Callable[[str], None]
) -> None:
    seed = SEED * PARTS + part
    sets = [tables for tables in islice(random_tables(seed), 2 * SETS) if not renderer.problem(tables)][:SETS]
    assert len(sets) == SETS, "the generator makes too many sets that are refused"
    written: list[Path] = []
    for number, tables in enumerate(sets):
        folder = copytree(skeleton, tmp_path / str(number), copy_function=os.link)
        written += renderer.write(tables, folder)
        (folder / "tables.txt").write_text("\n".join(tables))
    progress(f"{SETS} random table sets from seed {seed}")
    lint(tmp_path, *written)
