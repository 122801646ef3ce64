"""Partitioned tables: a row is kept with its month, statements read no other one, and the command keeps the months."""

import asyncio
import datetime as dt
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from httpx import AsyncClient
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database.base import Base
from app.database.engine import create_migration_engine
from app.database.months import is_partition, month_of, name_of, time_columns, to_detach, to_make
from app.database.partitions import change_month, main
from app.database.session import Sessions
from app.settings import Settings, get_settings
from dev.database import prepare_schema
from dev.factories import Resource, key_of
from tests.conftest import new_database
from tests.support import TABLES, body_for, stored

PARTITIONED = [table for table in TABLES if table.table.name in time_columns()]
each_partitioned = pytest.mark.parametrize("table", PARTITIONED, ids=[table.name for table in PARTITIONED])

DECEMBER, JANUARY = 2026 * 12 + 11, 2027 * 12
MONTHS = [
    ("2026-12-31T23:59:59.999999+00:00", DECEMBER),
    ("2027-01-01T00:00:00+00:00", JANUARY),
    ("2027-01-01T01:59:59+02:00", DECEMBER),
    ("2026-12-31T19:00:00-05:00", JANUARY),
]


@pytest.mark.parametrize(("time", "month"), MONTHS)
def test_a_time_belongs_to_its_month_in_utc(time: str, month: int) -> None:
    assert month_of(dt.datetime.fromisoformat(time)) == month


def test_months_go_on_over_the_end_of_a_year() -> None:
    names = [name_of("visits", month) for month in to_make(set(), DECEMBER, 2)]
    assert names == ["visits_2026_12", "visits_2027_01", "visits_2027_02"]


def test_months_that_were_missed_are_made_later() -> None:
    made = {DECEMBER - 5, DECEMBER - 4, DECEMBER - 3, JANUARY + 1}
    assert to_make(made, DECEMBER, 2) == [DECEMBER - 2, DECEMBER - 1, DECEMBER, JANUARY]


def test_only_months_beyond_those_to_keep_are_detached() -> None:
    made = set(range(JANUARY - 4, JANUARY + 4))
    assert to_detach(made, JANUARY, 2) == [JANUARY - 4, JANUARY - 3]
    assert to_detach(made, JANUARY, 0) == [JANUARY - 4, JANUARY - 3, JANUARY - 2, DECEMBER]
    assert to_detach(made, JANUARY, 4) == []


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The login that owns the tables; December 2026 and January 2027 are there."""
    engine = create_migration_engine(settings)
    for table in time_columns():
        for month in (DECEMBER, JANUARY):
            await change_month(engine, table, month, make=True)
    yield engine
    await engine.dispose()


async def stored_at(sessions: Sessions, table: Resource, time: dt.datetime) -> Base:
    """Store a row with this time."""
    given: dict[str, Any] = {time_columns()[table.table.name]: time}
    (row,) = await stored(sessions, table, **given)
    return row


async def place_of(owner: asyncpg.Connection, table: Resource, row_id: object) -> str:
    """Return the partition that a row is in."""
    place = f"SELECT relname FROM {table.table} AS found JOIN pg_class ON pg_class.oid = found.tableoid WHERE id = $1"
    return str(await owner.fetchval(place, row_id))


@each_partitioned
@pytest.mark.usefixtures("engine")
async def test_a_row_is_in_the_partition_of_its_month(
    client: AsyncClient, sessions: Sessions, owner: asyncpg.Connection, table: Resource
) -> None:
    for time, month in MONTHS:
        body = {**await body_for(sessions, table), time_columns()[table.table.name]: time}
        created = await client.post(table.path, json=body)
        assert (await client.get(created.headers["Location"])).json() == created.json()
        assert await place_of(owner, table, created.json()["id"]) == name_of(table.table.name, month)


@each_partitioned
async def test_a_row_is_found_only_by_its_id_and_its_time(
    client: AsyncClient, sessions: Sessions, table: Resource
) -> None:
    (row,) = await stored(sessions, table)
    column = time_columns()[table.table.name]
    place, other = f"{table.path}/{key_of(row)}", {column: "2026-12-31T23:59:59Z"}
    assert (await client.get(place, params={column: getattr(row, column).isoformat()})).status_code == 200
    assert (await client.get(place, params=other)).status_code == 404
    assert (await client.delete(place, params=other)).status_code == 404
    assert (await client.get(place)).json()["fields"] == [column]
    assert (await client.get(place, params={column: "2026-12-31T23:59:59"})).status_code == 422
    changed = await client.patch(table.url_of(row), json=other, headers={"If-Match": "*"})
    assert (changed.status_code, changed.json()["fields"]) == (422, [column])


@pytest.fixture
def reads(owner: asyncpg.Connection) -> Iterator[Callable[[], Awaitable[list[set[str]]]]]:
    """What returns, for each statement since it was last asked, the partitions in its plan."""
    sent: list[tuple[str, tuple[Any, ...]]] = []

    def record(_connection: object, _cursor: object, statement: str, values: tuple[Any, ...], *_rest: Any) -> None:
        sent.append((statement, values))

    async def partitions() -> list[set[str]]:
        plans = [await owner.fetch(f"EXPLAIN {statement}", *values) for statement, values in sent]
        sent.clear()
        found = [set(filter(is_partition, re.findall(r"\w+", str(plan)))) for plan in plans]
        return [names for names in found if names]

    event.listen(sa.Engine, "before_cursor_execute", record)
    yield partitions
    event.remove(sa.Engine, "before_cursor_execute", record)


@pytest.fixture
async def rows(sessions: Sessions, table: Resource, engine: AsyncEngine) -> list[Base]:
    """Two rows of December, one of January."""
    times = [dt.datetime(2026, 12, 10, tzinfo=dt.UTC), dt.datetime(2026, 12, 20, tzinfo=dt.UTC)]
    return [await stored_at(sessions, table, time) for time in [*times, dt.datetime(2027, 1, 5, tzinfo=dt.UTC)]]


@each_partitioned
async def test_a_list_reads_only_the_months_within_its_bounds(
    client: AsyncClient, table: Resource, rows: list[Base], reads: Callable[[], Awaitable[list[set[str]]]]
) -> None:
    name, column = table.table.name, time_columns()[table.table.name]
    december, january = {name_of(name, DECEMBER)}, {name_of(name, JANUARY)}
    since, until = {f"{column}_min": "2026-12-01T00:00:00Z"}, {f"{column}_max": "2026-12-31T23:59:59.999999Z"}
    await reads()
    assert len((await client.get(table.path, params=since | until)).json()["items"]) == 2
    assert await reads() == [december]

    page = (await client.get(table.path, params={**since, "limit": 2})).json()
    (first,) = await reads()
    assert december | january <= first
    rest = (await client.get(table.path, params={**since, "limit": 2, "cursor": page["next_cursor"]})).json()
    assert [row["id"] for row in page["items"] + rest["items"]] == [str(key_of(row)) for row in reversed(rows)]
    assert await reads() == [december]


@each_partitioned
async def test_a_row_is_read_changed_and_deleted_within_its_month(
    client: AsyncClient,
    sessions: Sessions,
    table: Resource,
    rows: list[Base],
    reads: Callable[[], Awaitable[list[set[str]]]],
) -> None:
    location, changes = table.url_of(rows[0]), table.changes(await body_for(sessions, table))
    await reads()
    assert (await client.get(location)).status_code == 200
    assert (await client.patch(location, json=changes, headers={"If-Match": "*"})).status_code == 200
    assert (await client.delete(location)).status_code == 204
    touched = await reads()
    assert touched == [{name_of(table.table.name, DECEMBER)}] * len(touched)
    assert len(touched) >= 4


@each_partitioned
async def test_rows_move_from_the_default_partition_into_their_month(
    sessions: Sessions, owner: asyncpg.Connection, engine: AsyncEngine, table: Resource
) -> None:
    march, name = 2031 * 12 + 2, table.table.name
    times = [dt.datetime(2031, 3, 31, 23, 59, 59, 999_999, dt.UTC), dt.datetime(2031, 4, 1, tzinfo=dt.UTC)]
    rows = [await stored_at(sessions, table, time) for time in times]
    before = await owner.fetch(f"SELECT * FROM {table.table} ORDER BY id")
    assert await change_month(engine, name, march, make=True)
    assert not await change_month(engine, name, march, make=True)
    assert await owner.fetch(f"SELECT * FROM {table.table} ORDER BY id") == before
    places = [await place_of(owner, table, key_of(row)) for row in rows]
    assert places == [name_of(name, march), f"{name}_default"]


@pytest.fixture
def prepared(maintenance_url: str) -> Iterator[None]:
    """A database of its own, with the schema and the partitions of these months."""
    with new_database(maintenance_url):
        get_settings.cache_clear()
        prepare_schema()
        yield
    get_settings.cache_clear()


def test_the_command_does_everything_once(prepared: None, capsys: pytest.CaptureFixture[str]) -> None:
    now = month_of(dt.datetime.now(dt.UTC))
    capsys.readouterr()
    main(["--ahead", "4"])
    assert capsys.readouterr().out.splitlines() == [f"created app.{name_of(name, now + 4)}" for name in time_columns()]
    main(["--ahead", "4", "--keep", "0"])
    assert capsys.readouterr().out == ""


def test_the_command_detaches_what_is_old(prepared: None, capsys: pytest.CaptureFixture[str]) -> None:
    now = month_of(dt.datetime.now(dt.UTC))

    async def make_old_months() -> None:
        engine = create_migration_engine(get_settings())
        for name in time_columns():
            for month in (now - 1, now - 2):
                await change_month(engine, name, month, make=True)
        await engine.dispose()

    asyncio.run(make_old_months())
    capsys.readouterr()
    main(["--keep", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"detached app.{name_of(name, now - 2)}: dump it, then drop it" for name in time_columns()]
