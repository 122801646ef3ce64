"""Errors, as clients see them."""

from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient

from app.main import create_app
from app.settings import Settings
from tests.clients import started
from tests.tables import TABLES


@pytest.fixture
async def broken(settings: Settings) -> AsyncIterator[AsyncClient]:
    """A client of an application with a route that fails."""
    app = create_app(settings)

    @app.get("/broken")
    async def fail() -> None:
        raise LookupError("a secret")

    async with started(app) as (client, _):
        yield client


async def test_a_mistake_of_ours_tells_nothing_but_its_request(broken: AsyncClient) -> None:
    answer = await broken.get("/broken", headers={"X-Request-ID": "a-1"})
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"] == "a-1"
    assert "secret" not in answer.text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/health/live", 405)])
async def test_what_is_not_there_is_a_problem_too(client: AsyncClient, method: str, path: str, status: int) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "a\tb", "<script>"])
async def test_a_request_id_is_taken_only_when_it_is_sane(client: AsyncClient, sent: str) -> None:
    answered = (await client.get("/health/live", headers={"X-Request-ID": sent})).headers["X-Request-ID"]
    assert answered != sent
    assert len(answered) == 32


async def test_a_body_that_is_too_long_is_refused(client: AsyncClient, settings: Settings) -> None:
    content, headers = b" " * (settings.max_body_size + 1), {"Content-Type": "application/json"}
    assert (await client.post(TABLES[0].path, content=content, headers=headers)).status_code == 413


@pytest.mark.parametrize(("origin", "allowed"), [("https://app.example.com", True), ("https://example.com", False)])
async def test_only_listed_origins_may_call(settings: Settings, origin: str, allowed: bool) -> None:
    listed = settings.model_copy(update={"cors_origins": ["https://app.example.com"]})
    async with started(create_app(listed)) as (client, _):
        answer = await client.get("/health/live", headers={"Origin": origin})
    assert ("Access-Control-Allow-Origin" in answer.headers) is allowed
