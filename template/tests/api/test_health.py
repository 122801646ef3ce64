"""Whether the process lives, and whether it can reach its database."""

from httpx import AsyncClient
from pydantic import SecretStr

from app.main import create_app
from app.settings import Settings
from tests.clients import started

NOBODY_LISTENS = SecretStr("postgresql://user:your_password_here@127.0.0.1:1/app")


async def test_a_running_service_is_live_and_ready(client: AsyncClient) -> None:
    assert (await client.get("/health/live")).json() == {"status": "ok"}
    assert (await client.get("/health/ready")).json() == {"status": "ok"}


async def test_without_its_database_it_lives_but_is_not_ready(settings: Settings) -> None:
    async with started(create_app(settings.model_copy(update={"database_url": NOBODY_LISTENS}))) as (client, _):
        assert (await client.get("/health/live")).status_code == 200
        ready = await client.get("/health/ready")
    assert (ready.status_code, ready.json()["code"]) == (503, "database_unavailable")
    assert ready.headers["Retry-After"] == "1"
