"""What stands beside the tables: views, functions, sequences, partitions. What would show rows refuses the start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
import sqlalchemy as sa
from httpx import AsyncClient

from app.database.identity import AS_LOGIN
from app.database.row_security.check import find_holes
from app.database.session import Sessions
from app.models.event import Event
from tests.row_security.rows import REFUSED, orders, outcome
from tests.support import ADA, BOB, headers_of, stored, table_named

INVOKER = "WITH (security_invoker = true)"
SHOWN = "GRANT SELECT ON app.shown TO authenticated"
CHILDREN = """
    SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'app.events'::regclass
"""
FUNCTION = "FUNCTION {}.shown() RETURNS SETOF uuid LANGUAGE sql {} SET search_path = '' AS 'SELECT id FROM app.orders'"


@asynccontextmanager
async def made(owner: asyncpg.Connection, what: str, *more: str) -> AsyncIterator[None]:
    """Have the owner make something, by its text behind CREATE, for as long as the block lasts."""
    kind = " ".join(word for word in what.partition(" app.shown")[0].partition(" private.shown")[0].split())
    place = "private" if " private.shown" in what else "app"
    for statement in (f"CREATE {what}", *more):
        await owner.execute(statement)
    try:
        yield
    finally:
        await owner.execute(f"DROP {kind} {place}.shown")


async def holes(sessions: Sessions) -> str:
    """Return what refuses the start of the application."""
    async with sessions.of(AS_LOGIN).engine.connect() as connection:
        return " ".join(await find_holes(connection))


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
async def test_a_view_that_shows_what_its_owner_sees_is_found(
    sessions: Sessions, owner: asyncpg.Connection, kind: str
) -> None:
    adas, bobs = await orders(sessions)
    async with made(owner, f"{kind} app.shown AS SELECT id FROM app.orders", SHOWN):
        shown = await outcome(sessions, BOB, "SELECT id FROM app.shown ORDER BY id")
        assert shown == sorted([(adas,), (bobs,)])  # which is why the application does not start
        assert "app.shown" in await holes(sessions)
    assert await holes(sessions) == ""


async def test_a_view_of_who_asks_shows_ones_own(sessions: Sessions, owner: asyncpg.Connection) -> None:
    _, bobs = await orders(sessions)
    async with made(owner, f"VIEW app.shown {INVOKER} AS SELECT id FROM app.orders", SHOWN):
        assert await outcome(sessions, BOB, "SELECT id FROM app.shown") == [(bobs,)]
        assert await holes(sessions) == ""


async def test_a_view_that_was_granted_to_nobody_shows_nothing(sessions: Sessions, owner: asyncpg.Connection) -> None:
    for kind in ("VIEW", "MATERIALIZED VIEW"):
        async with made(owner, f"{kind} app.shown AS SELECT id FROM app.orders"):
            assert await outcome(sessions, BOB, "SELECT id FROM app.shown") == REFUSED
            assert await holes(sessions) == ""


async def test_a_function_does_what_who_asks_may(sessions: Sessions, owner: asyncpg.Connection) -> None:
    _, bobs = await orders(sessions)
    async with made(owner, FUNCTION.format("app", "SECURITY INVOKER")):
        assert await outcome(sessions, BOB, "SELECT app.shown()") == [(bobs,)]
        assert await holes(sessions) == ""


async def test_a_function_that_does_what_its_owner_may_is_found(sessions: Sessions, owner: asyncpg.Connection) -> None:
    adas, bobs = await orders(sessions)
    async with made(owner, FUNCTION.format("app", "SECURITY DEFINER")):
        shown = await outcome(sessions, BOB, "SELECT app.shown() ORDER BY 1")
        assert shown == sorted([(adas,), (bobs,)])
        assert "app.shown()" in await holes(sessions)


async def test_a_function_of_private_is_for_those_it_was_granted_to(
    sessions: Sessions, owner: asyncpg.Connection
) -> None:
    closed = "REVOKE ALL ON FUNCTION private.shown FROM PUBLIC"
    async with made(owner, FUNCTION.format("private", "SECURITY DEFINER"), closed):
        assert await outcome(sessions, BOB, "SELECT private.shown()") == REFUSED


async def test_a_sequence_is_nobodys(sessions: Sessions, owner: asyncpg.Connection) -> None:
    async with made(owner, "SEQUENCE app.shown"):
        for statement in ("SELECT last_value FROM app.shown", "SELECT nextval('app.shown')"):
            assert await outcome(sessions, BOB, statement) == REFUSED
        assert await outcome(sessions, BOB, "SELECT setval('app.shown', 9)") == REFUSED


async def test_a_table_without_policies_is_nobodys_and_is_found(sessions: Sessions, owner: asyncpg.Connection) -> None:
    async with made(owner, "TABLE app.shown (id int)"):
        assert await outcome(sessions, BOB, "SELECT * FROM app.shown") == REFUSED
        assert "app.shown" in await holes(sessions)


async def test_a_part_of_a_table_is_nobodys(sessions: Sessions, owner: asyncpg.Connection) -> None:
    for who in (ADA, BOB):
        await stored(sessions, table_named("event"), who=who)
    children = await owner.fetch(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'app.events'::regclass"
    )
    assert children
    for (child,) in children:
        for statement in (f"SELECT * FROM {child}", f"DELETE FROM {child}", f"UPDATE {child} SET version = 1"):
            assert await outcome(sessions, BOB, statement) == REFUSED
    async with sessions.of(BOB).read() as session:
        assert set(await session.scalars(sa.select(Event.owner_id))) == {BOB.user_id}


async def test_a_part_that_was_detached_is_nobodys(sessions: Sessions, owner: asyncpg.Connection) -> None:
    await stored(sessions, table_named("event"), who=BOB)
    child = await owner.fetchval(f"{CHILDREN} AND pg_get_expr(relpartbound, inhrelid) = 'DEFAULT'")
    await owner.execute(f"ALTER TABLE app.events DETACH PARTITION {child}")
    try:
        assert await outcome(sessions, BOB, f"SELECT * FROM {child}") == REFUSED
        assert await holes(sessions) == ""
    finally:
        await owner.execute(f"ALTER TABLE app.events ATTACH PARTITION {child} DEFAULT")


async def test_what_a_forged_reference_points_at_stays_hidden(
    client: AsyncClient, sessions: Sessions, owner: asyncpg.Connection
) -> None:
    await stored(sessions, table_named("order_line"), who=ADA)
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")  # which checks no foreign key
        await owner.execute("UPDATE app.order_lines SET owner_id = $1", BOB.user_id)
    joined = "SELECT count(*) FROM app.order_lines l JOIN app.orders o ON o.id = l.order_id"
    assert await outcome(sessions, BOB, joined) == [(0,)]
    answer = await client.get("/order-lines", params={"expand": "order"}, headers=headers_of(BOB))
    assert [line["order"] for line in answer.json()["items"]] == [None]
