"""The two commands that README.md opens with do what it says."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import pytest

from projects import IDENTITY, MISSING, OURS, ROOT, commit

README = (ROOT / "README.md").read_text()
SERVE, TEST = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)[:2]
ADDRESS = ("127.0.0.1", 8000)


@pytest.fixture
def clone(template: Path) -> Iterator[Path]:
    """A clone. Unlike tmp_path not closed to others: where we are root, PostgreSQL runs as another account."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        clone = copytree(template, Path(name) / "clone")
        commit(clone)
        yield clone


def is_served() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(ADDRESS) == 0


def seconds_until_served(process: subprocess.Popen[str], log: Path) -> float:
    start = time.monotonic()
    while process.poll() is None and time.monotonic() < start + 300:
        try:
            with urllib.request.urlopen("http://127.0.0.1:8000/products", timeout=5) as response:
                assert response.status == 200
                return time.monotonic() - start
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())


def serve_and_end(command: str, clone: Path, path: str) -> float:
    """Type the command into a shell, wait for the first answer, press Ctrl-C; how long the answer took."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith((*OURS, "VIRTUAL_ENV"))}
    log = clone.parent / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            ["/bin/bash", "-c", command],
            cwd=clone,
            env=kept | IDENTITY | {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            return seconds_until_served(process, log)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)


def new_environment(folder: Path) -> str:
    """The programs of a machine whose pip is not externally managed."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return str(folder / "bin")


def test_first_command_renders_and_serves(clone: Path, progress: Callable[[str], None]) -> None:
    """One after the other: each form serves on the same port."""
    if is_served():
        pytest.skip(f"{MISSING}free port {ADDRESS[1]}")
    uv = shutil.which("uv") or pytest.skip(f"{MISSING}uv")
    shop, virtual = clone.parent / "shop", re.search(r"`(python3 -m venv \S+ && \. \S+)`", README)
    assert virtual
    activated = virtual[1].replace("~/.venv-uv", str(clone.parent / "activated"))
    forms = {
        "as it stands": (SERVE, new_environment(clone.parent / "system")),
        "in an environment of its own": (f"{activated} && {SERVE}", str(Path(sys.base_prefix) / "bin")),
        "with pipx": (
            SERVE.replace("python3 -m pip install uv && ", "").replace("python3 -m uv", "uv"),
            str(Path(uv).parent),
        ),
    }
    taken = []
    for form, (command, path) in forms.items():
        taken.append(f"{form} {serve_and_end(command, clone, path):.0f} s")
        assert not is_served()
        assert not (shop / ".dev/postgres/data/postmaster.pid").exists()
        shutil.rmtree(shop)
    progress(f"README, first answer: {', '.join(taken)}")


def test_second_command_is_what_ci_runs() -> None:
    assert TEST in (ROOT / ".ci" / "run").read_text().splitlines()
    assert TEST.split(" && ")[1] in (ROOT / "CONTRIBUTING.md").read_text()
