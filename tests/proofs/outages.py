"""The database goes away, locks us out or is full: 503 for as long as it lasts, and then fine without a restart."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from app.settings import Settings
from dev.postgres import THROWAWAY, running_server
from tests.proofs.server import PASSWORD, at, login, own_folder
from tests.proofs.service import assert_problem, assert_unavailable, serving

LOCKED_OUT = {
    "28P01": ("ALTER ROLE name PASSWORD 'another'", f"ALTER ROLE name PASSWORD '{PASSWORD}'"),
    "28000": ("ALTER ROLE name NOLOGIN", "ALTER ROLE name LOGIN"),
    "3D000": ("DROP DATABASE name WITH (FORCE)", "CREATE DATABASE name OWNER name"),
}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The data of a server of our own."""
    with own_folder() as folder:
        yield folder


async def test_a_server_that_stops_and_starts_again(settings: Settings, folder: Path) -> None:
    with ExitStack() as life:
        server = life.enter_context(running_server(folder, settings=THROWAWAY))
        async with serving(settings, database_url=SecretStr(server.url())) as service:
            assert (await service.post("/writes")).status_code == 200
            for _ in range(2):
                await asyncio.to_thread(life.close)
                await assert_unavailable(service)
                assert life.enter_context(running_server(folder, settings=THROWAWAY)).port == server.port
                assert [(await service.post(path)).status_code for path in ("/writes", "/reads")] == [200, 200]


@pytest.mark.parametrize("state", LOCKED_OUT)
async def test_a_login_that_is_no_longer_let_in(
    settings: Settings, owner: asyncpg.Connection, database_url: str, state: str
) -> None:
    async with login(owner) as name:
        lock_out, let_in = (statement.replace("name", name) for statement in LOCKED_OUT[state])
        await owner.execute(f"CREATE DATABASE {name} OWNER {name}")
        url = at(database_url, username=name, password=PASSWORD, database=name)
        try:
            async with serving(settings, database_url=url) as service:
                assert (await service.post("/reads")).status_code == 200
                await owner.execute(lock_out)
                await owner.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", name)
                await assert_unavailable(service)
                await owner.execute(let_in)
        finally:
            await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_login_at_its_limit_is_told_to_come_back(
    settings: Settings, owner: asyncpg.Connection, database_url: str
) -> None:
    async with (
        login(owner) as name,
        serving(settings, database_url=at(database_url, username=name, password=PASSWORD)) as service,
    ):
        await owner.execute(f"ALTER ROLE {name} CONNECTION LIMIT 1")
        assert (await service.post("/writes")).status_code == 200
        assert_problem(await service.post("/reads"), 503, "database_busy")
        await owner.execute(f"ALTER ROLE {name} CONNECTION LIMIT -1")


async def test_a_full_server_serves_those_who_are_connected(settings: Settings, folder: Path) -> None:
    with running_server(folder, settings={**THROWAWAY, "max_connections": "8"}) as server:
        owner = await asyncpg.connect(server.url())
        async with login(owner) as name:
            url = at(server.url(), username=name, password=PASSWORD)
            async with serving(settings, database_url=url) as service:
                assert (await service.post("/writes")).status_code == 200
                others = await fill(server.url())
                assert_problem(await service.post("/reads"), 503, "database_busy")
                assert (await service.post("/writes")).status_code == 200
                for other in others:
                    await other.close()
        await owner.close()


async def fill(url: str) -> list[asyncpg.Connection]:
    """Take every connection that the server has left."""
    taken = []
    while True:
        try:
            taken.append(await asyncpg.connect(url))
        except asyncpg.TooManyConnectionsError:
            return taken
