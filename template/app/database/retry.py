"""A unit of work outside a request, or one that must win against others."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from app.database.errors import RETRYABLE, sqlstate
from app.database.session import Sessions, WriteSession, open_transaction

Result = TypeVar("Result")


async def in_transaction(
    sessions: Sessions, work: Callable[[WriteSession], Awaitable[Result]], *, attempts: int = 5
) -> Result:
    """Run `work` in a transaction of its own; after a deadlock or a serialization failure run all of it again.

    Raises:
        sqlalchemy.exc.DBAPIError: the work failed otherwise, or `attempts` times.
    """
    attempt = 1
    while True:
        try:
            async with open_transaction(sessions) as session:
                return await work(session)
        except DBAPIError as error:
            if sqlstate(error) not in RETRYABLE or attempt == attempts:
                raise
        attempt += 1
        # Full jitter: those who collided do not meet again.
        await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311
