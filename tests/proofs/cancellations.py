"""Nobody waits any longer: nothing is left behind, and nothing answers with success."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import anyio
import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import APIRouter

from app.api import SessionDep
from app.settings import Settings
from tests.proofs.server import until
from tests.proofs.service import assert_problem, running, serving

Wait = Callable[[float], AbstractContextManager[anyio.CancelScope]]
SLEEP = sa.text("SELECT pg_sleep(60)")
SLEEPING = "state = 'active' AND query LIKE '%pg_sleep(60)%'"
ONE_CONNECTION: dict[str, Any] = {"pool_size": 1, "max_overflow": 0}


@pytest.mark.parametrize("reading", [False, True])
async def test_a_cancelled_request_leaves_nothing_behind(
    settings: Settings, owner: asyncpg.Connection, reading: bool
) -> None:
    async with serving(settings, running("SELECT pg_sleep(60)", reading=reading), **ONE_CONNECTION) as service:
        request = asyncio.create_task(service.post())
        await until(owner, SLEEPING)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await until(owner, SLEEPING, holds=False)


@pytest.mark.parametrize(
    ("wait", "status", "code"),
    [(anyio.fail_after, 503, "database_unavailable"), (anyio.move_on_after, 500, "internal")],
)
async def test_a_route_that_gives_up_waiting_answers_an_error(
    settings: Settings, owner: asyncpg.Connection, wait: Wait, status: int, code: str
) -> None:
    router = APIRouter()

    @router.post("/proof", status_code=201)
    async def give_up(session: SessionDep) -> dict[str, str]:
        with wait(0.05):
            await session.execute(SLEEP)
        return {}

    async with serving(settings, router, statement_timeout=0.3, **ONE_CONNECTION) as service:
        assert_problem(await service.post(), status, code)
        # Nobody tells the server: its own timeout ends the statement.
        await until(owner, SLEEPING, holds=False)
