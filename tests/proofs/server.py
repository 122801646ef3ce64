"""What a proof does to the server, and what it asks of it."""

import asyncio
import socket
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import sqlalchemy as sa
from pydantic import SecretStr

# Seconds: what should happen by itself, but does not, fails.
SOON, LONGEST = 3, 10
# The connections of the application that a proof has started.
OURS = "datname = current_database() AND application_name LIKE 'proof:%'"
COUNT_OURS = f"SELECT count(*) FROM pg_stat_activity WHERE {OURS}"  # noqa: S608
PASSWORD = "your@password:is/here%40#?&"  # noqa: S105


@asynccontextmanager
async def schema(owner: asyncpg.Connection, *statements: str) -> AsyncIterator[None]:
    """Run these statements in a schema `proof`, which goes with everything in it."""
    await owner.execute("CREATE SCHEMA proof")
    try:
        for statement in statements:
            await owner.execute(statement)
        yield
    finally:
        await owner.execute("DROP SCHEMA proof CASCADE")


async def until(owner: asyncpg.Connection, condition: str, *, holds: bool = True) -> None:
    """Ask the server until this is true of one of the application's connections, or of none."""
    found = f"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE {OURS} AND {condition})"  # noqa: S608
    async with asyncio.timeout(LONGEST):
        while await owner.fetchval(found) is not holds:
            pass


@asynccontextmanager
async def login(owner: asyncpg.Connection, options: str = "") -> AsyncIterator[str]:
    """Create a login without rights for as long as the block lasts."""
    name = f"proof_{uuid.uuid4().hex}"
    await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' {options}")
    try:
        yield name
    finally:
        await owner.execute(f"DROP ROLE {name}")


def closed_port() -> int:
    """Return a port of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def own_folder() -> Iterator[Path]:
    """Make a folder for a server of a proof's own, which stops and starts as it likes, always on one port."""
    with tempfile.TemporaryDirectory(prefix="proof-") as name:
        Path(name).chmod(0o711)  # as root, its server runs as somebody else
        yield Path(name)


def at(url: str, **changed: Any) -> SecretStr:
    """Return a database URL with other parts, quoted as a URL has to be."""
    return SecretStr(sa.make_url(url).set(**changed).render_as_string(hide_password=False))
