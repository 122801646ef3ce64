"""Row Level Security: PostgreSQL itself keeps each user to the rows that are theirs. Policies are data, beside models.

Each transaction is somebody's: its BEGIN brings along the role and the claims that the policies go by. On the engine
and not on the session, so that Core connections are bound, too. An engine or a connection has its identity as an
execution option: `engine.execution_options(identity=identity)`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database.base import Base
from app.database.identity import Identity, MissingIdentityError, Role

COMMANDS = ("SELECT", "INSERT", "UPDATE", "DELETE")

IS_OWNER = "owner_id = (SELECT private.current_user_id())"
"""In a sub-select, so that it is asked once a query and not once a row, and an index can be used."""


@dataclass(frozen=True)
class Policy:
    """The rows with which a role may do something: those that `using` finds, and new ones that `check` accepts."""

    name: str
    command: str
    role: str
    using: str | None = None
    check: str | None = None

    def __str__(self) -> str:
        using = f" USING ({self.using})" if self.using else ""
        check = f" WITH CHECK ({self.check})" if self.check else ""
        return f"FOR {self.command} TO {self.role}{using}{check}"


SYSTEM = Policy("system", "ALL", Role.SYSTEM, using="true", check="true")


def owner_policies() -> tuple[Policy, ...]:
    """Return the policies of rows that only their owner sees and writes."""
    return (
        Policy("owner_select", "SELECT", Role.AUTHENTICATED, using=IS_OWNER),
        Policy("owner_insert", "INSERT", Role.AUTHENTICATED, check=IS_OWNER),
        Policy("owner_update", "UPDATE", Role.AUTHENTICATED, using=IS_OWNER, check=IS_OWNER),
        Policy("owner_delete", "DELETE", Role.AUTHENTICATED, using=IS_OWNER),
        SYSTEM,
    )


def shared_policies(scope: str) -> tuple[Policy, ...]:
    """Return the policies of rows that everyone who has signed in sees, and those with the scope write."""
    may_write = f"(SELECT private.has_scope('{scope}'))"
    return (
        Policy("reader_select", "SELECT", Role.AUTHENTICATED, using="true"),
        Policy("writer_insert", "INSERT", Role.AUTHENTICATED, check=may_write),
        Policy("writer_update", "UPDATE", Role.AUTHENTICATED, using=may_write, check=may_write),
        Policy("writer_delete", "DELETE", Role.AUTHENTICATED, using=may_write),
        SYSTEM,
    )


def grants_of(policies: Iterable[Policy]) -> dict[str, str]:
    """Return what each role is granted: the commands that it has a policy for, and nothing else."""
    granted: dict[str, set[str]] = {}
    for policy in policies:
        granted.setdefault(str(policy.role), set()).update(COMMANDS if policy.command == "ALL" else {policy.command})
    return {role: ", ".join(command for command in COMMANDS if command in granted[role]) for role in sorted(granted)}


def policies_of(table: sa.Table) -> tuple[Policy, ...]:
    """Return the policies that are declared beside a table: `__policies__` of its class, or `policies` in its info.

    Raises LookupError where none are: nobody could use the table. An empty tuple says that this is meant.
    """
    classes = (mapper.class_ for mapper in Base.registry.mappers if mapper.local_table is table)
    declared = next((cls.__policies__ for cls in classes if hasattr(cls, "__policies__")), None)
    if (policies := table.info.get("policies", declared)) is None:
        raise LookupError(f"Say who may use {table}: let its model be Owned or Shared, or give it __policies__.")
    return tuple(policies)


def secure(table: str, policies: Iterable[Policy]) -> Iterator[str]:
    """Yield the statements that close a table of the schema `app` to all but its policies."""
    policies = tuple(policies)
    yield f"ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    yield f"REVOKE ALL ON app.{table} FROM PUBLIC"
    for policy in policies:
        yield f"CREATE POLICY {policy.name} ON app.{table} {policy}"
    for role, commands in grants_of(policies).items():
        yield f"GRANT {commands} ON app.{table} TO {role}"


def bind_identity(engine: AsyncEngine) -> None:
    """Refuse to begin a transaction without an identity, and autocommit altogether: MissingIdentityError."""
    sync = engine.sync_engine

    @event.listens_for(sync, "checkout")
    def forget(connection: Any, *_rest: object) -> None:
        connection.driver_connection.identity = None  # the last one's

    @event.listens_for(sync, "begin_twophase")
    def refuse(_connection: sa.Connection, _xid: object) -> None:
        raise MissingIdentityError  # it would begin as whoever was the last one

    @event.listens_for(sync, "begin")
    def bind(connection: sa.Connection) -> None:
        identity = connection.get_execution_options().get("identity")
        adapter: Any = connection.connection.dbapi_connection
        if identity is None or adapter.autocommit:
            adapter.driver_connection.identity = None  # whoever goes on all the same is not who was here before
            raise MissingIdentityError
        adapter.driver_connection.identity = statement_of(identity)


def statement_of(identity: Identity) -> str:
    """Return what gives the rest of a transaction its role and its claims."""
    # In hexadecimal digits no text can end the literal, whatever a token has brought.
    claims = identity.claims.encode().hex()
    return (
        f"SELECT set_config('role', '{identity.role}', true), "
        f"set_config('request.jwt.claims', convert_from(decode('{claims}', 'hex'), 'UTF8'), true)"
    )
