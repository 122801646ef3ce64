"""What a transaction costs: a pooler is often farther away than the server that it stands for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from app.database.url import Profile
from app.settings import Settings
from tests.proofs.service import serving

SSL_REQUEST = (80_877_103).to_bytes(4)
ANSWERED = {b"Q", b"H", b"S"}  # a simple query, Flush and Sync: the client waits for an answer
ONE = sa.text("SELECT 1")


@asynccontextmanager
async def counted(url: str) -> AsyncIterator[tuple[SecretStr, list[bytes]]]:
    """Yield a URL that leads to the same server, and what its clients sent and waited for."""
    given, sent = sa.make_url(url), list[bytes]()

    async def pass_on_answers(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            target.write(data)
        target.close()

    async def pass_on_messages(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        kind = b""  # what begins a connection has none
        with suppress(asyncio.IncompleteReadError):
            while True:
                size = await source.readexactly(4)
                body = await source.readexactly(int.from_bytes(size) - 4)
                sent.extend({kind} & ANSWERED)
                target.write(kind + size + body)
                kind = b"" if body == SSL_REQUEST else await source.readexactly(1)

    async def connect(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        answers, questions = await asyncio.open_connection(given.host, given.port)
        await asyncio.gather(pass_on_messages(source, questions), pass_on_answers(answers, target))
        questions.close()

    async with await asyncio.start_server(connect, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield SecretStr(given.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)), sent


@pytest.mark.parametrize(
    ("profile", "reading", "writing"),
    # BEGIN, the statement and COMMIT; on a transaction pooler a statement is prepared each time.
    [(Profile.DIRECT, 1, 3), (Profile.SESSION, 3, 3), (Profile.TRANSACTION, 4, 4)],
)
async def test_one_statement_costs(
    settings: Settings, database_url: str, profile: Profile, reading: int, writing: int
) -> None:
    async with (
        counted(database_url) as (url, sent),
        serving(settings, database_url=url, connection_profile=profile) as service,
    ):
        for factory, expected in ((service.sessions.read, reading), (service.sessions.write, writing)):
            for _ in range(2):  # the second time on a connection that has been used
                sent.clear()
                async with factory() as session:
                    await session.execute(ONE)
            assert len(sent) == expected
