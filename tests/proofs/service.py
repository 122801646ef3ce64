"""A second application with routes of the proof's own, and what must be true of it once they have done their worst."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, FastAPI
from httpx import AsyncClient, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from app.api import ReadSessionDep, SessionDep
from app.database.session import Sessions
from app.main import create_app
from app.settings import Settings
from tests.proofs.server import LONGEST
from tests.support import started

SECRET = "nobody-may-read-this"  # noqa: S105
TOLD = ("select", "insert", "update", "delete", "detail:", "constraint", "relation", "psycopg", "asyncpg", "sqlalchemy")


@dataclass(frozen=True)
class Service:
    """A running application."""

    app: FastAPI
    client: AsyncClient
    sessions: Sessions

    async def post(self, path: str = "/proof") -> Response:
        """Call the proof's route."""
        return await self.client.post(path)

    @property
    def engines(self) -> list[AsyncEngine]:
        """What writes and what reads; on a pooler both have one pool."""
        return [self.sessions.write.kw["bind"], self.sessions.read.kw["bind"]]

    @property
    def pools(self) -> set[Any]:
        """The pools of the engines."""
        return {engine.pool for engine in self.engines}

    def checked_out(self) -> int:
        """Count the connections that nobody has given back."""
        return sum(pool.checkedout() for pool in self.pools)


@asynccontextmanager
async def serving(
    settings: Settings, *routers: APIRouter, recovers: bool = True, seconds: float = LONGEST, **changes: Any
) -> AsyncIterator[Service]:
    """Start an application of our own; afterwards nothing is checked out, and both kinds of session work."""
    with root_logger_kept():
        app = create_app(settings.model_copy(update={"application_name": "proof", **changes}))
        for router in (*routers, harmless()):
            app.include_router(router)
        async with asyncio.timeout(seconds), started(app) as (client, sessions):
            service = Service(app, client, sessions)
            yield service
            assert service.checked_out() == 0
            if recovers:
                answers = [await service.post("/writes"), await service.post("/reads")]
                assert [answer.status_code for answer in answers] == [200, 200]


def harmless() -> APIRouter:
    """Return a route for each kind of session."""
    router = APIRouter()

    @router.post("/writes")
    async def writes(session: SessionDep) -> Any:
        return await session.scalar(sa.text("SELECT 1"))

    @router.post("/reads")
    async def reads(session: ReadSessionDep) -> Any:
        return await session.scalar(sa.text("SELECT 1"))

    return router


def running(statement: str, *, reading: bool = False) -> APIRouter:
    """Return `POST /proof`, which runs a statement of ours as it stands."""
    router = APIRouter()

    async def run(session: SessionDep) -> dict[str, str]:
        await (await session.connection()).exec_driver_sql(statement)
        return {}

    async def read(session: ReadSessionDep) -> dict[str, str]:
        await (await session.connection()).exec_driver_sql(statement)
        return {}

    router.post("/proof", status_code=201)(read if reading else run)
    return router


def assert_problem(answer: Response, status: int, code: str, *fields: str) -> None:
    """Check that this is the whole answer: nothing of the database, the statement or its values is in it."""
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["fields"] == list(fields)
    assert problem.keys() == {"type", "title", "status", "detail", "code", "fields", "request_id"}
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-ID"] == problem["request_id"]
    assert answer.headers.get("Retry-After") == ("1" if status == 503 else None)
    assert [word for word in (*TOLD, SECRET) if word in answer.text.lower()] == []


async def assert_unavailable(service: Service) -> None:
    """Check what clients, load balancers and orchestrators are told."""
    for path in ("/writes", "/reads"):
        assert_problem(await service.post(path), 503, "database_unavailable")
    assert (await service.client.get("/health/live")).status_code == 200
    assert_problem(await service.client.get("/health/ready"), 503, "database_unavailable")
    assert service.checked_out() == 0


@contextmanager
def root_logger_kept() -> Iterator[None]:
    """Give the root logger back what the application takes away: its handler writes to this test's captured output."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
