"""Engines: how their pool is sized, what limits a connection has, and how it is checked and given back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.database.connection import opener_of
from app.database.errors import DatabaseUnavailableError
from app.database.guards import discard_unfinished, drop_silent_connections, ping_after_idle, refuse_swallowed_errors
from app.database.url import Profile, parse_url
from app.logs import log_slow_queries
from app.settings import Settings

ASYNCPG = "postgresql+asyncpg://"  # the rest comes from the opener


def create_engine(settings: Settings, *, read_only: bool = False) -> AsyncEngine:
    """Return an engine whose connections carry their own limits; `read_only` ones autocommit and refuse to write."""
    limits = limits_of(settings)
    if read_only:
        limits["default_transaction_read_only"] = "on"
    opener = opener_of(settings.url, settings, settings.profile, "read" if read_only else "write", **limits)
    engine = create_async_engine(
        ASYNCPG,
        isolation_level="AUTOCOMMIT" if read_only else None,
        # Surplus connections stay as well: closed on return, a steady load would open new ones all the time. The one
        # used last is used next, so surplus ones fall idle, and the server closes them after `idle_timeout`.
        pool_size=settings.pool_size + settings.max_overflow,
        max_overflow=0,
        pool_use_lifo=True,
        pool_timeout=settings.pool_timeout,
        pool_recycle=settings.pool_recycle,
        hide_parameters=True,  # values of a failed statement are personal data in a log
        connect_args={**opener.arguments, "command_timeout": settings.statement_timeout + 1},  # for a silent server
    )
    ping_after_idle(engine, settings.connect_timeout)
    drop_silent_connections(engine)
    discard_unfinished(engine)
    refuse_swallowed_errors(engine)
    log_slow_queries(engine, settings.slow_query)
    return engine


@asynccontextmanager
async def open_migration_connection(settings: Settings) -> AsyncIterator[AsyncConnection]:
    """Connect as the login that owns the tables, for a command: SystemExit says why that was not possible."""
    try:
        connection = await create_migration_engine(settings).connect().start()
    except (DatabaseUnavailableError, DBAPIError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error.__cause__
        raise SystemExit(f"No connection to the database: {reason or 'no answer'}.") from None
    try:
        yield connection
    finally:
        await connection.close()


def create_migration_engine(settings: Settings) -> AsyncEngine:
    """Return an engine of the login that owns the tables. SystemExit where a transaction pooler is in between."""
    secret = settings.migration_database_url or settings.database_url
    url = parse_url(secret.get_secret_value())
    profile = url.profile() if settings.migration_database_url else settings.profile
    if profile is Profile.TRANSACTION:
        raise SystemExit(
            "A transaction pooler can lose the lock of a migration: set MIGRATION_DATABASE_URL to the server itself, "
            "or to its pooler in session mode."
        )
    opener = opener_of(url, settings, profile, "migrate", timezone="UTC")  # as the application reads and writes times
    return create_async_engine(ASYNCPG, poolclass=NullPool, hide_parameters=True, connect_args=opener.arguments)


def limits_of(settings: Settings) -> dict[str, str]:
    """Return the parameters of the server that keep a connection from waiting, or being waited for, for ever."""
    limits = {
        "statement_timeout": f"{settings.statement_timeout}s",
        "lock_timeout": f"{settings.lock_timeout}s",
        "idle_in_transaction_session_timeout": f"{settings.idle_in_transaction_timeout}s",
        "client_connection_check_interval": f"{settings.client_check_interval}s",
        "timezone": "UTC",
    }
    if settings.profile is not Profile.TRANSACTION:
        # There idle connections are the pooler's affair, and what asyncpg does to jit would outlive the transaction.
        limits["idle_session_timeout"] = f"{settings.idle_timeout}s"
        limits["jit"] = "off"  # costs more than it saves on the short statements of a service
    return limits
