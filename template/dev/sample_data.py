"""Sample data, so that a first look at the API shows something."""

import asyncio
import uuid
from typing import Any

import sqlalchemy as sa

from app.database.session import WriteSession, in_transaction, open_sessions
from app.settings import get_settings
from dev.factories import Resource, key_of, resources

ROWS = 8


def load() -> None:
    """Fill the tables of the database of `DATABASE_URL`, unless one of them has a row already."""
    asyncio.run(_load())


async def _load() -> None:
    async with open_sessions(get_settings()) as sessions:
        await in_transaction(sessions, _fill)


async def _fill(session: WriteSession) -> None:
    found = resources()
    for resource in found:
        if await session.scalar(sa.select(sa.exists(sa.select(resource.table)))):
            return
    keys: dict[str, list[uuid.UUID]] = {}
    for resource in found:
        rows = [await resource.insert(session, resource.body(**_references(resource, keys, n))) for n in range(ROWS)]
        keys[resource.table.name] = [key_of(row) for row in rows]


def _references(resource: Resource, keys: dict[str, list[uuid.UUID]], number: int) -> dict[str, Any]:
    """Refer to rows that are there already, evenly: the first row to the first, and so on."""
    one = {name: keys[target][number] for name, target in resource.references(required=False).items() if target in keys}
    many = {name: [keys[target][number]] for name, target in resource.linked().items() if target in keys}
    return one | many
