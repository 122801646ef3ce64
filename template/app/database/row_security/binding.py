"""Each transaction is somebody's: its BEGIN brings along the role and the claims that the policies go by.

On the engine and not on the session, so that Core connections are bound, too. An engine or a connection has its
identity as an execution option: `engine.execution_options(identity=identity)`.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database.identity import Identity, MissingIdentityError


def bind_identity(engine: AsyncEngine) -> None:
    """Refuse to begin a transaction without an identity, and autocommit altogether: MissingIdentityError."""
    sync = engine.sync_engine

    @event.listens_for(sync, "checkout")
    def forget(connection: Any, *_rest: object) -> None:
        connection.driver_connection.identity = None  # the last one's

    @event.listens_for(sync, "begin_twophase")
    def refuse(_connection: sa.Connection, _xid: object) -> None:
        raise MissingIdentityError  # it would begin as whoever was the last one

    @event.listens_for(sync, "begin")
    def bind(connection: sa.Connection) -> None:
        identity = connection.get_execution_options().get("identity")
        adapter: Any = connection.connection.dbapi_connection
        if identity is None or adapter.autocommit:
            adapter.driver_connection.identity = None  # whoever goes on all the same is not who was here before
            raise MissingIdentityError
        adapter.driver_connection.identity = statement_of(identity)


def statement_of(identity: Identity) -> str:
    """Return what gives the rest of a transaction its role and its claims."""
    # In hexadecimal digits no text can end the literal, whatever a token has brought.
    claims = identity.claims.encode().hex()
    return (
        f"SELECT set_config('role', '{identity.role}', true), "
        f"set_config('request.jwt.claims', convert_from(decode('{claims}', 'hex'), 'UTF8'), true)"
    )
