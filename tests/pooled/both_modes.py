"""Whatever happens to a pooler, to its server or to a request: 503 for as long as it lasts, and then it is fine."""

import asyncio

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import APIRouter

from app.api import SessionDep
from app.database import guards
from app.database.session import Sessions
from app.settings import Settings
from tests.pooled.fixtures import own_pooler
from tests.pooled.leftovers import Leftovers, end_server_processes, left_behind
from tests.proofs.server import until
from tests.proofs.service import Service, assert_problem, running, serving

PID = sa.text("SELECT pg_backend_pid()")
SLEEPING = "state = 'active' AND query LIKE '%pg_sleep(60)%'"
PATHS = ("/writes", "/reads")


def waiting() -> tuple[APIRouter, "asyncio.Queue[int]", asyncio.Event]:
    """Return `POST /proof`, which tells its server process, waits for the event and then goes on."""
    router, held, ended = APIRouter(), asyncio.Queue[int](), asyncio.Event()

    @router.post("/proof")
    async def hold(session: SessionDep) -> None:
        held.put_nowait(await session.scalar(PID) or 0)
        await ended.wait()
        await session.execute(PID)

    return router, held, ended


async def costs_one_request_at_most(service: Service, path: str) -> None:
    answer = await service.post(path)
    if answer.status_code != 200:
        assert_problem(answer, 503, "database_unavailable")
    assert (await service.post(path)).status_code == 200


async def test_reading_and_writing_share_the_pool(sessions: Sessions) -> None:
    assert sessions.read.kw["bind"].pool is sessions.write.kw["bind"].pool
    async with sessions.read() as session:
        assert await session.scalar(sa.text("SHOW transaction_read_only")) == "on"


async def test_a_server_process_that_ends_within_a_transaction(settings: Settings, owner: asyncpg.Connection) -> None:
    router, held, ended = waiting()
    async with serving(settings, router) as service:
        answer = asyncio.create_task(service.post())
        await owner.execute(f"SELECT pg_terminate_backend({await held.get()}, 5000)")
        ended.set()
        assert_problem(await answer, 503, "database_unavailable")


@pytest.mark.parametrize("path", PATHS)
async def test_server_processes_that_end_while_they_idle(
    settings: Settings, owner: asyncpg.Connection, path: str
) -> None:
    async with serving(settings) as service:
        await service.post(path)
        await end_server_processes(owner)
        await costs_one_request_at_most(service, path)


async def test_a_pooler_that_starts_again_within_a_transaction(settings: Settings, database_url: str) -> None:
    router, held, ended = waiting()
    with own_pooler(settings, database_url) as (pooler, through):
        async with serving(through, router) as service:
            answer = asyncio.create_task(service.post())
            await held.get()
            pooler.stop()
            pooler.start()
            ended.set()
            assert_problem(await answer, 503, "database_unavailable")


@pytest.mark.parametrize("path", PATHS)
async def test_a_pooler_that_starts_again_while_connections_idle(
    settings: Settings, database_url: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_pooler(settings, database_url) as (pooler, through):
        async with serving(through) as service:
            for idle_seconds in (30, 0):
                monkeypatch.setattr(guards, "IDLE_SECONDS", idle_seconds)
                await service.post(path)
                pooler.stop()
                pooler.start()
                await costs_one_request_at_most(service, path)


async def test_a_pooler_that_is_away(settings: Settings, database_url: str) -> None:
    with own_pooler(settings, database_url) as (pooler, through):
        async with serving(through) as service:
            pooler.stop()
            for path in (*PATHS, *PATHS):
                assert_problem(await service.post(path), 503, "database_unavailable")
            pooler.start()


async def test_a_pooler_without_free_connections(settings: Settings, database_url: str) -> None:
    router, held, ended = waiting()
    with own_pooler(settings, database_url, size=2) as (_, through):
        async with serving(through, router) as service:
            first, second = asyncio.create_task(service.post()), asyncio.create_task(service.post())
            assert await held.get() != await held.get()
            assert_problem(await service.post("/writes"), 503, "database_unavailable")
            ended.set()
            assert [(await first).status_code, (await second).status_code] == [200, 200]


@pytest.mark.parametrize("reading", [False, True])
async def test_requests_that_are_cancelled_leave_pool_and_pooler_whole(
    settings: Settings, owner: asyncpg.Connection, database_url: str, reading: bool
) -> None:
    with own_pooler(settings, database_url, size=4) as (pooler, through):
        async with serving(through, running("SELECT pg_sleep(60)", reading=reading)) as service:
            requests = [asyncio.create_task(service.post()) for _ in range(4)]
            await until(owner, SLEEPING)
            for request in requests:
                request.cancel()
            await asyncio.wait(requests)
            assert all(request.cancelled() for request in requests)
            await until(owner, SLEEPING, holds=False)
        assert await left_behind(pooler.through(database_url)) == Leftovers([], [])
