"""What PostgreSQL knows and Alembic does not compare: it is written into a revision, or at least named there."""

import re
from collections.abc import Iterable, Iterator, Mapping

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.runtime.plugins import Plugin
from alembic.util import PriorityDispatchResult

from app.database import drift
from app.database.catalog import WHOLE
from app.database.drift import Catalog, compare

PLUGIN = Plugin("migrate.unseen")
# Of the tables that are there: others look at these.
SEEN = ("comment", "row security", "missing row security", "policy ", "grant to ", "trigger touch_row")
TOUCH = "app.touch_row()"


class RemarkOp(ops.MigrateOperation):
    """Something that a revision has to say, in one line."""

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.split())

    def to_diff_tuple(self) -> tuple[str, str]:
        """Return what `alembic check` shows."""
        return ("remark", self.text)


@renderers.dispatch_for(RemarkOp)
def render_remark(_context: AutogenContext, operation: RemarkOp) -> str:
    """Write it into a revision."""
    return f"# {operation.text}" if operation.text else "pass"


def catalogs(context: MigrationContext) -> tuple[Catalog, Catalog]:
    """Return what the database has, and what the models say; both are read once."""
    if "catalogs" not in context.opts and context.connection is not None:
        both = drift.catalogs(context.connection)
        context.opts["catalogs"] = [dict(map(_unquoted, catalog.items())) for catalog in both]
    found, wanted = context.opts["catalogs"]
    return found, wanted


def _unquoted(item: tuple[tuple[str, str], str]) -> tuple[tuple[str, str], str]:
    """Return an item by the names that Alembic knows."""
    (relation, name), definition = item
    is_part = name.startswith(("column ", "constraint ", "index "))
    return (relation.replace('"', ""), name.replace('"', "") if is_part else name), definition


def compare_parts(
    context: AutogenContext, changes: ops.ModifyTableOps, _schema: str | None, _name: str, *both: sa.Table | None
) -> PriorityDispatchResult:
    """Find constraints and indexes that have the name which the models say, and are something else."""
    existing, model = both
    if existing is not None and model is not None:
        known = {name for op in changes.ops for name in names_of(op)}
        found, wanted = catalogs(context.migration_context)
        for item in sorted(model.constraints | model.indexes, key=lambda item: str(item.name)):
            key = (str(model), f"{'index' if isinstance(item, sa.Index) else 'constraint'} {item.name}")
            if item.name not in known and key in found and found[key] != wanted.get(key):
                changes.ops.extend(_replace(existing, item, found[key]))
    return PriorityDispatchResult.CONTINUE


PLUGIN.add_autogenerate_comparator(compare_parts, "table", "unseen")


def _replace(existing: sa.Table, item: sa.Constraint | sa.Index, definition: str) -> Iterator[ops.MigrateOperation]:
    """Yield what drops it, as it is on the server, and makes it as the model says."""
    parts = existing.constraints | existing.indexes  # what is unique may be both
    there = next((part for part in parts if part.name == item.name and isinstance(part, type(item))), None)
    if isinstance(item, sa.Index) and isinstance(there, sa.Index):
        yield from (ops.DropIndexOp.from_index(there), ops.CreateIndexOp.from_index(item))
    elif isinstance(item, sa.UniqueConstraint | sa.ForeignKeyConstraint) and isinstance(there, sa.Constraint):
        yield from (ops.DropConstraintOp.from_constraint(there), ops.AddConstraintOp.from_constraint(item))
    elif isinstance(item, sa.CheckConstraint) and (check := re.match(r"CHECK \((.*)\)", definition, re.DOTALL)):
        old = ops.CreateCheckConstraintOp(item.name, existing.name, _written(check[1]), schema=existing.schema)
        yield from (old.reverse(), ops.AddConstraintOp.from_constraint(item))


def _written(condition: str) -> sa.TextClause:
    """Return a condition as somebody has written it: of its own words for IN, PostgreSQL would make others."""
    if one_of := re.fullmatch(r"\(\((\w+)\)::text = ANY \(\(ARRAY\[(.*)\]\)::text\[\]\)\)", condition):
        condition = f"{one_of[1]} IN ({one_of[2].replace('::character varying', '')})"
    return sa.text(condition.replace(":", r"\:"))


def names_of(operation: ops.MigrateOperation) -> Iterator[str]:
    """Yield the columns, constraints and indexes that an operation is about."""
    for attribute in ("column_name", "constraint_name", "index_name"):
        if name := getattr(operation, attribute, None):
            yield str(name)
    if isinstance(operation, ops.AddColumnOp):
        yield operation.column.name


def remarks(context: MigrationContext, tables: Iterable[ops.ModifyTableOps]) -> Iterator[RemarkOp]:
    """Yield what is left of the differences."""
    found, wanted = catalogs(context)
    changes = [(f"{table.schema}.{table.table_name}", op) for table in tables for op in table.ops]
    seen = {(table, name) for table, op in changes for name in names_of(op)}
    some, others = _left(found, wanted, seen), _left(wanted, found, seen)
    yield from (RemarkOp(f"Not written here: {line}") for line in compare(some, others))


def _left(side: Catalog, other: Catalog, seen: set[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
    """Return what Alembic, and we, have not looked at."""

    def is_left(relation: str, name: str) -> bool:
        if name in WHOLE:  # tables come and go by Alembic
            return name != "schema" and relation != TOUCH and (name != "table" or (relation, name) in other)
        if (relation, "table") in side.keys() - other.keys():
            return False
        return not name.startswith(SEEN) and (relation, name.partition(" ")[2]) not in seen

    return {key: text for key, text in side.items() if is_left(*key)}
