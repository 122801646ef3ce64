"""A network between the application and its server, which can go silent without closing anything."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from tests.proofs.server import at


class Network:
    """What lies between clients and a server: it passes everything on as long as `passing` is set."""

    def __init__(self, url: str, questions: int) -> None:
        self.server, self.questions = sa.make_url(url), questions
        self.tasks = set[asyncio.Task[Any] | None]()
        self.ends = list[asyncio.StreamWriter]()
        self.gates = list[asyncio.Event]()
        self.forget()

    @property
    def passing(self) -> asyncio.Event:
        """The gate of new connections."""
        return self.gates[-1]

    def forget(self) -> None:
        """Pass on nothing of the connections that there are, as a firewall may; new ones work."""
        for gate in self.gates:
            gate.clear()
        self.gates.append(asyncio.Event())
        self.passing.set()

    async def connect(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Serve one client."""
        self.tasks.add(asyncio.current_task())
        answers, questions = await asyncio.open_connection(self.server.host, self.server.port)
        self.ends += [target, questions]
        await asyncio.gather(
            self._pass_on(source, questions, self.passing, self.questions),
            self._pass_on(answers, target, self.passing, sys.maxsize),
        )

    async def _pass_on(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, gate: asyncio.Event, most: int
    ) -> None:
        passed = 0
        with suppress(OSError):
            while data := await source.read(65536):
                passed += 1
                if passed == most + 1:
                    gate.clear()
                await gate.wait()
                target.write(data)
        target.close()

    async def end(self) -> None:
        """Close every connection."""
        for gate in self.gates:
            gate.set()
        for end in self.ends:
            end.close()
        await asyncio.gather(*filter(None, self.tasks))


@asynccontextmanager
async def network(url: str, questions: int = sys.maxsize) -> AsyncIterator[tuple[SecretStr, Network]]:
    """Put a network in front of a server, which goes silent on its own after so many questions of one client."""
    between = Network(url, questions)
    async with await asyncio.start_server(between.connect, "127.0.0.1", 0) as listening:
        yield at(url, host="127.0.0.1", port=listening.sockets[0].getsockname()[1]), between
        await between.end()
