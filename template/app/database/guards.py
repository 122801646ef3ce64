"""Guards of a pooled connection: what one request did to it, the next one must not feel."""

import time
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

IDLE_SECONDS = 30


class SwallowedDatabaseError(RuntimeError):
    """A handler caught a database error and went on, or ended the transaction itself."""

    def __init__(self) -> None:
        super().__init__(
            "A database error was caught and the handler went on, but PostgreSQL had already given up the transaction "
            "(or the handler ended it itself). Let errors pass, or wrap the statement in session.begin_nested()."
        )


def refuse_swallowed_errors(engine: AsyncEngine) -> None:
    """Make it an error to commit a transaction in which a statement has failed.

    PostgreSQL answers such a COMMIT with a ROLLBACK and no error: the client would get its 201, and nothing be stored.
    """
    sync = engine.sync_engine

    @event.listens_for(sync, "handle_error")
    def mark(context: ExceptionContext) -> None:
        if context.connection is not None and not context.is_disconnect:
            context.connection.info["failed"] = True

    # Not on "rollback": a failed COMMIT fires none.
    @event.listens_for(sync, "begin")
    @event.listens_for(sync, "rollback_savepoint")
    def clear(connection: sa.Connection, *_savepoint: object) -> None:
        if not connection.invalidated:
            connection.info.pop("failed", None)

    @event.listens_for(sync, "commit")
    def refuse(connection: sa.Connection) -> None:
        if connection.info.get("failed"):
            raise SwallowedDatabaseError


def ping_after_idle(engine: AsyncEngine, timeout: float) -> None:
    """Replace a connection that was closed, or that has idled and does not answer within `timeout` seconds.

    `pool_pre_ping` would ask the server at every checkout, for three round trips each.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def leave(_connection: object, entry: ConnectionPoolEntry) -> None:
        entry.info["left"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def ping(connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
        if connection.driver_connection.is_closed():  # what the server told us, without asking it
            raise DisconnectionError
        now = time.monotonic()
        if now - entry.info.get("left", now) < IDLE_SECONDS:
            return
        try:
            connection.run_async(lambda driver: driver.execute("SELECT 1", timeout=timeout))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            raise InvalidatePoolError from error  # the others went the same way, perhaps without a word


def drop_silent_connections(engine: AsyncEngine) -> None:
    """Replace all connections when one went silent: left to SQLAlchemy, each would keep a request waiting."""

    @event.listens_for(engine.sync_engine, "handle_error")
    def drop(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, TimeoutError):  # from `command_timeout`
            context.invalidate_pool_on_disconnect = True


def discard_unfinished(engine: AsyncEngine) -> None:
    """Throw away a connection that comes back inside a transaction.

    Two tasks that share a session can leave one half open; the next request would inherit it.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def discard(connection: Any, entry: ConnectionPoolEntry) -> None:
        driver = connection.driver_connection if connection is not None else None
        if driver is not None and not driver.is_closed() and driver.is_in_transaction():
            entry.invalidate()
