"""Databases of the tests' own, and what is in them."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import asyncpg
import sqlalchemy as sa

from dev.postgres import Server
from projects import python

# Everything that tells one schema from another, but the order in which things were made.
CATALOG = """
WITH ours AS (
    SELECT c.oid, n.nspname || '.' || c.relname AS name, c.relkind
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY($1)
)
SELECT 'relation', name, relkind::text, '' FROM ours WHERE relkind <> 'i'
UNION ALL
SELECT 'column', name || '.' || a.attname, format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || a.attgenerated::text || a.attidentity::text,
    coalesce(pg_get_expr(d.adbin, d.adrelid), '')
FROM ours JOIN pg_attribute a ON a.attrelid = oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE relkind = 'r'
UNION ALL
SELECT 'constraint', name || '.' || k.conname, pg_get_constraintdef(k.oid), k.condeferrable::text
FROM ours JOIN pg_constraint k ON k.conrelid = ours.oid
UNION ALL
SELECT 'index', name, pg_get_indexdef(oid), '' FROM ours WHERE relkind = 'i'
UNION ALL
SELECT 'trigger', name || '.' || t.tgname, pg_get_triggerdef(t.oid), t.tgenabled::text
FROM ours JOIN pg_trigger t ON t.tgrelid = ours.oid AND NOT t.tgisinternal
UNION ALL
SELECT 'row security', name, relrowsecurity || ' ' || relforcerowsecurity, array_to_string(ARRAY(
    SELECT coalesce(grantee::regrole::text, 'PUBLIC') || '=' || privilege_type
    FROM aclexplode(relacl) WHERE grantee <> relowner ORDER BY 1
), ', ')
FROM ours JOIN pg_class USING (oid, relkind) WHERE relkind IN ('r', 'p')
UNION ALL
SELECT 'policy', name || '.' || p.policyname, concat_ws(' ', p.cmd, p.permissive, p.roles),
    coalesce(p.qual, '') || ' | ' || coalesce(p.with_check, '')
FROM ours JOIN pg_policies p ON p.schemaname || '.' || p.tablename = name
UNION ALL
SELECT 'function', p.proname, regexp_replace(pg_get_functiondef(p.oid), '\\s+', ' ', 'g'), ''
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY($1)
UNION ALL
SELECT 'enum', t.typname, e.enumlabel, ''
FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = ANY($1)
ORDER BY 1, 2, 3, 4
"""


def create_database(server: Server, template: str = "template1") -> str:
    """Create an empty database, or a copy of one that nobody uses, and return its URL. It ends with its server."""
    name = f"made_{uuid.uuid4().hex}"
    execute(server.url(), f"CREATE DATABASE {name} TEMPLATE {template}")
    return server.url(name)


def execute(url: str, statement: str) -> None:
    """Run a statement, or several that are parted by semicolons."""

    async def send() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(send())


def query(url: str, statement: str, *values: Any, role: str = "none") -> list[Any]:
    """The first column of what a statement returns; the login may have taken on a role."""

    async def fetch() -> list[Any]:
        connection = await asyncpg.connect(url, server_settings={"role": role})
        try:
            return [row[0] for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()

    return asyncio.run(fetch())


def at(url: str, **changed: Any) -> str:
    """Return a URL with other parts."""
    return sa.make_url(url).set(**changed).render_as_string(hide_password=False)


def as_login(url: str, name: str, password: str) -> str:
    """Return the URL of the same database for another login."""
    return at(url, username=name, password=password)


def hand_over(url: str) -> str:
    """Let a login own everything of a database that is no superuser, and return its URL."""
    objects = """
        SELECT 'TABLE ' || oid::regclass FROM pg_class
        WHERE relnamespace = ANY('{app,private}'::regnamespace[]) AND relkind IN ('r', 'p')
        UNION ALL SELECT 'FUNCTION ' || oid::regprocedure FROM pg_proc
        WHERE pronamespace = ANY('{app,private}'::regnamespace[])
        UNION ALL SELECT 'SCHEMA ' || nspname FROM pg_namespace WHERE nspname IN ('app', 'private')
        UNION ALL SELECT 'DATABASE ' || current_database()
    """
    if not query(url, "SELECT 1 FROM pg_roles WHERE rolname = 'keeper'"):
        execute(url, "CREATE ROLE keeper LOGIN PASSWORD 'your_password_here'")
    execute(url, ";".join(f"ALTER {name} OWNER TO keeper" for name in query(url, objects)))
    return as_login(url, "keeper", "your_password_here")


def read_catalog(url: str, *schemas: str) -> list[str]:
    """What is in schemas of a database, or else in `app`: tables, columns, constraints, functions and so on."""

    async def read() -> list[str]:
        connection = await asyncpg.connect(url)
        rows = await connection.fetch(CATALOG, schemas or ("app",))
        await connection.close()
        return [" | ".join(row) for row in rows]

    return asyncio.run(read())


def alembic(project: Path, url: str, *commands: str) -> str:
    """Run commands of Alembic one after the other in one process, which takes its time to start."""
    script = "import shlex, sys; from alembic.config import main; [main(shlex.split(line)) for line in sys.argv[1:]]"
    return python(project, "-c", script, *commands, DATABASE_URL=url, ENVIRONMENT="development")
