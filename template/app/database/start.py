"""What has to be true before the first request: the database answers, and has room for our connections."""

import asyncio
import logging
import ssl
import time
from contextlib import AsyncExitStack

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database.budget import Budget, read_budget
from app.database.errors import sqlstate
from app.database.url import Profile
from app.settings import Settings

# What a pooler says that was not known to be one, and what else does not pass: PgBouncer has one SQLSTATE for all.
POOLED = ("unsupported startup parameter", "prepared statement")
REFUSED = (*POOLED, "authentication failed", "does not exist", "rejected SSL upgrade")
WHICH = sa.text("SELECT pg_backend_pid(), source FROM pg_settings WHERE name = 'lock_timeout'")

logger = logging.getLogger(__name__)


class StartError(RuntimeError):
    """The service cannot start; the message says why."""


async def check_start(engine: AsyncEngine, settings: Settings) -> None:
    """Wait for the database up to `start_timeout` seconds, then compare the pools with its room. Raises StartError."""
    budget = await _wait(engine, settings)
    if budget.fits:
        logger.info("%s", budget)
    elif settings.environment == "development":
        logger.warning("too many connections for this server: %s", budget)
    else:
        raise StartError(f"Too many connections for this server: {budget}. Lower POOL_SIZE, MAX_OVERFLOW or WORKERS.")


async def _wait(engine: AsyncEngine, settings: Settings) -> Budget:
    deadline = time.monotonic() + settings.start_timeout
    waiting = False
    while True:
        try:
            async with engine.connect() as connection:
                budget = await read_budget(connection, settings)
            if budget.fits:
                await _check_profile(engine, settings)
        except (OSError, DBAPIError) as error:
            failure = f"No connection to {settings.url}: {_reason(error)}."
            if time.monotonic() > deadline or not _passes(error):
                raise StartError(f"{failure} `uv run doctor` says what to do.") from error
        else:
            return budget
        if not waiting:
            logger.warning("%s Waiting up to %g seconds.", failure, settings.start_timeout)
        waiting = True
        await asyncio.sleep(0.2)


def _passes(error: OSError | DBAPIError) -> bool:
    """Whether waiting may help: not with a certificate, a password or a pooler that refuses what we bring along."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or sqlstate(error)[:2] in {"53", "57"}
    refused = any(words in str(error.__cause__) for words in REFUSED)
    return not refused and not isinstance(error.__cause__, ssl.SSLCertVerificationError)


def _reason(error: OSError | DBAPIError) -> str:
    reason = str(error.orig if isinstance(error, DBAPIError) else error.__cause__ or error)
    if any(words in reason for words in POOLED):
        return f"{reason}; this is a pooler, so set CONNECTION_PROFILE to its mode, session or transaction"
    return reason or "no answer"  # a timeout has no words


async def _check_profile(engine: AsyncEngine, settings: Settings) -> None:
    """Refuse a pooler that nobody told us of: it drops what we bring along, or gives two clients one connection."""
    if settings.profile is Profile.TRANSACTION:
        return
    found = []
    async with AsyncExitStack() as opened:
        for _ in range(min(2, settings.pool_size + settings.max_overflow)):
            connection = await opened.enter_async_context(engine.connect())
            found.append((await connection.execute(WHICH)).one())
            await connection.rollback()
        if len(found) > 1:
            await connection.invalidate()  # others may need it more
    if len(set(found)) < len(found):
        raise StartError(f"{settings.url} is a pooler in transaction mode: set CONNECTION_PROFILE=transaction.")
    if settings.profile is Profile.DIRECT and found[0].source != "client":
        raise StartError(f"{settings.url} is a pooler that drops our limits: set CONNECTION_PROFILE=session.")
