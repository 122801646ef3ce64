"""Connection strings; what a connection brings along; what becomes of one that is no good any more."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import certifi
import pytest
import sqlalchemy as sa
from asyncpg import Connection
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import guards
from app.database.engine import open_migration_connection
from app.database.session import Sessions
from app.database.tls import tls_of
from app.database.url import Profile, parse_url
from app.main import create_app
from app.settings import Settings
from tests.support import started


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_a_url_is_read_as_libpq_reads_it(scheme: str) -> None:
    url = parse_url(f"{scheme}://me:p%40ss%25@db.example.com:5433,[::1]/shop?sslmode=require")
    assert (url.user, url.password, url.database) == ("me", "p@ss%", "shop")
    assert url.hosts == (("db.example.com", 5433), ("::1", 5432))
    assert url.parameters == {"sslmode": "require"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "reads postgresql://user:password@host:5432/name"),
        ("db.example.com", "reads postgresql://user:password@host:5432/name"),
        ("mysql://me@db/shop", "starts with postgresql://, not with mysql://"),
        ("postgresql://me@db/shop?channel_binding=require", "has channel_binding, which is not supported"),
        ("postgresql://me@db/shop?ssl=true&sslmode=disable", "has its sslmode twice"),
        ("postgresql://me@db/shop?user=you", "has its user twice"),
        ("postgresql://me@db/shop?sslmode=", "has nothing behind sslmode"),
        ("postgresql://me@db/shop?sslmode=full", "sslmode in the database URL is one of disable, allow"),
        ("postgresql://me@db/shop?connect_timeout=0", "a whole number of seconds"),
        ("postgresql://me@db/shop?sslkey=key.pem", "needs sslcert"),
        ("postgresql://me@a:1,b/shop?port=2", "one port for all of its hosts"),
        ("postgresql://me@a..b/shop", "a host in the database URL reads"),
        ("postgresql://me@a:b:c/shop", "a host in the database URL reads"),
        ("postgresql://me@db:65536/shop", "a port in the database URL is a number"),
        ("postgresql://me:a/b@db/shop", "percent-encoded"),
    ],
)
def test_what_would_not_reach_the_server_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_url(text)


@pytest.mark.parametrize(
    ("host", "profile"),
    [
        ("127.0.0.1:5432", Profile.DIRECT),
        ("db.your-project-ref.supabase.co:5432", Profile.DIRECT),
        ("aws-0-eu-west-1.pooler.supabase.com:5432", Profile.SESSION),
        ("aws-0-eu-west-1.pooler.supabase.com:6543", Profile.TRANSACTION),
        ("db.example.com:6432", Profile.TRANSACTION),
    ],
)
def test_host_and_port_tell_how_a_connection_behaves(host: str, profile: Profile) -> None:
    assert parse_url(f"postgresql://me@{host}/shop").profile() is profile


@pytest.mark.parametrize(
    ("host", "chosen"),
    [
        ("aws-0-eu-west-1.pooler.supabase.com:6543", Profile.SESSION),
        ("db.example.com:6432/shop?options=-c%20jit%3Doff", None),
    ],
)
def test_what_a_pooler_does_not_keep_is_refused(host: str, chosen: Profile | None) -> None:
    with pytest.raises(ValueError, match="pooler"):
        parse_url(f"postgresql://me@{host}").profile(chosen)


CA = Path(certifi.where())


@pytest.mark.parametrize(
    ("host", "mode", "ca", "words"),
    [
        ("db.example.com", "prefer", None, "in plain text: add \\?sslmode=verify-full"),
        ("db.example.com", "verify-ca", None, "needs a CA of your own"),
        ("db.example.com", "prefer&sslrootcert=ca.pem", None, "needs sslmode=verify-full"),
        ("db.example.com", "verify-full", Path("no-ca.pem"), "no-ca.pem cannot be read as a PEM file"),
        ("db.your-project-ref.supabase.co", "require", None, "set DATABASE_CA_FILE"),
        ("db.your-project-ref.supabase.co", "disable", CA, "take sslmode=disable out"),
    ],
)
def test_nothing_unsafe_leaves_the_machine(host: str, mode: str, ca: Path | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tls_of(parse_url(f"postgresql://me@{host}/shop?sslmode={mode}"), ca, production=True)


@pytest.mark.parametrize(
    ("host", "mode", "ca", "verified"),
    [
        ("db.example.com", "verify-full", None, (ssl.CERT_REQUIRED, True)),
        ("db.example.com", "verify-ca", CA, (ssl.CERT_REQUIRED, False)),
        ("db.example.com", "require", CA, (ssl.CERT_REQUIRED, False)),
        ("db.example.com", "require", None, (ssl.CERT_NONE, False)),
        ("db.your-project-ref.supabase.co", "require", CA, (ssl.CERT_REQUIRED, True)),
    ],
)
def test_a_server_is_verified_as_the_mode_says(
    host: str, mode: str, ca: Path | None, verified: tuple[ssl.VerifyMode, bool]
) -> None:
    context = tls_of(parse_url(f"postgresql://me@{host}/shop?sslmode={mode}"), ca, production=True)
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname) == verified


LIMITS = sa.text(
    "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), "
    "current_setting('idle_in_transaction_session_timeout'), current_setting('client_connection_check_interval'), "
    "current_setting('transaction_read_only'), current_setting('idle_session_timeout')"
)


async def test_a_connection_carries_its_limits(sessions: Sessions, settings: Settings) -> None:
    for factory, read_only in ((sessions.write, "off"), (sessions.read, "on")):
        async with factory() as session:
            found = (await session.execute(LIMITS)).one()
        assert found == (f"{settings.statement_timeout:.0f}s", "3s", "30s", "2s", read_only, "10min")


@pytest.mark.parametrize("profile", [Profile.SESSION, Profile.TRANSACTION])
async def test_behind_a_pooler_the_same_limits_hold(settings: Settings, profile: Profile) -> None:
    pooled = settings.model_copy(update={"connection_profile": profile})
    async with started(create_app(pooled)) as (_, opened):
        for factory in (opened.write, opened.read):
            async with factory() as session:
                found = (await session.execute(LIMITS)).one()
            assert found[:4] == (f"{settings.statement_timeout:.0f}s", "3s", "30s", "2s")
        async with opened.read() as session:
            with pytest.raises(DBAPIError, match="read-only transaction"):
                await session.execute(sa.text("CREATE TABLE private.never ()"))


async def test_a_command_for_the_schema_says_why_it_cannot_connect(settings: Settings) -> None:
    nobody_listens = SecretStr("postgresql://user:your_password_here@127.0.0.1:1/app")
    for update, words in (
        ({"migration_database_url": nobody_listens}, r"No connection to the database: .*127\.0\.0\.1"),
        ({"migration_database_url": None, "connection_profile": Profile.TRANSACTION}, "A transaction pooler"),
    ):
        with pytest.raises(SystemExit, match=words):
            async with open_migration_connection(settings.model_copy(update=update)):
                pass


async def test_the_pool_has_the_size_that_is_set(sessions: Sessions, settings: Settings) -> None:
    for engine in (sessions.engine, sessions.reader):
        found: Any = engine.pool
        assert (found.size(), found._max_overflow) == (settings.pool_size + settings.max_overflow, 0)


@pytest.fixture(scope="module")
async def single(settings: Settings) -> AsyncIterator[Sessions]:
    """Sessions of an application with one connection of each kind."""
    async with started(create_app(settings.model_copy(update={"pool_size": 1, "max_overflow": 0}))) as (_, opened):
        yield opened


async def test_an_idle_connection_that_died_is_replaced_unseen(
    single: Sessions, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "IDLE_SECONDS", 0)
    me = sa.text("SELECT pg_backend_pid()")
    async with single.write() as session:
        first = await session.scalar(me)
    await owner.execute(f"SELECT pg_terminate_backend({first}, 5000)")
    async with single.write() as session:
        assert await session.scalar(me) != first


async def test_a_connection_left_in_a_transaction_is_thrown_away(single: Sessions) -> None:
    async with single.write() as session:
        first = await driver_of(session)
        await first.execute("BEGIN")
    async with single.write() as session:
        assert await driver_of(session) is not first


async def driver_of(session: AsyncSession) -> Connection:
    """Return asyncpg's own connection."""
    return (await (await session.connection()).get_raw_connection()).driver_connection
