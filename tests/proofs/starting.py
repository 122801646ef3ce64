"""A start waits for its database up to a limit, and is refused with one sentence; what cannot pass is said at once."""

import asyncio
import re
from typing import Any

import asyncpg
import pytest

from app.database.start import StartError
from app.main import create_app
from app.settings import Settings
from tests.proofs.network import network
from tests.proofs.server import PASSWORD, SOON, at, closed_port, login
from tests.proofs.service import root_logger_kept, serving
from tests.support import started

SECRET = "not-to-be-told"  # noqa: S105
ADVICE = "`uv run doctor` says what to do."
FOR_EVER: dict[str, Any] = {"start_timeout": 3600}


async def refusal(settings: Settings, **changes: Any) -> str:
    """Start an application that should not start, and return why it did not."""
    with root_logger_kept(), pytest.raises(StartError) as refused:
        async with started(create_app(settings.model_copy(update={"application_name": "proof", **changes}))):
            pass
    assert SECRET not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"password": SECRET}, 'password authentication failed for user "postgres"'),
        ({"username": "nobody", "password": SECRET}, 'password authentication failed for user "nobody"'),
        ({"database": "nothing"}, 'database "nothing" does not exist'),
    ],
    ids=["28P01", "no such login", "3D000"],
)
async def test_what_waiting_does_not_change_is_said_at_once(
    settings: Settings, database_url: str, changed: dict[str, Any], reason: str
) -> None:
    where = re.sub(r".*@(.*)/.*", r"\1", database_url)
    async with asyncio.timeout(SOON):
        told = await refusal(settings, database_url=at(database_url, **changed), **FOR_EVER)
    assert told == f"No connection to {where}: {reason}. {ADVICE}"


@pytest.mark.parametrize("changed", [{"port": closed_port()}, {"host": "host.invalid"}], ids=["refused", "unknown"])
async def test_waiting_comes_to_an_end(settings: Settings, database_url: str, changed: dict[str, Any]) -> None:
    url = at(database_url, password=SECRET, **changed)
    async with asyncio.timeout(SOON):
        told = await refusal(settings, database_url=url, start_timeout=0.3)
    assert re.fullmatch(rf"No connection to \S+: .+\. {ADVICE}", told)


# At first the server is asked for TLS and told who we are; a dozen questions later it has let us in.
@pytest.mark.parametrize("questions", [0, 12])
async def test_a_server_that_does_not_answer_is_given_up(settings: Settings, database_url: str, questions: int) -> None:
    limits = {"start_timeout": 0, "connect_timeout": 0.2, "statement_timeout": 0.1}
    async with network(database_url, questions) as (url, _between):
        assert ": no answer. " in await refusal(settings, database_url=url, **limits)


async def test_a_full_server_is_waited_for(
    settings: Settings, owner: asyncpg.Connection, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with login(owner, "CONNECTION LIMIT 0") as name:

        async def start() -> None:
            url = at(database_url, username=name, password=PASSWORD)
            async with serving(settings, database_url=url) as service:
                assert (await service.post("/reads")).status_code == 200

        starting = asyncio.create_task(start())
        async with asyncio.timeout(SOON):
            while "Waiting up to 30 seconds." not in capsys.readouterr().err:
                await owner.execute("SELECT")
        assert not starting.done()
        await owner.execute(f"ALTER ROLE {name} CONNECTION LIMIT -1")
        await starting
