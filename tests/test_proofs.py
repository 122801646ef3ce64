"""What the README promises holds in a rendered project, on the newest server and on the oldest."""

from collections.abc import Callable

from dev.postgres import Server
from projects import PROOFS_TOO, Render, run_suite, with_proofs


def test_proofs_hold(render: Render, server: Server, progress: Callable[[str], None]) -> None:
    closing = run_suite(with_proofs(render(auth="none"), "proofs"), server.url(), PROOFS_TOO, "tests/proofs")
    progress(f"proofs on PostgreSQL {server.version}, {closing}")
