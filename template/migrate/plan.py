"""What a change becomes: a revision that is one transaction, and one that can be repeated for what takes its time."""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

from app.database.base import Base
from migrate.online import Checked, Online, not_valid, unforced
from migrate.unseen import RemarkOp

BUILT = ops.CreateIndexOp | ops.CreateUniqueConstraintOp
GONE = ops.DropIndexOp | ops.DropConstraintOp
IGNORE = "-- squawk-ignore"
REWRITES = (
    "PostgreSQL writes all rows of {} anew, and everybody waits. Either expand and contract (see the README), or say "
    f'that it is meant: op.execute("{IGNORE} {{}}")'
)
IN_PARTS = "Those who write wait meanwhile: to every partition of a table at once, PostgreSQL cannot do it otherwise."
RENAMED = "If a column of {} is to be called otherwise: this drops its values. The README renames it and keeps them."
EMPTY = "No row has a value here yet. Before the next revision: deploy what writes one, and fill those that are there."


@dataclass
class Plan:
    """Operations with what takes them back, and what can be repeated, in both directions."""

    steps: list[tuple[ops.MigrateOperation | None, ops.MigrateOperation | None]] = field(default_factory=list)
    up: Online = field(default_factory=Online)
    down: Online = field(default_factory=lambda: Online(is_back=True))
    lost: list[str] = field(default_factory=list)

    def add(self, up: ops.MigrateOperation | None, down: ops.MigrateOperation | None = None) -> None:
        """Add an operation to the first revision, and what takes it back."""
        self.steps.append((up, down))

    def first(self) -> tuple[list[ops.MigrateOperation], list[ops.MigrateOperation]]:
        """Return what leads up in the first revision, and what leads down."""
        return [up for up, _ in self.steps if up], [down for _, down in reversed(self.steps) if down]

    def extend(self, changes: Iterable[ops.MigrateOperation]) -> None:
        """Add what Alembic has found."""
        changes = list(changes)
        new = {op.table_name for op in changes if isinstance(op, ops.CreateTableOp)}
        gone = {op.table_name for op in changes if isinstance(op, ops.DropTableOp)}
        # Tables go last: others refer to them until then.
        for op in sorted(changes, key=lambda op: getattr(op, "table_name", None) in gone):
            if isinstance(op, ops.ModifyTableOps) and op.table_name in gone:
                for part in op.ops:  # goes with its table
                    self.add(None, part.reverse())
            elif isinstance(op, ops.ModifyTableOps) and op.table_name not in new:
                TableChange(self, op).add()
            else:
                self.add(op, op.reverse())
                self.lost += [f"{op.schema}.{op.table_name}"] if isinstance(op, ops.DropTableOp) else []


class TableChange:
    """What happens to a table that has rows."""

    def __init__(self, plan: Plan, table: ops.ModifyTableOps) -> None:
        """Take note of what replaces something, and of what goes with its column."""
        self.plan, self.ops, self.name = plan, table.ops, f"{table.schema}.{table.table_name}"
        model = Base.metadata.tables.get(self.name)
        self.in_parts = model is not None and bool(model.dialect_options["postgresql"]["partition_by"])
        self.made = {_key(op) for op in table.ops if not isinstance(op, GONE)}
        self.gone = {_key(op): op.reverse() for op in table.ops if isinstance(op, GONE)}
        self.lost = {op.column_name for op in table.ops if isinstance(op, ops.DropColumnOp)}

    def add(self) -> None:
        """Add it to the plan."""
        if self.lost and any(isinstance(op, ops.AddColumnOp) for op in self.ops):
            self.plan.add(RemarkOp(RENAMED.format(self.name)))
        for op in self.ops:
            if self.in_parts and isinstance(op, BUILT | ops.CreateForeignKeyOp):
                self._wait(op)
            elif isinstance(op, ops.CreateIndexOp | ops.AddConstraintOp):
                self._replace(self.gone.get(_key(op)), op)
            elif isinstance(op, GONE):
                self._drop(op)
            elif isinstance(op, ops.AlterColumnOp):
                self._alter(op)
            elif isinstance(op, ops.AddColumnOp):
                self._add_column(op)
            else:
                self.plan.add(op, op.reverse())
        self.plan.lost += [f"{self.name}.{column}" for column in sorted(self.lost)]

    def _replace(self, old: ops.MigrateOperation | None, new: ops.MigrateOperation | None) -> None:
        self.plan.up.replace(old, new)
        self.plan.down.replace(new, old)

    def _wait(self, op: ops.CreateIndexOp | ops.AddConstraintOp) -> None:
        rules = "require-concurrent-index-creation, disallowed-unique-constraint, adding-foreign-key-constraint"
        self.plan.add(RemarkOp(IN_PARTS))
        for step in unforced(op, op):
            if step is op:
                self.plan.add(ops.ExecuteSQLOp(f"{IGNORE} {rules}, constraint-missing-not-valid"))
            self.plan.add(step, step.reverse())

    def _drop(self, op: Any) -> None:
        old, is_index = op.reverse(), isinstance(op, ops.DropIndexOp)
        if self.in_parts:
            self.plan.add(ops.ExecuteSQLOp(f"{IGNORE} require-concurrent-index-deletion") if is_index else None)
            self.plan.add(op, old)
        elif is_index and {getattr(column, "name", None) for column in old.columns} & self.lost:
            self.plan.add(None, old)  # goes with its column
        elif is_index and _key(op) not in self.made:
            self._replace(old, None)
        elif _key(op) not in self.made:
            self.plan.add(op, not_valid(old) if isinstance(old, Checked) else old)

    def _alter(self, op: ops.AlterColumnOp) -> None:
        rest, rule = copy(op), "changing-column-type"
        rest.modify_nullable = None
        if op.modify_type is not None and _rewrites(op.existing_type, op.modify_type):
            self.plan.add(RemarkOp(REWRITES.format(self.name, rule)))
        elif op.modify_type is not None:
            self.plan.add(ops.ExecuteSQLOp(f"{IGNORE} {rule}"))
        if rest.has_changes():
            self.plan.add(rest, rest.reverse())
        if op.modify_nullable is not None:
            self._set_nullable(op.column_name, op.modify_type or op.existing_type, nullable=op.modify_nullable)

    def _set_nullable(self, column: str, kind: Any, *, nullable: bool) -> None:
        schema, _, table = self.name.partition(".")
        some = {"schema": schema, "existing_type": kind}
        free = ops.AlterColumnOp(table, column, existing_nullable=False, modify_nullable=True, **some)
        one, other = (self.plan.up, self.plan.down) if nullable else (self.plan.down, self.plan.up)
        one.after.append(free)
        other.require(free.reverse())

    def _add_column(self, op: ops.AddColumnOp) -> None:
        column = op.column
        if column.computed is not None and column.computed.persisted:
            self.plan.add(RemarkOp(REWRITES.format(self.name, "adding-field-with-default")))
        if column.nullable or column.server_default is not None:
            self.plan.add(op, op.reverse())
            return
        optional = copy(op)
        optional.column = copy(column)
        optional.column.nullable = True
        self.plan.add(RemarkOp(EMPTY))
        self.plan.add(optional, optional.reverse())
        self._set_nullable(column.name, column.type, nullable=False)


def _key(op: Any) -> tuple[bool, str]:
    is_index = isinstance(op, ops.CreateIndexOp | ops.DropIndexOp)
    return is_index, str(getattr(op, "index_name" if is_index else "constraint_name", ""))


def _rewrites(old: Any, new: Any) -> bool:
    """Tell whether PostgreSQL writes the rows anew where a column has another type."""
    if isinstance(old, sa.String) and isinstance(new, sa.String):
        return new.length is not None and (old.length is None or new.length < old.length)
    if isinstance(old, sa.Numeric) and isinstance(new, sa.Numeric) and not isinstance(new, sa.Float) and old.precision:
        wider = new.precision is None or new.precision >= old.precision
        return not (wider and (new.precision is None or new.scale == old.scale))
    return True
