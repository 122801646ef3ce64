"""SQL files of `migrations=manual` are parted into statements where PostgreSQL's own lexer would part them."""

import importlib.util
import random
from collections.abc import Callable, Iterator

import pytest

from projects import ROOT


def load() -> Callable[[str], Iterator[str]]:
    path = ROOT / "template/migrate/statements.py"
    spec = importlib.util.spec_from_file_location("statements", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[str], Iterator[str]] = module.split
    return found


split = load()

# Each is one statement.
STATEMENTS = {
    "doubled quote": "SELECT 'a;b', 'it''s;'",
    "backslash that escapes nothing": r"SELECT ';\'",
    "escape": r"SELECT E'\';'",
    "escape after a doubled quote": r"SELECT e'''\';'",
    "escape that goes on in the next line": "SELECT E'a'\n  'b\\';'",
    "name that ends in e": r"SELECT date';\'",
    "quoted name": 'SELECT 1 AS "a;""b\';"',
    "unicode": r"SELECT U&'\0041;\', U&" + r'"\0041;"',
    "dollars": "DO $$ BEGIN PERFORM 'it''s'; END $$",
    "dollars in dollars": "DO $a$ BEGIN EXECUTE $b$ ; $$ $b$; PERFORM '$$;'; END $a$",
    "dollars of a name": "SELECT a$b$, b$ FROM t$",
    "letters beyond ASCII": "SELECT $größe$ ; $größe$ AS größe$",
    "comment in a line": "SELECT 1 -- it's; $$\n, 2",
    "comments in a comment": "SELECT /* a /* ; */ ' /**/ ; */ 1",
    "quotes within a comment": "SELECT /* it's \" $$ */ 1",
    "body": "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT (CASE WHEN true THEN 1 END); END",
    "body of a procedure": "create or replace procedure f(a int) begin atomic select case a when 1 then 2 end; end",
    "body of nothing": "CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC END",
    "parameter named atomic": "CREATE FUNCTION f(atomic int) RETURNS int RETURN atomic",
    "body as a text": "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'begin return 1; end'",
    "brackets": "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b)",
    "words of bodies": "SELECT CASE WHEN true THEN 1 END AS atomic",
    "colons and percent signs": "SELECT a::int, ':b', '%s' || '%(c)s' WHERE d % 2 = 0",
    "operators": "SELECT 1 @> 2, a->>'b;', - 1 / 2",
}
SPACES = ("", " ", "\n", "\n\n-- it's; $$ /*\n", "/* ; /* ' */ $$ */", "\t", ";", " ; ;")


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_a_statement_stays_whole(statement: str) -> None:
    assert [*split(statement)] == [*split(f"{statement};")] == [statement]
    assert [*split(f"SELECT 1;{statement}\n;SELECT 2")] == ["SELECT 1", statement, "SELECT 2"]


def test_any_order_of_statements_with_anything_between_is_parted() -> None:
    chance = random.Random(5)
    for _ in range(2000):
        parts = chance.choices([*STATEMENTS.values()], k=chance.randrange(6))
        between = [chance.choice(SPACES) + chance.choice(SPACES) for _ in range(len(parts) * 2 + 1)]
        sql = between[0]
        for part, before, after in zip(parts, between[1::2], between[2::2], strict=True):
            sql += f"{part}{before};{after}"
        assert [*split(sql)] == parts, sql


def test_nothing_is_no_statement() -> None:
    assert [*split("-- only; a comment\n;/* and; another */;\n")] == []


@pytest.mark.parametrize(
    ("sql", "opening"),
    [
        ("SELECT 'a", "'"),
        ('SELECT "a', '"'),
        (r"SELECT E'a\'", "E'"),
        ("DO $$ a", "$$"),
        ("DO $x$ a $y$", "$x$"),
        ("SELECT /* /* */", "/*"),
    ],
)
def test_what_is_left_open_is_named_with_its_line(sql: str, opening: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole message is below
        [*split(f"SELECT 1;\n\n{sql};\nSELECT 2;")]
    assert str(error.value) == f"What {opening} opens in line 3 is never closed."


def test_long_files_are_parted_at_once() -> None:
    rows = "INSERT INTO t VALUES (1, 'a''b');\n" * 5_000
    assert len([*split(rows)]) == 5_000
    with pytest.raises(ValueError, match="line 5001"):
        [*split(f"{rows}SELECT 'a" + "''b" * 100_000)]
