"""The command `migrate`, with revisions of the tests' own, beside others who write."""

import asyncio
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from databases import hand_over
from projects import inherited
from writers import Writers, writing

REVISION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = {revision!r}, {before!r}, None, None


def upgrade():
{code}
"""
# The command, again and again: starting takes longer than most of what it does.
MIGRATE = """
import sys
from migrate.command import main

for line in sys.stdin:
    main(["upgrade", line.strip()])
    print("done", flush=True)
"""


def write_revision(project: Path, code: str) -> str:
    """Write the next revision and return its id."""
    versions = project / "alembic" / "versions"
    before = max(path.name[:4] for path in versions.glob("*.py"))
    revision = f"{int(before) + 1:04}"
    text = REVISION.format(revision=revision, before=before, code=textwrap.indent(code, "    "))
    (versions / f"{revision}_test.py").write_text(text)
    return revision


class Migrator:
    """A process that runs `migrate` as often as it is told, and those who write meanwhile."""

    def __init__(self, project: Path, process: asyncio.subprocess.Process, writers: Writers) -> None:
        self.project = project
        self.process = process
        self.writers = writers

    async def lines(self, *blocks: str) -> AsyncIterator[str]:
        """Apply each block as a revision, and yield what is printed, as it is printed."""
        assert self.process.stdin
        assert self.process.stdout
        for block in blocks:
            revision = write_revision(self.project, block)
        self.process.stdin.write(f"{revision}\n".encode())
        while line := (await self.process.stdout.readline()).decode().rstrip():
            if line == "done":
                return
            yield line

    async def apply(self, *blocks: str) -> float:
        """Apply each block as a revision, and return how long the slowest statement of a writer took meanwhile."""
        start = time.monotonic()
        told = [line async for line in self.lines(*blocks)]
        assert self.process.returncode is None, told
        assert "done in" in told[-1], told
        return self.writers.slowest_since(start)


@asynccontextmanager
async def migrating(project: Path, url: str, lock_timeout: float) -> AsyncIterator[Migrator]:
    """Start the command as in production, with a login that owns the tables, beside writers."""
    settings = {
        "DATABASE_URL": url,
        "MIGRATION_DATABASE_URL": await asyncio.to_thread(hand_over, url),
        "MIGRATION_LOCK_TIMEOUT": str(lock_timeout),
        "CONFIRM_MIGRATION": url.rpartition("/")[2],
        "PYTHONUNBUFFERED": "1",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MIGRATE),
        cwd=project,
        env=inherited() | settings,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with writing(url) as writers:
            yield Migrator(project, process, writers)
    finally:
        assert process.stdin
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def transaction(url: str, statement: str) -> AsyncIterator[asyncpg.Connection]:
    """Hold what a statement has locked, as somebody does who went for a coffee."""
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool, pool.acquire() as connection:
        await connection.execute("BEGIN")
        await connection.execute(statement)
        yield connection
        await connection.execute("COMMIT")
