"""No wait is longer than the settings say."""

import asyncio
from contextlib import AsyncExitStack

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import APIRouter

from app.api import SessionDep
from app.settings import Settings
from tests.proofs.network import network
from tests.proofs.server import SOON, schema, until
from tests.proofs.service import assert_problem, running, serving

PID = sa.text("SELECT pg_backend_pid()")
THINGS = ("CREATE TABLE proof.things (id int)", "INSERT INTO proof.things VALUES (1)")


def waiting() -> tuple[APIRouter, asyncio.Event, asyncio.Event]:
    """Return `POST /proof`, which holds its connection from one event to the other and then uses it again."""
    router, begun, ended = APIRouter(), asyncio.Event(), asyncio.Event()

    @router.post("/proof")
    async def wait(session: SessionDep) -> None:
        await session.execute(PID)
        begun.set()
        await ended.wait()
        await session.execute(PID)

    return router, begun, ended


async def test_a_statement_that_takes_too_long_is_ended(settings: Settings, owner: asyncpg.Connection) -> None:
    async with serving(settings, running("SELECT pg_sleep(60)"), statement_timeout=0.1) as service:
        async with asyncio.timeout(SOON):
            assert_problem(await service.post(), 504, "timed_out")
        await until(owner, "state = 'active'", holds=False)


async def test_waiting_for_a_lock_comes_to_an_end(settings: Settings, owner: asyncpg.Connection) -> None:
    update = "UPDATE proof.things SET id = 2"
    async with schema(owner, *THINGS), serving(settings, running(update), lock_timeout=0.1) as service:
        async with owner.transaction():
            await owner.execute(update)
            async with asyncio.timeout(SOON):
                assert_problem(await service.post(), 503, "database_busy")
        assert (await service.post()).status_code == 201


async def test_a_transaction_that_does_nothing_is_ended(settings: Settings, owner: asyncpg.Connection) -> None:
    router, begun, ended = waiting()
    async with serving(settings, router, idle_in_transaction_timeout=0.05) as service:
        answer = asyncio.create_task(service.post())
        await begun.wait()
        async with asyncio.timeout(SOON):
            await until(owner, "xact_start IS NOT NULL", holds=False)
        ended.set()
        assert_problem(await answer, 503, "database_unavailable")


async def test_waiting_for_the_pool_comes_to_an_end(settings: Settings) -> None:
    router, begun, ended = waiting()
    async with serving(settings, router, pool_size=1, max_overflow=0, pool_timeout=0.1) as service:
        first = asyncio.create_task(service.post())
        await begun.wait()
        async with asyncio.timeout(SOON):
            assert_problem(await service.post(), 503, "database_busy")
        ended.set()
        assert (await first).status_code == 200


@pytest.mark.parametrize("kind", ["write", "read"])
async def test_a_server_that_went_silent_is_given_up(settings: Settings, database_url: str, kind: str) -> None:
    async with (
        network(database_url) as (url, between),
        serving(settings, database_url=url, statement_timeout=0.1, connect_timeout=0.2, pool_size=1) as service,
    ):
        assert (await service.post(f"/{kind}s")).status_code == 200
        between.passing.clear()
        async with asyncio.timeout(SOON + 2):
            assert_problem(await service.post(f"/{kind}s"), 503, "database_unavailable")
        async with asyncio.timeout(0.5):  # to open another connection
            assert_problem(await service.post(f"/{kind}s"), 503, "database_unavailable")
        between.passing.set()


async def test_a_stop_does_not_wait_for_a_silent_server(settings: Settings, database_url: str) -> None:
    async with network(database_url) as (url, between), AsyncExitStack() as running:
        service = await running.enter_async_context(
            serving(settings, recovers=False, database_url=url, connect_timeout=0.2)
        )
        await asyncio.gather(service.post("/writes"), service.post("/writes"), service.post("/reads"))
        between.passing.clear()
        async with asyncio.timeout(SOON):
            await running.aclose()
