"""What happens to a connection between two requests."""

import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

IDLE_SECONDS = 30


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
