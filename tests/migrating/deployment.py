"""A copy of the project with revisions of its own, and commands in it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any

import asyncpg
import sqlalchemy as sa

from tests.warm import run_python

SECONDS = 12  # that a command may take
REVISION = """
from alembic import op

revision, down_revision, branch_labels, depends_on = "{name}", "{after}", None, None


def upgrade() -> None:
    {up}


def downgrade() -> None:
    {down}
"""


@dataclass
class Done:
    """How a command ended."""

    code: int
    said: str


class Running:
    """A command that runs; it is killed when it takes for ever."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""

    def until(self, words: str) -> None:
        """Read what it says until these words."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if words in line:
                return
        raise AssertionError(f"it ended without {words!r}:\n{self.said}")

    def end(self) -> Done:
        """Wait for the end."""
        assert self.process.stdout is not None
        self.said += self.process.stdout.read()
        return Done(self.process.wait(), self.said)


@dataclass
class Deployment:
    """The project, its database, and what is set in the environment."""

    folder: Path
    url: str
    environment: dict[str, str]

    @property
    def database(self) -> str:
        """The name of the database."""
        return str(sa.make_url(self.url).database)

    def add(self, name: str, up: str, down: str = "pass", *, after: str = "0001", head: str = "") -> None:
        """Add a revision, by the bodies of its functions."""
        text = head + REVISION.format(name=name, after=after, up=up, down=down)
        (self.folder / f"alembic/versions/{name}.py").write_text(text)

    @contextmanager
    def start(self, *command: str, **environment: str) -> Iterator[Running]:
        """Start a command; what has not ended at the end is killed."""
        with subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=self.folder,
            env={**self.environment, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            timer = Timer(SECONDS, process.kill)
            timer.start()
            try:
                yield Running(process)
            finally:
                timer.cancel()
                process.kill()

    def run(self, *command: str, typed: str = "", **environment: str) -> Done:
        """Run a command to its end."""
        given = {**self.environment, **environment}
        done = run_python(self.folder, ["-m", *command], given, typed=typed, seconds=SECONDS)
        assert sa.make_url(self.url).password not in done.printed
        return Done(*done)

    def migrate(self, *arguments: str, typed: str = "", **environment: str) -> Done:
        """Run the command `migrate`."""
        return self.run("migrate.command", *arguments, typed=typed, **environment)

    def ask(self, query: str, *values: Any) -> list[Any]:
        """Return the first column of what the database answers."""

        async def fetch() -> list[Any]:
            connection = await asyncpg.connect(self.url)
            try:
                return [row[0] for row in await connection.fetch(query, *values)]
            finally:
                await connection.close()

        return asyncio.run(fetch())

    @property
    def had(self) -> list[str]:
        """The revision that the database is at."""
        there = self.ask("SELECT to_regclass('private.alembic_version') IS NOT NULL")
        return self.ask("SELECT version_num FROM private.alembic_version") if there == [True] else []


def environment_of(url: str) -> dict[str, str]:
    """What a deployment has in its environment: production, with the confirmation."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV_"))}
    name = str(sa.make_url(url).database)
    return {**inherited, "ENVIRONMENT": "production", "MIGRATION_DATABASE_URL": url, "CONFIRM_MIGRATION": name}
