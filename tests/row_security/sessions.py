"""Whatever a session or a connection is used for first, and however often it begins: its rows are somebody's."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified
from sqlalchemy.orm.exc import StaleDataError

from app.database.identity import MissingIdentityError
from app.database.session import Sessions
from app.models.order import Order
from app.settings import Settings
from tests.row_security.rows import IDS, one_connection, orders
from tests.support import ADA, BOB

Look = Callable[[AsyncSession, set[uuid.UUID]], Awaitable[set[uuid.UUID]]]
WHO = sa.text("SELECT current_user, private.current_user_id()")
ISOLATIONS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


async def execute(session: AsyncSession, _: set[uuid.UUID]) -> set[uuid.UUID]:
    return set((await session.execute(IDS)).scalars())


async def get(session: AsyncSession, keys: set[uuid.UUID]) -> set[uuid.UUID]:
    return {key for key in sorted(keys) if await session.get(Order, key)}


async def stream(session: AsyncSession, _: set[uuid.UUID]) -> set[uuid.UUID]:
    return {key async for key in await session.stream_scalars(IDS)}


async def connection(session: AsyncSession, _: set[uuid.UUID]) -> set[uuid.UUID]:
    return set((await (await session.connection()).execute(IDS)).scalars())


async def driver_sql(session: AsyncSession, _: set[uuid.UUID]) -> set[uuid.UUID]:
    rows = await (await session.connection()).exec_driver_sql("SELECT id FROM app.orders")
    return set(rows.scalars())


async def text(session: AsyncSession, _: set[uuid.UUID]) -> set[uuid.UUID]:
    return set(await session.scalars(sa.text("TABLE app.orders")))


async def savepoint(session: AsyncSession, _: set[uuid.UUID]) -> set[uuid.UUID]:
    async with session.begin_nested():
        return set(await session.scalars(IDS))


async def run_sync(session: AsyncSession, _: set[uuid.UUID]) -> set[uuid.UUID]:
    return await session.run_sync(lambda sync: set(sync.scalars(IDS)))


@pytest.mark.parametrize("look", [execute, get, stream, connection, driver_sql, text, savepoint, run_sync])
@pytest.mark.parametrize("kind", ["write", "read"])
async def test_the_first_call_on_a_used_connection_sees_ones_own(
    sessions: Sessions, settings: Settings, look: Look, kind: str
) -> None:
    adas, bobs = await orders(sessions)
    async with one_connection(settings) as opened:
        for who, own in ((ADA, adas), (BOB, bobs), (ADA, adas)):
            async with getattr(opened.of(who), kind)() as session:
                assert await look(session, {adas, bobs}) == {own}


async def test_a_flush_that_comes_first_stores_ones_own(sessions: Sessions, settings: Settings) -> None:
    await orders(sessions)
    async with one_connection(settings) as opened:
        async with opened.of(ADA).write() as session:
            await session.scalars(IDS)
        async with opened.of(BOB).write.begin() as session:
            session.add(Order(owner_id=BOB.user_id))
            await session.flush()
            assert (await session.execute(WHO)).one() == ("authenticated", BOB.user_id)
            assert set(await session.scalars(sa.select(Order.owner_id))) == {BOB.user_id}


async def test_rows_of_another_session_are_neither_read_again_nor_written(sessions: Sessions) -> None:
    adas, _ = await orders(sessions)
    for work in ("refresh", "change", "delete"):
        async with sessions.of(ADA).read() as session:
            row = await session.get_one(Order, adas)
            session.expunge(row)
        async with sessions.of(BOB).write() as session:
            session.add(row)
            with pytest.raises(InvalidRequestError if work == "refresh" else StaleDataError):
                await reuse(session, row, work)


async def reuse(session: AsyncSession, row: Order, work: str) -> None:
    """Do something with a row that was read for somebody else."""
    if work == "refresh":
        await session.refresh(row)
    elif work == "delete":
        await session.delete(row)
    else:
        flag_modified(row, "note")
    await session.flush()


async def test_each_transaction_of_a_session_is_bound_anew(sessions: Sessions) -> None:
    _, bobs = await orders(sessions)
    async with sessions.of(BOB).write() as session:
        for end in (session.commit, session.rollback, session.commit):
            assert set(await session.scalars(IDS)) == {bobs}
            await end()


@pytest.mark.parametrize("kept", [True, False])
async def test_a_savepoint_changes_nothing(sessions: Sessions, *, kept: bool) -> None:
    _, bobs = await orders(sessions)
    async with sessions.of(BOB).write() as session:
        for _ in range(2):
            savepoint = await session.begin_nested()
            assert set(await session.scalars(IDS)) == {bobs}
            await (savepoint.commit() if kept else savepoint.rollback())
            assert (await session.execute(WHO)).one() == ("authenticated", BOB.user_id)
            assert set(await session.scalars(IDS)) == {bobs}


async def test_connections_of_core_are_bound_too(sessions: Sessions) -> None:
    _, bobs = await orders(sessions)
    for engine in (sessions.of(BOB).engine, sessions.of(BOB).reader):
        async with engine.connect() as connection:
            assert set(await connection.scalars(IDS)) == {bobs}
        async with engine.begin() as connection:
            assert set(await connection.scalars(IDS)) == {bobs}
            async with connection.stream(IDS) as rows:
                assert {key async for (key,) in rows} == {bobs}


@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_every_isolation_level_is_bound(sessions: Sessions, isolation: Any) -> None:
    _, bobs = await orders(sessions)
    async with sessions.of(BOB).engine.connect() as connection:
        await connection.execution_options(isolation_level=isolation)
        assert await connection.scalar(sa.text("SHOW transaction_isolation")) == isolation.lower()
        assert set(await connection.scalars(IDS)) == {bobs}


async def test_autocommit_is_refused_wherever_it_is_asked_for(sessions: Sessions) -> None:
    async with sessions.of(BOB).engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(MissingIdentityError):
            await connection.execute(IDS)
    async with sessions.of(BOB).write() as session:
        with pytest.raises(MissingIdentityError):
            await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})


async def test_two_phases_are_refused(settings: Settings) -> None:
    async with one_connection(settings) as opened, opened.of(ADA).engine.connect() as connection:
        await connection.execute(IDS)
        await connection.rollback()
        await connection.execution_options(identity=BOB)
        with pytest.raises(MissingIdentityError):
            await connection.run_sync(lambda sync: sync.begin_twophase())


async def test_who_goes_on_without_an_identity_gets_no_further(sessions: Sessions, settings: Settings) -> None:
    _, bobs = await orders(sessions)
    async with one_connection(settings) as opened:
        for before in (None, ADA):
            async with opened.engine.execution_options(identity=before).connect() as connection:
                if before:
                    await connection.execute(IDS)
                    await connection.rollback()
                    await connection.execution_options(identity=None)
                for _ in range(2):
                    with pytest.raises(MissingIdentityError):
                        await connection.execute(IDS)
            async with opened.of(BOB).write() as session:
                assert set(await session.scalars(IDS)) == {bobs}


async def test_an_identity_holds_from_the_next_transaction_on(settings: Settings) -> None:
    async with one_connection(settings) as opened, opened.of(BOB).engine.connect() as connection:
        assert (await connection.execute(WHO)).one() == ("authenticated", BOB.user_id)
        await connection.execution_options(identity=ADA)
        assert (await connection.execute(WHO)).one() == ("authenticated", BOB.user_id)
        await connection.rollback()
        assert (await connection.execute(WHO)).one() == ("authenticated", ADA.user_id)


async def test_twelve_tasks_never_see_each_others_rows(sessions: Sessions, settings: Settings) -> None:
    adas, bobs = await orders(sessions)
    async with one_connection(settings.model_copy(update={"pool_size": 1})) as one:
        for opened in (one, sessions):

            async def work(number: int, opened: Sessions = opened) -> None:
                who, own = ((ADA, adas), (BOB, bobs))[number % 2]
                for kind in ("write", "read") * 6:
                    async with getattr(opened.of(who), kind)() as session:
                        assert set(await session.scalars(IDS)) == {own}
                        await asyncio.sleep(0)
                        assert (await session.execute(WHO)).one() == ("authenticated", who.user_id)

            await asyncio.gather(*(work(number) for number in range(12)))
