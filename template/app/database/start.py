"""What has to be true before the first request: the database answers, and has room for our connections."""

import asyncio
import logging
import ssl
import time

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database.budget import Budget, read_budget
from app.database.errors import DatabaseUnavailableError, sqlstate
from app.settings import Settings

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
    while True:
        try:
            async with engine.connect() as connection:
                return await read_budget(connection, settings)
        except (DatabaseUnavailableError, DBAPIError) as error:
            if time.monotonic() > deadline or not _passes(error):
                where = settings.url
                reason = error.__cause__ if isinstance(error, DatabaseUnavailableError) else error.orig
                raise StartError(f"No connection to {where}: {reason}. `uv run doctor` says what to do.") from error
        await asyncio.sleep(0.2)


def _passes(error: DatabaseUnavailableError | DBAPIError) -> bool:
    """Whether waiting may help: not with a certificate, a password or a pooler that refuses what we bring along."""
    if isinstance(error, DatabaseUnavailableError):
        return not isinstance(error.__cause__, ssl.SSLCertVerificationError | asyncpg.ProtocolViolationError)
    return sqlstate(error)[:2] in {"53", "57"}
