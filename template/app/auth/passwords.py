"""Passwords: hashed with argon2id, in threads, as one hash takes tens of milliseconds and 64 MiB."""

import base64
import secrets
import unicodedata

import anyio.to_thread
from anyio import CapacityLimiter
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

HASHER = PasswordHasher()
MOST_BYTES = 1024
"""Of a password, as it is sent."""
AT_ONCE = CapacityLimiter(4)
"""Hashes at the same time; the others wait."""


async def hash_password(password: str) -> str:
    """Return what is stored of a password."""
    return await anyio.to_thread.run_sync(_hash, password, limiter=AT_ONCE)


async def matches(password_hash: str | None, password: str) -> bool:
    """Whether this is the password; where nobody has one, it takes as long to say no."""
    known = password_hash or _nobody()
    return await anyio.to_thread.run_sync(_verify, known, password, limiter=AT_ONCE)


def is_outdated(password_hash: str) -> bool:
    """Whether it was made with other parameters than those of today."""
    return HASHER.check_needs_rehash(password_hash)


def _hash(password: str) -> str:
    return HASHER.hash(_normal(password))


def _verify(password_hash: str, password: str) -> bool:
    try:
        return HASHER.verify(password_hash, _normal(password))
    except (InvalidHashError, VerificationError):
        return False


def _normal(password: str) -> str:
    # Keyboards compose letters differently, but it is the same password. What is longer than any is nobody's: to
    # normalise it could take time by the square of its length.
    return unicodedata.normalize("NFKC", password) if len(password) <= MOST_BYTES else ""


def _nobody() -> str:
    """Return a hash of no password, with the parameters of every other."""
    parameters = f"m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}"
    salt, digest = (_base64(secrets.token_bytes(size)) for size in (HASHER.salt_len, HASHER.hash_len))
    return f"$argon2id$v=19${parameters}${salt}${digest}"


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode().rstrip("=")
