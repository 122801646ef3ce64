"""The database that `dev` serves: the configured one, or one of our own with schema and sample data."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.ext.asyncio import create_async_engine

from dev import sample_data, schema
from dev.announce import psql_command
from dev.postgres import running_server

FOLDER = Path(".dev/postgres")
NAME = "app"


class Environment(BaseSettings):
    """What is read here from the environment or `.env`."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    database_url: str = ""


@contextmanager
def development_database(*, fill: bool) -> Iterator[str]:
    """Set DATABASE_URL where it is not configured, and yield how a developer gets to the database."""
    if configured := Environment().database_url:
        # It may be shared, or hold real data: its schema and data are not ours to change.
        yield f"DATABASE_URL ({_host(configured)}), with its schema and data as they are"
        return
    with running_server(FOLDER) as server:
        asyncio.run(_create_database(server.url()))
        os.environ["DATABASE_URL"] = server.url(NAME)
        schema.prepare()
        if fill:
            sample_data.load()
        yield psql_command(server, NAME)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "no host"
    except ValueError:
        return "unreadable"


async def _create_database(url: str) -> None:
    engine = create_async_engine(sa.make_url(url).set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            known = sa.text("SELECT true FROM pg_database WHERE datname = :name")
            if not await connection.scalar(known, {"name": NAME}):
                await connection.execute(sa.text(f"CREATE DATABASE {NAME}"))
    finally:
        await engine.dispose()
