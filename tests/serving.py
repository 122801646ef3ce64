"""Versions of a service that serve side by side, and clients who notice when an answer is not what they have stored."""

import asyncio
import random
import re
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from projects import inherited

CLIENTS = 2
PAUSE = 0.02  # seconds between two changes of a client, or there is no time for anything else
ENOUGH = 30  # answers of each version, before anything else changes
PATIENCE = 60  # seconds


class Version:
    """A process that serves."""

    def __init__(self, process: asyncio.subprocess.Process, client: httpx.AsyncClient) -> None:
        self.process = process
        self.client = client
        self.asked = self.answered = 0
        self.answers = asyncio.Condition()

    async def ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Send a request. An answer of 5xx is an error."""
        self.asked += 1
        answer = await self.client.request(method, path, **content)
        async with self.answers:
            self.answered += 1
            self.answers.notify_all()
        assert answer.status_code < 500, f"{method} {path}: {answer.text}"
        return answer

    async def reach(self, answered: int) -> None:
        """Wait until it has answered that often."""
        async with asyncio.timeout(PATIENCE), self.answers:
            await self.answers.wait_for(lambda: self.answered >= answered)

    async def end(self) -> None:
        """Stop after the last answer, as behind a proxy, which sends nothing more."""
        await self.reach(self.asked)
        self.process.terminate()
        await self.process.wait()


@asynccontextmanager
async def serving(project: Path, settings: Mapping[str, str]) -> AsyncIterator[Version]:
    """Serve a version as production does."""
    command = ["-m", "uvicorn", "app.main:create_app", "--factory", "--port", "0", "--no-access-log"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=project, env={**inherited(), **settings}, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr
    log = ""
    while not (address := re.search(r"running on (http://\S+)", log)):
        line = (await process.stderr.readline()).decode()
        assert line, log
        log += line
    rest = asyncio.create_task(process.stderr.read())
    try:
        async with httpx.AsyncClient(base_url=address[1]) as client:
            yield Version(process, client)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await rest


class Clients:
    """They create, read and change rows, and are answered by any of the versions that serve."""

    def __init__(self, *versions: Version) -> None:
        self.versions = [*versions]
        self.colours: dict[str, str] = {}
        self.ended = False

    async def use(self, headers: Mapping[str, str]) -> None:
        """Create a row and change one of those that this client has created, until the end."""
        own: list[str] = []
        while not self.ended:
            body = {"name": str(uuid.uuid4()), "colour": _colour()}
            created = await random.choice(self.versions).ask("POST", "/categories", json=body, headers=headers)
            assert created.status_code == 201, created.text
            own.append(created.json()["id"])
            self.colours[own[-1]] = body["colour"]
            await self._change(random.choice(own), headers)
            await asyncio.sleep(PAUSE)

    async def _change(self, key: str, headers: Mapping[str, str]) -> None:
        """Read a row and give it another colour; once more where a backfill was faster."""
        path, body, status = f"/categories/{key}", {"colour": _colour()}, 412
        while status == 412:
            read = await random.choice(self.versions).ask("GET", path, headers=headers)
            assert read.json()["colour"] == self.colours[key]
            match = {"If-Match": read.headers["ETag"], **headers}
            status = (await random.choice(self.versions).ask("PATCH", path, json=body, headers=match)).status_code
        assert status == 200
        self.colours[key] = body["colour"]

    async def go_on(self) -> None:
        """Wait until each version has answered often enough."""
        for version, goal in [(version, version.answered + ENOUGH) for version in self.versions]:
            await version.reach(goal)


def _colour() -> str:
    return f"{random.randrange(16**6):06x}"


@asynccontextmanager
async def using(version: Version, headers: Mapping[str, str]) -> AsyncIterator[Clients]:
    """Let clients use a version, and those that are added later. What they find wrong is an error."""
    clients = Clients(version)
    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(clients.use(headers))
        try:
            yield clients
        finally:
            clients.ended = True
