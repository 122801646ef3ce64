"""Failures to sign in, counted in the database, so that all processes together refuse to let somebody guess.

They are counted for an e-mail address as tried from one network address, so nobody can lock out somebody elsewhere;
and for the network address as a whole, which is everybody's behind a proxy that uvicorn does not trust.
"""

import datetime as dt
import ipaddress
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from app.database.base import Base
from app.database.session import Sessions, WriteSession, in_transaction
from app.models.sign_in_attempt import SignInAttempt
from app.settings import Settings

EVERYBODY = ""
"""Stands for all e-mail addresses."""
AT_ONCE = 100
NETWORK = 64  # the smallest network that somebody with IPv6 is given


class TooManyAttemptsError(PermissionError):
    """Somebody has to wait before trying again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many attempts; try again in {seconds} seconds.")
        self.seconds = seconds


@dataclass(frozen=True)
class Limits:
    """How many attempts may fail within a time."""

    per_email: int
    per_address: int
    window: dt.timedelta


def limits_of(settings: Settings) -> Limits:
    """Return what an operator has set."""
    window = dt.timedelta(seconds=settings.sign_in_window)
    return Limits(settings.sign_in_limit, settings.sign_in_limit_per_address, window)


def network_of(host: str | None) -> str:
    """Return the network that a client is in, which for IPv4 is its address."""
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, NETWORK), strict=False))
    return str(address)


async def count(sessions: Sessions, limits: Limits, address: str, email: str) -> None:
    """Count an attempt as failed before it is made, and for good, however it ends. Raises TooManyAttemptsError."""

    async def write(session: WriteSession) -> int:
        await delete_old(session, SignInAttempt, SignInAttempt.since <= sa.func.now() - limits.window)
        rows = (await session.execute(_increment(limits.window, address, email))).all()
        allowed = {email: limits.per_email, EVERYBODY: limits.per_address}
        return max((int(row.seconds) for row in rows if row.failures > allowed[row.email]), default=0)

    # What is raised inside would take the count back.
    if seconds := await in_transaction(sessions, write):
        raise TooManyAttemptsError(seconds)


async def forgive(session: WriteSession, address: str, email: str) -> None:
    """Take back the attempt that succeeded, and those before it for the same e-mail address."""
    here = SignInAttempt.address == address
    whole = sa.update(SignInAttempt).where(here, SignInAttempt.email == EVERYBODY, SignInAttempt.failures > 0)
    await session.execute(whole.values(failures=SignInAttempt.failures - 1))
    await session.execute(sa.delete(SignInAttempt).where(here, SignInAttempt.email == email))


def _increment(window: dt.timedelta, address: str, email: str) -> ReturningInsert[str, int, int]:
    # The address first, whoever counts: two that wait for each other would be a deadlock.
    rows = [{"address": address, "email": counted, "failures": 1} for counted in dict.fromkeys((EVERYBODY, email))]
    statement = insert(SignInAttempt).values(rows)
    is_over = SignInAttempt.since <= sa.func.now() - window
    statement = statement.on_conflict_do_update(
        index_elements=[SignInAttempt.address, SignInAttempt.email],
        set_={
            "failures": sa.case((is_over, 1), else_=SignInAttempt.failures + 1),
            "since": sa.case((is_over, sa.func.now()), else_=SignInAttempt.since),
        },
    )
    left = sa.func.ceil(sa.extract("epoch", SignInAttempt.since + window - sa.func.now()))
    return statement.returning(SignInAttempt.email, SignInAttempt.failures, left.label("seconds"))


async def delete_old(session: WriteSession, model: type[Base], is_old: sa.ColumnElement[bool]) -> None:
    """Delete some rows that time has made useless, so that no job has to; wait for nobody who does the same."""
    key = sa.inspect(model).primary_key
    old = sa.select(*key).where(is_old).limit(AT_ONCE).with_for_update(skip_locked=True).cte("old")
    found = sa.tuple_(*key).in_(sa.select(old))
    await session.execute(sa.delete(model).where(found).execution_options(synchronize_session=False))
