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
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import httpx
import pytest

from projects import MISSING, ROOT, commit, inherited

README = (ROOT / "README.md").read_text()
SERVE, TEST = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)[:2]
ADDRESS = ("127.0.0.1", 8000)
SERVICE = "http://127.0.0.1:8000"
SIGN_IN = re.compile(r"^  Sign in   (?P<user>\S+) with the password (?P<password>\S+)$", re.MULTILINE)


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


def waited_for(attempt: Callable[[], bool], process: subprocess.Popen[str], log: Path) -> float:
    """Return after how many seconds this first succeeded."""
    start = time.monotonic()
    while process.poll() is None and time.monotonic() < start + 300:
        if attempt():
            return time.monotonic() - start
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def status_of(path: str, **headers: str) -> int | None:
    """What the server answers, or nothing before it serves."""
    try:
        return httpx.get(SERVICE + path, headers=headers).status_code
    except httpx.TransportError:
        return None


def sign_in(log: Path) -> str:
    """Sign in as the command says in its output, and return the header that requests then carry."""
    told = SIGN_IN.search(log.read_text())
    assert told
    answer = httpx.post(f"{SERVICE}/auth/token", data={"username": told["user"], "password": told["password"]})
    return f"Bearer {answer.raise_for_status().json()['access_token']}"


def serve_and_end(command: str, clone: Path, path: str) -> float:
    """Type the command into a shell, wait for the first answer, sign in, press Ctrl-C; how long the answer took."""
    kept = {name: value for name, value in inherited().items() if not name.startswith("VIRTUAL_ENV")}
    log = clone.parent / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            ["/bin/bash", "-c", command],
            cwd=clone,
            env=kept | {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            seconds = waited_for(lambda: status_of("/products") is not None, process, log)
            assert status_of("/products") == 401
            waited_for(lambda: SIGN_IN.search(log.read_text()) is not None, process, log)
            token = sign_in(log)
            assert [status_of(path, Authorization=token) for path in ("/products", "/orders")] == [200, 200]
            return seconds
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
