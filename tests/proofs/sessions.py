"""Sessions keep to their kind and leave nothing behind, however their request ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import InvalidRequestError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.api import ReadSessionDep, SessionDep
from app.database.session import Sessions, open_transaction
from app.settings import Settings
from tests.proofs.server import schema
from tests.proofs.service import assert_problem, running, serving

PID = sa.text("SELECT pg_backend_pid()")
SLEEP = sa.text("SELECT pg_sleep(60)")
SLEEPING = "state = 'active' AND query LIKE '%pg_sleep(60)%'"
ONE_CONNECTION: dict[str, Any] = {"pool_size": 1, "max_overflow": 0}


async def test_a_read_session_refuses_to_write(
    settings: Settings, owner: asyncpg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    route = running("INSERT INTO proof.things VALUES (1)", reading=True)
    async with schema(owner, "CREATE TABLE proof.things (id int)"), serving(settings, route) as service:
        assert_problem(await service.post(), 500, "internal")
        assert await owner.fetchval("SELECT count(*) FROM proof.things") == 0
    assert "a database error that no client can cause" in capsys.readouterr().err


async def test_reading_holds_no_transaction(sessions: Sessions, owner: asyncpg.Connection) -> None:
    async with sessions.read() as session:
        pid = await session.scalar(PID)
        assert await owner.fetchval("SELECT state FROM pg_stat_activity WHERE pid = $1", pid) == "idle"


async def test_a_request_has_one_session_of_a_kind(settings: Settings) -> None:
    router = APIRouter()

    async def identity(session: SessionDep) -> int:
        return id(session)

    @router.post("/proof")
    async def compare(session: SessionDep, other: Annotated[int, Depends(identity)]) -> bool:
        return id(session) == other

    async with serving(settings, router, **ONE_CONNECTION) as service:
        assert (await service.post()).json() is True


async def test_two_tasks_on_one_session_harm_no_other_request(settings: Settings) -> None:
    router = APIRouter()

    @router.post("/proof")
    async def share(session: SessionDep) -> None:
        await session.execute(PID)
        with suppress(SQLAlchemyError):
            await asyncio.gather(session.execute(sa.text("SELECT pg_sleep(0.1)")), session.commit())

    async with serving(settings, router, **ONE_CONNECTION) as service:
        await service.post("/writes")
        assert_problem(await service.post(), 500, "internal")
        assert (await service.post("/writes")).status_code == 200


async def test_a_connection_is_back_before_background_tasks_begin(settings: Settings) -> None:
    router, found = APIRouter(), list[int]()

    async def look(sessions: Sessions) -> None:
        found.extend(kind.kw["bind"].pool.checkedout() for kind in (sessions.write, sessions.read))

    @router.post("/proof")
    async def write(request: Request, session: SessionDep, tasks: BackgroundTasks) -> None:
        await session.execute(PID)
        tasks.add_task(look, request.state["sessions"])

    @router.post("/proof/reading")
    async def read(request: Request, session: ReadSessionDep, tasks: BackgroundTasks) -> None:
        await session.execute(PID)
        tasks.add_task(look, request.state["sessions"])

    async with serving(settings, router) as service:
        await service.post()
        await service.post("/proof/reading")
    assert found == [0, 0, 0, 0]


async def test_a_session_ends_with_its_request(settings: Settings) -> None:
    router, kept = APIRouter(), list[AsyncSession]()

    @router.post("/proof")
    async def keep(session: SessionDep) -> None:
        kept.append(session)

    @router.post("/proof/reading")
    async def keep_reading(session: ReadSessionDep) -> None:
        kept.append(session)

    async with serving(settings, router) as service:
        await service.post()
        await service.post("/proof/reading")
        for session in kept:
            with pytest.raises(InvalidRequestError, match="closed"):
                await session.execute(PID)


async def test_a_stream_runs_through_a_session_of_its_own(settings: Settings) -> None:
    router = APIRouter()

    @router.post("/proof")
    async def stream(request: Request) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            # Rows come through a cursor, which needs a transaction: a read session has none.
            async with open_transaction(request.state["sessions"]) as session:
                async for row in await session.stream(sa.text("SELECT * FROM generate_series(1, 3)")):
                    yield f"{row[0]};"

        return StreamingResponse(lines())

    async with serving(settings, router, **ONE_CONNECTION) as service:
        assert (await service.post()).text == "1;2;3;"
