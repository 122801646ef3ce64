"""What the database says, and what a client is told: every state raised by the server itself."""

from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.orm.exc import StaleDataError

from app.api import SessionDep
from app.database.errors import RuleError
from app.main import create_app
from app.settings import Settings
from tests.support import started

STATES = {
    "22001": (422, "invalid_value"),
    "22012": (500, "internal"),
    "23502": (422, "invalid_value"),
    "23503": (422, "unknown_reference"),
    "23505": (409, "taken"),
    "23P01": (409, "taken"),
    "23001": (409, "still_referenced"),
    "23514": (422, "invalid_value"),
    "25P02": (500, "internal"),
    "40001": (503, "contended"),
    "40P01": (503, "contended"),
    "42501": (500, "internal"),
    "42P01": (500, "internal"),
    "53300": (503, "database_busy"),
    "54000": (422, "invalid_value"),
    "55P03": (503, "database_busy"),
    "57014": (504, "timed_out"),
    "57P01": (503, "database_unavailable"),
}


@pytest.fixture(scope="module")
async def failing(settings: Settings) -> AsyncIterator[AsyncClient]:
    """A client of an application whose routes fail in the database."""
    app = create_app(settings)

    @app.post("/raise/{state}", status_code=201)
    async def fail(session: SessionDep, state: str) -> None:
        await session.execute(text(f"DO $$ BEGIN RAISE 'a secret' USING ERRCODE = '{state}'; END $$"))

    @app.post("/stale")
    async def stale() -> None:
        raise StaleDataError

    @app.post("/rule")
    async def rule() -> None:
        raise RuleError("price", "A price ends in 99.")

    async with started(app) as (client, _):
        yield client


@pytest.mark.parametrize("state", STATES)
async def test_a_state_has_its_answer(failing: AsyncClient, state: str) -> None:
    answer = await failing.post(f"/raise/{state}")
    assert (answer.status_code, answer.json()["code"]) == STATES[state]
    assert "secret" not in answer.text
    assert (answer.headers.get("Retry-After") == "1") is (answer.status_code == 503)


async def test_a_stale_row_fails_the_precondition(failing: AsyncClient) -> None:
    assert (await failing.post("/stale")).status_code == 412


async def test_a_broken_rule_names_its_field(failing: AsyncClient) -> None:
    answer = await failing.post("/rule")
    assert (answer.status_code, answer.json()["fields"]) == (422, ["price"])
    assert answer.json()["detail"] == "A price ends in 99."
