"""Supabase's pooler says XX000, an internal error, to whomever it refuses: that is no mistake of ours."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from app.database.engine import create_engine
from app.database.errors import DatabaseUnavailableError
from app.settings import Settings

FULL = "(EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: 15"
ASKS_FOR_TLS = 80877103


@asynccontextmanager
async def refusing(message: str) -> AsyncIterator[int]:
    """Listen as the pooler does, refuse every client in its words, and yield the port."""
    fields = b"".join(f"{key}{value}\0".encode() for key, value in {"S": "FATAL", "C": "XX000", "M": message}.items())

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length, kind = struct.unpack("!ii", await reader.readexactly(8))
        if kind == ASKS_FOR_TLS:
            writer.write(b"N")
            length, _ = struct.unpack("!ii", await reader.readexactly(8))
        await reader.readexactly(length - 8)
        writer.write(b"E" + struct.pack("!i", len(fields) + 5) + fields + b"\0")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_pooler_that_is_full_is_a_database_that_cannot_be_reached(settings: Settings) -> None:
    async with refusing(FULL) as port:
        url = SecretStr(f"postgresql://me@127.0.0.1:{port}/postgres")
        engine = create_engine(settings.model_copy(update={"database_url": url}))
        with pytest.raises(DatabaseUnavailableError) as caught:
            await engine.connect()
        assert "EMAXCONNSESSION" in str(caught.value.__cause__)
        await engine.dispose()
