"""How the tables are secured, as the server has it and as the models declare it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.database.errors import sqlstate
from app.database.row_security.policies import grants_of, policies_of

FLAGS = ("ENABLE", "FORCE")
UNDEFINED = "42704"

ARE_SET = sa.text("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = to_regclass(:table)")
POLICIES = sa.text("""
SELECT quote_ident(policyname), concat_ws(' ',
    CASE permissive WHEN 'RESTRICTIVE' THEN 'AS RESTRICTIVE' END,
    'FOR ' || cmd,
    'TO ' || (SELECT string_agg(quote_ident(role), ', ' ORDER BY role) FROM unnest(roles) AS role),
    'USING (' || qual || ')',
    'WITH CHECK (' || with_check || ')')
FROM pg_policies JOIN pg_class ON pg_class.oid = to_regclass(:table)
WHERE tablename = relname AND schemaname::regnamespace = relnamespace ORDER BY 1
""")
# All roles but the owner, who has everything; also what was granted on single columns.
GRANTS = sa.text("""
SELECT role, string_agg(command, ', ' ORDER BY array_position('{SELECT,INSERT,UPDATE,DELETE}', command), command)
FROM (
    SELECT coalesce(quote_ident(rolname), 'PUBLIC') || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END,
        privilege_type || coalesce(' (' || quote_ident(attname) || ')', '')
    FROM (
        SELECT relowner, relacl, NULL::name FROM pg_class WHERE oid = to_regclass(:table)
        UNION ALL
        SELECT relowner, attacl, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE attrelid = to_regclass(:table) AND NOT attisdropped
    ) AS item (owner, acl, attname), aclexplode(acl) LEFT JOIN pg_roles ON pg_roles.oid = grantee
    WHERE grantee <> owner
) AS granted (role, command)
GROUP BY role ORDER BY role
""")


@dataclass(frozen=True)
class Security:
    """How a table is secured: whether policies decide, the policies by name, and by role what it is granted."""

    flags: frozenset[str]
    policies: Mapping[str, str]
    grants: Mapping[str, str]


UNSECURED = Security(frozenset(), {}, {})


def declared(table: sa.Table) -> Security:
    """Return how the models want a table to be secured."""
    policies = policies_of(table)
    texts = {policy.name: str(policy) for policy in policies}
    return Security(frozenset(FLAGS), texts, grants_of(policies))


def found(connection: sa.Connection, table: str) -> Security:
    """Return how a table is secured on the server."""
    name = {"table": table}
    with connection.begin_nested() as savepoint:
        # Where nothing is found without its schema, PostgreSQL writes each name with it.
        connection.execute(sa.text("SET LOCAL search_path = ''"))
        flags = connection.execute(ARE_SET, name).one_or_none() or (False, False)
        policies: dict[str, str] = dict(connection.execute(POLICIES, name).all())
        grants: dict[str, str] = dict(connection.execute(GRANTS, name).all())
        savepoint.rollback()
    return Security(frozenset(flag for flag, is_set in zip(FLAGS, flags, strict=True) if is_set), policies, grants)


def in_words_of_server(connection: sa.Connection, table: sa.Table) -> Security:
    """Return how the models want a table to be secured, with the policies as PostgreSQL rewrites them.

    They are created for a table of this session alone, which looks like the model and is gone afterwards: nobody waits,
    and a column may be new. One that cannot be created stays as it is, so that it differs from all that the server has.
    """
    wanted, columns = declared(table), [sa.Column(column.name, column.type.copy()) for column in table.columns]
    scratch = sa.Table(table.name, sa.MetaData(), *columns, schema="pg_temp")
    try:
        with connection.begin_nested() as savepoint:
            connection.execute(sa.schema.CreateTable(scratch))
            for name, text in wanted.policies.items():
                with suppress(DBAPIError), connection.begin_nested():
                    connection.exec_driver_sql(f"CREATE POLICY {name} ON {scratch} {text}")
            rewritten = found(connection, str(scratch)).policies
            savepoint.rollback()
    except DBAPIError as error:
        if sqlstate(error) != UNDEFINED:
            raise
        return wanted  # a type is new, too
    return Security(wanted.flags, {**wanted.policies, **rewritten}, wanted.grants)
