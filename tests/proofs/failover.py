"""A URL with several hosts: the service finds the one that answers and may write, without a restart."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import SecretStr

from app.api import ReadSessionDep, SessionDep
from app.settings import Settings
from dev.binaries import choose_account, find_binaries, give, reachable_binaries
from dev.postgres import THROWAWAY, Server, running_server
from tests.proofs.network import network
from tests.proofs.server import own_folder
from tests.proofs.service import Service, assert_problem, assert_unavailable, serving

PORT = sa.text("SELECT inet_server_port()")


def copy_cluster(primary: Server, folder: Path) -> None:
    """Make a hot standby's folder: what the primary has, and the order to follow it."""
    account = choose_account(folder)
    data = folder / "data"
    data.mkdir(mode=0o700)
    give(data, account)
    program = reachable_binaries(find_binaries(), account).folder / "pg_basebackup"
    options = [
        "--checkpoint=fast",
        "--no-sync",
        "--write-recovery-conf",
        f"--pgdata={data}",
        f"--dbname={primary.url()}",
    ]
    subprocess.run([program, *options], cwd=folder, check=True, **account)
    (folder / "password").write_text(primary.password)


@dataclass(frozen=True)
class Pair:
    """Two servers of one database, of which the second follows the first."""

    primary: Server
    standby: Server
    stop_primary: Callable[[], object]
    stop_standby: Callable[[], object]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The data of a primary."""
    with own_folder() as folder:
        yield folder


@pytest.fixture
def pair(folder: Path) -> Iterator[Pair]:
    """Both servers, running."""
    with own_folder() as copy, ExitStack() as first, ExitStack() as second:
        primary = first.enter_context(running_server(folder, settings=THROWAWAY))
        copy_cluster(primary, copy)
        standby = second.enter_context(running_server(copy, settings=THROWAWAY))
        yield Pair(primary, standby, first.close, second.close)


def url_of(first: Server, second: Server, wanted: str = "any") -> SecretStr:
    """Return one URL for both, in this order."""
    hosts = ",".join(f"{server.host}:{server.port}" for server in (first, second))
    return SecretStr(f"postgresql://postgres:{first.password}@{hosts}/postgres?target_session_attrs={wanted}")


def where() -> APIRouter:
    """Return routes that tell which server they ask."""
    router = APIRouter()

    @router.post("/writes/where")
    async def write(session: SessionDep) -> Any:
        return await session.scalar(PORT)

    @router.post("/reads/where")
    async def read(session: ReadSessionDep) -> Any:
        return await session.scalar(PORT)

    return router


async def asked(service: Service) -> set[int]:
    """Return the ports of the servers that are asked for writing and for reading."""
    answers = [await service.post(path) for path in ("/writes/where", "/reads/where")]
    assert [answer.status_code for answer in answers] == [200, 200]
    return {answer.json() for answer in answers}


async def test_a_standby_takes_over(settings: Settings, pair: Pair) -> None:
    url = url_of(pair.standby, pair.primary, "read-write")
    async with serving(settings, where(), database_url=url) as service:
        assert await asked(service) == {pair.primary.port}
        await asyncio.to_thread(pair.stop_primary)
        await assert_unavailable(service)  # the standby cannot write yet
        owner = await asyncpg.connect(pair.standby.url())
        assert await owner.fetchval("SELECT pg_promote()")
        await owner.close()
        assert await asked(service) == {pair.standby.port}


async def test_a_standby_is_preferred_as_long_as_there_is_one(settings: Settings, pair: Pair) -> None:
    url = url_of(pair.primary, pair.standby, "prefer-standby")
    async with serving(settings, where(), database_url=url) as service:
        assert await asked(service) == {pair.standby.port}
        await asyncio.to_thread(pair.stop_standby)
        assert await asked(service) == {pair.primary.port}


@pytest.mark.parametrize("wanted", ["primary", "read-write", "standby", "read-only"])
async def test_the_host_with_the_wanted_attribute_is_asked(settings: Settings, pair: Pair, wanted: str) -> None:
    expected = pair.primary if wanted in {"primary", "read-write"} else pair.standby
    for url in (url_of(pair.primary, pair.standby, wanted), url_of(pair.standby, pair.primary, wanted)):
        async with serving(settings, where(), database_url=url) as service:
            assert await asked(service) == {expected.port}


async def test_a_host_that_hangs_is_passed_by(settings: Settings, pair: Pair) -> None:
    limits: dict[str, Any] = {"connect_timeout": 0.3, "statement_timeout": 0.1}
    async with network(pair.primary.url()) as (way, between):
        port = sa.make_url(way.get_secret_value()).port or 0
        url = url_of(replace(pair.primary, port=port), pair.standby)
        async with serving(settings, where(), database_url=url, **limits) as service:
            assert await asked(service) == {pair.primary.port}
            between.passing.clear()
            for answer in await asyncio.gather(service.post("/writes"), service.post("/reads")):
                assert_problem(answer, 503, "database_unavailable")  # on the connections that there are
            assert await asked(service) == {pair.standby.port}
        async with serving(settings, where(), database_url=url, **limits) as service:
            assert await asked(service) == {pair.standby.port}
