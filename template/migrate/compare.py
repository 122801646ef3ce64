"""What Alembic compares of Row Level Security: `alembic check` and `revision --autogenerate` see what has drifted."""

import dataclasses
from collections.abc import Iterator, Mapping

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.runtime.plugins import Plugin
from alembic.util import PriorityDispatchResult

from app.database.base import Base
from app.database.drift import Catalog
from app.database.row_security import grants_of, policies_of
from migrate import operations
from migrate.unseen import catalogs

PLUGIN = Plugin("migrate.row_security")
FLAGS = ("ENABLE", "FORCE")


@dataclasses.dataclass(frozen=True)
class Security:
    """How a table is secured: whether policies decide, the policies by name, and by role what it is granted."""

    flags: frozenset[str] = frozenset()
    policies: Mapping[str, str] = dataclasses.field(default_factory=dict)
    grants: Mapping[str, str] = dataclasses.field(default_factory=dict)


def declared(table: sa.Table) -> Security:
    """Return how the models want a table to be secured, in their words."""
    policies = policies_of(table)
    return Security(frozenset(FLAGS), {policy.name: str(policy) for policy in policies}, grants_of(policies))


def secured(catalog: Catalog, table: str) -> Security:
    """Return how a table is secured, in the words of the server."""
    parts = {name: text for (relation, name), text in catalog.items() if relation == f"app.{table}"}
    flags = frozenset(flag for flag in FLAGS if f"{flag} ROW LEVEL SECURITY" in parts.get("row security", ""))
    return Security(flags, _named(parts, "policy "), _named(parts, "grant to "))


def _named(parts: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): text for name, text in parts.items() if name.startswith(prefix)}


def compare_table(
    context: AutogenContext, changes: ops.ModifyTableOps, schema: str | None, name: str, *both: sa.Table | None
) -> PriorityDispatchResult:
    """Find what is to be done about a table that was there before: on the server, and in the models."""
    existing, model = both
    if schema == "app" and existing is not None and model is not None:
        found, wanted = catalogs(context.migration_context)
        changes.ops.extend(_changes(name, secured(found, name), declared(model), secured(wanted, name)))
    return PriorityDispatchResult.CONTINUE


PLUGIN.add_autogenerate_comparator(compare_table, "table", "row_security")


def secure_new(table: ops.CreateTableOp) -> operations.SecureTableOp:
    """Return what secures a table that the same revision creates."""
    table.info.pop("policies", None)  # else Alembic would write it, too
    wanted = declared(Base.metadata.tables[f"app.{table.table_name}"])
    return operations.SecureTableOp(table.table_name, policies=wanted.policies, grants=wanted.grants)


def secure_again(context: MigrationContext, table: str) -> Iterator[ops.MigrateOperation]:
    """Yield what secures a table, which a revision drops, in the downgrade: as it was before."""
    old = secured(catalogs(context)[0], table)
    return _changes(table, Security(), old, old)


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
