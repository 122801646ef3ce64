"""Connection strings; what a connection brings along; what becomes of one that is no good any more."""

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from asyncpg import Connection
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import guards
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


@pytest.mark.parametrize("host", ["db.example.com", "db.your-project-ref.supabase.co"])
def test_nothing_leaves_the_machine_in_plain_text(host: str) -> None:
    with pytest.raises(ValueError, match="set DATABASE_CA_FILE"):
        tls_of(parse_url(f"postgresql://me@{host}/shop?sslmode=prefer"), None, production=True)


LIMITS = sa.text(
    "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), "
    "current_setting('idle_in_transaction_session_timeout'), current_setting('client_connection_check_interval'), "
    "current_setting('default_transaction_read_only'), current_setting('idle_session_timeout')"
)


async def test_a_connection_carries_its_limits(sessions: Sessions, settings: Settings) -> None:
    for factory, read_only in ((sessions.write, "off"), (sessions.read, "on")):
        async with factory() as session:
            found = (await session.execute(LIMITS)).one()
        assert found == (f"{settings.statement_timeout:.0f}s", "3s", "30s", "2s", read_only, "10min")


async def test_the_pool_has_the_size_that_is_set(sessions: Sessions, settings: Settings) -> None:
    for factory in (sessions.write, sessions.read):
        found = factory.kw["bind"].pool
        assert (found.size(), found._max_overflow) == (settings.pool_size + settings.max_overflow, 0)


@pytest.fixture
async def single(settings: Settings, sessions: Sessions) -> AsyncIterator[Sessions]:
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
