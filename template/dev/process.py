"""The server's process: alone on its folder, started apart from us, ended with us."""

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from dev.binaries import Account, PostgresError, server_environment

SECONDS_TO_START = 60
SECONDS_TO_STOP = 30
SECONDS_FOR_ORPHAN_TO_END = 30


class FolderInUseError(PostgresError):
    """Another process is running this server."""


@contextmanager
def running_process(
    program: Path, folder: Path, settings: Mapping[str, str], account: Account, lock: int
) -> Iterator[None]:
    """Run the server of this folder. Raises PostgresError with the end of its log when it does not start."""
    with (folder / "postgres.log").open("wb") as log:
        server = subprocess.Popen(
            [program, "-D", folder / "data", *(f"--{name}={value}" for name, value in settings.items())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=server_environment(),
            pass_fds=[lock],
            # Ctrl-C in a terminal goes to the whole process group: the server is not in it, and is stopped last.
            start_new_session=True,
            **account,
        )
    try:
        with _guard(server):
            _wait_until_ready(server, folder)
            yield
    finally:
        _stop(server)


@contextmanager
def _guard(server: subprocess.Popen[bytes]) -> Iterator[None]:
    """A shell that stops the server when our end of its pipe closes, as the death of this process does too."""
    guard = subprocess.Popen(
        ["/bin/sh", "-c", 'read -r _; kill -INT "$1"', "postgres-guard", str(server.pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    try:
        yield
    finally:
        guard.communicate()


def _wait_until_ready(server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while not _is_ready(server.pid, folder / "data" / "postmaster.pid"):
        if server.poll() is not None or time.monotonic() > deadline:
            log = folder / "postgres.log"
            end = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
            raise PostgresError(f"PostgreSQL did not start; correct what its log ({log}) says at the end:\n{end}")
        time.sleep(0.01)


def _is_ready(pid: int, postmaster: Path) -> bool:
    # The file that pg_ctl waits for: the process id in line 1, the status in line 8.
    lines = postmaster.read_text().splitlines() if postmaster.exists() else []
    return lines[:1] == [str(pid)] and [line.strip() for line in lines[7:]] == ["ready"]


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)
    try:
        server.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)
        server.wait()


@contextmanager
def claim_folder(folder: Path) -> Iterator[None]:
    """Be the only user of this folder. Raises PostgresError that names the other one."""
    with (folder / "user.lock").open("a+") as file:
        if not _lock(file):
            file.seek(0)
            raise FolderInUseError(
                f"Process {file.read() or 'unknown'} is running the PostgreSQL of {folder}: stop it, or use its server."
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def end_orphan(folder: Path) -> Iterator[int]:
    """Stop what a killed run left behind, and yield the lock that the next server has to inherit."""
    postmaster = folder / "data" / "postmaster.pid"
    deadline = time.monotonic() + SECONDS_FOR_ORPHAN_TO_END
    with (folder / "server.lock").open("a") as file:
        while not _lock(file):
            if time.monotonic() > deadline:
                raise PostgresError(f"The PostgreSQL that an earlier run left in {folder} does not end: kill it.")
            # The lock is held, so the process named in this file is the server of this folder and nothing else.
            with suppress(OSError, ValueError, IndexError):
                os.kill(int(postmaster.read_text().splitlines()[0]), signal.SIGINT)
            time.sleep(0.02)
        _forget_dead_server(postmaster)
        yield file.fileno()


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _forget_dead_server(postmaster: Path) -> None:
    """PostgreSQL refuses to start when another process of ours got the number of one that was killed, as in containers.

    A server that answers on the port in this file was started by hand: that refusal stands.
    """
    with suppress(FileNotFoundError, ValueError, IndexError):
        port = int(postmaster.read_text().splitlines()[3])
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            postmaster.unlink()
