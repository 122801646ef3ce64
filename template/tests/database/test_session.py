"""The two kinds of session: one commits before the response, the other cannot write."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy as sa
from asyncpg import Connection, PostgresError
from fastapi import APIRouter, FastAPI, HTTPException
from httpx import AsyncClient
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from app.api import ReadSessionDep, SessionDep
from app.database.base import Base
from app.database.session import Sessions, WriteSession, in_transaction

router = APIRouter()
# Everybody's, so that it is about sessions alone. A name may be there once, but that is checked only at COMMIT.
CREATE = """
    CREATE SCHEMA marking;
    CREATE TABLE marking.marks (name text NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED);
    GRANT USAGE ON SCHEMA marking TO PUBLIC;
    GRANT ALL ON marking.marks TO PUBLIC;
"""
WRITE = sa.text("INSERT INTO marking.marks (name) VALUES ('one')")
FAIL = sa.text("INSERT INTO marking.marks (name) VALUES (NULL)")
COUNT = sa.text("SELECT count(*) FROM marking.marks")


@router.post("/write", status_code=201)
async def write(session: SessionDep) -> None:
    await session.execute(WRITE)


@router.post("/write-twice", status_code=201)
async def write_twice(session: SessionDep) -> None:
    await session.execute(WRITE)
    await session.execute(WRITE)


@router.post("/write-and-refuse", status_code=201)
async def write_and_refuse(session: SessionDep) -> None:
    await session.execute(WRITE)
    raise HTTPException(409)


@router.post("/swallow", status_code=201)
async def swallow(session: SessionDep) -> None:
    await session.execute(WRITE)
    with suppress(DBAPIError):
        await session.execute(FAIL)


@router.post("/swallow-flush", status_code=201)
async def swallow_flush(session: SessionDep) -> None:
    await session.execute(WRITE)
    session.add(next(iter(Base.registry.mappers)).class_(created_at="never"))
    with suppress(DBAPIError):
        await session.flush()


@router.post("/swallow-in-driver", status_code=201)
async def swallow_in_driver(session: SessionDep) -> None:
    await session.execute(WRITE)
    driver: Any = (await (await session.connection()).get_raw_connection()).driver_connection
    with suppress(PostgresError):
        await driver.execute("SELECT 1 / 0")


@router.post("/fail-in-savepoint", status_code=201)
async def fail_in_savepoint(session: SessionDep) -> None:
    await session.execute(WRITE)
    with suppress(DBAPIError):
        async with session.begin_nested():
            await session.execute(FAIL)


@router.post("/write-while-reading", status_code=201)
async def write_while_reading(session: ReadSessionDep) -> None:
    await session.execute(WRITE)


@pytest.fixture(scope="module")
async def marking(
    app: FastAPI, running: tuple[AsyncClient, Sessions], owner: Connection
) -> AsyncIterator[tuple[AsyncClient, Sessions]]:
    """The application, with routes that write a mark, and then do what handlers do."""
    app.include_router(router)
    await owner.execute(CREATE)
    yield running
    await owner.execute("DROP SCHEMA marking CASCADE")


@pytest.mark.parametrize(
    ("path", "status", "marks"),
    [
        ("/write", 201, 1),
        ("/write-twice", 409, 0),
        ("/write-and-refuse", 409, 0),
        ("/swallow", 500, 0),
        ("/swallow-flush", 500, 0),
        ("/swallow-in-driver", 500, 0),
        ("/fail-in-savepoint", 201, 1),
        ("/write-while-reading", 500, 0),
    ],
)
async def test_success_is_answered_only_for_what_is_stored(
    marking: tuple[AsyncClient, Sessions], path: str, status: int, marks: int
) -> None:
    client, sessions = marking
    answer = await client.post(path)
    async with sessions.write.begin() as session:
        stored = await session.scalar(COUNT)
        await session.execute(sa.text("DELETE FROM marking.marks"))
    assert (answer.status_code, stored) == (status, marks)
    pools: list[Any] = [sessions.engine.pool, sessions.reader.pool]
    assert [pool.checkedout() for pool in pools] == [0, 0]


async def test_a_session_is_not_used_after_its_end(sessions: Sessions) -> None:
    async with sessions.read() as session:
        await session.execute(sa.text("SELECT 1"))
    with pytest.raises(InvalidRequestError):
        await session.execute(sa.text("SELECT 1"))


def failing(state: str, times: int) -> tuple[list[int], sa.TextClause]:
    """Return a counter and a statement that fails with a state."""
    return [times], sa.text(f"DO $$ BEGIN RAISE 'no' USING ERRCODE = '{state}'; END $$")


@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_a_collision_is_tried_again(sessions: Sessions, state: str) -> None:
    left, fail = failing(state, 2)

    async def work(session: WriteSession) -> int:
        if left[0]:
            left[0] -= 1
            await session.execute(fail)
        return 1

    assert await in_transaction(sessions, work) == 1
    assert left == [0]


@pytest.mark.parametrize(("state", "tries"), [("40001", 3), ("23514", 1)])
async def test_what_does_not_help_is_not_tried_again(sessions: Sessions, state: str, tries: int) -> None:
    made, fail = failing(state, 0)

    async def work(session: WriteSession) -> None:
        made[0] += 1
        await session.execute(fail)

    with pytest.raises(DBAPIError):
        await in_transaction(sessions, work, attempts=3)
    assert made == [tries]
