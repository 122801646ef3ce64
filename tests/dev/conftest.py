"""A place that every account may enter, and an environment that configures nothing."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from doctors import prepare

from databases import create_database
from dev.postgres import Server
from projects import Render


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    """A project in which nobody signs in."""
    return render(auth="none")


@pytest.fixture(scope="module")
def url(project: Path, postgres_18: Server) -> str:
    """A database with nothing wrong, and its owner."""
    made = create_database(postgres_18)
    prepare(project, made)
    return made


@pytest.fixture
def place() -> Iterator[Path]:
    """Unlike tmp_path not closed to others: as root, PostgreSQL runs as another account."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name).resolve()
        place.chmod(0o755)
        yield place


@pytest.fixture(autouse=True)
def without_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*(name for name in os.environ if name.startswith("PG")), "POSTGRES_BIN", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
