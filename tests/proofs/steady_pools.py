"""A steady load opens no connections, and those that only a burst has needed go when nobody uses them."""

import asyncio
from itertools import count

import asyncpg
import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import create_async_engine

from app.settings import Settings
from tests.proofs.server import COUNT_OURS, LONGEST, until
from tests.proofs.service import Service, serving

CLIENTS = 16  # one more than a pool of the default tier has connections
OPENED = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
names = count()


async def fill_pools(service: Service) -> None:
    """Ask for all connections at once."""
    for path in ("/writes", "/reads"):
        await asyncio.gather(*[service.post(path) for _ in range(CLIENTS)])


async def load(service: Service, rounds: int) -> None:
    """Have all clients write and read, one request after the other."""

    async def be_client() -> None:
        for _ in range(rounds):
            created = await service.client.post("/categories", json={"name": str(next(names))})
            listed = await service.client.get("/categories", params={"limit": 1})
            assert (created.status_code, listed.status_code) == (201, 200)

    await asyncio.gather(*[be_client() for _ in range(CLIENTS)])


async def opened_by_load(settings: Settings, owner: asyncpg.Connection, rounds: int) -> int:
    """Count the server's sessions that were opened beside those that were there before the load."""
    async with serving(settings, seconds=60) as service:
        for engine in service.engines:
            await engine.dispose()
        # A session is in the statistics at the latest when it ends.
        await until(owner, "true", holds=False)
        before = await owner.fetchval(OPENED)
        await fill_pools(service)
        there = await owner.fetchval(COUNT_OURS)
        await load(service, rounds)
    await until(owner, "true", holds=False)
    return int(await owner.fetchval(OPENED)) - int(before) - int(there)


async def test_a_steady_load_opens_no_connections(
    client: AsyncClient, settings: Settings, owner: asyncpg.Connection
) -> None:
    assert await opened_by_load(settings, owner, rounds=100) == 0


async def test_connections_that_are_closed_on_return_would_be_seen(
    client: AsyncClient, settings: Settings, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"pool_size": settings.pool_size, "max_overflow": settings.max_overflow}
    monkeypatch.setattr(
        "app.database.engine.create_async_engine",
        lambda url, **given: create_async_engine(url, **{**given, **sizes}),
    )
    assert await opened_by_load(settings, owner, rounds=25) > CLIENTS


async def test_what_a_burst_has_opened_goes_and_costs_no_request(
    client: AsyncClient, settings: Settings, owner: asyncpg.Connection
) -> None:
    async with serving(settings, idle_timeout=0.3) as service:
        await fill_pools(service)
        full = settings.pool_size + settings.max_overflow
        assert [pool.checkedin() for pool in service.pools] == [full, full]
        async with asyncio.timeout(LONGEST / 2):
            while await owner.fetchval(COUNT_OURS) > len(service.pools):
                assert [(await service.post(path)).status_code for path in ("/writes", "/reads")] == [200, 200]
        await load(service, 2)
