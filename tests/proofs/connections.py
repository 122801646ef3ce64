"""Ways to a server, taken for real: what the URL says is what the server sees, whatever the environment says."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

import asyncpg
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from app.database.engine import create_engine, create_migration_engine
from app.database.errors import DatabaseUnavailableError
from app.settings import Settings
from tests.proofs.network import Network
from tests.proofs.server import PASSWORD, closed_port, login
from tests.proofs.start import run

SEEN = sa.text(
    "SELECT current_user, current_database(), inet_server_addr() IS NULL AS socket, application_name,"
    " current_setting('work_mem') AS work_mem, current_setting('statement_timeout') AS statement_timeout"
    " FROM pg_stat_activity WHERE pid = pg_backend_pid()"
)


@pytest.fixture
def parts(database_url: str) -> dict[str, str]:
    """The test database's user, password, port and name, as they stand in a URL."""
    url = sa.make_url(database_url)
    found = {"user": url.username, "password": url.password, "port": url.port, "database": url.database}
    return {name: quote(str(value), safe="") for name, value in found.items()}


@pytest.fixture
async def folder(owner: asyncpg.Connection) -> str:
    """The folder of the server's socket."""
    return str(await owner.fetchval("SHOW unix_socket_directories"))


async def seen(settings: Settings, url: str, **changes: object) -> sa.Row[tuple[object, ...]]:
    """Connect with the engines of the application and of Alembic, and return what the server saw of the first."""
    changed = {"database_url": SecretStr(url), "migration_database_url": None, "application_name": "proof", **changes}
    changed_settings = settings.model_copy(update=changed)
    rows = []
    for engine in (create_engine(changed_settings), create_migration_engine(changed_settings)):
        async with engine.connect() as connection:
            rows.append((await connection.execute(SEEN)).one())
        await engine.dispose()
    assert rows[0][:3] == rows[1][:3]
    return rows[0]


def loopback() -> list[str]:
    """Return this machine's loopback addresses; not every container has IPv6."""
    found = ["127.0.0.1"]
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        found.append("::1")
    return found


@asynccontextmanager
async def listening(address: str, url: str) -> AsyncIterator[int]:
    """Listen on an address, yield the port, and pass everything on to the server."""
    between = Network(url, sys.maxsize)
    async with await asyncio.start_server(between.connect, address, 0) as server:
        yield int(server.sockets[0].getsockname()[1])
        await between.end()


# --- Hosts ---


@pytest.mark.parametrize(
    "form",
    [
        "postgresql://{user}:{password}@%2F{folder}:{port}/{database}",
        "postgresql://{user}:{password}@/{database}?host=/{folder}&port={port}",
        "postgresql://:{port}/{database}?host=%2F{folder}&user={user}&password={password}",
        "postgres:///?host=/{folder}&port={port}&user={user}&password={password}&dbname={database}&sslmode=require",
    ],
)
async def test_a_socket_is_reached(form: str, settings: Settings, parts: dict[str, str], folder: str) -> None:
    found = await seen(settings, form.format(**parts, folder=quote(folder[1:], safe="")))
    assert (found.current_database, found.socket) == (parts["database"], True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost", "127.0.0.1:{port},localhost"])
async def test_loopback_is_reached(host: str, settings: Settings, parts: dict[str, str]) -> None:
    form = f"postgresql+asyncpg://{{user}}:{{password}}@{host}:{{port}}/{{database}}?sslmode=prefer"
    found = await seen(settings, form.format(**parts))
    assert (found.current_database, found.socket) == (parts["database"], False)


@pytest.mark.parametrize("form", ["@[{0}]:{1}/{2}", "@/{2}?host={0}&port={1}"])
@pytest.mark.parametrize("address", loopback())
async def test_an_address_is_reached(
    address: str, form: str, settings: Settings, parts: dict[str, str], database_url: str
) -> None:
    async with listening(address, database_url) as port:
        end = form.format(address, port, parts["database"])
        found = await seen(settings, f"postgresql://{parts['user']}:{parts['password']}{end}")
    assert found.current_database == parts["database"]


@pytest.mark.parametrize(
    "dead", ["127.0.0.1:{0}", "host.invalid", "%2Fnowhere", "127.0.0.1:{0},host.invalid,[::1]:{0}"]
)
@pytest.mark.parametrize("wanted", ["any", "primary", "read-write", "prefer-standby"])
async def test_the_first_host_that_fits_is_taken(
    dead: str, wanted: str, settings: Settings, parts: dict[str, str]
) -> None:
    form = f"postgresql://{{user}}:{{password}}@{dead.format(closed_port())},127.0.0.1:{{port}}/{{database}}"
    found = await seen(settings, f"{form.format(**parts)}?target_session_attrs={wanted}")
    assert found.current_database == parts["database"]


@pytest.mark.parametrize("wanted", ["standby", "read-only"])
async def test_no_host_fits(wanted: str, settings: Settings, parts: dict[str, str]) -> None:
    form = "postgresql://{user}:{password}@127.0.0.1:{port},localhost:{port}/{database}"
    with pytest.raises(DatabaseUnavailableError) as failure:
        await seen(settings, f"{form.format(**parts)}?target_session_attrs={wanted}")
    assert isinstance(failure.value.__cause__, asyncpg.TargetServerAttributeNotMatched)


# --- Parameters ---


async def test_options_and_names_reach_the_server(settings: Settings, database_url: str) -> None:
    query = "options=-c%20work_mem%3D5MB%20-c%20statement_timeout%3D0&application_name=my%20shop+%25"
    found = await seen(settings, f"{database_url}?{query}", statement_timeout=7)
    assert (found.work_mem, found.application_name) == ("5MB", "my shop+%:write")
    assert found.statement_timeout == "7s"


async def test_any_password_works_over_a_socket_for_alembic_too(
    settings: Settings, owner: asyncpg.Connection, parts: dict[str, str], folder: str
) -> None:
    async with login(owner) as name:
        await owner.execute(f"CREATE DATABASE {name} OWNER {name}")
        try:
            place = f"{quote(folder, safe='')}:{parts['port']}/{name}"
            url = f"postgresql://{name}:{quote(PASSWORD, safe='')}@{place}"
            found = await seen(settings, url)
            assert (found.current_user, found.socket) == (name, True)
            run("-m", "alembic", "upgrade", "head", DATABASE_URL=url, MIGRATION_DATABASE_URL=url)
        finally:
            await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")


# --- The environment ---

REDIRECTING = {
    "PGHOST": "host.invalid",
    "PGPORT": "1",
    "PGUSER": "nobody",
    "PGDATABASE": "nothing",
    "PGPASSWORD": "wrong",
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "/nowhere.pem",
    "PGSSLNEGOTIATION": "direct",
    "PGTARGETSESSIONATTRS": "standby",
    "PGSERVICE": "elsewhere",
}


async def test_the_environment_redirects_nothing(
    settings: Settings, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql/root.crt").write_text("no certificate")
    (tmp_path / ".pg_service.conf").write_text("[elsewhere]\nhost=host.invalid\nsslmode=verify-full\n")
    for name, value in {**REDIRECTING, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    found = await seen(settings, database_url)
    assert (found.current_database, found.current_user) == (database_url.rpartition("/")[2], "postgres")


async def test_what_the_url_leaves_out_is_asked_as_libpq_asks(
    settings: Settings, parts: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"PGHOST": folder, "PGPORT": parts["port"], "PGUSER": "postgres", "PGDATABASE": parts["database"]}
    for name, value in {**given, "PGPASSWORD": unquote(parts["password"])}.items():
        monkeypatch.setenv(name, value)
    found = await seen(settings, "postgresql://")
    assert (found.current_database, found.socket) == (parts["database"], True)
