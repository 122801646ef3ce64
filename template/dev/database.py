"""The database that `dev` serves: the configured one, or one of our own with schema and sample data."""

import asyncio
import json
import os
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.ext.asyncio import create_async_engine

from dev import schema
from dev.binaries import PostgresError, find_binaries
from dev.postgres import Server, running_server
from dev.process import FolderInUseError

FOLDER = Path(".dev/postgres")
URL = Path(".dev/url")
FILLED = Path(".dev/filled")
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
        if fill and not FILLED.exists():
            _fill()
        with _published(server.url(NAME)):
            yield psql_command(server, NAME)


def _fill() -> None:
    # Imported once in the life of a database: what makes sample data takes longer than the rest of the start.
    from dev.factories import load_sample_data

    load_sample_data()
    FILLED.touch()


def run_on_database(command: list[str]) -> int:
    """Run a command with DATABASE_URL set: to the database that `dev` serves, or to one started for it."""
    try:
        with development_database(fill=False):
            return subprocess.run(command, check=False).returncode
    except FolderInUseError as error:
        if not URL.exists():
            raise PostgresError("`dev` is starting or ending in another terminal: try again in a moment.") from error
        return subprocess.run(command, check=False, env={**os.environ, "DATABASE_URL": URL.read_text()}).returncode


@contextmanager
def _published(url: str) -> Iterator[None]:
    """Leave the address, with its password, where only this account can read it."""
    URL.unlink(missing_ok=True)
    URL.touch(mode=0o600)
    URL.write_text(url)
    try:
        yield
    finally:
        URL.unlink()


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


def announce_when_serving(host: str, port: int, database: str) -> None:
    """Print the addresses as soon as there is an answer, which a mistake in app/ may put off."""
    threading.Thread(target=_announce, args=(host, port, database), daemon=True).start()


def psql_command(server: Server, database: str) -> str:
    """A line for the shell that reads the password instead of showing it."""
    psql = "psql" if shutil.which("psql") else os.path.relpath(find_binaries().folder / "psql")
    password = os.path.relpath(server.folder / "password")
    return (
        f"PGPASSWORD=$(cat {shlex.quote(password)}) "
        f"{shlex.quote(psql)} -h {server.host} -p {server.port} -U postgres {database}"
    )


def _announce(host: str, port: int, database: str) -> None:
    paths = _wait_for_paths(host, port)
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    collection = next((path for path, methods in paths.items() if {"get", "post"} <= methods.keys()), "/openapi.json")
    print(f"\n  API docs  {address}/docs\n  First     {address}{collection}\n  Database  {database}\n", flush=True)


def _wait_for_paths(host: str, port: int) -> dict[str, dict[str, object]]:
    while True:
        connection = HTTPConnection(host, port, timeout=30)
        try:
            connection.request("GET", "/openapi.json")
            response = connection.getresponse()
            paths: dict[str, dict[str, object]] = json.loads(response.read()).get("paths", {})
        except (OSError, HTTPException, ValueError):
            time.sleep(0.05)
        else:
            return paths
        finally:
            connection.close()
