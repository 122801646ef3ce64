"""The log of slow statements."""

import pytest
from httpx import AsyncClient

from app.main import create_app
from app.settings import Settings
from tests.clients import started


async def test_a_slow_statement_is_logged_with_its_request(
    settings: Settings, client: AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    async with started(create_app(settings.model_copy(update={"slow_query": 0.000001}))) as (slow, _):
        await slow.get("/health/ready", headers={"X-Request-ID": "mine"})
    lines = [line for line in capsys.readouterr().err.splitlines() if "slow query" in line]
    assert len(lines) == 1
    assert "[mine GET /health/ready] slow query: " in lines[0]
    assert lines[0].endswith("SELECT 1")
