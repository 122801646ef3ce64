"""A PostgreSQL server for development and tests, with nothing installed but Python.

It listens on 127.0.0.1 and a private Unix socket, and asks for a random password that is kept beside the data.
It ends with the block that started it. If this process is killed, a guard stops the server; if that is killed too,
the next start stops it, known by the lock that it holds on its folder.
"""

import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

if sys.platform == "win32":
    raise SystemExit("On Windows, the development database and the tests need WSL.")

from dev.binaries import (
    Account,
    Binaries,
    PostgresError,
    choose_account,
    find_binaries,
    give,
    reachable_binaries,
    reachable_folder,
    server_environment,
)
from dev.process import claim_folder, end_orphan, running_process

__all__ = ["THROWAWAY", "PostgresError", "Server", "running_server", "temporary_server"]

HOST = "127.0.0.1"
FIRST_WITH_BUILTIN_LOCALES = 17

# For tests: a crash of the machine may spoil the data.
THROWAWAY: Mapping[str, str] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Server:
    """A running server. `folder` holds its data, its log and its password."""

    host: str
    port: int
    password: str = field(repr=False)
    folder: Path
    socket_folder: Path
    version: str

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres:{self.password}@{self.host}:{self.port}/{quote(database, safe='')}"


@contextmanager
def running_server(folder: Path, *, settings: Mapping[str, str] = {}) -> Iterator[Server]:
    """Start the server of this folder, made on first use, and stop it at the end. Raises PostgresError."""
    folder = reachable_folder(folder.absolute())
    account = choose_account(folder)
    binaries = reachable_binaries(find_binaries(), account)
    with claim_folder(folder), end_orphan(folder) as lock, _socket_folder(account) as sockets:
        password = _open_cluster(folder, binaries, account, lock)
        server = Server(HOST, _free_port(folder), password, folder, sockets, binaries.version)
        with running_process(binaries.folder / "postgres", folder, {**_listen(server), **settings}, account, lock):
            yield server


@contextmanager
def temporary_server() -> Iterator[Server]:
    """A new server for tests, in a temporary folder that is removed at the end. Raises PostgresError."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        Path(name).chmod(0o711)  # Where we are root, the server's account has to get to its data.
        with running_server(Path(name), settings=THROWAWAY) as server:
            yield server


def _open_cluster(folder: Path, binaries: Binaries, account: Account, lock: int) -> str:
    """Make the data where there are none, and return the password. Raises PostgresError."""
    data = folder / "data"
    if not data.exists():
        _initialise(folder, binaries, account, lock)
    made_by = (data / "PG_VERSION").read_text().strip()
    if made_by != binaries.major:
        raise PostgresError(
            f"{data} was made by PostgreSQL {made_by}, and this is {binaries.version}: "
            f"set POSTGRES_BIN to the bin folder of PostgreSQL {made_by}, or move {folder} away to start without data."
        )
    try:
        return (folder / "password").read_text()
    except FileNotFoundError as error:
        raise PostgresError(f"{error.filename} is missing: put it back, or move {folder} away.") from error


def _initialise(folder: Path, binaries: Binaries, account: Account, lock: int) -> None:
    # Renamed when it is complete: what an interrupted initdb leaves is never taken for data.
    unfinished = folder / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    give(unfinished, account)
    options = [
        *(f"--pgdata={unfinished}", "--username=postgres", "--no-instructions"),
        *("--auth=scram-sha-256", f"--pwfile={_new_password(folder, account)}"),
        *("--encoding=UTF8", *_locale(binaries)),
        # Takes up to seconds on a busy disk, against a crash of the machine before the system has written them itself.
        "--no-sync",
    ]
    made = subprocess.run(
        [binaries.folder / "initdb", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=unfinished,
        env=server_environment(),
        pass_fds=[lock],
        check=False,
        **account,
    )
    if made.returncode != 0:
        raise PostgresError(f"PostgreSQL could not make its data in {folder}; correct what it names:\n{made.stdout}")
    unfinished.rename(folder / "data")


def _new_password(folder: Path, account: Account) -> Path:
    password = folder / "password"
    password.unlink(missing_ok=True)
    password.touch(mode=0o600)
    give(password, account)
    password.write_text(secrets.token_urlsafe())
    return password


def _locale(binaries: Binaries) -> list[str]:
    """UTF-8 rules that come with the server; earlier only C does, where lower() knows ASCII alone."""
    builtin = int(binaries.major) >= FIRST_WITH_BUILTIN_LOCALES
    return ["--locale=C", *(["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if builtin else [])]


@contextmanager
def _socket_folder(account: Account) -> Iterator[Path]:
    # Neither the project's folder nor TMPDIR: the path of a Unix socket must stay under 104 bytes.
    with tempfile.TemporaryDirectory(prefix="postgres-", dir="/tmp") as name:
        give(Path(name), account)
        yield Path(name)


def _free_port(folder: Path) -> int:
    """The same for the same folder as long as it is free, so that a database tool can remember it."""
    preferred = 20_000 + zlib.crc32(bytes(folder)) % 10_000
    for port in (preferred, 0):
        try:
            with socket.create_server((HOST, port)) as probe:
                return int(probe.getsockname()[1])
        except OSError:
            continue
    raise PostgresError(f"{HOST} has no free port.")


def _listen(server: Server) -> dict[str, str]:
    return {
        "listen_addresses": server.host,
        "port": str(server.port),
        "unix_socket_directories": str(server.socket_folder),
        "max_connections": "200",  # as many as the pools of the largest tier may want
    }
