"""Two processes whose transactions share the connections of a pooler: nobody is taken for anybody else."""

import asyncio
import json
import os
import sys
from pathlib import Path

import asyncpg

from app.database.session import Sessions
from app.settings import Settings

PROJECT = Path(__file__).parents[2]
LEFT = "SELECT current_setting('role'), coalesce(current_setting('request.jwt.claims', true), ''), pg_backend_pid()"


async def load(url: str) -> list[str]:
    """Run the load in a process of its own, and return what went wrong."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.row_security.load"),
        cwd=PROJECT,
        env={**os.environ, "DATABASE_URL": url, "CONNECTION_PROFILE": "transaction"},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    wrong: list[str] = json.loads(output)
    return wrong


async def test_nobody_is_taken_for_anybody_else(sessions: Sessions, settings: Settings) -> None:
    url = settings.database_url.get_secret_value()
    one, other = await asyncio.gather(load(url), load(url))
    assert one + other == []
    clients, left = [], set()
    for _ in range(4):
        clients.append(await asyncpg.connect(url, statement_cache_size=0))
        await clients[-1].execute("BEGIN")  # held from here on, so that the next one is another
        left.add(tuple(await clients[-1].fetchrow(LEFT)))
    for client in clients:
        await client.close()
    assert {(role, claims) for role, claims, _ in left} == {("none", "")}
    assert len(left) == 4
