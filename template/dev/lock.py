"""Two locks on a server's folder: one of its only user, one that every process of its PostgreSQL inherits.

The kernel releases a lock when its last holder ends, however it ends.
"""

import fcntl
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from dev.binaries import PostgresError

SECONDS_FOR_ORPHAN_TO_END = 30


@contextmanager
def claim_folder(folder: Path) -> Iterator[None]:
    """Be the only user of this folder. Raises PostgresError that names the other one."""
    with (folder / "user.lock").open("a+") as file:
        if not _lock(file):
            file.seek(0)
            raise PostgresError(
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
