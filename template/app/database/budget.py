"""How many connections the service may open, and whether the server has that many for it."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.url import Profile
from app.settings import Settings

FOR_OTHERS = 5  # migrations, monitoring and people
SUPABASE_SESSIONS = 15  # what its session pooler has on the smallest computes

ROOM = sa.text("""
    WITH others AS (
        SELECT datname FROM pg_stat_activity
        WHERE usename <> current_user AND datname IS NOT NULL -- the server's own processes have none
    ), server AS (
        SELECT setting::int AS most, current_setting('superuser_reserved_connections')::int
            + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,
            greatest(:for_others, (SELECT count(*) FROM others)) AS taken
        FROM pg_settings WHERE name = 'max_connections'
    ), here AS (
        SELECT datconnlimit AS most, (SELECT count(*) FROM others WHERE others.datname = current_database()) AS taken
        FROM pg_database WHERE datname = current_database() AND datconnlimit >= 0
    )
    SELECT most - reserved - taken, format('max_connections %s - %s reserved - %s for others', most, reserved, taken)
    FROM server
    UNION ALL SELECT most - taken, format('the database''s CONNECTION LIMIT %s - %s of others', most, taken) FROM here
    UNION ALL SELECT rolconnlimit, 'the login''s CONNECTION LIMIT' FROM pg_roles
    WHERE rolname = current_user AND rolconnlimit >= 0
    ORDER BY 1 LIMIT 1
""")


@dataclass(frozen=True)
class Budget:
    """Connections that all workers may open, and those left to them: None where only a pooler knows."""

    engines: int
    size: int
    overflow: int
    workers: int
    left: int | None
    source: str

    @property
    def needed(self) -> int:
        """Connections when every pool is full."""
        return self.engines * (self.size + self.overflow) * self.workers

    @property
    def fits(self) -> bool:
        """Whether there is room, as far as it is known."""
        return self.left is None or self.needed <= self.left

    def __str__(self) -> str:
        left = "an unknown number" if self.left is None else self.left
        need = f"{self.engines} engines x ({self.size} + {self.overflow}) x {self.workers} workers = {self.needed}"
        return f"{need} connections, of {left} ({self.source})"


async def read_budget(connection: AsyncConnection, settings: Settings) -> Budget:
    """Compare the pools with what the server, or the pooler in front of it, leaves to this service."""
    engines = 2 if settings.profile is Profile.DIRECT else 1
    left, source = await _room(connection, settings)
    return Budget(engines, settings.pool_size, settings.max_overflow, settings.workers, left, source)


async def _room(connection: AsyncConnection, settings: Settings) -> tuple[int | None, str]:
    given = settings.connection_budget
    if settings.profile is Profile.DIRECT:
        left, source = (await connection.execute(ROOM, {"for_others": FOR_OTHERS})).one()
        if given is None or left < given:
            return left, source
    if given is not None:
        return given, "CONNECTION_BUDGET"
    if settings.profile is Profile.SESSION and settings.url.is_supabase:
        return SUPABASE_SESSIONS, "usual for Supabase's session pooler; set CONNECTION_BUDGET if yours has more"
    return None, "only the pooler knows; set CONNECTION_BUDGET"
