"""What a revision does about Row Level Security, as operations of Alembic: `op.secure_table(…)` and the like.

The text of policies and grants stands in the revision, as it was when that was written. Each operation knows its
reverse: a downgrade ends with the text that was there before.
"""

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations

OPPOSITE = {"ENABLE": "DISABLE", "FORCE": "NO FORCE"}


@dataclass(frozen=True)
class RowSecurityOp(MigrateOperation):
    """A change of one table of the schema `app`."""

    called: ClassVar[str]
    table: str

    def __init_subclass__(cls, called: str) -> None:
        """Make it an operation of this name."""
        cls.called = called
        Operations.register_operation(called, "run")(cls)

    @classmethod
    def run(cls, operations: Operations, *arguments: Any, **named: Any) -> None:
        """Run the operation with these arguments."""
        operations.invoke(cls(*arguments, **named))

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what `alembic check` shows."""
        return (self.called, *vars(self).values())

    def statements(self) -> Iterator[str]:
        """Yield what it sends."""
        raise NotImplementedError


@Operations.implementation_for(RowSecurityOp)
def send(operations: Operations, operation: RowSecurityOp) -> None:
    """Send the statements as they stand: what looks like a parameter in a policy is none."""
    for statement in operation.statements():
        operations.execute(sa.text(statement.replace(":", r"\:")))


@dataclass(frozen=True)
class EnableRowSecurityOp(RowSecurityOp, called="enable_row_security"):
    """Let policies decide (ENABLE), also about what the owner of the table does (FORCE)."""

    how: str = "ENABLE, FORCE"

    def statements(self) -> Iterator[str]:
        yield f"ALTER TABLE app.{self.table} " + ", ".join(f"{how} ROW LEVEL SECURITY" for how in self.how.split(", "))

    def reverse(self) -> "DisableRowSecurityOp":
        return DisableRowSecurityOp(self.table, self.how)


@dataclass(frozen=True)
class DisableRowSecurityOp(RowSecurityOp, called="disable_row_security"):
    """Take back ENABLE, FORCE or both."""

    how: str = "ENABLE, FORCE"

    def statements(self) -> Iterator[str]:
        opposite = [OPPOSITE[how] for how in self.how.split(", ")]
        yield f"ALTER TABLE app.{self.table} " + ", ".join(f"{how} ROW LEVEL SECURITY" for how in opposite)

    def reverse(self) -> EnableRowSecurityOp:
        return EnableRowSecurityOp(self.table, self.how)


@dataclass(frozen=True)
class CreatePolicyOp(RowSecurityOp, called="create_policy"):
    """Create a policy. Its text is what follows the table: FOR … TO … USING (…) WITH CHECK (…)."""

    name: str
    text: str

    def statements(self) -> Iterator[str]:
        yield f"CREATE POLICY {self.name} ON app.{self.table} {self.text}"

    def reverse(self) -> "DropPolicyOp":
        return DropPolicyOp(self.table, self.name, self.text)


@dataclass(frozen=True)
class DropPolicyOp(RowSecurityOp, called="drop_policy"):
    """Drop a policy, which had this text."""

    name: str
    text: str

    def statements(self) -> Iterator[str]:
        yield f"DROP POLICY {self.name} ON app.{self.table}"

    def reverse(self) -> CreatePolicyOp:
        return CreatePolicyOp(self.table, self.name, self.text)


@dataclass(frozen=True)
class ReplacePolicyOp(RowSecurityOp, called="replace_policy"):
    """Give a policy another text. ALTER POLICY could not change its command."""

    name: str
    _: KW_ONLY
    new: str
    old: str

    def statements(self) -> Iterator[str]:
        yield from DropPolicyOp(self.table, self.name, self.old).statements()
        yield from CreatePolicyOp(self.table, self.name, self.new).statements()

    def reverse(self) -> "ReplacePolicyOp":
        return ReplacePolicyOp(self.table, self.name, new=self.old, old=self.new)


@dataclass(frozen=True, kw_only=True)
class SetGrantsOp(RowSecurityOp, called="set_grants"):
    """Revoke and grant what differs. Grants are the commands, parted by commas, of each role."""

    new: Mapping[str, str]
    old: Mapping[str, str]

    def statements(self) -> Iterator[str]:
        for role, commands in _beyond(self.old, self.new):
            yield f"REVOKE {commands} ON app.{self.table} FROM {role.removesuffix(' WITH GRANT OPTION')}"
        for role, commands in _beyond(self.new, self.old):
            yield f"GRANT {commands} ON app.{self.table} TO {role}"

    def reverse(self) -> "SetGrantsOp":
        return SetGrantsOp(self.table, new=self.old, old=self.new)


@dataclass(frozen=True, kw_only=True)
class SecureTableOp(RowSecurityOp, called="secure_table"):
    """Close a table to all but these policies and grants."""

    policies: Mapping[str, str]
    grants: Mapping[str, str]

    def statements(self) -> Iterator[str]:
        yield from EnableRowSecurityOp(self.table).statements()
        yield f"REVOKE ALL ON app.{self.table} FROM PUBLIC"
        for name, text in self.policies.items():
            yield from CreatePolicyOp(self.table, name, text).statements()
        yield from SetGrantsOp(self.table, new=self.grants, old={}).statements()

    def reverse(self) -> "ExposeTableOp":
        return ExposeTableOp(self.table, policies=self.policies, grants=self.grants)


@dataclass(frozen=True, kw_only=True)
class ExposeTableOp(RowSecurityOp, called="expose_table"):
    """Take back what has secured a table."""

    policies: Mapping[str, str]
    grants: Mapping[str, str]

    def statements(self) -> Iterator[str]:
        yield from SetGrantsOp(self.table, new={}, old=self.grants).statements()
        for name, text in self.policies.items():
            yield from DropPolicyOp(self.table, name, text).statements()
        yield from DisableRowSecurityOp(self.table).statements()

    def reverse(self) -> SecureTableOp:
        return SecureTableOp(self.table, policies=self.policies, grants=self.grants)


def _beyond(some: Mapping[str, str], others: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield, by role, the commands that it has in `some` and not in `others`."""
    for role, commands in some.items():
        known = others.get(role, "").split(", ")
        if more := [command for command in commands.split(", ") if command not in known]:
            yield role, ", ".join(more)
