"""Refresh tokens: each is good for one new access token and its own successor.

Whoever comes with one that was used already has stolen it, or it was stolen from them: the family ends. A token says
which family it is of, then come 256 random bits, of which the database has the hash: a fast one will do for so many.
"""

import base64
import datetime as dt
import hashlib
import logging
import secrets
import uuid
from collections.abc import Iterable

import sqlalchemy as sa

from app.auth.attempts import delete_old
from app.database.base import uuid7
from app.database.identity import Identity, Role
from app.database.session import WriteSession
from app.models.refresh_token import RefreshToken
from app.models.user import User

SECRET_BYTES = 32
FAMILY_BYTES = 16

logger = logging.getLogger(__name__)


async def start_family(session: WriteSession, user_id: uuid.UUID, scopes: Iterable[str], lifetime: int) -> str:
    """Store the first of a family of tokens, and return it."""
    await delete_old(session, RefreshToken, RefreshToken.expires_at <= sa.func.now())
    family, secret = uuid7(), secrets.token_bytes(SECRET_BYTES)
    values = {"id": family, "user_id": user_id, "scopes": sorted(scopes)}
    await session.execute(sa.insert(RefreshToken).values(**values, **_stored(secret, lifetime)))
    return _written(family, secret)


async def replace_token(session: WriteSession, token: str, lifetime: int) -> tuple[Identity, str] | None:
    """Return whose a token is, and its successor.

    None where it is not one that can be used: then its family has ended, which is to be committed.
    """
    if (given := _read(token)) is None:
        return None
    family, secret = given
    successor = secrets.token_bytes(SECRET_BYTES)
    # One statement: of two who come with the same token at once, the second finds that it is another by now.
    statement = (
        sa.update(RefreshToken)
        .where(
            RefreshToken.id == family,
            RefreshToken.token_hash == _hash(secret),
            RefreshToken.expires_at > sa.func.now(),
            RefreshToken.user_id == User.id,
        )
        .values(**_stored(successor, lifetime))
        .returning(User.id, RefreshToken.scopes, User.scopes.label("still"))
    )
    row = (await session.execute(statement.execution_options(synchronize_session=False))).one_or_none()
    if row is None:
        await _end(session, family)
        return None
    scopes = frozenset(row.scopes) & frozenset(row.still)
    return Identity(Role.AUTHENTICATED, row.id, scopes), _written(family, successor)


async def end_family(session: WriteSession, token: str) -> None:
    """Make sure that neither a token nor its successors can be used."""
    if given := _read(token):
        family, _ = given
        await session.execute(sa.delete(RefreshToken).where(RefreshToken.id == family))


async def _end(session: WriteSession, family: uuid.UUID) -> None:
    statement = sa.delete(RefreshToken).where(RefreshToken.id == family).returning(RefreshToken.user_id)
    for user_id in await session.scalars(statement):
        logger.warning("a refresh token of the user %s was used twice, or too late: its family has ended", user_id)


def _stored(secret: bytes, lifetime: int) -> dict[str, object]:
    return {"token_hash": _hash(secret), "expires_at": sa.func.now() + dt.timedelta(seconds=lifetime)}


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _written(family: uuid.UUID, secret: bytes) -> str:
    return base64.urlsafe_b64encode(family.bytes + secret).decode()


def _read(token: str) -> tuple[uuid.UUID, bytes] | None:
    try:
        content = base64.b64decode(token, altchars=b"-_", validate=True)
    except ValueError:
        return None
    if len(content) != FAMILY_BYTES + SECRET_BYTES:
        return None
    return uuid.UUID(bytes=content[:FAMILY_BYTES]), content[FAMILY_BYTES:]
