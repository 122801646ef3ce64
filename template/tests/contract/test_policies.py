"""What PostgreSQL itself lets through, for every table, whatever statement the application sends."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from asyncpg import Connection, InsufficientPrivilegeError
from fastapi import APIRouter, FastAPI
from httpx import AsyncClient
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError

from app.api import ReadSessionDep, SessionDep
from app.database.errors import sqlstate
from app.database.identity import ANONYMOUS, AS_LOGIN, SYSTEM, Identity, MissingIdentityError
from app.database.row_security.bootstrap import LOGIN, bootstrap
from app.database.row_security.check import find_holes
from app.database.session import Sessions, open_sessions, open_transaction
from app.settings import Settings
from dev.factories import Resource, key_of
from tests.contract.test_access import RIVAL, ask, bob_for, is_owned
from tests.support import ADA, BOB, each_table, stored_with_links

router = APIRouter()
WHO = sa.text("SELECT current_user, private.current_user_id()")
REFUSED = "42501"
OUT_OF_REACH = (
    "TRUNCATE {table}",
    "RESET ROLE; SELECT * FROM {table}",
    "SET LOCAL row_security = off; SELECT * FROM {table}",
    "SET ROLE {owner}",
    "SET ROLE pg_read_all_data",
    "SET SESSION AUTHORIZATION {owner}",
    "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    "CREATE POLICY open ON {table} USING (true)",
    "CREATE TRIGGER spy AFTER INSERT ON {table} EXECUTE FUNCTION app.touch_row()",
    "CREATE TABLE app.copies ()",
    "CREATE FUNCTION private.spy() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER FUNCTION private.current_user_id() VOLATILE",
    "ALTER ROLE authenticated BYPASSRLS",
)


def relations_of(table: Resource) -> list[sa.Table]:
    """Return the table and those that hold its links."""
    return [table.table, *table.links.values()]


async def outcome(sessions: Sessions, who: Identity, *statements: sa.Executable) -> int | str:
    """Run statements as somebody; return how many rows the last one saw or changed, or how it failed."""
    try:
        async with open_transaction(sessions.of(who)) as session:
            for statement in statements:
                result: Any = await session.execute(statement)
            return len(result.all()) if result.returns_rows else int(result.rowcount)
    except DBAPIError as error:
        return sqlstate(error)


def changes_of(relation: sa.Table) -> list[sa.Executable]:
    """Return statements that would change every row, and read none: a policy for reading is of no help."""
    return [sa.update(relation).values({next(iter(relation.primary_key)): uuid.uuid4()}), sa.delete(relation)]


async def copy_of(sessions: Sessions, relation: sa.Table) -> sa.Executable:
    """Return a statement that would store one of Ada's rows once more."""
    stored = [column for column in relation.columns if column.computed is None]
    async with sessions.of(ADA).read() as session:
        row = (await session.execute(sa.select(*stored).limit(1))).one()
    return sa.insert(relation).values(dict(zip((column.name for column in stored), row, strict=True)))


@each_table
async def test_sql_reaches_what_is_ones_own(sessions: Sessions, table: Resource) -> None:
    await stored_with_links(sessions, table, ADA)
    for relation in relations_of(table):
        everything, bob = sa.select(relation), bob_for(table)
        mine = await outcome(sessions, ADA, everything)
        assert mine
        assert await outcome(sessions, bob, everything) == (0 if is_owned(table) else mine)
        assert [await outcome(sessions, bob, change) for change in changes_of(relation)] == [0, 0]
        assert await outcome(sessions, bob, await copy_of(sessions, relation)) == REFUSED
        assert await outcome(sessions, SYSTEM, everything) == await outcome(sessions, ADA, everything) == mine


@each_table
async def test_nobody_gives_a_row_away(sessions: Sessions, table: Resource) -> None:
    await stored_with_links(sessions, table, RIVAL)
    for relation in relations_of(table):
        if is_owned(table):
            given = sa.update(relation).values(owner_id=ADA.user_id)
            assert await outcome(sessions, RIVAL, given) == REFUSED


@each_table
@pytest.mark.parametrize("who", [AS_LOGIN, ANONYMOUS], ids=["login", "anonymous"])
async def test_who_is_no_user_reaches_no_table(sessions: Sessions, table: Resource, who: Identity) -> None:
    await stored_with_links(sessions, table, ADA)
    for relation in relations_of(table):
        statements = [sa.select(relation), *changes_of(relation), await copy_of(sessions, relation)]
        assert {await outcome(sessions, who, statement) for statement in statements} == {REFUSED}


@each_table
async def test_nobody_gets_round_the_policies(sessions: Sessions, owner: Connection, table: Resource) -> None:
    names = {"table": table.table.fullname, "owner": await owner.fetchval("SELECT quote_ident(current_user)")}
    for attack in OUT_OF_REACH:
        statements = [sa.text(statement) for statement in attack.format(**names).split("; ")]
        assert await outcome(sessions, RIVAL, *statements) == REFUSED, attack


@pytest.fixture(scope="module")
async def unbound(settings: Settings) -> AsyncIterator[Sessions]:
    """Sessions of one connection, which are nobody's yet."""
    async with open_sessions(settings.model_copy(update={"pool_size": 1, "max_overflow": 0})) as opened:
        yield opened


@each_table
async def test_a_connection_keeps_nobody_in_mind(sessions: Sessions, unbound: Sessions, table: Resource) -> None:
    adas, bobs = [key_of(await stored_with_links(sessions, table, who)) for who in (ADA, RIVAL)]
    hidden = {ADA: {bobs}, RIVAL: {adas}} if is_owned(table) else {}
    keys = sa.select(next(iter(table.table.primary_key)))
    for who in (ADA, RIVAL, SYSTEM, ADA):
        for make_session in (unbound.of(who).write, unbound.of(who).read):
            async with make_session.begin() as session:
                seen = {adas, bobs} & set(await session.scalars(keys))
            assert seen == {adas, bobs} - hidden.get(who, set())
        await nobody_is_left(unbound, table)  # first: a refusal would clean up
        await nothing_begins(unbound)


async def nothing_begins(unbound: Sessions) -> None:
    """Check that there is no transaction without an identity, and for an identity nothing but transactions."""
    automatic = unbound.engine.execution_options(isolation_level="AUTOCOMMIT", identity=ADA)
    for engine in (unbound.engine, unbound.reader, automatic):
        async with engine.connect() as connection:
            with pytest.raises(MissingIdentityError):
                await connection.execute(sa.text("SELECT 1"))


async def nobody_is_left(unbound: Sessions, table: Resource) -> None:
    """Check that a connection is nobody's outside of a transaction, for those who ask the driver itself."""
    lent = await unbound.engine.raw_connection()
    driver: Any = lent.driver_connection
    assert not await driver.fetchval("SELECT current_setting('request.jwt.claims', true)")
    with pytest.raises(InsufficientPrivilegeError):
        await driver.execute(f"SELECT FROM {table.table}")
    with pytest.raises(MissingIdentityError):
        await driver.execute("BEGIN")
    lent.close()


@router.get("/writing")
async def write(session: SessionDep) -> list[str]:
    return [str(value) for value in (await session.execute(WHO)).one()]


@router.get("/reading")
async def read(session: ReadSessionDep) -> list[str]:
    return [str(value) for value in (await session.execute(WHO)).one()]


async def test_a_route_has_a_session_of_who_asks(app: FastAPI, client: AsyncClient) -> None:
    app.include_router(router)
    for user in (ADA, BOB):
        for path in ("/writing", "/reading"):
            assert (await ask(client, user, "GET", path)).json() == ["authenticated", str(user.user_id)]


async def test_bootstrap_can_be_repeated_and_makes_no_other_login(settings: Settings, database_url: str) -> None:
    assert await bootstrap(settings) == []
    with pytest.raises(SystemExit, match=LOGIN):
        await bootstrap(settings.model_copy(update={"database_url": SecretStr(database_url)}))


async def test_the_catalog_has_no_holes(sessions: Sessions) -> None:
    async with sessions.of(AS_LOGIN).engine.connect() as connection:
        assert await find_holes(connection) == []
