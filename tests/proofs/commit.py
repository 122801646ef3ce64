"""An answer tells what was stored: COMMIT comes before it."""

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import APIRouter, BackgroundTasks, HTTPException
from httpx import AsyncClient

from app.api import SessionDep
from app.database.session import Sessions
from app.models.category import Category
from app.settings import Settings
from tests.proofs.server import schema
from tests.proofs.service import assert_problem, serving
from tests.support import body_for, table_named

UNKNOWN = "00000000-0000-7000-8000-000000000000"


def storing(error: Exception | None = None, ended_by: str = "") -> APIRouter:
    """Return a route that stores a category, perhaps ends the transaction itself, and perhaps fails."""
    router = APIRouter()

    @router.post("/proof", status_code=201)
    async def store(session: SessionDep) -> dict[str, str]:
        session.add(Category(name="stored"))
        await session.flush()
        if ended_by:
            await getattr(session, ended_by)()
        if error:
            raise error
        return {}

    return router


async def count(owner: asyncpg.Connection) -> int:
    return int(await owner.fetchval("SELECT count(*) FROM app.categories"))


async def test_an_error_at_commit_is_the_answer_and_nothing_follows(
    settings: Settings, owner: asyncpg.Connection
) -> None:
    router, sent = APIRouter(), list[str]()

    @router.post("/proof", status_code=201)
    async def book(session: SessionDep, tasks: BackgroundTasks) -> dict[str, str]:
        await session.execute(sa.text("INSERT INTO proof.rooms VALUES (1), (1)"))
        tasks.add_task(sent.append, "letter")
        return {}

    rooms = "CREATE TABLE proof.rooms (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)"
    async with schema(owner, rooms), serving(settings, router) as service:
        assert_problem(await service.post(), 409, "taken")
        assert await owner.fetchval("SELECT count(*) FROM proof.rooms") == 0
        assert sent == []


async def test_a_rendered_route_answers_with_the_error_of_its_commit(
    client: AsyncClient, sessions: Sessions, owner: asyncpg.Connection
) -> None:
    body = {**await body_for(sessions, table_named("order_line")), "product_id": UNKNOWN}
    key = "ALTER TABLE app.order_lines ALTER CONSTRAINT fk_order_lines_product_id"
    await owner.execute(f"{key} DEFERRABLE INITIALLY DEFERRED")
    try:
        answer = await client.post("/order-lines", json=body)
    finally:
        await owner.execute(f"{key} NOT DEFERRABLE")
    # At COMMIT there is no statement that tells a missing parent from one that is still referenced.
    assert_problem(answer, 409, "still_referenced")
    assert await owner.fetchval("SELECT count(*) FROM app.order_lines") == 0


async def test_an_answer_says_that_it_is_stored(
    client: AsyncClient, settings: Settings, owner: asyncpg.Connection
) -> None:
    async with serving(settings, storing()) as service:
        assert (await service.post()).status_code == 201
    assert await count(owner) == 1


@pytest.mark.parametrize(("error", "status"), [(HTTPException(409, "No."), 409), (KeyError("no"), 500)])
async def test_a_handler_that_fails_stores_nothing(
    client: AsyncClient, settings: Settings, owner: asyncpg.Connection, error: Exception, status: int
) -> None:
    async with serving(settings, storing(error)) as service:
        assert_problem(await service.post(), status, {409: "conflict", 500: "internal"}[status])
    assert await count(owner) == 0


# What a handler commits itself stays, whatever becomes of its request: the reason why it should not.


async def test_a_handler_that_commits_and_fails_has_stored(
    client: AsyncClient, settings: Settings, owner: asyncpg.Connection
) -> None:
    async with serving(settings, storing(HTTPException(409, "Too late."), ended_by="commit")) as service:
        assert_problem(await service.post(), 409, "conflict")
    assert await count(owner) == 1


@pytest.mark.parametrize(("ended_by", "stored"), [("commit", 1), ("rollback", 0)])
async def test_a_handler_that_ends_the_transaction_itself_is_refused(
    client: AsyncClient, settings: Settings, owner: asyncpg.Connection, ended_by: str, stored: int
) -> None:
    async with serving(settings, storing(ended_by=ended_by)) as service:
        assert_problem(await service.post(), 500, "internal")
    assert await count(owner) == stored
