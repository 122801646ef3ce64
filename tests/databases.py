"""Databases of the tests' own, and what is in them."""

import asyncio
import sys
import uuid
from pathlib import Path

import asyncpg

from dev.postgres import Server
from projects import run

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
SELECT 'function', p.proname, regexp_replace(pg_get_functiondef(p.oid), '\\s+', ' ', 'g'), ''
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY($1)
UNION ALL
SELECT 'enum', t.typname, e.enumlabel, ''
FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = ANY($1)
ORDER BY 1, 2, 3, 4
"""


def create_database(server: Server) -> str:
    """Create an empty database and return its URL. It ends with its server."""
    name = f"made_{uuid.uuid4().hex}"
    execute(server.url(), f"CREATE DATABASE {name}")
    return server.url(name)


def execute(url: str, statement: str) -> None:
    """Run a statement, or several that are parted by semicolons."""

    async def send() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(send())


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
    return run(project, sys.executable, "-c", script, *commands, DATABASE_URL=url)
