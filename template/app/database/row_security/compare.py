"""What Alembic compares of Row Level Security: `alembic check` and `revision --autogenerate` see what has drifted."""

import dataclasses
from collections.abc import Iterator, Mapping

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import PriorityDispatchResult

from app.database.base import Base
from app.database.row_security import operations
from app.database.row_security.catalog import UNSECURED, Security, declared, found, in_words_of_server

PLUGIN = Plugin("app.row_security")


def compare_table(
    context: AutogenContext, changes: ops.ModifyTableOps, schema: str | None, name: str, *both: sa.Table | None
) -> PriorityDispatchResult:
    """Find what is to be done about a table that was there before: on the server, and in the models."""
    connection, (existing, model) = context.connection, both
    if connection is not None and schema == "app" and existing is not None and model is not None:
        same = in_words_of_server(connection, model)
        changes.ops.extend(_changes(name, found(connection, f"app.{name}"), declared(model), same))
    return PriorityDispatchResult.CONTINUE


PLUGIN.add_autogenerate_comparator(compare_table, "table", "row_security")


def secure_new(table: ops.CreateTableOp) -> operations.SecureTableOp:
    """Return what secures a table that the same revision creates."""
    table.info.pop("policies", None)  # else Alembic would write it, too
    wanted = declared(Base.metadata.tables[f"app.{table.table_name}"])
    return operations.SecureTableOp(table.table_name, policies=wanted.policies, grants=wanted.grants)


def secure_again(connection: sa.Connection, table: str) -> Iterator[ops.MigrateOperation]:
    """Yield what secures a table, which a revision drops, in the downgrade: as it was before."""
    old = found(connection, f"app.{table}")
    return _changes(table, UNSECURED, old, old)


def _changes(table: str, old: Security, new: Security, same: Security) -> Iterator[ops.MigrateOperation]:
    """Yield what leads from the old to the new; `same` is the new in the words of the server, as the old is."""
    if not old.flags and not old.policies and len(new.flags) > 1:
        if old.grants:
            yield operations.SetGrantsOp(table, new={}, old=old.grants)
        yield operations.SecureTableOp(table, policies=new.policies, grants=new.grants)
        return
    if missing := sorted(new.flags - old.flags):
        yield operations.EnableRowSecurityOp(table, ", ".join(missing))
    for name, text in old.policies.items():
        if name not in new.policies:
            yield operations.DropPolicyOp(table, name, text)
    for name, text in new.policies.items():
        if name not in old.policies:
            yield operations.CreatePolicyOp(table, name, text)
        elif old.policies[name] != same.policies[name]:
            yield operations.ReplacePolicyOp(table, name, new=text, old=old.policies[name])
    if old.grants != new.grants:
        yield operations.SetGrantsOp(table, new=_others(new.grants, old.grants), old=_others(old.grants, new.grants))


def _others(some: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    return {role: commands for role, commands in some.items() if known.get(role) != commands}


@renderers.dispatch_for(operations.RowSecurityOp)
def render(_context: AutogenContext, operation: operations.RowSecurityOp) -> str:
    """Write an operation into a revision."""
    given = [(field, getattr(operation, field.name)) for field in dataclasses.fields(operation)]
    arguments = [
        f"{field.name}={value!r}" if field.kw_only else repr(value) for field, value in given if value != field.default
    ]
    return f"op.{operation.called}({', '.join(arguments)})"
