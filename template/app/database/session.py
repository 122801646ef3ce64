"""The two kinds of session a route can ask for. It takes one of them, never both.

`SessionDep` is one transaction, committed before the response is sent. `ReadSessionDep` autocommits every statement
(one round trip each) on an engine that refuses to write; behind a pooler it is a transaction that is READ ONLY.
Work that outlives the route opens its own session from `request.state["sessions"]`: a background task by
`in_transaction`, a stream by `open_transaction`, as cursors need one.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, NewType, TypeVar

from fastapi import Depends, Request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.database.engine import create_engine
from app.database.errors import RETRYABLE, sqlstate
from app.database.guards import SwallowedDatabaseError
from app.database.url import Profile
from app.settings import Settings

ReadSession = NewType("ReadSession", AsyncSession)
"""A session for reading. Functions that only read take this type, so both kinds fit."""

WriteSession = NewType("WriteSession", ReadSession)
"""A session within a transaction that will be committed."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Sessions:
    """The session factories of an application."""

    engine: AsyncEngine
    write: async_sessionmaker[AsyncSession]
    read: async_sessionmaker[AsyncSession]


@asynccontextmanager
async def open_sessions(settings: Settings) -> AsyncIterator[Sessions]:
    """Open the engines for as long as the context lasts. Connections are made when they are first needed."""
    write = create_engine(settings)
    # A pooler's few connections are not divided: there, reading is a transaction that PostgreSQL knows to be READ ONLY.
    direct = settings.profile is Profile.DIRECT
    read = create_engine(settings, read_only=True) if direct else write.execution_options(postgresql_readonly=True)
    try:
        yield Sessions(write, write=_factory(write), read=_factory(read))
    finally:
        with suppress(TimeoutError):  # a server that went silent does not hear that we close
            async with asyncio.timeout(settings.connect_timeout):
                await write.dispose()
                await read.dispose()


def _factory(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    # A session that was closed stays closed: use after the request fails instead of opening a transaction nobody ends.
    return async_sessionmaker(engine, expire_on_commit=False, close_resets_only=False)


@asynccontextmanager
async def open_transaction(sessions: Sessions) -> AsyncIterator[WriteSession]:
    """Open a session in a transaction: committed at the end of the block, rolled back when the block fails."""
    async with sessions.write() as session, session.begin() as transaction:
        yield WriteSession(ReadSession(session))
        if not transaction.is_active:  # a failed flush was caught and dropped
            raise SwallowedDatabaseError


async def in_transaction(
    sessions: Sessions, work: Callable[[WriteSession], Awaitable[Result]], *, attempts: int = 5
) -> Result:
    """Run `work` in a transaction of its own; after a deadlock or a serialization failure run all of it again."""
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


async def write_session(request: Request) -> AsyncIterator[WriteSession]:
    """Yield a session in a transaction; commit it after the route returned, roll it back when the route failed."""
    async with open_transaction(request.state["sessions"]) as session:
        yield session


async def read_session(request: Request) -> AsyncIterator[ReadSession]:
    """Yield a session for reading."""
    sessions: Sessions = request.state["sessions"]
    async with sessions.read() as session:
        yield ReadSession(session)


# Scope "function": the commit comes before the response, so a commit that fails is never answered with success.
SessionDep = Annotated[WriteSession, Depends(write_session, scope="function")]
ReadSessionDep = Annotated[ReadSession, Depends(read_session, scope="function")]
