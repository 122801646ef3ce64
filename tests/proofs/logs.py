"""A line of the log says to which request it belongs, and nothing of the values."""

import re

import pytest
import sqlalchemy as sa
from fastapi import APIRouter

from app.api import SessionDep
from app.settings import Settings
from tests.proofs.service import SECRET, serving

HOSTILE = ["x" * 65, "two words", "<script>", "a\tb", "é", "", "{0}", "%s"]


def asking(statement: str) -> APIRouter:
    """Return a route that runs a statement with a value that is nobody's business."""
    router = APIRouter()

    @router.post("/proof/{key}")
    async def ask(session: SessionDep, key: str) -> None:
        await session.execute(sa.text(statement), {"value": SECRET})

    return router


async def test_a_slow_statement_is_logged_with_its_route(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    statement = "SELECT pg_sleep(0.05),\n  CAST(:value AS text)"
    async with serving(settings, asking(statement), slow_query=0.04) as service:
        assert (await service.post("/proof/7")).status_code == 200
        assert (await service.post("/writes")).status_code == 200
    lines = [line for line in capsys.readouterr().err.splitlines() if "slow query" in line]
    assert len(lines) == 1
    assert re.search(r"WARNING .* POST /proof/\{key\}\] slow query: \d+ ms: SELECT pg_sleep\(0\.05\), CAST\(", lines[0])
    assert SECRET not in lines[0]


async def test_the_values_of_a_failed_statement_are_not_logged(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(settings, asking("SELECT 1 / 0, CAST(:value AS text)")) as service:
        assert (await service.post("/proof/7")).status_code == 500
    logged = capsys.readouterr().err
    assert "SELECT 1 / 0" in logged
    assert SECRET not in logged


async def test_a_request_keeps_the_id_that_its_proxy_gave_it(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(settings) as service:
        answer = await service.client.get("/nowhere", headers={"X-Request-ID": "Proxy-1.a_b"})
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"] == "Proxy-1.a_b"
    assert "[Proxy-1.a_b GET (no route)] 404 in" in capsys.readouterr().err


@pytest.mark.parametrize("sent", HOSTILE)
async def test_an_id_that_could_spoil_the_log_is_replaced(
    settings: Settings, capsys: pytest.CaptureFixture[str], sent: str
) -> None:
    async with serving(settings) as service:
        answer = await service.client.get("/health/live", headers={b"X-Request-ID": sent.encode()})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
    assert f"[{answer.headers['X-Request-ID']} GET /health/live] 200 in" in capsys.readouterr().err
