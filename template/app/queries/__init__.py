"""Every SQL statement, one file a table: functions that take a session and never commit. Here: lists in pages.

A page begins after the last row of the page before (keyset pagination), not at an OFFSET: rows that come or go in
between neither shift nor repeat it, and the thousandth page costs what the first one does.
"""

import base64
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.orm import InstrumentedAttribute

from app.database.base import Base
from app.database.session import ReadSession, WriteSession
from app.schemas import ListQuery

Row = TypeVar("Row", bound=Base)
Filters = Mapping[str, Callable[[Any], sa.ColumnElement[bool]]]
Orders = Mapping[str, InstrumentedAttribute[Any]]
Names = Collection[str]

CURSOR = TypeAdapter(tuple[str, Any, uuid.UUID])
"""The order that a cursor was made for, and the key and the id of the last row."""


class BadCursorError(ValueError):
    """A cursor that no list with this order has given out."""


@dataclass(frozen=True)
class Slice(Generic[Row]):
    """The rows of one page and the cursor of the next."""

    items: Sequence[Row]
    next_cursor: str | None


def conditions(query: ListQuery, filters: Filters) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of those filters that the client gave."""
    given = query.model_dump(include=set(filters), exclude_none=True)
    return [filters[name](value) for name, value in given.items()]


async def lock_row(session: WriteSession, model: type[Row], row_id: uuid.UUID) -> Row | None:
    """Return a row that nobody else can change until this transaction ends, or None; others may still refer to it."""
    return await session.get(model, row_id, with_for_update={"key_share": True})


async def delete_row(session: WriteSession, row: Base) -> None:
    """Remove a row; what refers to it goes along, lets go or forbids it, as its foreign key says."""
    await session.delete(row)
    await session.flush()


async def fetch_page(session: ReadSession, statement: sa.Select[Row], orders: Orders, query: ListQuery) -> Slice[Row]:
    """Run a statement for one page, in the order that `query.sort` names (`-name` is descending).

    The id stands behind every order as the tie breaker; the `orders` must be NOT NULL columns. Raises BadCursorError.
    """
    sort, descending, row_id = query.sort, query.sort.startswith("-"), orders["id"]
    key = orders[sort.removeprefix("-")]
    if query.cursor is not None:
        last = sa.tuple_(*_decode(query.cursor, sort, key), types=[key.type, row_id.type])
        position = sa.tuple_(key, row_id)
        statement = statement.where(position < last if descending else position > last)
    order = (key.desc(), row_id.desc()) if descending else (key, row_id)
    rows = (await session.scalars(statement.order_by(*order).limit(query.limit + 1))).all()
    if len(rows) <= query.limit:
        return Slice(rows, None)
    page = rows[: query.limit]
    return Slice(page, _encode(sort, getattr(page[-1], key.key), getattr(page[-1], row_id.key)))


def _encode(sort: str, value: Any, row_id: uuid.UUID) -> str:
    return base64.urlsafe_b64encode(CURSOR.dump_json((sort, value, row_id))).decode().rstrip("=")


def _decode(cursor: str, sort: str, key: InstrumentedAttribute[Any]) -> tuple[Any, uuid.UUID]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        made_for, value, row_id = CURSOR.validate_json(text)
        value = TypeAdapter(key.type.python_type).validate_python(value)
    except ValueError:  # base64 and Pydantic raise kinds of it
        raise BadCursorError from None
    if made_for != sort:
        raise BadCursorError
    return value, row_id
