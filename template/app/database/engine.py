"""Engines: how a connection is opened, limited, checked and given back."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.database.errors import DatabaseUnavailableError
from app.database.guards import discard_unfinished, ping_after_idle, refuse_swallowed_errors
from app.logs import log_slow_queries
from app.settings import Settings


def create_engine(url: sa.URL, settings: Settings, *, read_only: bool = False) -> AsyncEngine:
    """Return an engine whose connections carry their own limits; `read_only` ones autocommit and refuse to write."""
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT" if read_only else None,
        pool_size=settings.pool_size,
        max_overflow=settings.max_overflow,
        pool_timeout=settings.pool_timeout,
        pool_recycle=settings.pool_recycle,
        pool_use_lifo=settings.pool_lifo,
        hide_parameters=True,  # values of a failed statement are personal data in a log
        connect_args={
            "timeout": settings.connect_timeout,
            "command_timeout": settings.statement_timeout + 1,  # for a server that went silent and cannot cancel
            "server_settings": server_settings(settings, read_only),
        },
    )
    event.listen(engine.sync_engine, "do_connect", _connect)
    ping_after_idle(engine)
    discard_unfinished(engine)
    refuse_swallowed_errors(engine)
    log_slow_queries(engine, settings.slow_query)
    return engine


def server_settings(settings: Settings, read_only: bool) -> dict[str, str]:
    """Return the parameters that a connection gives the server."""
    return {
        "application_name": f"{settings.application_name}:{'read' if read_only else 'write'}",
        "default_transaction_read_only": "on" if read_only else "off",
        "statement_timeout": f"{settings.statement_timeout}s",
        "lock_timeout": f"{settings.lock_timeout}s",
        "idle_in_transaction_session_timeout": f"{settings.idle_in_transaction_timeout}s",
        "client_connection_check_interval": f"{settings.client_check_interval}s",
        "timezone": "UTC",
        "jit": "off",  # costs more than it saves on the short statements of a service
    }


def _connect(dialect: Dialect, _entry: Any, args: list[Any], arguments: dict[str, Any]) -> DBAPIConnection:
    # asyncpg raises bare OSErrors, which elsewhere in the application would mean something else.
    try:
        return dialect.connect(*args, **arguments)
    except (OSError, TimeoutError) as error:
        raise DatabaseUnavailableError from error
