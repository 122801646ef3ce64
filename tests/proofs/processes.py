"""The process that an operator starts, while its database is away, comes, or is too small."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from httpx import AsyncClient

from dev.postgres import THROWAWAY, running_server
from tests.proofs.server import own_folder
from tests.proofs.starting import ADVICE, SECRET

PROJECT = Path(__file__).parents[2]
ENOUGH = 30  # seconds, to start Python several times on a busy machine
AWAY = f"postgresql://user:{SECRET}@127.0.0.1:1/app"
NOT_THERE = rf"No connection to 127\.0\.0\.1:1: .*Connection refused\. {ADVICE}"


@asynccontextmanager
async def process(url: str, *options: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Serve the project as production does, and stop it."""
    command = ["-m", "uvicorn", "app.main:create_app", "--factory", "--host", "127.0.0.1", "--port", "0", *options]
    environment = {**os.environ, "DATABASE_URL": url, "ENVIRONMENT": "production", **environment}
    served = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=PROJECT, env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield served
    finally:
        if served.returncode is None:
            served.terminate()
            await served.wait()


async def read_until(served: asyncio.subprocess.Process, text: str) -> str:
    """Read the log up to a line with this text, or to its end, and return it."""
    assert served.stderr is not None
    log = ""
    async with asyncio.timeout(ENOUGH):
        while line := (await served.stderr.readline()).decode():
            log += line
            if text in line:
                break
    return log


async def end_of(served: asyncio.subprocess.Process) -> str:
    """Wait for the end and return the log."""
    log = await read_until(served, "there is no such line")
    await served.wait()
    return log


def assert_one_sentence(log: str, sentence: str, workers: int = 1) -> None:
    """Check what an operator reads: of each worker, as long as the first to fail has not ended the others."""
    assert 1 <= len(re.findall(rf"^ERROR: +{sentence}$", log, re.MULTILINE)) <= workers, log
    assert "Traceback" not in log
    assert SECRET not in log


async def test_a_service_without_a_database_ends_with_one_sentence() -> None:
    async with process(AWAY, START_TIMEOUT="0.3") as served:
        log = await end_of(served)
    assert served.returncode == 3
    assert_one_sentence(log, NOT_THERE)


async def test_workers_without_a_database_end_with_one_sentence_each() -> None:
    async with process(AWAY, "--workers=2", START_TIMEOUT="0.3") as served:
        log = await end_of(served)
    assert_one_sentence(log, NOT_THERE, workers=2)


async def test_a_service_that_wants_too_much_of_its_server_ends_with_one_sentence(database_url: str) -> None:
    async with process(database_url, CONNECTION_BUDGET="29") as served:
        log = await end_of(served)
    assert served.returncode == 3
    assert_one_sentence(log, r"Too many connections for this server: .* Lower POOL_SIZE, MAX_OVERFLOW or WORKERS\.")


async def test_a_service_starts_when_its_database_does() -> None:
    with own_folder() as folder, ExitStack() as life:
        server = life.enter_context(running_server(folder, settings=THROWAWAY))
        life.close()
        async with process(server.url()) as served:
            assert "Connection refused. Waiting up to 30 seconds." in await read_until(served, "Waiting up to")
            life.enter_context(running_server(folder, settings=THROWAWAY))
            log = await read_until(served, "Uvicorn running")
            address = re.search(r"http://[\d.:]+", log)
            assert address, log
            async with AsyncClient(base_url=address[0]) as client:
                assert (await client.get("/health/ready")).json() == {"status": "ok"}
