"""Servers with and without TLS, and the certificates that they and their clients have."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa

from app.settings import Settings
from tests.encrypted.connecting import LOGINS, PASSWORD, Way


@pytest.fixture(scope="session")
def certificates() -> Path:
    """The folder of all certificates and keys."""
    return Path(os.environ["CERTIFICATES"])


@pytest.fixture(scope="session")
def way(database_url: str, settings: Settings, certificates: Path) -> Way:
    """How the tests get to the servers."""
    urls = {"good": database_url, "expired": os.environ["EXPIRED_URL"], "plain": os.environ["PLAIN_URL"]}
    return Way(settings, {name: sa.make_url(url) for name, url in urls.items()}, certificates)


@pytest.fixture(scope="session")
async def logins(owner: asyncpg.Connection) -> AsyncIterator[None]:
    """The logins that the server lets in under conditions."""
    for name in LOGINS:
        await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    yield
    for name in LOGINS:
        await owner.execute(f"DROP ROLE {name}")
