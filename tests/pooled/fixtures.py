"""The fixtures of a project's own tests, with another way to the server: by a pooler in one of its modes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic import SecretStr

from app.database.url import Profile
from app.settings import Settings
from tests.poolers import Pooler, running_pooler

MODE = Profile(os.environ.get("POOL_MODE", Profile.TRANSACTION))
# In session mode each client has a connection to the server: as many as all of a run's applications may open.
SIZE = 4 if MODE is Profile.TRANSACTION else 100


@pytest.fixture(scope="session")
def pooler(maintenance_url: str) -> Iterator[Pooler]:
    """A pooler for all tests."""
    with running_pooler(maintenance_url, mode=MODE, default_pool_size=SIZE) as running:
        yield running


@pytest.fixture(scope="session")
def settings(database_url: str, pooler: Pooler) -> Settings:
    """The default settings, through that pooler."""
    given = {"database_url": pooler.through(database_url), "environment": "development", "connection_profile": MODE}
    return Settings.model_validate(given)


@contextmanager
def own_pooler(
    settings: Settings, database_url: str, mode: Profile = MODE, size: int = 4
) -> Iterator[tuple[Pooler, Settings]]:
    """Start a pooler that a test may treat as it likes, and yield settings that lead through it."""
    with running_pooler(database_url, mode=mode, default_pool_size=size, query_wait_timeout=1) as running:
        url = SecretStr(running.through(database_url))
        yield running, settings.model_copy(update={"database_url": url, "connection_profile": mode})
