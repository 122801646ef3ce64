"""The settings of a project's own tests, with a login that no policy applies to, as where there is no other one.

Supabase's shared pooler may let nobody in but `postgres`. Then it is the role taken on that policies apply to.
"""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from app.database import start
from app.settings import Settings


async def look_away(*_: object, **__: object) -> list[str]:
    """Let the application start all the same."""
    return []


@pytest.fixture(scope="session")
def settings(direct_settings: Settings, database_url: str) -> Iterator[Settings]:
    """Settings with the login that owns the tables, here a superuser."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start, "find_holes", look_away)
        yield direct_settings.model_copy(update={"database_url": SecretStr(database_url)})
