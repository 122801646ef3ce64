"""Requests of two users that share one connection: cancelled, streamed, slow, and with work that outlives them."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import StreamingResponse

from app.api import ReadSessionDep, SessionDep
from app.auth import IdentityDep
from app.database.identity import SYSTEM, Identity, MissingIdentityError
from app.database.session import Sessions, open_transaction
from app.settings import Settings
from tests.proofs.server import until
from tests.proofs.service import Service, assert_problem, serving
from tests.row_security.rows import IDS, orders, outcome
from tests.support import ADA, BOB, headers_of

ONE_CONNECTION: dict[str, Any] = {"pool_size": 1, "max_overflow": 0}
SLEEP = sa.text("SELECT pg_sleep(60)")
SLEEPING = "state = 'active' AND query LIKE '%pg_sleep(60)%'"
LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


async def listed(service: Service, who: Identity) -> set[str]:
    """Return the orders that somebody is shown."""
    answer = await service.client.get("/orders", headers=headers_of(who))
    return {row["id"] for row in answer.json()["items"]}


@pytest.mark.parametrize("reading", [False, True])
async def test_after_a_request_that_was_cancelled_the_next_one_is_somebody_elses(
    settings: Settings, sessions: Sessions, owner: asyncpg.Connection, *, reading: bool
) -> None:
    adas, bobs = await orders(sessions)
    router = APIRouter()

    @router.post("/proof")
    async def write(session: SessionDep) -> None:
        await session.execute(SLEEP)

    @router.post("/proof/reading")
    async def read(session: ReadSessionDep) -> None:
        await session.execute(SLEEP)

    async with serving(settings, router, **ONE_CONNECTION) as service:
        for _ in range(2):
            request = asyncio.create_task(service.post("/proof/reading" if reading else "/proof"))
            await until(owner, SLEEPING)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            assert await listed(service, BOB) == {str(bobs)}
            assert await listed(service, ADA) == {str(adas)}


async def test_a_stream_is_its_callers(settings: Settings, sessions: Sessions) -> None:
    adas, bobs = await orders(sessions)
    router = APIRouter()

    @router.get("/proof")
    async def stream(request: Request, identity: IdentityDep) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            async with open_transaction(request.state["sessions"].of(identity)) as session:
                async for key in await session.stream_scalars(IDS):
                    yield f"{key};"

        return StreamingResponse(lines())

    async with serving(settings, router, **ONE_CONNECTION) as service:
        for who, own in ((ADA, adas), (BOB, bobs), (ADA, adas)):
            assert (await service.client.get("/proof", headers=headers_of(who))).text == f"{own};"


async def test_work_that_outlives_its_request_says_whose_it_is(settings: Settings, sessions: Sessions) -> None:
    adas, bobs = await orders(sessions)
    router, seen = APIRouter(), list[object]()

    async def look(opened: Sessions) -> None:
        try:
            async with open_transaction(opened) as session:
                seen.append(set(await session.scalars(IDS)))
        except MissingIdentityError:
            seen.append(None)

    @router.post("/proof")
    async def begin(request: Request, identity: IdentityDep, session: SessionDep, tasks: BackgroundTasks) -> None:
        await session.execute(IDS)
        opened: Sessions = request.state["sessions"]
        for chosen in (opened, opened.of(identity), opened.of(SYSTEM)):
            tasks.add_task(look, chosen)

    async with serving(settings, router, **ONE_CONNECTION) as service:
        await service.client.post("/proof", headers=headers_of(BOB))
    assert seen == [None, {bobs}, {adas, bobs}]


async def test_limits_hold_for_the_role_that_was_taken_on(settings: Settings) -> None:
    shown = sa.select(*(sa.func.current_setting(name) for name in LIMITS), sa.text("current_user"))
    router = APIRouter()

    @router.post("/proof")
    async def wait(session: SessionDep) -> None:
        assert (await session.execute(shown)).one() == ("200ms", "3s", "30s", "authenticated")
        await session.execute(SLEEP)

    async with serving(settings, router, statement_timeout=0.2) as service:
        assert_problem(await service.post(), 504, "timed_out")


async def test_what_may_be_set_for_a_role_does_not_count_for_who_takes_it_on(
    sessions: Sessions, owner: asyncpg.Connection
) -> None:
    await owner.execute("ALTER ROLE authenticated SET statement_timeout = '1ms'")
    try:
        assert await outcome(sessions, BOB, "SELECT 1 FROM pg_sleep(0.05)") == [(1,)]
    finally:
        await owner.execute("ALTER ROLE authenticated RESET statement_timeout")


async def test_a_row_that_a_policy_refuses_is_answered_403(settings: Settings, sessions: Sessions) -> None:
    router = APIRouter()

    @router.post("/proof")
    async def give(session: SessionDep) -> None:
        values = {"id": uuid.uuid4(), "owner": ADA.user_id}
        await session.execute(sa.text("INSERT INTO app.orders (id, owner_id) VALUES (:id, :owner)"), values)

    async with serving(settings, router) as service:
        assert (await service.client.post("/proof", headers=headers_of(ADA))).status_code == 200
        assert_problem(await service.client.post("/proof", headers=headers_of(BOB)), 403, "forbidden")
