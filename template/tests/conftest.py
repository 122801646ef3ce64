"""A real server, a database of this run's own, and the application as production starts it.

Every test commits for real; afterwards the owner deletes the rows. Savepoints would hide what only a COMMIT shows.
"""

import asyncio
import functools
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from httpx import AsyncClient
from pydantic_settings import SettingsConfigDict
from sqlalchemy import event

from app.database.base import Base
from app.database.session import Sessions
from app.main import create_app
from app.settings import Settings
from dev import schema
from dev.postgres import temporary_server
from tests.support import started


class DefaultSettings(Settings):
    """What the project ships, whatever this machine's `.env` says."""

    model_config = SettingsConfigDict(env_file=None)


@contextmanager
def server_url() -> Iterator[str]:
    """Yield a database from which others can be created: TEST_DATABASE_URL, or one on a server of our own."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
    else:
        with temporary_server() as server:
            yield server.url()


async def execute(url: str, statement: str) -> None:
    """Run one statement outside of a transaction."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def maintenance_url() -> Iterator[str]:
    """A server that the tests may fill with databases."""
    with server_url() as url:
        yield url


@contextmanager
def new_database(maintenance_url: str) -> Iterator[str]:
    """Create a database, point every setting at it, and drop it again. No other database is ever touched."""
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(execute(maintenance_url, f"CREATE DATABASE {name}"))
    url = sa.make_url(maintenance_url).set(database=name).render_as_string(hide_password=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        patch.setenv("MIGRATION_DATABASE_URL", url)
        patch.setenv("ENVIRONMENT", "development")
        yield url
    asyncio.run(execute(maintenance_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def database_url(maintenance_url: str) -> Iterator[str]:
    """The database of this run, with the schema that production has."""
    with new_database(maintenance_url) as url:
        schema.prepare()
        yield url


@pytest.fixture(scope="session")
def settings(database_url: str) -> Settings:
    """The default settings on the test database."""
    return DefaultSettings.model_validate({"database_url": database_url, "environment": "development"})


@pytest.fixture(scope="session")
async def running(settings: Settings) -> AsyncIterator[tuple[AsyncClient, Sessions]]:
    """The application, started once, and a client of it."""
    async with started(create_app(settings)) as client_and_sessions:
        yield client_and_sessions


@pytest.fixture(scope="session")
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the login that owns the tables."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def clean(owner: asyncpg.Connection) -> AsyncIterator[None]:
    """Delete every row after the test: children first, all tables in one message."""
    yield
    await owner.execute(delete_all())


@pytest.fixture
def client(running: tuple[AsyncClient, Sessions], clean: None) -> AsyncClient:
    """A client of the running application."""
    return running[0]


@pytest.fixture
def sessions(running: tuple[AsyncClient, Sessions], clean: None) -> Sessions:
    """The running application's own sessions."""
    return running[1]


@pytest.fixture
def statements(sessions: Sessions) -> Iterator[list[str]]:
    """Every statement that the application sends."""
    sent: list[str] = []

    def record(_connection: object, _cursor: object, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(sa.Engine, "before_cursor_execute", record)
    yield sent
    event.remove(sa.Engine, "before_cursor_execute", record)


@functools.cache
def delete_all() -> str:
    """Return the statements that empty every table."""
    tables = Base.metadata.sorted_tables
    # Rows of one table, or of a cycle of tables, that hold each other let go first: RESTRICT would keep them.
    holding = [key for table in tables for key in table.foreign_keys if key.use_alter or key.references(table)]
    release = [f"UPDATE {key.parent.table} SET {key.parent.name} = NULL" for key in holding if key.parent.nullable]
    return ";".join(release + [f"DELETE FROM {table}" for table in reversed(tables)])
