"""Transaction mode: every transaction may run on another connection of the server, and leaves nothing there."""

import asyncio
import json
import os
import sys
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa

from app.database.session import Sessions
from app.settings import Settings
from tests.pooled.leftovers import Leftovers, left_behind
from tests.pooled.load import ROUNDS, TASKS
from tests.pooled.things import TABLES
from tests.proofs.server import schema
from tests.proofs.service import serving

PROJECT = Path(__file__).parents[2]
NAMES = (
    *("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "client_connection_check_interval"),
    *("TimeZone", "transaction_read_only"),
)
LIMITS = sa.select(*(sa.func.current_setting(name) for name in NAMES))
PID = sa.text("SELECT pg_backend_pid()")


async def load(settings: Settings) -> list[str]:
    """Run the load in a process of its own, and return what failed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.pooled.load"),
        cwd=PROJECT,
        env={**os.environ, "DATABASE_URL": url_of(settings), "CONNECTION_PROFILE": "transaction"},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    failed: list[str] = json.loads(output)
    return failed


def url_of(settings: Settings) -> str:
    return settings.database_url.get_secret_value()


async def test_no_transaction_of_two_processes_fails_or_leaves_anything(
    settings: Settings, owner: asyncpg.Connection
) -> None:
    async with schema(owner, *TABLES):
        one, other = await asyncio.gather(load(settings), load(settings))
        assert one + other == []
        assert await owner.fetchval("SELECT n FROM proof.counters WHERE id = 1") == 2 * TASKS * ROUNDS
    assert await left_behind(url_of(settings)) == Leftovers([], [])


@pytest.mark.parametrize(("kind", "read_only"), [("write", "off"), ("read", "on")])
async def test_every_transaction_has_its_limits(
    sessions: Sessions, settings: Settings, kind: str, read_only: str
) -> None:
    async def look(together: asyncio.Barrier) -> int:
        async with getattr(sessions, kind)() as session:
            found = (await session.execute(LIMITS)).one()
            assert found == (f"{settings.statement_timeout:.0f}s", "3s", "30s", "2s", "UTC", read_only)
            await together.wait()
            return int(await session.scalar(PID))

    for _ in range(2):  # the second time on connections that were used before
        together = asyncio.Barrier(4)
        async with asyncio.TaskGroup() as group:
            looking = [group.create_task(look(together)) for _ in range(4)]
        assert len({task.result() for task in looking}) == 4
    assert await left_behind(url_of(settings)) == Leftovers([], [])


async def test_a_transaction_can_choose_its_isolation(sessions: Sessions) -> None:
    async with sessions.write() as session:
        # PostgreSQL takes this before the first query only.
        await session.execute(sa.text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
        assert await session.scalar(sa.text("SHOW transaction_isolation")) == "serializable"


async def test_a_column_is_read_as_what_it_has_become(settings: Settings, owner: asyncpg.Connection) -> None:
    """A statement that the client remembers, but the server does not, would be read with the types of yesterday."""
    things = "CREATE TABLE proof.things AS SELECT 1::bigint AS n"
    statement = sa.text("SELECT n FROM proof.things")
    async with schema(owner, things), serving(settings, pool_size=1, max_overflow=0) as service:
        async with service.sessions.read() as session:
            assert await session.scalar(statement) == 1
        await owner.execute("ALTER TABLE proof.things ALTER n TYPE double precision")
        async with service.sessions.read() as session:
            assert await session.scalar(statement) == 1.0
