"""An order of Ada's and one of Bob's, and how to look at them."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.database.errors import sqlstate
from app.database.identity import Identity
from app.database.session import Sessions, open_sessions, open_transaction
from app.models.order import Order
from app.settings import Settings
from dev.factories import key_of
from tests.support import ADA, BOB, stored, table_named

IDS = sa.select(Order.id)
REFUSED = "42501"


async def orders(sessions: Sessions) -> tuple[uuid.UUID, uuid.UUID]:
    """Store an order of Ada's and one of Bob's."""
    adas, bobs = [await stored(sessions, table_named("order"), who=who) for who in (ADA, BOB)]
    return key_of(adas[0]), key_of(bobs[0])


@asynccontextmanager
async def one_connection(settings: Settings) -> AsyncIterator[Sessions]:
    """Open sessions of nobody's, which take turns on one connection."""
    async with open_sessions(settings.model_copy(update={"pool_size": 1, "max_overflow": 0})) as opened:
        yield opened


async def outcome(sessions: Sessions, who: Identity, *statements: str, **values: Any) -> Any:
    """Run SQL of somebody's in one transaction; return the rows of the last statement, or how many, or the SQLSTATE."""
    try:
        async with open_transaction(sessions.of(who)) as session:
            for statement in statements:
                bound = {name: value for name, value in values.items() if f":{name}" in statement}
                result: Any = await session.execute(sa.text(statement), bound)
            return [tuple(row) for row in result] if result.returns_rows else result.rowcount
    except DBAPIError as error:
        return sqlstate(error)
