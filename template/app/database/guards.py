"""Guards of a pooled connection: what one request did to it, the next one must not feel."""

import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DisconnectionError
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


def ping_after_idle(engine: AsyncEngine) -> None:
    """Test a connection that has idled before it is used.

    `pool_pre_ping` would do so at every checkout, for three round trips each.
    """
    dialect = engine.sync_engine.dialect

    @event.listens_for(engine.sync_engine, "checkin")
    def leave(_connection: object, entry: ConnectionPoolEntry) -> None:
        entry.info["left"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def ping(connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
        now = time.monotonic()
        if now - entry.info.get("left", now) < IDLE_SECONDS:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error  # the pool replaces the connection, the request never sees it


def discard_unfinished(engine: AsyncEngine) -> None:
    """Throw away a connection that comes back inside a transaction.

    Two tasks that share a session can leave one half open; the next request would inherit it.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def discard(connection: Any, entry: ConnectionPoolEntry) -> None:
        driver = connection.driver_connection if connection is not None else None
        if driver is not None and not driver.is_closed() and driver.is_in_transaction():
            entry.invalidate()
