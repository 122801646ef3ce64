"""A connection that was lost costs one request at most: 503, and the next one is fine."""

import asyncio
from contextlib import nullcontext

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import APIRouter

from app.api import SessionDep
from app.database import guards
from app.settings import Settings
from tests.proofs.network import network
from tests.proofs.server import OURS, SOON, until
from tests.proofs.service import Service, assert_problem, serving

PID = sa.text("SELECT pg_backend_pid()")


async def kill(owner: asyncpg.Connection, service: Service, kind: str) -> None:
    """Have the server end the idle connection that the pool would hand out next, and wait until it is closed here."""
    async with getattr(service.sessions, kind)() as session:
        pid = await session.scalar(PID)
        ended = (await (await session.connection()).get_raw_connection()).driver_connection
    await owner.execute("SELECT pg_terminate_backend($1)", pid)
    async with asyncio.timeout(SOON):
        while not ended.is_closed():
            await owner.execute("SELECT")


@pytest.mark.parametrize("kind", ["write", "read"])
async def test_a_connection_that_was_dropped_while_it_idled_costs_nothing(
    settings: Settings, owner: asyncpg.Connection, kind: str
) -> None:
    async with serving(settings) as service:
        await kill(owner, service, kind)
        assert (await service.post(f"/{kind}s")).status_code == 200


async def test_connections_that_were_forgotten_while_they_idled_cost_nothing(
    settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "IDLE_SECONDS", 0)
    async with (
        network(database_url) as (url, between),
        serving(settings, database_url=url, connect_timeout=0.3) as service,
    ):
        await asyncio.gather(service.post("/writes"), service.post("/writes"))
        between.forget()
        assert (await service.post("/writes")).status_code == 200


async def test_connections_that_went_silent_cost_one_request(settings: Settings, database_url: str) -> None:
    async with (
        network(database_url) as (url, between),
        serving(settings, database_url=url, statement_timeout=0.1, connect_timeout=0.5) as service,
    ):
        await asyncio.gather(service.post("/writes"), service.post("/writes"))
        between.forget()
        assert_problem(await service.post("/writes"), 503, "database_unavailable")
        answers = await asyncio.gather(service.post("/writes"), service.post("/writes"))
        assert [answer.status_code for answer in answers] == [200, 200]


@pytest.mark.parametrize("within_savepoint", [False, True])
async def test_a_connection_that_is_dropped_during_a_statement(
    settings: Settings, owner: asyncpg.Connection, within_savepoint: bool
) -> None:
    router = APIRouter()

    @router.post("/proof", status_code=201)
    async def sleep(session: SessionDep) -> None:
        async with session.begin_nested() if within_savepoint else nullcontext():
            await session.execute(sa.text("SELECT pg_sleep(60)"))

    async with serving(settings, router) as service:
        answer = asyncio.create_task(service.post())
        await until(owner, "state = 'active' AND query LIKE '%pg_sleep%'")
        await owner.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OURS}")  # noqa: S608
        assert_problem(await answer, 503, "database_unavailable")
