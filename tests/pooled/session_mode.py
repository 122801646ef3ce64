"""Session mode: a connection is one of the server's for as long as it is open, and then it is the next client's."""

import sqlalchemy as sa

from app.database.url import Profile
from app.settings import Settings
from tests.pooled.fixtures import own_pooler
from tests.pooled.leftovers import SETTINGS, Leftovers, left_behind
from tests.proofs.service import serving

REMEMBERED = sa.text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%remember me%'")


async def test_a_connection_keeps_statements_and_limits_until_it_closes(settings: Settings, database_url: str) -> None:
    with own_pooler(settings, database_url, Profile.SESSION, size=1) as (pooler, through):
        async with serving(through, pool_size=1, max_overflow=0) as service:
            for _ in range(2):
                async with service.sessions.write() as session:
                    await session.execute(sa.text("SELECT 'remember me'"))
                    assert await session.scalar(REMEMBERED) == 2  # this question too
                    kept = {row[0].partition(" ")[0] for row in await session.execute(sa.text(SETTINGS))}
                    assert {"statement_timeout", "lock_timeout", "idle_session_timeout", "jit"} <= kept
        assert await left_behind(pooler.through(database_url), size=1) == Leftovers([], [])
