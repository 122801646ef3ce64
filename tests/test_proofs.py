"""What the README promises holds in a rendered project, on the newest server and on the oldest."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest

from dev.postgres import Server
from projects import ROOT, Render, run_suite

# They carry no `test_` in their names, or the tests of the template would collect them too.
ALL_PROOFS = ("--override-ini=python_files=*.py", "tests/proofs")


def with_proofs(project: Path) -> Path:
    """Add the proofs to a rendered project's own tests."""
    copytree(ROOT / "tests/proofs", project / "tests/proofs")
    return project


@pytest.mark.parametrize("version", ["postgres_18", "postgres_15"])
def test_proofs_hold(
    version: str, render: Render, request: pytest.FixtureRequest, progress: Callable[[str], None]
) -> None:
    server: Server = request.getfixturevalue(version)
    closing = run_suite(with_proofs(render(auth="none")), server.url(), *ALL_PROOFS)
    progress(f"proofs on {version}, {closing}")
