"""From the name of a violated constraint to the fields of the request that caused it."""

import functools
from collections.abc import Iterator

import sqlalchemy as sa

from app.database.base import Base


def fields_of(constraint: str) -> tuple[str, ...]:
    """Return the fields that a constraint or unique index of our tables is about; nothing for an unknown one."""
    return _by_name().get(constraint, ())


@functools.cache
def _by_name() -> dict[str, tuple[str, ...]]:
    return {name: fields for table in Base.metadata.tables.values() for name, fields in _named(table)}


def _named(table: sa.Table) -> Iterator[tuple[str, tuple[str, ...]]]:
    is_association = "id" not in table.columns
    items: list[sa.Constraint | sa.Index] = [*table.constraints, *table.indexes]
    for item in items:
        if isinstance(item, sa.CheckConstraint):
            # The naming convention puts the column behind the table: ck_<table>_<column>.
            column = str(item.name).removeprefix(f"ck_{table.name}_")
            yield str(item.name), (column,) if column in table.columns else ()
        else:
            names = [column.name for column in getattr(item, "columns", ())]
            # A client sends an association as a list of ids: `category_id` stood in `category_ids`.
            lists = [f"{name.removeprefix('related_')}s" for name in names]
            yield str(item.name), tuple(lists if is_association else names)
