"""A handler that catches a database error and goes on has lost its transaction: it may not answer with success."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import APIRouter
from httpx import AsyncClient
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.api import ReadSessionDep, SessionDep
from app.database.base import uuid7
from app.database.guards import SwallowedDatabaseError
from app.database.session import Sessions, WriteSession, in_transaction
from app.models.category import Category
from app.settings import Settings
from tests.proofs.service import assert_problem, serving

Work = Callable[[WriteSession], Awaitable[None]]


async def fail_to_execute(session: WriteSession) -> None:
    with suppress(IntegrityError):
        await session.execute(sa.insert(Category).values(id=uuid7(), name="first"))


async def fail_to_flush(session: WriteSession) -> None:
    session.add(Category(name="first"))
    with suppress(IntegrityError):
        await session.flush()


async def fail_to_encode(session: WriteSession) -> None:
    with suppress(DBAPIError):
        await session.execute(sa.select(Category).where(Category.name == "\ud800"))


async def fail_within_savepoint(session: WriteSession) -> None:
    async with session.begin_nested():
        await fail_to_execute(session)


async def fail_around_savepoint(session: WriteSession) -> None:
    with suppress(IntegrityError):
        async with session.begin_nested():
            session.add(Category(name="first"))


async def do_nothing_on_conflict(session: WriteSession) -> None:
    await session.execute(insert(Category).values(id=uuid7(), name="first").on_conflict_do_nothing())


def storing_two(second: Work) -> APIRouter:
    router = APIRouter()

    @router.post("/proof", status_code=201)
    async def store(session: SessionDep) -> dict[str, str]:
        await store_two(session, second)
        return {}

    return router


async def store_two(session: WriteSession, second: Work) -> None:
    await session.execute(sa.insert(Category).values(id=uuid7(), name="first"))
    await second(session)


async def names(owner: asyncpg.Connection) -> list[str]:
    return [row["name"] for row in await owner.fetch("SELECT name FROM app.categories")]


@pytest.mark.parametrize("second", [fail_to_execute, fail_to_flush, fail_to_encode])
async def test_a_caught_error_is_an_error_that_the_log_explains(
    client: AsyncClient, settings: Settings, owner: asyncpg.Connection, capsys: pytest.CaptureFixture[str], second: Work
) -> None:
    async with serving(settings, storing_two(second)) as service:
        assert_problem(await service.post(), 500, "internal")
    assert await names(owner) == []
    logged = capsys.readouterr().err
    assert "POST /proof" in logged
    assert "A database error was caught and the handler went on" in logged


async def test_an_error_caught_within_a_savepoint_is_an_error(
    client: AsyncClient, settings: Settings, owner: asyncpg.Connection
) -> None:
    async with serving(settings, storing_two(fail_within_savepoint)) as service:
        assert_problem(await service.post(), 500, "internal")
    assert await names(owner) == []


@pytest.mark.parametrize("second", [fail_around_savepoint, do_nothing_on_conflict])
async def test_an_error_that_is_expected_may_be_caught(
    client: AsyncClient, settings: Settings, owner: asyncpg.Connection, second: Work
) -> None:
    async with serving(settings, storing_two(second)) as service:
        assert (await service.post()).status_code == 201
    assert await names(owner) == ["first"]


@pytest.mark.parametrize("second", [fail_to_execute, fail_to_flush])
async def test_a_unit_of_work_of_its_own_is_refused_too(
    sessions: Sessions, owner: asyncpg.Connection, second: Work
) -> None:
    with pytest.raises(SwallowedDatabaseError):
        await in_transaction(sessions, lambda session: store_two(session, second))
    assert await names(owner) == []


async def test_an_error_that_only_the_driver_saw_is_an_error(
    client: AsyncClient, settings: Settings, owner: asyncpg.Connection
) -> None:
    async def fail_in_driver(session: WriteSession) -> None:
        driver: Any = (await (await session.connection()).get_raw_connection()).driver_connection
        with suppress(asyncpg.PostgresError):
            await driver.execute("SELECT 1 / 0")

    async with serving(settings, storing_two(fail_in_driver)) as service:
        assert_problem(await service.post(), 500, "internal")
    assert await names(owner) == []


async def test_a_transaction_that_did_not_begin_costs_one_request(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(settings, pool_size=1, max_overflow=0) as service:
        async with service.sessions.write() as session:
            driver = (await (await session.connection()).get_raw_connection()).driver_connection
        # What some poolers do to a BEGIN when they have no connection to give.
        with monkeypatch.context() as patch:
            patch.setattr(type(driver), "limits", "DO $$ BEGIN RAISE SQLSTATE '53300'; END $$")
            assert_problem(await service.post("/writes"), 503, "database_unavailable")
        assert (await service.post("/writes")).status_code == 200


async def test_reading_goes_on_after_an_error(settings: Settings) -> None:
    router = APIRouter()

    @router.post("/proof")
    async def read(session: ReadSessionDep) -> Any:
        with suppress(DBAPIError):
            await session.execute(sa.text("SELECT 1 / 0"))
        return await session.scalar(sa.text("SELECT 2"))

    async with serving(settings, router) as service:
        assert (await service.post()).json() == 2
