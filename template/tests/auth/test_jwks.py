"""The keys that verify tokens: fetched from a real server, kept for a while, and not for ever."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from app.auth.jwks import COOLDOWN, RETRY, KeyStore, KeysUnavailableError, keys_in
from dev.issuer import free_url
from dev.supabase_auth import JWKS, Issuer


@dataclass
class Clock:
    """Time that passes when it is told to."""

    now: float = 1_000_000

    def __call__(self) -> float:
        return self.now


CLOCK = Clock()
FIRST = Issuer(free_url())
SECOND = Issuer(FIRST.url)
SECRET = b'{"keys": [{"kty": "oct", "kid": "secret", "alg": "HS256", "k": "YQ"}]}'
MINUTE = 60
OLD, NEW = FIRST.public_key["kid"], SECOND.public_key["kid"]


@pytest.fixture
def asked() -> list[httpx.Request]:
    """What was asked of the server."""
    return []


@pytest.fixture
async def keys(asked: list[httpx.Request]) -> AsyncIterator[KeyStore]:
    """A store that has nothing yet."""

    async def record(request: httpx.Request) -> None:
        asked.append(request)

    async with httpx.AsyncClient(event_hooks={"request": [record]}) as client:
        store = KeyStore(FIRST.url + JWKS, client, CLOCK)
        yield store
        await store.close()


async def test_a_copy_is_used_while_it_is_fresh_and_does_not_outlive_a_rotation(
    keys: KeyStore, asked: list[httpx.Request]
) -> None:
    with FIRST.serving():
        assert await keys.find(OLD)
    CLOCK.now += 4 * MINUTE
    assert await keys.find(OLD)
    await asyncio.sleep(0)  # for what would go on behind our back
    assert len(asked) == 1
    CLOCK.now += 7 * MINUTE
    with SECOND.serving():
        assert await keys.find(OLD) is None


async def test_an_unknown_key_is_looked_for_once_in_a_while(keys: KeyStore) -> None:
    with FIRST.serving():
        assert await keys.find(OLD)
    with SECOND.serving():
        assert await keys.find(NEW) is None
        CLOCK.now += COOLDOWN
        assert await keys.find(NEW)


async def test_without_an_answer_the_last_copy_is_good_for_a_while(keys: KeyStore) -> None:
    with FIRST.serving():
        assert await keys.find(OLD)
    CLOCK.now += 50 * MINUTE
    assert await keys.find(OLD)
    CLOCK.now += 11 * MINUTE
    with pytest.raises(KeysUnavailableError):
        await keys.find(OLD)


async def test_without_any_copy_it_is_soon_tried_again(keys: KeyStore) -> None:
    with pytest.raises(KeysUnavailableError):
        await keys.find(OLD)
    CLOCK.now += RETRY
    with FIRST.serving():
        assert await keys.find(OLD)


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"keys": 1}', SECRET])
def test_what_is_no_key_set_is_refused(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r"keys can be used|no key set"):
        keys_in(answer)
