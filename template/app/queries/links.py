"""Many-to-many: the rows of an association table, seen as a list of ids."""

import uuid
from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from app.database.base import Base
from app.database.session import WriteSession
from app.schemas import Input


async def set_links(session: WriteSession, row: Base, links: Mapping[str, sa.Table], body: Input) -> None:
    """Link a stored row to the ids that `body` names, field by field."""
    (row_id,) = sa.inspect(row).mapper.primary_key_from_instance(row)
    for name in sorted(links.keys() & body.model_fields_set):
        await _replace(session, links[name], row_id, getattr(body, name))


async def _replace(session: WriteSession, links: sa.Table, row_id: uuid.UUID, ids: Collection[uuid.UUID]) -> None:
    left, right = links.primary_key.columns
    await session.execute(sa.delete(links).where(left == row_id, right.not_in(ids)))
    if ids:
        # Sorted, so that two requests lock the same rows in the same order.
        rows = [{left.key: row_id, right.key: linked} for linked in sorted(ids)]
        await session.execute(insert(links).values(rows).on_conflict_do_nothing())
