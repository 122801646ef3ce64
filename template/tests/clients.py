"""A client of an application that has been started, in this process and without a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from starlette.types import Receive, Scope, Send

from app.database.session import Sessions


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
