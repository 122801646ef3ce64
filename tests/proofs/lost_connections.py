"""A connection that was lost costs one request at most: 503, and the next one is fine."""

import asyncio
from contextlib import nullcontext

import asyncpg
import pytest
import sqlalchemy as sa
from app.settings import Settings
from fastapi import APIRouter

from app.database import guards
from app.database.session import SessionDep
from tests.proofs.server import OURS, schema, until
from tests.proofs.service import Service, assert_problem, running, serving

PID = sa.text("SELECT pg_backend_pid()")


async def kill(owner: asyncpg.Connection, service: Service, kind: str) -> None:
    """Have the server end the idle connection that the pool would hand out next."""
    async with getattr(service.sessions, kind)() as session:
        pid = await session.scalar(PID)
    await owner.execute("SELECT pg_terminate_backend($1)", pid)
    await until(owner, f"pid = {pid}", holds=False)


@pytest.mark.parametrize("kind", ["write", "read"])
async def test_a_connection_that_was_dropped_costs_one_request(
    settings: Settings, owner: asyncpg.Connection, kind: str
) -> None:
    async with serving(settings) as service:
        await kill(owner, service, kind)
        assert_problem(await service.post(f"/{kind}s"), 503, "database_unavailable")
        assert (await service.post(f"/{kind}s")).status_code == 200


@pytest.mark.parametrize("kind", ["write", "read"])
async def test_a_connection_that_was_dropped_while_it_idled_costs_nothing(
    settings: Settings, owner: asyncpg.Connection, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "IDLE_SECONDS", 0)
    async with serving(settings) as service:
        await kill(owner, service, kind)
        assert (await service.post(f"/{kind}s")).status_code == 200


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


@pytest.mark.parametrize("kind", ["write", "read"])
async def test_a_statement_prepared_before_a_migration_fails_once(
    settings: Settings, owner: asyncpg.Connection, kind: str
) -> None:
    statement = running("SELECT * FROM proof.things", reading=kind == "read")
    async with schema(owner, "CREATE TABLE proof.things (id int)"), serving(settings, statement) as service:
        assert (await service.post()).status_code == 201
        await owner.execute("ALTER TABLE proof.things ALTER id TYPE bigint")
        assert_problem(await service.post(), 503, "contended")
        assert (await service.post()).status_code == 201
