"""A handler may not catch a database error and answer as if nothing had happened.

PostgreSQL answers the COMMIT of a failed transaction with a ROLLBACK and no error, so the client would get its 201 and
nothing would be stored. To go on after an error on purpose, use `session.begin_nested()` or `ON CONFLICT`.
"""

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine


class SwallowedDatabaseError(RuntimeError):
    """A handler caught a database error and went on; its transaction is lost."""

    def __init__(self) -> None:
        super().__init__(
            "A database error was caught and the handler went on, but PostgreSQL had already given up the transaction. "
            "Let the error pass, or wrap the statement in session.begin_nested()."
        )


def refuse_swallowed_errors(engine: AsyncEngine) -> None:
    """Make the COMMIT of a transaction in which a statement has failed an error."""
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
