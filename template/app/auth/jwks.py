"""The public keys of whoever signs tokens, fetched when they are needed and kept for a while.

A copy is used for FRESH seconds, and until LATE while a new one is being fetched: a key that was revoked is good for
ten minutes at most. Where none can be fetched, the last copy is good for GOOD seconds; then nobody is let in.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

FRESH = 300
LATE = 600
GOOD = 3600
TIMEOUT = 5
RETRY = 5  # seconds between two attempts while there is no answer
COOLDOWN = 30  # and because of unknown keys, which anybody can name in a token
MOST_BYTES = 65_536
ALGORITHMS = {"EC": "ES256", "RSA": "RS256"}
Keys = Mapping[str, jwt.PyJWK]
logger = logging.getLogger(__name__)


class KeysUnavailableError(ConnectionError):
    """No key can be had at the moment, so no token can be verified."""


@dataclass
class KeyStore:
    """The keys that are served at one address."""

    url: str
    client: httpx.AsyncClient
    clock: Callable[[], float] = time.monotonic
    _keys: Keys = field(default_factory=dict)
    _fetched: float = float("-inf")
    _tried: float = float("-inf")
    _fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key with this id, if there is one. Raises KeysUnavailableError."""
        if self._age > FRESH:
            self._begin(RETRY)
        if self._age > LATE:
            await self._end()
        if kid not in self._keys:
            self._begin(COOLDOWN if self._age < GOOD else RETRY)
            await self._end()
        if self._age > GOOD:
            raise KeysUnavailableError(self.url)
        return self._keys.get(kid)

    async def close(self) -> None:
        """Give up on what is being fetched."""
        if self._fetching:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    @property
    def _age(self) -> float:
        return self.clock() - self._fetched

    def _begin(self, pause: float) -> None:
        if (self._fetching is None or self._fetching.done()) and self.clock() - self._tried >= pause:
            self._fetching = asyncio.create_task(self._fetch())

    async def _end(self) -> None:
        if self._fetching:
            await asyncio.shield(self._fetching)  # others wait for it, too

    async def _fetch(self) -> None:
        begun = self.clock()
        try:
            async with asyncio.timeout(TIMEOUT):
                # A list that has become empty is a mistake over there, and no reason to let nobody in.
                self._keys = keys_in(await self._read(), may_be_empty=not self._keys)
            self._fetched = begun
        except (OSError, httpx.HTTPError, httpx.StreamError, ValueError) as error:
            logger.warning("no keys from %s: %s", self.url, str(error) or type(error).__name__)
        finally:
            self._tried = self.clock()

    async def _read(self) -> bytes:
        body = b""
        async with self.client.stream("GET", self.url) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"the answer is {response.status_code}")
            async for part in response.aiter_raw():
                body += part
                if len(body) > MOST_BYTES:
                    raise ValueError(f"the answer has more than {MOST_BYTES} bytes")
        return body


def keys_in(body: bytes, *, may_be_empty: bool = True) -> Keys:
    """Return the keys of a JSON Web Key Set that verify signatures. Raises ValueError where it is none."""
    try:
        listed = list(json.loads(body)["keys"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("the answer is no key set") from error
    keys = {key.key_id: key for key in map(_key, listed) if key and key.key_id}
    if not keys and (listed or not may_be_empty):
        raise ValueError("none of the keys can be used")
    if not keys:
        logger.warning("the project lists no keys: does it still sign with the legacy secret?")
    return keys


def _key(item: Any) -> jwt.PyJWK | None:
    try:
        algorithm = ALGORITHMS[item["kty"]]
        usable = item.get("alg", algorithm) == algorithm and item.get("use", "sig") == "sig" and "d" not in item
        return jwt.PyJWK(item, algorithm) if usable and isinstance(item["kid"], str) else None
    except (jwt.PyJWTError, AttributeError, KeyError, TypeError, ValueError):
        return None  # somebody else's: a key of a kind that we do not know
