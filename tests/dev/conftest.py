"""A project with its database, and an environment that configures nothing."""

import os
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


@pytest.fixture(autouse=True)
def without_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*(name for name in os.environ if name.startswith("PG")), "POSTGRES_BIN", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
