"""The log of statements that took too long; the log's own format adds the request and its route."""

import logging
import time

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

logger = logging.getLogger(__name__)


def log_slow_queries(engine: AsyncEngine, threshold: float) -> None:
    """Log each statement that takes `threshold` seconds or longer, without its values."""

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def start(connection: sa.Connection, *_rest: object) -> None:
        connection.info["started"] = time.perf_counter()

    @event.listens_for(engine.sync_engine, "after_cursor_execute")
    def stop(connection: sa.Connection, _cursor: object, statement: str, *_rest: object) -> None:
        seconds = time.perf_counter() - connection.info["started"]
        if seconds >= threshold:
            logger.warning("slow query: %.0f ms: %s", seconds * 1000, " ".join(statement.split()))
