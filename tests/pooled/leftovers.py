"""The connections that a pooler has to the server, and what clients leave on them."""

import asyncio
from dataclasses import dataclass

import asyncpg

from tests.proofs.server import LONGEST, OURS

STATEMENTS = "SELECT statement FROM pg_prepared_statements"
# The pooler itself takes some of them along from client to client.
SETTINGS = """
SELECT name || ' = ' || setting FROM pg_settings WHERE source = 'session' AND setting <> reset_val
AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone')
"""
END = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {OURS}"  # noqa: S608


@dataclass(frozen=True)
class Leftovers:
    """What the next client finds, on whichever connection."""

    statements: list[str]
    settings: list[str]


async def left_behind(url: str, size: int = 4) -> Leftovers:
    """Look at all connections to the server; one that has not been given back is missed."""
    clients: list[asyncpg.Connection] = []
    try:
        async with asyncio.timeout(LONGEST):
            for _ in range(size):
                clients.append(await asyncpg.connect(url, statement_cache_size=0))
                await clients[-1].execute("BEGIN")  # held from here on, so that the next one is another
            pids = {await client.fetchval("SELECT pg_backend_pid()") for client in clients}
            assert len(pids) == size
            return Leftovers(await _all(clients, STATEMENTS), await _all(clients, SETTINGS))
    finally:
        for client in clients:
            await client.close()


async def _all(clients: list[asyncpg.Connection], question: str) -> list[str]:
    return [row[0] for client in clients for row in await client.fetch(question)]


async def end_server_processes(owner: asyncpg.Connection) -> None:
    """End what works for a proof's application; the pooler learns of it, and may tell its clients."""
    await owner.execute(END)
