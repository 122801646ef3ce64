"""What tests need: the tables, rows of them, and an application that has been started."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from starlette.types import Receive, Scope, Send

from app.database.base import Base
from app.database.session import Sessions, WriteSession, in_transaction
from dev.factories import Resource, key_of, make, resources

TABLES = resources()
each_table = pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])


def table_named(name: str) -> Resource:
    """Return the table with this module name."""
    return next(table for table in TABLES if table.name == name)


async def stored(sessions: Sessions, table: Resource, count: int = 1, **given: Any) -> list[Base]:
    """Store rows, and for each what it must refer to."""

    async def store(session: WriteSession) -> list[Base]:
        return [await make(session, table, **given) for _ in range(count)]

    return await in_transaction(sessions, store)


async def body_for(sessions: Sessions, table: Resource) -> dict[str, Any]:
    """Return a valid JSON body; what it must refer to is stored."""
    others = {other.table.name: other for other in TABLES}
    references = table.references(required=True).items()
    keys = {column: key_of((await stored(sessions, others[target]))[0]) for column, target in references}
    return table.body(**keys).model_dump(mode="json")


async def fate_of(client: AsyncClient, sessions: Sessions, table: Resource, reference: str) -> str:
    """Delete what a row refers to, and return what became of the row."""
    target = next(other for other in TABLES if other.table.name == table.references(required=False)[reference])
    (other,) = await stored(sessions, target)
    given: dict[str, Any] = {reference: key_of(other)}
    (row,) = await stored(sessions, table, **given)
    deleted = await client.delete(target.url_of(other))
    if deleted.status_code == 409:
        assert deleted.json()["code"] == "still_referenced"
        return "keeps it"
    assert deleted.status_code == 204
    after = await client.get(table.url_of(row))
    if after.status_code == 404:
        return "deleted too"
    assert after.json()[reference] is None
    return "emptied"


@asynccontextmanager
async def started(app: FastAPI) -> AsyncIterator[tuple[AsyncClient, Sessions]]:
    """Run the application's lifespan; yield a client of it and the sessions that it opened."""
    async with app.router.lifespan_context(app) as state:
        assert state is not None

        async def served(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state)}, receive, send)

        transport = ASGITransport(served, raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url="http://test") as client:
            yield client, state["sessions"]
