"""PgBouncer, as Debian 12 packages it: 1.18 knows nothing of prepared statements, which is the strictest a pooler gets.

Projects under test have a copy of this file: some proofs stop their pooler, and start it again.
"""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from dev.binaries import Account, choose_account, give

PGBOUNCER = Path("/usr/sbin/pgbouncer")
HOST = "127.0.0.1"
SECONDS = 10
OPTIONS = {
    "listen_addr": HOST,
    "unix_socket_dir": "",
    "auth_type": "scram-sha-256",
    "auth_file": "users.txt",
    "logfile": "pgbouncer.log",
    "default_pool_size": 4,
    "max_client_conn": 200,
    # Seconds: nobody waits for a server that is away as long as in production.
    "query_wait_timeout": 5,
    "server_login_retry": 1,
}


@dataclass
class Pooler:
    """A PgBouncer in front of one server. It refuses to run as root, as PostgreSQL does."""

    port: int
    folder: Path
    account: Account
    process: subprocess.Popen[bytes] = field(init=False)

    def through(self, url: str) -> str:
        """Return a URL of the server as one that takes the way through the pooler."""
        return sa.make_url(url).set(host=HOST, port=self.port).render_as_string(hide_password=False)

    def start(self) -> None:
        """Start, and return as soon as clients are let in."""
        command = [str(PGBOUNCER), "--quiet", "pgbouncer.ini"]
        self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, **self.account)
        deadline = time.monotonic() + SECONDS
        while not self._answers():
            log = self.folder / "pgbouncer.log"
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.01)

    def stop(self) -> None:
        """End at once: clients and server connections are cut off."""
        self.process.terminate()
        self.process.wait(SECONDS)

    def _answers(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return True


@contextmanager
def running_pooler(server: str, *, mode: str = "transaction", **options: object) -> Iterator[Pooler]:
    """Start a pooler for the login and all databases of a server, by its URL, with these options of PgBouncer."""
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        pooler = Pooler(_free_port(), Path(name), choose_account(Path(name)))
        give(pooler.folder, pooler.account)
        login = sa.make_url(server)
        all_options = {**OPTIONS, "listen_port": pooler.port, "pool_mode": mode, **options}
        lines = ["[databases]", f"* = host={login.host} port={login.port}", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in all_options.items()]
        _write(pooler, "pgbouncer.ini", "\n".join(lines))
        _write(pooler, "users.txt", f'"{login.username}" "{login.password}"\n')
        pooler.start()
        try:
            yield pooler
        finally:
            pooler.stop()


def _write(pooler: Pooler, name: str, text: str) -> None:
    path = pooler.folder / name
    path.touch(mode=0o600)
    path.write_text(text)
    give(path, pooler.account)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])
