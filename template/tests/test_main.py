"""The application as a whole: its health, its errors, its logs, who may call it, and how its layers lie."""

import ast
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from asyncpg import Connection
from httpx import AsyncClient
from pydantic import SecretStr

from app.database.start import StartError
from app.main import create_app
from app.settings import Settings, get_settings
from dev import schema
from tests.conftest import new_database
from tests.support import TABLES, started


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
        schema.prepare()
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
FILES = sorted(APP.rglob("*.py"))
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


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(APP)))
def test_imports_point_one_way(path: Path) -> None:
    layer = path.relative_to(APP).parts[0]
    forbidden = FORBIDDEN.get(layer, ()) + FORBIDDEN[""]
    assert not [name for name in imported(path) for start in forbidden if f"{name}.".startswith(f"{start}.")]


@pytest.mark.parametrize("path", sorted((APP / "queries").glob("*.py")), ids=lambda path: path.name)
def test_queries_leave_the_transaction_to_its_session(path: Path) -> None:
    calls = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert not {"commit", "rollback", "begin"} & calls
