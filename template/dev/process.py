"""The server's process: started apart from us, ended with us."""

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dev.account import Account
from dev.binaries import PostgresError
from dev.cluster import server_environment

SECONDS_TO_START = 60
SECONDS_TO_STOP = 30


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
