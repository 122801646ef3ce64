"""The command `dev`, in a small project of the test's own."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import is_running, wait_for

from projects import Render

APP = """
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI

def create_app() -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        if "SAY_GOODBYE" in os.environ:
            await query("INSERT INTO note VALUES ('goodbye')")

    app = FastAPI(lifespan=lifespan)

    async def query(statement: str, *arguments: str) -> list[str]:
        connection = await asyncpg.connect(os.environ["DATABASE_URL"])
        try:
            return [row["text"] for row in await connection.fetch(statement, *arguments)]
        finally:
            await connection.close()

    @app.get("/process")
    def process() -> int:
        return os.getpid()

    @app.get("/notes")
    async def notes() -> list[str]:
        return await query("SELECT text FROM note ORDER BY text")

    @app.post("/notes")
    async def add_note(text: str) -> list[str]:
        return await query("INSERT INTO note VALUES ($1) RETURNING text", text)

    return app
"""
CREATE_SCHEMA = """
import os
from types import SimpleNamespace
import asyncpg

async def execute(statement: str) -> None:
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    await connection.execute(statement)
    await connection.close()

async def create_schema() -> SimpleNamespace:
    await execute("CREATE TABLE IF NOT EXISTS note (text text)")
    return SimpleNamespace(left=[])
"""
SAMPLE_DATA = """
import asyncio
from app.database.create_schema import execute

def load_sample_data() -> None:
    asyncio.run(execute("INSERT INTO note SELECT 'sample' WHERE NOT EXISTS (SELECT FROM note)"))
"""


class Dev:
    """A run of the command."""

    def __init__(self, project: Path, port: int, *options: str) -> None:
        self.port = port
        self.folder = project / ".dev" / "postgres"
        self.log = project / "dev.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dev.serve", "--port", str(port), *options],
                cwd=project,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    @property
    def pids(self) -> list[int]:
        """The three that must end: the command, the server of the API, PostgreSQL."""
        return [self.process.pid, int(str(self.request("/process"))), self.postmaster]

    @property
    def postmaster(self) -> int:
        return int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])

    def request(self, path: str, method: str = "GET") -> object:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def answers(self, path: str = "/process") -> bool:
        assert self.process.poll() is None, self.output
        try:
            self.request(path)
        except (OSError, http.client.HTTPException):
            return False
        return True

    def wait_until_serving(self) -> "Dev":
        wait_for(self.answers, "the API answers")
        return self

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def project(render: Render, place: Path) -> Path:
    """A project with the template's `dev` and stubs of what differs from project to project."""
    shutil.copytree(render(auth="none", migrations="none") / "dev", place / "dev")
    (place / "dev" / "factories.py").write_text(SAMPLE_DATA)
    (place / "app" / "database").mkdir(parents=True)
    (place / "app" / "__init__.py").touch()
    (place / "app" / "database" / "create_schema.py").write_text(CREATE_SCHEMA)
    (place / "app" / "main.py").write_text(APP)
    return place


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def dev(project: Path, port: int, *options: str) -> Iterator[Dev]:
    run = Dev(project, port, *options)
    try:
        yield run
    finally:
        try:
            run.end()
        finally:
            run.process.kill()


@pytest.mark.parametrize("options", [[], ["--no-reload"]], ids=["reload", "no-reload"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_all_of_it_and_the_next_start_finds_the_data(
    project: Path, port: int, number: signal.Signals, options: list[str]
) -> None:
    with dev(project, port, *options) as first:
        first.wait_until_serving().request("/notes?text=mine", "POST")
        pids = first.pids
        assert first.end(number) == 0
        assert not any(map(is_running, pids))
        assert "Traceback" not in first.output
    with dev(project, port, *options) as second:
        assert second.wait_until_serving().request("/notes") == ["mine", "sample"]


def test_a_killed_run_does_not_block_the_next(project: Path, port: int) -> None:
    with dev(project, port) as first:
        first.wait_until_serving().request("/notes?text=mine", "POST")
        pids = first.pids
        first.process.kill()
        first.process.wait()
        with dev(project, port) as second:
            wait_for(lambda: not any(map(is_running, pids)), "the first run is gone")
            assert second.wait_until_serving().request("/notes") == ["mine", "sample"]


@pytest.mark.parametrize("moment", ["data.unfinished", "data/postmaster.pid", "Started server process"])
def test_ctrl_c_at_any_moment_of_the_start_is_quiet(project: Path, port: int, moment: str) -> None:
    with dev(project, port) as run:
        wait_for(lambda: (run.folder / moment).exists() or moment in run.output, moment)
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.process.wait(30) == 0
        assert "Traceback" not in run.output


def test_ctrl_c_leaves_the_app_its_database_until_it_has_ended(
    project: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAY_GOODBYE", "1")
    with dev(project, port) as first:
        first.wait_until_serving()
        os.killpg(first.process.pid, signal.SIGINT)
        assert first.process.wait(30) == 0
    with dev(project, port) as second:
        assert second.wait_until_serving().request("/notes") == ["goodbye", "sample"]


def test_two_at_once_are_told_apart(project: Path, port: int) -> None:
    with dev(project, port) as first:
        first.wait_until_serving()
        for other, message in {
            port: rf"Cannot serve on 127.0.0.1:{port} \(.*in use\): stop the process that does, or .* --port",
            port + 1: rf"Process {first.process.pid} is running the PostgreSQL of .*: stop it",
        }.items():
            second = subprocess.run(
                [sys.executable, "-m", "dev.serve", "--port", str(other)],
                cwd=project,
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
            )
            assert (second.returncode, second.stdout) == (1, "")
            assert re.fullmatch(message + r".*\n", second.stderr)
        assert first.request("/notes") == ["sample"]


def test_a_change_restarts_the_app_and_not_the_database(project: Path, port: int) -> None:
    main = project / "app" / "main.py"
    with dev(project, port) as run:
        _, worker, postmaster = run.wait_until_serving().pids
        (project / "dev" / "database.py").touch()
        main.write_text("def create_app(: broken")
        wait_for(lambda: "SyntaxError" in run.output, "the mistake is shown")
        main.write_text(APP)
        wait_for(run.answers, "the app is back")
        assert run.pids[1:] != [worker, postmaster]
        assert run.postmaster == postmaster
        assert run.request("/notes") == ["sample"]
        assert "dev/database.py" not in run.output
        assert run.end() == 0


def test_the_addresses_work_and_the_password_is_not_shown(project: Path, port: int) -> None:
    with dev(project, port) as run:
        wait_for(lambda: "Database" in run.output, "the addresses are shown")
        assert f"http://127.0.0.1:{port}/docs\n" in run.output
        assert f"http://127.0.0.1:{port}/notes\n" in run.output
        assert (run.folder / "password").read_text() not in run.output
        command = next(line for line in run.output.splitlines() if line.startswith("  Database")).split(maxsplit=1)[1]
        assert "cat .dev/postgres/password" in command
        shown = subprocess.check_output(["/bin/sh", "-c", f"{command} -Atc 'TABLE note'"], cwd=project, text=True)
        assert shown == "sample\n"


def test_tables_stay_empty_on_request(project: Path, port: int) -> None:
    with dev(project, port, "--no-sample-data") as run:
        assert run.wait_until_serving().request("/notes") == []


@pytest.mark.parametrize("place_of_it", ["environment", ".env"])
def test_a_configured_database_is_used_as_it_is(
    project: Path, port: int, monkeypatch: pytest.MonkeyPatch, place_of_it: str
) -> None:
    url = "postgresql://me:hush@db.example:6543/shop"
    if place_of_it == ".env":
        (project / ".env").write_text(f"DATABASE_URL={url}\nOTHER=1\n")
    else:
        monkeypatch.setenv("DATABASE_URL", url)
    with dev(project, port) as run:
        wait_for(lambda: "Database" in run.output, "the addresses are shown")
        assert "DATABASE_URL (db.example), with its schema and data as they are" in run.output
        assert "hush" not in run.output
        assert run.end() == 0
    assert not (project / ".dev").exists()


def test_a_server_that_cannot_start_is_one_sentence(project: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_BIN", "/nowhere")
    with dev(project, port) as run:
        assert run.process.wait(30) == 1
        assert run.output.startswith("/nowhere holds no PostgreSQL server that runs here: set POSTGRES_BIN")
        assert run.output.count("\n") == 1


def test_a_command_runs_on_the_database_whether_it_is_served_or_not(project: Path, port: int) -> None:
    script = project / "count.py"
    script.write_text(
        "import asyncio, os, asyncpg\n"
        "async def count():\n"
        "    connection = await asyncpg.connect(os.environ['DATABASE_URL'])\n"
        "    print(await connection.fetchval('SELECT count(*) FROM note'))\n"
        "    await connection.close()\n"
        "asyncio.run(count())\n"
    )
    command = [sys.executable, "-m", "dev.serve", sys.executable, str(script)]
    assert subprocess.check_output(command, cwd=project, text=True) == "0\n"
    with dev(project, port) as run:
        run.wait_until_serving()
        assert subprocess.check_output(command, cwd=project, text=True) == "1\n"
        assert oct((project / ".dev" / "urls").stat().st_mode)[-3:] == "600"
    assert not (project / ".dev" / "urls").exists()


def test_a_command_says_how_it_ended(project: Path) -> None:
    command = [sys.executable, "-m", "dev.serve", sys.executable, "-c", "raise SystemExit(7)"]
    assert subprocess.run(command, cwd=project, check=False).returncode == 7
