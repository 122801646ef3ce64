"""A place that every account may enter, and an environment that configures nothing."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


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
