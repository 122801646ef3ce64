"""Partitioned tables: what only several processes, old servers, other logins or a mistake in the project can show."""

import asyncio
import datetime as dt
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from databases import alembic, create_database, query
from dev.postgres import Server
from first_revision import make_schema
from mutants import Mutant
from noticing import Notices, compiled
from projects import Render, files_of, python

TABLES = [
    "Product name:str(80):unique",
    (
        "Event +partitioned(occurred_at) occurred_at:datetime quantity:int:min(1) price:decimal(9,2):index "
        "total:decimal(12,2):computed(quantity*price) product:Product:null:setnull"
    ),
]
INSERT = (
    "INSERT INTO app.events (id, occurred_at, quantity, price) "
    "SELECT gen_random_uuid(), $1::timestamptz + number * interval '1 second', number, 0.5 "
    "FROM generate_series(1, $2::int) number"
)
ITS_TESTS, ITS_SCHEMA = "tests/database/test_partitions.py", "tests/test_schema.py"
# The command as cron runs it, but for how often it tries.
IMPATIENT, PERSISTENT = (
    f"from app.database import partitions; partitions.ATTEMPTS, partitions.PAUSE = {numbers}; partitions.main([])"
    for numbers in ("2, 0", "1000, 0.01")
)


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    return compiled(render(tables=TABLES, auth="none"), ITS_TESTS, ITS_SCHEMA)


@pytest.fixture
def url(project: Path, server: Server) -> str:
    """A database with the schema of the project and the default partition alone."""
    url = create_database(server)
    make_schema(project, url)
    return url


def partitions(project: Path, url: str, *arguments: str, check: bool = True) -> str:
    return python(project, "-m", "app.database.partitions", *arguments, check=check, DATABASE_URL=url)


def values(url: str, column: str, table: str) -> list[Any]:
    return query(url, " ".join(["SELECT", column, "FROM", f"app.{table}", "ORDER BY quantity"]))


def month(offset: int) -> dt.datetime:
    """The start of a month, as many months from this one."""
    now = dt.datetime.now(dt.UTC)
    years, number = divmod(now.month - 1 + offset, 12)
    return dt.datetime(now.year + years, number + 1, 1, tzinfo=dt.UTC)


def name(offset: int) -> str:
    return f"events_{month(offset):%Y_%m}"


def test_rows_are_not_moved_where_a_foreign_key_would_act_on_it(project: Path, url: str) -> None:
    key = "FOREIGN KEY (event_id, at) REFERENCES app.events ON DELETE CASCADE"
    query(url, INSERT, month(1), 3)
    query(url, f"CREATE TABLE public.notes (event_id uuid, at timestamptz, CONSTRAINT note_event {key})")
    query(url, "INSERT INTO public.notes SELECT id, occurred_at FROM app.events")
    told = partitions(project, url, check=False)
    assert "app.events: the foreign key note_event of notes would delete or empty what refers to rows" in told
    assert query(url, "SELECT count(*) FROM public.notes") == [3]


def test_two_commands_at_once_make_each_month_once(project: Path, url: str) -> None:
    with ThreadPoolExecutor() as pool:
        outputs = list(pool.map(lambda _: partitions(project, url, "--ahead", "11"), range(3)))
    lines = [line for output in outputs for line in output.splitlines()]
    assert sorted(lines) == sorted(f"created app.{name(offset)}" for offset in range(12))


async def _write(pool: asyncpg.Pool, command: asyncio.subprocess.Process) -> int:
    """Write into each month until the command ends, beside a change of what the rows refer to; return how many rows."""
    insert = INSERT.replace("price)", "price, product_id)").replace("0.5", "0.5, $3::uuid")
    change = "UPDATE app.products SET name = gen_random_uuid() WHERE id = $1"
    new = "INSERT INTO app.products (id, name) SELECT key, key FROM gen_random_uuid() key RETURNING id"
    product, written = await pool.fetchval(new), 0
    while command.returncode is None:
        for offset in range(5):
            async with pool.acquire() as connection, connection.transaction():
                # Locks in one order and, now and then, in the other: a deadlock with the command would fail here.
                if offset < 4:
                    await connection.execute(change, product)
                await connection.execute(insert, month(offset), 3, product)
                await connection.execute(change, product)
            written += 3
    return written


async def _write_while_months_are_made(project: Path, url: str) -> tuple[int, int]:
    """Return how many rows were written before the command, and how many during it."""
    async with asyncpg.create_pool(url, min_size=4, max_size=4) as pool:
        for offset in range(4):
            await pool.execute(INSERT, month(offset), 5_000)
        command = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PERSISTENT), cwd=project, env={"DATABASE_URL": url}, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.TaskGroup() as group:
            output = group.create_task(command.communicate())
            writers = [group.create_task(_write(pool, command)) for _ in range(4)]
    assert output.result()[0].decode().splitlines() == [f"created app.{name(offset)}" for offset in range(4)]
    return 20_000, sum(writer.result() for writer in writers)


def test_no_row_is_lost_and_no_writer_fails_while_months_are_made(
    project: Path, url: str, progress: Callable[[str], None]
) -> None:
    before, during = asyncio.run(_write_while_months_are_made(project, url))
    assert during > 0
    assert query(url, "SELECT count(*) FROM app.events WHERE total = quantity * price") == [before + during]
    left = query(url, "SELECT DISTINCT date_trunc('month', occurred_at, 'UTC') FROM app.events_default")
    assert left == [month(4)]
    progress(f"partitions made under load: {before:,} rows moved, {during:,} written meanwhile")


def test_columns_that_no_model_knows_move_too(project: Path, url: str) -> None:
    query(url, "ALTER TABLE app.events ADD COLUMN note text")
    query(url, f"{INSERT.replace('price)', 'price, note)').replace('0.5', '0.5, number')}", month(0), 5)
    partitions(project, url)
    assert values(url, "note", name(0)) == ["1", "2", "3", "4", "5"]


def test_alembic_sees_partitions_neither_attached_nor_detached(project: Path, url: str) -> None:
    bounds = f"FOR VALUES FROM ('{month(-2)}') TO ('{month(-1)}')"
    query(url, f"CREATE TABLE app.{name(-2)} PARTITION OF app.events {bounds}")
    query(url, INSERT, month(-2), 7)
    lines = partitions(project, url, "--keep", "1").splitlines()
    assert lines[0] == f"created app.{name(-1)}"
    assert lines[-1] == f"detached app.{name(-2)}: dump it, then drop it"
    assert values(url, "quantity", "events") == []
    assert values(url, "quantity", name(-2)) == [1, 2, 3, 4, 5, 6, 7]
    assert "No new upgrade operations detected." in alembic(project, url, "check")


def test_a_partition_has_the_indexes_checks_keys_and_trigger_of_its_table(project: Path, url: str) -> None:
    partitions(project, url)
    indexes = (
        "SELECT count(*) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = $1::text::regclass"
    )
    for kind in ("AND relispartition", ""):
        assert query(url, f"{indexes} {kind}", f"app.{name(0)}") == query(url, indexes, "app.events")
    query(url, INSERT, month(0), 1)
    query(url, "UPDATE app.events SET quantity = 2")
    assert values(url, "version", name(0)) == [2]
    with pytest.raises(asyncpg.CheckViolationError, match="ck_events_quantity"):
        query(url, "UPDATE app.events SET quantity = 0")
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="fk_events_product_id"):
        query(url, "UPDATE app.events SET product_id = gen_random_uuid()")


def test_months_are_those_of_utc_whatever_the_time_zone_of_the_login(project: Path, url: str) -> None:
    query(url, f"ALTER DATABASE \"{url.rpartition('/')[2]}\" SET timezone = 'Pacific/Auckland'")
    partitions(project, url)
    edge = month(1) - dt.timedelta(microseconds=1)
    query(url, INSERT.replace("number * ", "0 * "), edge, 1)
    query(url, INSERT.replace("number * ", "0 * "), month(1), 1)
    where = "SELECT relname FROM app.events e JOIN pg_class c ON c.oid = e.tableoid ORDER BY occurred_at"
    assert query(url, where) == [name(0), name(1)]


def test_a_table_that_stays_locked_is_left_as_it_was(project: Path, url: str) -> None:
    async def try_beside_a_reader() -> str:
        connection = await asyncpg.connect(url)
        async with connection.transaction():
            await connection.execute("SELECT FROM app.events")
            output = await asyncio.to_thread(python, project, "-c", IMPATIENT, check=False, DATABASE_URL=url)
        await connection.close()
        return output

    assert asyncio.run(try_beside_a_reader()) == (
        "app.events: others kept it locked; run this again at a quieter time\n"
    )
    assert query(url, "SELECT to_regclass($1)::text", f"app.{name(0)}") == [None]
    assert partitions(project, url).count("created") == 4


WRONG = {
    "a table in the way": (f"CREATE TABLE app.{name(1)} (id int)", "a table that is no partition of it has the name"),
    "no default partition": ("DROP TABLE app.events_default", "it or its default partition is not there"),
    "no table": ("DROP TABLE app.events", "it or its default partition is not there"),
    "no schema": ("DROP SCHEMA app CASCADE", "it or its default partition is not there"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_one_sentence(wrong: str, project: Path, url: str) -> None:
    statement, words = WRONG[wrong]
    query(url, statement)
    output = partitions(project, url, check=False)
    assert re.search(rf"^app\.events: {words}.*\n\Z", output, re.MULTILINE)
    assert "Traceback" not in output


def test_a_login_that_does_not_own_the_table_is_told_so(project: Path, url: str, server: Server) -> None:
    query(url, "DROP ROLE IF EXISTS visitor")
    query(url, "CREATE ROLE visitor LOGIN PASSWORD 'your_password_here'")
    query(url, "GRANT ALL ON SCHEMA app TO visitor")
    output = partitions(project, url.replace(f"postgres:{server.password}", "visitor:your_password_here"), check=False)
    assert output.startswith("app.events: this login may not change it; set MIGRATION_DATABASE_URL")
    query(url, "DROP OWNED BY visitor")


def test_no_connection_is_one_sentence_without_the_password(project: Path, server: Server) -> None:
    output = partitions(project, server.url("nowhere"), check=False)
    assert output == 'No connection to the database: database "nowhere" does not exist\n'
    refused = partitions(project, "postgresql://app:your_password_here@127.0.0.1:1/app", check=False)
    assert refused.startswith("No connection to the database: ")
    assert "your_password_here" not in refused
    assert len(refused.splitlines()) == 1


def test_a_project_without_partitioned_tables_has_nothing_of_this(render: Render) -> None:
    words = re.compile(r"\bpartition(s|ed)\b", re.IGNORECASE)
    assert [path.name for path in files_of(render()) if words.search(path.read_text())] == []


MONTHS = "app/database/months.py"
MUTANTS = [
    Mutant("reads every partition", "app/queries/__init__.py", "if key.expression.primary_key", "if False", ITS_TESTS),
    Mutant("takes the month from another zone", MONTHS, "time.astimezone(dt.UTC)", "time", ITS_TESTS),
    Mutant("ends a month late", MONTHS, "{column} < {end}", "{column} <= {end}", ITS_TESTS),
    Mutant("leaves rows in the default", MONTHS, "WHERE {kept} ", "WHERE false ", ITS_TESTS),
    Mutant("forgets the months that were missed", MONTHS, "if month < now), default", "if False), default", ITS_TESTS),
    Mutant("detaches a month too early", MONTHS, "month < now - keep", "month <= now - keep", ITS_TESTS),
    Mutant(
        "shows partitions to Alembic",
        "migrate/autogenerate.py",
        "name and is_part",
        "False and is_part",
        ITS_SCHEMA,
    ),
    Mutant(
        "lets the time be changed",
        "app/schemas/event.py",
        "class EventUpdate(Input):",
        "class EventUpdate(EventCreate):",
        ITS_TESTS,
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mistake_is_noticed(mutant: Mutant, project: Path, assert_noticed: Notices) -> None:
    assert_noticed(mutant, project)
