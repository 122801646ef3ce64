"""A request may be cancelled at any of its awaits: nothing leaks, nothing is half done, no success is told falsely."""

import asyncio

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import APIRouter
from httpx import AsyncClient

from app.api import ReadSessionDep
from app.database.session import Sessions
from app.database.url import Profile
from app.settings import Settings
from dev.factories import key_of
from tests.proofs.server import COUNT_OURS, until
from tests.proofs.service import Service, serving
from tests.proofs.stepping import Cancel, by_anyio, by_asyncio, each_await
from tests.support import body_for, stored, table_named

STORED = """
    SELECT count(DISTINCT p.id), count(l) FROM app.products p
    LEFT JOIN app.product_categories l ON l.product_id = p.id WHERE sku = $1
"""
either_way = pytest.mark.parametrize("cancel", [by_asyncio, by_anyio])
warm_and_cold = pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])


def calling_others() -> APIRouter:
    """Return a route that waits for something else while it has a connection."""
    router = APIRouter()

    @router.get("/proof")
    async def wait(session: ReadSessionDep) -> None:
        for _ in range(2):
            await session.execute(sa.text("SELECT 1"))
            await asyncio.sleep(0)

    return router


@pytest.fixture(params=[Profile.DIRECT, Profile.SESSION])
def single(client: AsyncClient, settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Settings of an application with one connection of each kind: one that leaks is one too many."""
    one = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.5}
    return settings.model_copy(update={"connection_profile": request.param, **one})


async def settle(service: Service, owner: asyncpg.Connection, *, warm: bool) -> None:
    """Check that nothing is left of the last request, then have a connection ready for the next one, or none."""
    assert service.checked_out() == 0
    await until(owner, "state <> 'idle'", holds=False)
    assert [(await service.post(path)).status_code for path in ("/writes", "/reads")] == [200, 200]
    assert await owner.fetchval(COUNT_OURS) == len(service.pools)
    if not warm:
        for engine in service.engines:
            await engine.dispose()


@warm_and_cold
@either_way
async def test_a_write_is_stored_as_a_whole_or_not_at_all(
    single: Settings, sessions: Sessions, owner: asyncpg.Connection, cancel: Cancel, warm: bool
) -> None:
    categories = [str(key_of(row)) for row in await stored(sessions, table_named("category"), 2)]
    product = {**await body_for(sessions, table_named("product")), "category_ids": categories}
    found: list[tuple[int | None, int]] = []
    async with serving(single) as service:
        await settle(service, owner, warm=warm)
        posts = each_await(service, cancel, "POST", "/products", lambda number: product | {"sku": str(number)})
        async for number, status in posts:
            await settle(service, owner, warm=warm)
            products, links = await owner.fetchrow(STORED, str(number))
            assert links == 2 * products
            found.append((status, products))
    # At first nothing is stored, at last it is and the client knows; in between the client may not have been told.
    assert found[0] == (None, 0)
    assert found[-1] == (201, 1)
    assert set(found) == {(None, 0), (None, 1), (201, 1)}


@pytest.mark.parametrize("path", ["/products", "/proof"])
@warm_and_cold
@either_way
async def test_a_read_is_answered_or_not(
    single: Settings, owner: asyncpg.Connection, cancel: Cancel, warm: bool, path: str
) -> None:
    async with serving(single, calling_others()) as service:
        await settle(service, owner, warm=warm)
        async for _, status in each_await(service, cancel, "GET", path, lambda _: None):
            await settle(service, owner, warm=warm)
            assert status in {None, 200}
        assert status == 200
