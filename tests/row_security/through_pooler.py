"""The settings of a project's own tests, with another way to the server: by a pooler in transaction mode."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from app.database.url import Profile
from app.settings import Settings
from tests.poolers import running_pooler


@pytest.fixture(scope="session")
def settings(direct_settings: Settings) -> Iterator[Settings]:
    """Settings that lead the application's login through the pooler, to four connections for everybody."""
    straight = direct_settings.database_url.get_secret_value()
    with running_pooler(straight, default_pool_size=4) as pooler:
        url = SecretStr(pooler.through(straight))
        yield direct_settings.model_copy(update={"database_url": url, "connection_profile": Profile.TRANSACTION})
