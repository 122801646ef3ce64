"""What happens before the first request, and with which URL."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg

from app.settings import Settings
from tests.proofs.server import PASSWORD, SOON, at, login, until
from tests.proofs.service import serving

PROJECT = Path(__file__).parents[2]
# Any socket, and any engine, would end this process.
IMPORT = """
import gc, sys
def refuse(event, arguments):
    if event.startswith("socket."):
        raise SystemExit(f"{event} while importing")
sys.addaudithook(refuse)
import sqlalchemy as sa
from app.main import create_app
from app.settings import Settings
create_app(Settings(database_url="postgresql://user:your_password_here@127.0.0.1:1/app"))
assert not [item for item in gc.get_objects() if isinstance(item, (sa.Engine, sa.Pool))]
print("nothing was opened")
"""


def run(*command: str, **environment: str) -> str:
    """Run a command in the project."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_and_creating_the_application_opens_nothing() -> None:
    assert run("-c", IMPORT) == "nothing was opened\n"


async def test_stopping_closes_every_connection(settings: Settings, owner: asyncpg.Connection) -> None:
    async with serving(settings) as service:
        await service.post("/writes")
        await service.post("/reads")
    async with asyncio.timeout(SOON):
        await until(owner, "true", holds=False)


async def test_any_password_serves_and_migrates(
    settings: Settings, owner: asyncpg.Connection, database_url: str
) -> None:
    async with login(owner) as name:
        await owner.execute(f"CREATE DATABASE {name} OWNER {name}")
        try:
            url = at(database_url, username=name, password=PASSWORD, database=name)
            # The application's login is never the one that changes the tables.
            wrong = "postgresql://nobody:your_password_here@127.0.0.1:1/nothing"
            run("-m", "alembic", "upgrade", "head", DATABASE_URL=wrong, MIGRATION_DATABASE_URL=url.get_secret_value())
            async with serving(settings, database_url=url) as service:
                created = await service.client.post("/categories", json={"name": "First"})
                assert created.status_code == 201
                assert (await service.client.get("/categories")).json()["items"] == [created.json()]
        finally:
            await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
