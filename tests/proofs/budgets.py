"""The pools are compared with what the server leaves to this service, which is a matter of arithmetic."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.database.engine import read_budget
from app.database.session import open_sessions
from app.database.start import StartError
from app.database.url import Profile
from app.settings import Settings
from dev.postgres import THROWAWAY, Server, running_server
from tests.proofs.server import PASSWORD, at, login, own_folder
from tests.proofs.service import serving

ROOM = {"max_connections": "60", "superuser_reserved_connections": "4"}
POOLER = "aws-0-eu-west-1.pooler.supabase.com"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The data of a server of our own."""
    with own_folder() as folder:
        yield folder


@pytest.fixture
def small(folder: Path) -> Iterator[Server]:
    """A server as small as Supabase's smallest."""
    with running_server(folder, settings={**THROWAWAY, **ROOM}) as server:
        yield server


async def budget_of(settings: Settings, **changes: Any) -> str:
    """Return the arithmetic, as the start logs it."""
    settings = settings.model_copy(update=changes)
    async with open_sessions(settings) as sessions, sessions.engine.connect() as connection:
        return str(await read_budget(connection, settings))


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({}, "2 engines x (5 + 10) x 1 workers = 30 connections"),
        ({"workers": 3, "pool_size": 1, "max_overflow": 0}, "2 engines x (1 + 0) x 3 workers = 6 connections"),
        ({"connection_profile": Profile.SESSION}, "1 engines x (5 + 10) x 1 workers = 15 connections"),
        ({"connection_profile": Profile.TRANSACTION}, "1 engines x (5 + 10) x 1 workers = 15 connections"),
    ],
)
async def test_what_the_pools_need(settings: Settings, changes: dict[str, Any], needed: str) -> None:
    assert (await budget_of(settings, **changes)).startswith(f"{needed}, of ")


@pytest.mark.parametrize(
    ("login_may", "database_may", "left"),
    [
        (-1, -1, "51 (max_connections 60 - 4 reserved - 5 for others)"),
        (20, -1, "20 (the login's CONNECTION LIMIT)"),
        (-1, 30, "29 (the database's CONNECTION LIMIT 30 - 1 of others)"),
        (29, 30, "29 (the "),
        (20, 30, "20 (the login's CONNECTION LIMIT)"),
        (70, 80, "51 (max_connections 60 - 4 reserved - 5 for others)"),
    ],
)
async def test_what_a_server_leaves(
    settings: Settings, small: Server, login_may: int, database_may: int, left: str
) -> None:
    owner = await asyncpg.connect(small.url())
    async with login(owner, f"CONNECTION LIMIT {login_may}") as name:
        await owner.execute(f"ALTER DATABASE postgres CONNECTION LIMIT {database_may}")
        budget = await budget_of(settings, database_url=at(small.url(), username=name, password=PASSWORD))
    await owner.close()
    assert f" = 30 connections, of {left}" in budget


async def test_what_others_use_is_theirs_and_what_is_reserved_too(settings: Settings, folder: Path) -> None:
    reserved = {**ROOM, "reserved_connections": "7"}
    with running_server(folder, settings={**THROWAWAY, **reserved}) as server:
        others = [await asyncpg.connect(server.url()) for _ in range(8)]
        async with login(others[0]) as name:
            url = at(server.url(), username=name, password=PASSWORD)
            ours = await asyncpg.connect(url.get_secret_value())  # another worker, or the release before this one
            budget = await budget_of(settings, database_url=url)
            await ours.close()
        for other in others:
            await other.close()
    assert budget.endswith("of 41 (max_connections 60 - 11 reserved - 8 for others)")


@pytest.mark.parametrize("profile", list(Profile))
async def test_a_budget_that_is_set_counts(settings: Settings, profile: Profile) -> None:
    told = await budget_of(settings, connection_profile=profile, connection_budget=7)
    assert told.endswith(" connections, of 7 (CONNECTION_BUDGET)")


async def test_poolers_do_not_tell(settings: Settings) -> None:
    for profile in (Profile.SESSION, Profile.TRANSACTION):
        told = await budget_of(settings, connection_profile=profile)
        assert told.endswith("of an unknown number (only the pooler knows; set CONNECTION_BUDGET)")


async def test_supabases_session_pooler_has_fifteen(settings: Settings) -> None:
    url = at(settings.database_url.get_secret_value(), host=POOLER, port=5432)
    elsewhere = settings.model_copy(update={"database_url": url})
    async with open_sessions(settings) as sessions, sessions.engine.connect() as connection:
        budget = await read_budget(connection, elsewhere)
        assert (budget.needed, budget.left, budget.fits) == (15, 15, True)
        assert not (await read_budget(connection, elsewhere.model_copy(update={"workers": 2}))).fits


# --- What the start makes of it ---


async def test_a_budget_that_fits_is_one_line(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(settings, connection_budget=30, environment="production"):
        pass
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "app.database.start" in line]
    assert "INFO" in line
    assert line.endswith("2 engines x (5 + 10) x 1 workers = 30 connections, of 30 (CONNECTION_BUDGET)")


async def test_development_is_warned(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(settings, connection_budget=29):
        pass
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "app.database.start" in line]
    assert "WARNING" in line
    assert "too many connections for this server: 2 engines x " in line


async def test_production_is_refused(settings: Settings) -> None:
    with pytest.raises(StartError, match=r"^Too many connections for this server: .* of 29 \(CONNECTION_BUDGET\)\. "):
        async with serving(settings, connection_budget=29, environment="production"):
            pass


async def test_a_pooler_that_does_not_tell_is_believed(settings: Settings) -> None:
    async with serving(settings, connection_profile=Profile.SESSION, environment="production", workers=100):
        pass
