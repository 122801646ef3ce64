"""What docs/migrations.md documents keeps nobody waiting: applied to a table of 200,000 rows that others write to."""

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from databases import execute, query
from dev.postgres import Server
from first_revision import migrated_database
from migrator import migrating, transaction, write_revision
from projects import ROOT, Render, tool
from writers import SEED

PAGE = (ROOT / "docs" / "migrations.md").read_text()
SAFE = PAGE.split("## Safe operations\n")[1].split("\n## ")[0]
OPERATIONS = {
    title: re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for title, text in re.findall(r"^### (.*?)\n(.*?)(?=^### |\Z)", SAFE, re.MULTILINE | re.DOTALL)
    if "```python" in text
}
FILL = (
    "UPDATE app.products SET colour = 'red' "
    "WHERE id IN (SELECT id FROM app.products WHERE colour IS NULL LIMIT 10000 FOR UPDATE)"
)
ROWS = 200_000
LOCK_TIMEOUT = 0.4  # seconds
# On top of that: the server, the migrator, the writers and other tests take turns on few processors.
SLACK = 0.4

# As much to do for each row as a table 20 times as long would give.
WEIGHED = """
CREATE FUNCTION app.weighed(price numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN FOR turn IN 1..2000 LOOP END LOOP; RETURN price; END $$
"""


def busy_database(project: Path, server: Server, rows: int = ROWS) -> str:
    """Create a database with the tables of the project and as many products, and return its URL."""
    url = migrated_database(project, server)
    execute(url, SEED.format(rows=rows))
    execute(url, "VACUUM ANALYZE app.products")
    # Autovacuum steps aside after this time, which has to be less than the lock timeout here, too.
    execute(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET deadlock_timeout = '100ms'")
    return url


@pytest.fixture
def project(render: Render) -> Path:
    return render(auth="none", row_level_security=False)


def interrupted(block: str) -> list[str]:
    """Return as much of a revision as is done, and done again, where a lock is not to be had at its end."""
    return re.findall(r"\A(?:.*\n)*with .*\n(?: +.*\n)+", block)


async def backfill(url: str) -> None:
    """Give each product a colour, some at a time."""
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
        while await pool.execute(FILL) != "UPDATE 0":
            pass


@pytest.mark.parametrize(("server", "secured"), [("18", False), ("15", False), ("18", True)], indirect=["server"])
def test_documented_operations_keep_no_writer_waiting(
    server: Server, secured: bool, render: Render, progress: Callable[[str], None]
) -> None:
    project = render() if secured else render(auth="none", row_level_security=False)
    url = busy_database(project, server)
    # What only it needs.
    left_out = re.compile(r"NEVER" if secured else r"^.* FORCE ROW LEVEL SECURITY.*\n", re.MULTILINE)

    async def apply() -> dict[str, float]:
        waits = {}
        async with migrating(project, url, LOCK_TIMEOUT) as migrator:
            for title, blocks in OPERATIONS.items():
                if title == "NOT NULL":
                    await backfill(url)
                kept = [left_out.sub("", block) for block in blocks]
                waits[title] = await migrator.apply(*(part for block in kept for part in (*interrupted(block), block)))
        return waits

    waits = asyncio.run(apply())
    progress(", ".join(f"{title} {wait * 1000:.0f} ms" for title, wait in waits.items()))
    assert {title: wait for title, wait in waits.items() if wait > LOCK_TIMEOUT + SLACK} == {}
    left = "SELECT conname FROM pg_constraint WHERE NOT convalidated UNION ALL "
    left += "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
    assert query(url, left) == []


UNSAFE = {
    "a type that rewrites the table": 'op.alter_column("products", "price", type_=sa.Numeric(14, 3), schema="app")',
    "an index that is not built CONCURRENTLY": (
        'op.create_index("ix_products_weighed", "products", [sa.text("app.weighed(price)")], schema="app")'
    ),
    "a CHECK that is valid at once": (
        'op.create_check_constraint("weighed", "products", "app.weighed(price) >= 0", schema="app")'
    ),
    "a CHECK that the same transaction validates": (
        'op.create_check_constraint("scanned", "products", "app.weighed(price) >= 0", schema="app", '
        "postgresql_not_valid=True)\n"
        'op.execute("ALTER TABLE app.products VALIDATE CONSTRAINT ck_products_scanned")'
    ),
}
# The documented forms, where they have as much to do.
WEIGHED_OPERATIONS = {
    title: [block.replace(words, weighed) for block in OPERATIONS[title]]
    for title, words, weighed in [
        ("Add an index", '["price"]', '[sa.text("app.weighed(price)")]'),
        ("Add or change a CHECK", "colour IN ('red', 'green')", "app.weighed(price) >= 0"),
    ]
}


def test_the_unsafe_forms_are_noticed(project: Path, postgres_18: Server, progress: Callable[[str], None]) -> None:
    url = busy_database(project, postgres_18)

    async def apply() -> tuple[dict[str, float], dict[str, float]]:
        async with migrating(project, url, LOCK_TIMEOUT) as migrator:
            return (
                {title: await migrator.apply(*blocks) for title, blocks in WEIGHED_OPERATIONS.items()},
                {title: await migrator.apply(block) for title, block in UNSAFE.items()},
            )

    execute(url, WEIGHED)
    safe, unsafe = asyncio.run(apply())
    progress(", ".join(f"{title} {wait * 1000:.0f} ms" for title, wait in (safe | unsafe).items()))
    assert max(safe.values()) < LOCK_TIMEOUT + SLACK < min(unsafe.values())


READER = ("SELECT FROM app.products LIMIT 1", OPERATIONS["Add a column, change a default"][0])
WRITER = ("LOCK app.products IN ROW EXCLUSIVE MODE", OPERATIONS["Add an index"][0])


def test_a_long_transaction_delays_the_migration_and_no_writer(project: Path, postgres_18: Server) -> None:
    url = busy_database(project, postgres_18, 1_000)

    async def apply() -> tuple[list[str], float]:
        told = []
        async with migrating(project, url, LOCK_TIMEOUT) as migrator, transaction(url, READER[0]) as holder:
            start = time.monotonic()
            async for line in migrator.lines(READER[1]):
                told.append(line)
                if "again in" in line and holder.is_in_transaction():
                    await holder.execute("COMMIT")
            return told, migrator.writers.slowest_since(start)

    told, wait = asyncio.run(apply())
    assert [line for line in told if "not done, as somebody else holds a lock" in line]
    assert "done in" in told[-1]
    assert wait < LOCK_TIMEOUT + SLACK


def test_an_index_waits_for_a_long_transaction_and_no_writer_for_the_index(project: Path, postgres_18: Server) -> None:
    url = busy_database(project, postgres_18, 1_000)

    async def apply() -> float:
        async with migrating(project, url, LOCK_TIMEOUT) as migrator, transaction(url, WRITER[0]) as holder:
            applied = asyncio.create_task(migrator.apply(WRITER[1]))
            done, _ = await asyncio.wait([applied], timeout=10 * LOCK_TIMEOUT)
            assert not done
            await holder.execute("COMMIT")
            return await applied

    assert asyncio.run(apply()) < LOCK_TIMEOUT + SLACK
    assert query(url, "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid") == []


def test_a_migration_that_gets_no_lock_gives_up_and_has_changed_nothing(project: Path, postgres_18: Server) -> None:
    url = busy_database(project, postgres_18, 1_000)

    async def apply() -> tuple[list[str], float]:
        async with migrating(project, url, 0.1) as migrator, transaction(url, READER[0]):
            start = time.monotonic()
            told = [line async for line in migrator.lines(READER[1])]
            assert await migrator.process.wait() == 1
            return told, migrator.writers.slowest_since(start)

    told, wait = asyncio.run(apply())
    assert "not done. 5 times somebody held a lock for longer than MIGRATION_LOCK_TIMEOUT" in told[-1]
    assert wait < 0.1 + SLACK
    assert query(url, "SELECT attname::text FROM pg_attribute WHERE attname = 'colour'") == []
    assert query(url, "SELECT version_num FROM private.alembic_version") == ["0001"]


def test_the_linter_of_projects_finds_the_unsafe_forms_alone(project: Path) -> None:
    for block in [block for blocks in OPERATIONS.values() for block in blocks]:
        write_revision(project, block)
    assert "1 passed" in tool(project, "pytest", "-q", "tests/test_schema.py", "-k", "waiting")
    for code in UNSAFE.values():
        write_revision(project, code)
    output = tool(project, "pytest", "-q", "tests/test_schema.py", "-k", "waiting", check=False)
    assert len(set(re.findall(r"(\d{4})\.sql:\d+:\d+: (?:warning|error): (?!prefer-robust)", output))) >= 3
