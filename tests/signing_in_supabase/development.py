"""`uv run dev` issues tokens of its own where no Supabase project is configured; production takes none of them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.settings import get_settings
from dev.issuer import KEY, URL, free_url, key_of, running_issuer
from tests.support import TABLES

PROJECT = Path(__file__).parents[2]
SHARED = next(
    table for table in TABLES if "owner_id" not in table.table.columns and not table.references(required=True)
)
OWNED = next(table for table in TABLES if "owner_id" in table.table.columns and not table.references(required=True))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, without what its tests left there."""
    ignored = shutil.ignore_patterns(".*", "tests", "__pycache__")
    return Path(shutil.copytree(PROJECT, tmp_path_factory.mktemp("dev") / "project", ignore=ignored))


def environment() -> dict[str, str]:
    """Return the environment of a developer who has configured nothing."""
    ours = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "SUPABASE_URL", "ENVIRONMENT")
    return {name: value for name, value in os.environ.items() if name not in ours}


@contextmanager
def serving(project: Path, *options: str) -> Iterator[str]:
    """Run `dev`, and yield where it serves."""
    url = free_url()
    command = [sys.executable, "-m", "dev.serve", "--port", url.rpartition(":")[2], *options]
    with (project / "log").open("w+") as log:
        process = subprocess.Popen(command, cwd=project, env=environment(), stdout=log, stderr=log)
        try:
            until_answered(url, process, project / "log")
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def until_answered(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait for the service."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/health/ready").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)  # another process, which tells nobody
    raise AssertionError(log.read_text())


def token(project: Path, *options: str, **given: str) -> "subprocess.CompletedProcess[str]":
    """Run the command `token`."""
    command = [sys.executable, "-m", "dev.token", *options]
    env = environment() | given
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)


def client_of(url: str, project: Path, *options: str) -> httpx.Client:
    """Return a client of whoever the command says."""
    done = token(project, *options)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 1
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {done.stdout.strip()}"})


def test_a_developer_is_signed_in(project: Path) -> None:
    refused = token(project)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Start `uv run dev`" in refused.stderr
    body = [[table.body() for _ in range(20)][-1].model_dump(mode="json") for table in (SHARED, OWNED)]
    with serving(project) as url:
        assert httpx.get(url + OWNED.path).status_code == 401
        with client_of(url, project) as ada:
            assert ada.get(OWNED.path).json()["items"]
            assert ada.post(OWNED.path, json=body[1]).status_code == 201
            assert ada.post(SHARED.path, json=body[0]).status_code == 201
        with client_of(url, project, "--email", "bob@example.com", "--scope") as bob:
            assert bob.get(OWNED.path).json()["items"] == []
            assert bob.post(OWNED.path, json=body[1]).status_code == 201
            assert bob.post(SHARED.path, json=body[0]).status_code == 403
        assert (project / KEY).stat().st_mode & 0o777 == 0o600
        issuer = (project / URL).read_text()
    assert not (project / URL).exists()
    with serving(project, "--no-reload"):
        assert (project / URL).read_text() == issuer


def test_a_configured_project_issues_its_own(project: Path) -> None:
    refused = token(project, SUPABASE_URL="https://your-project-ref.supabase.co")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "sign in at https://your-project-ref.supabase.co" in refused.stderr


def test_a_configured_project_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUPABASE_URL", "https://your-project-ref.supabase.co")
    with running_issuer():
        assert os.environ["SUPABASE_URL"] == "https://your-project-ref.supabase.co"
        assert list(tmp_path.iterdir()) == []


def test_a_key_is_made_once_and_is_nobody_else_s_to_read(tmp_path: Path) -> None:
    key = key_of(tmp_path / "new/key.pem")
    assert key_of(tmp_path / "new/key.pem").private_numbers() == key.private_numbers()
    assert (tmp_path / "new/key.pem").stat().st_mode & 0o777 == 0o600


REFUSED = {
    "SUPABASE_URL": [
        ("http://127.0.0.1:30000", "has to be https"),
        ("http://your-project-ref.supabase.co", "has to be https"),
        ("https://your-project-ref.supabase.co/auth/v1", "the address alone"),
        ("https://me@your-project-ref.supabase.co", "the address alone"),
        ("https://your-project-ref.supabase.co?x=1", "the address alone"),
    ],
    "SUPABASE_JWT_SECRET": [("short", "32 bytes")],
}


@pytest.mark.parametrize(("name", "value", "words"), [(name, *case) for name in REFUSED for case in REFUSED[name]])
def test_production_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/app")
    monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    with pytest.raises(SystemExit, match=f"{name}: .*{words}") as refusal:
        get_settings()
    assert value not in str(refusal.value)
    get_settings.cache_clear()
