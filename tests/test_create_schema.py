"""`create-schema` of `migrations=none`: it makes what is missing, alters nothing, and prints statements that do."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from databases import as_login, execute, hand_over, query, read_catalog
from dev.postgres import Server
from first_revision import prepared_database
from hard_tables import HARD
from projects import ROOT, Render, end_of

CREATING = ROOT / "tests/creating"
COMMAND = ("-m", "app.database.create_schema")
EQUAL = "-- The database is what the models say.\n"
ROWS = """
    INSERT INTO app.users (id, email, password_hash) VALUES (gen_random_uuid(), 'ada@example.com', 'x');
    INSERT INTO app.categories (id, name) VALUES (gen_random_uuid(), 'a');
    INSERT INTO app.products (id, sku, name, price, attributes) VALUES (gen_random_uuid(), 'a', 'b', 1, '{}');
    INSERT INTO app.orders (id, note, owner_id) SELECT gen_random_uuid(), 'c', id FROM app.users;
    INSERT INTO app.product_categories SELECT products.id, categories.id FROM app.products, app.categories;
    INSERT INTO app.order_lines (id, order_id, product_id, quantity, unit_price, owner_id)
    SELECT gen_random_uuid(), orders.id, products.id, 1, 1, owner_id FROM app.orders, app.products;
"""


Differences = dict[str, tuple[str, str, str]]


def read_differences(name: str) -> Differences:
    """What is done, what is printed, and what gives new columns their values."""
    _, *sections = re.split("^# ", (CREATING / name).read_text(), flags=re.MULTILINE)
    found = {}
    for title, _, text in (section.rstrip().partition("\n") for section in sections):
        plant, printed, fill, *_ = [*re.split("\n[=~]>\n?", text), ""]
        found[title] = (plant, printed, fill)
    return found


DIFFERENCES = read_differences("differences.txt")
OF_PARTITIONS = read_differences("of_partitions.txt")
EVENTS = "Event +partitioned(at) at:datetime kind:str(20):index size:int:min(0)"
EVENT = """
    INSERT INTO app.users (id, email, password_hash) VALUES (gen_random_uuid(), 'ada@example.com', 'x');
    INSERT INTO app.events (id, at, kind, size, owner_id) SELECT gen_random_uuid(), now(), 'a', 1, id FROM app.users;
"""


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    return render(migrations="none")


@pytest.fixture
def database(project: Path, server: Server) -> str:
    """An empty one."""
    return prepared_database(project, server)


def create(project: Path, url: str, *options: str) -> tuple[int, str]:
    """The exit code, and what was printed."""
    return end_of(project, *COMMAND, *options, DATABASE_URL=url)


# --- What is missing ---


def test_it_makes_everything_at_once_and_then_nothing(project: Path, database: str) -> None:
    tables = "categories, products, sign_in_attempts, users, orders, product_categories, refresh_tokens, order_lines"
    assert create(project, database) == (0, f"-- Created {tables}.\n{EQUAL}")
    made = read_catalog(database)
    assert create(project, database) == (0, EQUAL)
    assert read_catalog(database) == made != []


def test_deployments_at_the_same_time_wait_for_each_other(project: Path, database: str) -> None:
    with ThreadPoolExecutor() as threads:
        first, *others = sorted(threads.map(lambda _: create(project, database), range(3)))
    assert (first[0], first[1].startswith("-- Created ")) == (0, True)
    assert others == [(0, EQUAL)] * 2


def test_looking_changes_nothing(project: Path, database: str) -> None:
    code, printed = create(project, database, "--check")
    assert (code, read_catalog(database)) == (1, [])
    assert "--   table app.orders: not in the database, in the models\n" in printed
    assert "\n-- app.orders is not there: `create-schema` without `--check` makes it.\n" in printed


def test_a_missing_table_is_made_beside_one_that_stays_as_it_is(project: Path, database: str) -> None:
    create(project, database)
    made = read_catalog(database)
    other = "CREATE OR REPLACE FUNCTION app.touch_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    execute(database, f"DROP TABLE app.order_lines; ALTER TABLE app.orders ADD COLUMN colour text; {other}")
    code, printed = create(project, database)
    assert code == 1
    assert printed.startswith("-- Created order_lines.\n-- The database is not what the models say:\n")
    assert "--   column colour of app.orders: not in the models, in the database text\n" in printed
    assert "--   function app.touch_row(): in the database " in printed
    assert query(database, "SELECT prosrc FROM pg_proc WHERE proname = 'touch_row'") == ["BEGIN RETURN NEW; END"]
    lines = [line for line in made if "order_lines" in line]
    assert [line for line in read_catalog(database) if "order_lines" in line] == lines


def test_the_version_before_may_still_need_more_than_the_models_have(project: Path, database: str) -> None:
    create(project, database)
    execute(database, "ALTER TABLE app.orders ADD COLUMN colour text; CREATE INDEX ix_old ON app.orders (colour)")
    code, printed = create(project, database)
    drops = ["DROP INDEX CONCURRENTLY app.ix_old;", "-- ALTER TABLE app.orders DROP COLUMN colour;"]
    assert (code, printed.splitlines()[-2:]) == (0, drops)
    assert create(project, database, "--check") == (1, printed)
    execute(database, "ALTER TABLE app.orders ALTER COLUMN colour SET NOT NULL")
    assert create(project, database)[0] == 1


def test_a_view_that_is_declared_beside_models_is_made_with_them_and_then_left_alone(
    render: Render, server: Server
) -> None:
    project = render(migrations="none", auth="none")
    model = project / "app/models/product.py"
    view = "CREATE VIEW app.dear AS SELECT id FROM app.products WHERE price > 100"
    model.write_text(f'{model.read_text()}\n\nsa.event.listen(Base.metadata, "after_create", sa.DDL({view!r}))\n')
    url = prepared_database(project, server)
    assert create(project, url)[0] == 0
    execute(url, "DROP TABLE app.order_lines")
    assert create(project, url) == (0, f"-- Created order_lines.\n{EQUAL}")
    execute(url, "DROP VIEW app.dear")
    code, printed = create(project, url)
    assert (code, "\nCREATE OR REPLACE VIEW app.dear AS " in printed) == (1, True)


def test_a_table_that_cannot_be_made_leaves_the_others_unmade(project: Path, database: str) -> None:
    execute(database, "CREATE VIEW app.products AS SELECT 1 AS id")
    code, printed = create(project, database)
    assert code == 1
    assert printed.startswith("PostgreSQL refused, and nothing was done: ")
    assert len(printed.splitlines()) == 1
    assert query(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'app'") == [0]


def test_a_login_that_owns_nothing_makes_nothing(project: Path, database: str) -> None:
    execute(database, "DO $$ BEGIN CREATE ROLE poor LOGIN PASSWORD 'poor'; EXCEPTION WHEN OTHERS THEN NULL; END $$")
    execute(database, "GRANT CONNECT ON DATABASE " + database.rpartition("/")[2] + " TO poor")
    code, printed = create(project, as_login(database, "poor", "poor"))
    assert (code, len(printed.splitlines())) == (1, 1)
    assert "permission denied for schema app" in printed


def test_help_says_what_the_exit_code_means(project: Path) -> None:
    assert "The exit code is 1" in create(project, "postgresql://x/y", "--help")[1]


# --- What differs ---


@pytest.fixture(scope="module")
def repaired(project: Path, server: Server) -> dict[str, dict[str, str]]:
    return repair(project, server, ROWS, DIFFERENCES)


@pytest.fixture(scope="module")
def partitions(render: Render, server: Server) -> dict[str, dict[str, str]]:
    return repair(render(migrations="none", tables=[EVENTS]), server, EVENT, OF_PARTITIONS)


def repair(project: Path, server: Server, rows: str, differences: Differences) -> dict[str, dict[str, str]]:
    """Make each difference in a database that has rows, and run what is printed."""
    url = prepared_database(project, server)
    assert create(project, url)[0] == 0
    execute(url, rows)
    done = subprocess.run(
        [sys.executable, CREATING / "repairing.py", ROOT / "template/migrate/statements.py"],
        cwd=project,
        env={"PYTHONPATH": str(project), "DATABASE_URL": url, "MIGRATION_DATABASE_URL": url},
        input=json.dumps({name: (plant, fill) for name, (plant, _, fill) in differences.items()}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", DIFFERENCES)
def test_what_is_printed_for_a_difference_mends_it(name: str, repaired: dict[str, dict[str, str]]) -> None:
    assert_mended(repaired[name], DIFFERENCES[name][1])


@pytest.mark.parametrize("name", OF_PARTITIONS)
def test_so_it_does_where_a_table_has_partitions(name: str, partitions: dict[str, dict[str, str]]) -> None:
    assert_mended(partitions[name], OF_PARTITIONS[name][1])


def assert_mended(result: dict[str, str], statements: str) -> None:
    head, _, printed = result["printed"].partition("rather an error, and once more, than requests that wait\n\n")
    assert "\n--   " in head
    assert printed == statements
    assert (result["errors"], result["left"]) == ("", "")


def test_a_reference_that_leads_nowhere_is_seen_though_policies_hide_rows_from_the_owner(
    project: Path, database: str
) -> None:
    create(project, database)
    execute(database, f"{ROWS}; ALTER TABLE app.order_lines DROP CONSTRAINT fk_order_lines_product_id")
    execute(database, "UPDATE app.order_lines SET product_id = gen_random_uuid()")
    owner = hand_over(database)
    _, printed = create(project, owner)
    *before, validate, _, _ = [line for line in printed.splitlines() if line.startswith("ALTER")]
    for statement in before:
        execute(owner, statement)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        execute(owner, validate)


def test_what_no_statement_does_safely_is_told(project: Path, database: str) -> None:
    create(project, database)
    execute(
        database,
        """
        ALTER TABLE app.products ALTER COLUMN name TYPE text;
        ALTER TABLE app.order_lines DROP COLUMN total, ADD COLUMN total numeric(12, 2) NOT NULL DEFAULT 0;
        """,
    )
    code, printed = create(project, database)
    assert code == 1
    *_, total, name = printed.splitlines()
    assert total.startswith("-- column total of app.order_lines becomes GENERATED ALWAYS AS (")
    assert name == (
        "-- column name of app.products becomes character varying(200) as a new column: add it, write both, copy, "
        "then drop this one."
    )


@pytest.mark.parametrize(
    "answers",
    [
        {"auth": "none"},
        {"row_level_security": False},
        {"database": "supabase", "auth": "supabase"},
        {"database": "hybrid", "auth": "supabase", "row_level_security": False},
        HARD["partitioned"],
    ],
    ids=lambda answers: ", ".join(map(str, answers.values())) if "tables" not in answers else "partitioned",
)
def test_it_makes_what_the_models_say(answers: dict[str, Any], render: Render, server: Server) -> None:
    project = render(migrations="none", **answers)
    url = prepared_database(project, server)
    code, printed = create(project, url)
    assert (code, printed.splitlines(keepends=True)[1:]) == (0, [EQUAL])
    assert create(project, url, "--check") == (0, EQUAL)
