"""The application as a whole: its health, its errors, its logs, who may call it, and how its layers lie."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from asyncpg import Connection
from fastapi import APIRouter, FastAPI
from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm.exc import StaleDataError

from app.api import SessionDep
from app.database.errors import RuleError
from app.database.session import Sessions
from app.database.start import StartError
from app.main import create_app
from app.settings import Settings, get_settings
from dev.database import prepare_schema
from tests.conftest import new_database
from tests.support import TABLES, started

router = APIRouter()

# What the database says, and what a client is told.
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


@router.get("/broken")
async def fail() -> None:
    raise LookupError("a secret")


@router.post("/raise/{state}", status_code=201)
async def fail_in_database(session: SessionDep, state: str) -> None:
    await session.execute(text(f"DO $$ BEGIN RAISE 'a secret' USING ERRCODE = '{state}'; END $$"))


@router.post("/stale")
async def stale() -> None:
    raise StaleDataError


@router.post("/rule")
async def rule() -> None:
    raise RuleError("price", "A price ends in 99.")


@pytest.fixture(scope="module")
def failing(app: FastAPI, running: tuple[AsyncClient, Sessions]) -> AsyncClient:
    """A client of the application, with routes that fail."""
    app.include_router(router)
    return running[0]


async def test_a_mistake_of_ours_tells_nothing_but_its_request(failing: AsyncClient) -> None:
    answer = await failing.get("/broken", headers={"X-Request-ID": "a-1"})
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"] == "a-1"
    assert "secret" not in answer.text


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


async def test_only_listed_origins_may_call(settings: Settings) -> None:
    listed, other = "https://app.example.com", "https://example.com"
    app = create_app(settings.model_copy(update={"cors_origins": [listed]}))
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        answers = [await client.get("/health/live", headers={"Origin": origin}) for origin in (listed, other)]
    assert ["Access-Control-Allow-Origin" in answer.headers for answer in answers] == [True, False]


NOBODY_LISTENS = SecretStr("postgresql://user:your_password_here@127.0.0.1:1/app")


async def test_a_running_service_is_live_and_ready(client: AsyncClient) -> None:
    assert (await client.get("/health/live")).json() == {"status": "ok"}
    assert (await client.get("/health/ready")).json() == {"status": "ok"}


async def test_without_its_database_it_does_not_start_and_says_why(settings: Settings) -> None:
    alone = settings.model_copy(update={"database_url": NOBODY_LISTENS, "start_timeout": 0})
    with pytest.raises(StartError, match=r"^No connection to 127\.0\.0\.1:1: .*`uv run doctor`"):
        async with started(create_app(alone)):
            pass


async def test_production_refuses_pools_for_which_there_is_no_room(settings: Settings) -> None:
    small = settings.model_copy(update={"connection_budget": 1, "environment": "production"})
    with pytest.raises(StartError, match=r"^Too many connections for this server: .* of 1 \(CONNECTION_BUDGET\)"):
        async with started(create_app(small)):
            pass


@pytest.fixture
def short_lived(maintenance_url: str, settings: Settings) -> Iterator[Settings]:
    """Settings for a database that has everything, and that nobody else uses."""
    with new_database(maintenance_url):
        get_settings.cache_clear()
        prepare_schema()
        yield settings.model_copy(update={"database_url": get_settings().database_url})
    get_settings.cache_clear()


async def test_when_its_database_goes_it_lives_but_is_not_ready(short_lived: Settings, owner: Connection) -> None:
    async with started(create_app(short_lived)) as (client, _):
        await owner.execute(f"DROP DATABASE {short_lived.url.database} WITH (FORCE)")
        assert (await client.get("/health/live")).status_code == 200
        ready = await client.get("/health/ready")
    assert (ready.status_code, ready.json()["code"]) == (503, "database_unavailable")
    assert ready.headers["Retry-After"] == "1"


async def test_a_slow_statement_is_logged_with_its_request(
    settings: Settings, client: AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    async with started(create_app(settings.model_copy(update={"slow_query": 0.000001}))) as (slow, _):
        await slow.get("/health/ready", headers={"X-Request-ID": "mine"})
    lines = [line for line in capsys.readouterr().err.splitlines() if "[mine" in line and "slow query" in line]
    assert len(lines) == 1
    assert "[mine GET /health/ready] slow query: " in lines[0]
    assert lines[0].endswith("SELECT 1")


APP = Path(__file__).parents[1] / "app"
# A database module that knows its callers cannot be used by the next one; SQL in a route cannot be found again.
FORBIDDEN = {
    "database": ("app.api", "app.queries", "app.schemas", "app.models"),
    "models": ("app.api", "app.queries", "app.schemas"),
    "schemas": ("app.api", "app.queries"),
    "queries": ("app.api", "fastapi"),
    "": ("dev", "tests"),
}


def imported(path: Path) -> list[str]:
    """Return the modules that a file imports, with the names taken from them."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def test_imports_point_one_way() -> None:
    for path in sorted(APP.rglob("*.py")):
        forbidden = FORBIDDEN.get(path.relative_to(APP).parts[0], ()) + FORBIDDEN[""]
        wrong = [name for name in imported(path) for start in forbidden if f"{name}.".startswith(f"{start}.")]
        assert not wrong, f"{path.relative_to(APP)} imports {wrong[0]}"


def test_queries_leave_the_transaction_to_its_session() -> None:
    for path in sorted((APP / "queries").glob("*.py")):
        called = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert not {"commit", "rollback", "begin"} & called, path.name
