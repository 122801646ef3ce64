"""The database is away, full, or drops a connection: 503 within the time that was set, and fine again afterwards."""

import socket
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from app.settings import Settings

from tests.proofs.server import PASSWORD, at, login
from tests.proofs.service import assert_problem, serving

PID = sa.text("SELECT pg_backend_pid()")


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    "changed",
    [
        {"port": closed_port()},
        {"host": "host.invalid"},
        {"password": "wrong"},
        {"database": "nothing"},
        {"username": "x"},
    ],
    ids=["refused", "unknown host", "28P01", "3D000", "no such login"],
)
async def test_no_connection_can_be_opened(settings: Settings, database_url: str, changed: dict[str, Any]) -> None:
    async with serving(settings, recovers=False, database_url=at(database_url, **changed)) as service:
        for path in ("/writes", "/reads"):
            assert_problem(await service.post(path), 503, "database_unavailable")
        assert (await service.client.get("/health/live")).status_code == 200
        assert_problem(await service.client.get("/health/ready"), 503, "database_unavailable")


async def test_a_server_without_free_connections_is_busy(
    settings: Settings, owner: asyncpg.Connection, database_url: str
) -> None:
    async with (
        login(owner, "CONNECTION LIMIT 0") as name,
        serving(settings, database_url=at(database_url, username=name, password=PASSWORD)) as service,
    ):
        assert_problem(await service.post("/writes"), 503, "database_busy")
        await owner.execute(f"ALTER ROLE {name} CONNECTION LIMIT -1")
