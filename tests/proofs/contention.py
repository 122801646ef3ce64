"""Requests that get in each other's way: the loser is told to come back, work that can be repeated wins in the end."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import APIRouter
from sqlalchemy.exc import DBAPIError

from app.api import SessionDep
from app.database.session import WriteSession, in_transaction
from app.settings import Settings
from tests.proofs.server import SOON, schema
from tests.proofs.service import assert_problem, serving

COUNTERS = (
    "CREATE TABLE proof.counters (id int PRIMARY KEY, n int)",
    "INSERT INTO proof.counters VALUES (1, 0), (2, 0)",
)
SERIALIZABLE = sa.text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
Meet = Callable[[], Awaitable[object]]


async def nobody() -> None:
    """Meet nobody."""


async def add(session: WriteSession, counter: int) -> None:
    await session.execute(sa.text("UPDATE proof.counters SET n = n + 1 WHERE id = :id"), {"id": counter})


async def add_to_both(session: WriteSession, first: int, meet: Meet) -> None:
    """Take the locks in an order that another may turn round."""
    await session.execute(sa.text("SET LOCAL deadlock_timeout = '20ms'"))
    await add(session, first)
    await meet()
    await add(session, 3 - first)


async def read_and_write(session: WriteSession, meet: Meet) -> None:
    """Write what was read, which others may have changed since."""
    await session.execute(SERIALIZABLE)
    n = await session.scalar(sa.text("SELECT n FROM proof.counters WHERE id = 1"))
    await meet()
    await session.execute(sa.text("UPDATE proof.counters SET n = :n + 1 WHERE id = 1"), {"n": n})


def colliding() -> APIRouter:
    """Return routes of which two requests at once cannot both succeed."""
    router, meeting = APIRouter(), asyncio.Barrier(2)

    @router.post("/proof/{first}")
    async def deadlock(session: SessionDep, first: int) -> None:
        await add_to_both(session, first, meeting.wait)

    @router.post("/proof")
    async def serialization(session: SessionDep) -> None:
        await read_and_write(session, meeting.wait)

    return router


@pytest.mark.parametrize("paths", [("/proof/1", "/proof/2"), ("/proof", "/proof")], ids=["40P01", "40001"])
async def test_one_of_two_that_collide_is_told_to_try_again(
    settings: Settings, owner: asyncpg.Connection, paths: tuple[str, str]
) -> None:
    async with schema(owner, *COUNTERS), serving(settings, colliding()) as service:
        answers = await asyncio.gather(*map(service.post, paths))
        won, lost = sorted(answers, key=lambda answer: answer.status_code)
        assert won.status_code == 200
        assert_problem(lost, 503, "contended")
        assert await owner.fetchval("SELECT sum(n) FROM proof.counters") == (2 if paths[0] != paths[1] else 1)


async def test_a_deadlock_is_retried(settings: Settings, owner: asyncpg.Connection) -> None:
    runs, meeting = [], asyncio.Barrier(2)

    async def work(session: WriteSession, first: int) -> None:
        runs.append(first)
        await add_to_both(session, first, meeting.wait if len(runs) <= 2 else nobody)

    async with schema(owner, *COUNTERS), serving(settings) as service:
        await asyncio.gather(
            in_transaction(service.sessions, lambda session: work(session, 1)),
            in_transaction(service.sessions, lambda session: work(session, 2)),
        )
        assert await owner.fetchval("SELECT array_agg(n) FROM proof.counters") == [2, 2]
        assert len(runs) == 3


async def test_twenty_serializable_changes_at_once_all_count(settings: Settings, owner: asyncpg.Connection) -> None:
    async with schema(owner, *COUNTERS), serving(settings, pool_size=20) as service:

        async def work(session: WriteSession) -> None:
            await read_and_write(session, nobody)

        await asyncio.gather(*[in_transaction(service.sessions, work, attempts=100) for _ in range(20)])
        assert await owner.fetchval("SELECT n FROM proof.counters WHERE id = 1") == 20


async def test_retries_come_to_an_end(settings: Settings) -> None:
    runs = []

    async def work(session: WriteSession) -> None:
        runs.append(session)
        await session.execute(sa.text("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"))

    async with serving(settings) as service:
        async with asyncio.timeout(SOON):
            with pytest.raises(DBAPIError):
                await in_transaction(service.sessions, work, attempts=3)
    assert len(set(map(id, runs))) == len(runs) == 3


async def test_other_errors_are_not_retried(settings: Settings) -> None:
    runs = []

    async def work(session: WriteSession) -> None:
        runs.append(session)
        await session.execute(sa.text("SELECT 1 / 0"))

    async with serving(settings) as service:
        with pytest.raises(DBAPIError):
            await in_transaction(service.sessions, work)
    assert len(runs) == 1
