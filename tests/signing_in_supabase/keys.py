"""Keys come from a server that may be down, slow, wrong or behind: nobody gets in for it, and few have to wait."""

import asyncio
import gzip
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from app.auth import jwks
from app.auth.jwks import COOLDOWN, FRESH, GOOD, LATE, MOST_BYTES, RETRY, KeyStore, KeysUnavailableError
from dev.supabase_auth import Issuer
from tests.signing_in_supabase.key_server import Answer, KeyServer, body, keys

KEY, OTHER = Issuer("").public_key, Issuer("").public_key
KID: str = KEY["kid"]
SET = json.dumps({"keys": [KEY]}).encode()


@dataclass
class Clock:
    """Time that passes when it is told to."""

    now: float = 0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[KeyServer]:
    """A server with the key."""
    with KeyServer(answer=keys(KEY)).serving() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    """Time of the test's own."""
    return Clock()


@pytest.fixture
async def store(server: KeyServer, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KeyStore]:
    """A store that has nothing yet, and does not wait long."""
    monkeypatch.setattr(jwks, "TIMEOUT", 0.3)
    async with httpx.AsyncClient(timeout=5, headers={"Accept-Encoding": "identity"}) as client:
        store = KeyStore(f"{server.url}/jwks", client, clock)
        yield store
        await store.close()


WRONG: dict[str, Callable[[KeyServer], Answer]] = {
    "slow": lambda server: server.wait,
    "slow byte by byte": lambda server: server.drip,
    "garbage": lambda _: body(b"\xff\x00{"),
    "a page": lambda _: body(b"<html>", 200, Content_Type="text/html"),
    "deep": lambda _: body(b"[" * 50_000),
    "no set": lambda _: body(b"[]"),
    "a failure": lambda _: body(SET, 500),
    "not found": lambda _: body(SET, 404),
    "too long": lambda _: body(SET + b" " * MOST_BYTES),
    "compressed": lambda _: body(gzip.compress(SET), Content_Encoding="gzip"),
    "only a secret": lambda _: keys({"kty": "oct", "k": "c2VjcmV0", "kid": KID, "alg": "HS256"}),
    "only a key to encrypt with": lambda _: keys({**KEY, "use": "enc"}),
    "only a private key": lambda _: keys({**KEY, "d": KEY["x"]}),
    "only one of another curve": lambda _: keys({**KEY, "crv": "secp256k1"}),
    "only one of another algorithm": lambda _: keys({**KEY, "alg": "HS256"}),
    "only one without a name": lambda _: keys({name: value for name, value in KEY.items() if name != "kid"}),
    "nothing of use": lambda _: keys(1, None, [], {}, {"kty": []}, {"kty": "EC", "alg": []}),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_answer_is_no_copy_and_does_not_replace_one(
    server: KeyServer, store: KeyStore, clock: Clock, wrong: str
) -> None:
    server.answer = WRONG[wrong](server)
    with pytest.raises(KeysUnavailableError):
        await store.find(KID)
    server.answer = keys(KEY)
    clock.now += RETRY
    assert await store.find(KID)
    server.answer = WRONG[wrong](server)
    clock.now += LATE + 1
    assert await store.find(KID)
    clock.now += GOOD
    with pytest.raises(KeysUnavailableError):
        await store.find(KID)


async def test_a_redirect_is_not_followed(server: KeyServer, store: KeyStore) -> None:
    with KeyServer(answer=keys(KEY)).serving() as elsewhere:
        server.answer = body(b"", 302, Location=f"{elsewhere.url}/jwks")
        with pytest.raises(KeysUnavailableError):
            await store.find(KID)
        assert elsewhere.asked == []


async def test_an_empty_list_is_an_answer(server: KeyServer, store: KeyStore, caplog: pytest.LogCaptureFixture) -> None:
    server.answer = keys()
    assert await store.find(KID) is None
    assert "lists no keys" in caplog.text


async def test_a_list_that_has_become_empty_is_a_mistake(server: KeyServer, store: KeyStore, clock: Clock) -> None:
    assert await store.find(KID)
    server.answer = keys()
    clock.now += LATE + 1
    assert await store.find(KID)


async def test_keys_that_cannot_be_used_stand_beside_one_that_can(server: KeyServer, store: KeyStore) -> None:
    big = rsa.generate_private_key(65537, 2048).public_key()
    server.answer = keys({"kty": "OKP"}, {**RSAAlgorithm.to_jwk(big, as_dict=True), "kid": "big"}, KEY)
    found = await asyncio.gather(*map(store.find, ["big", KID]))
    assert [key and key.algorithm_name for key in found] == ["RS256", "ES256"]


async def test_many_at_once_ask_once(server: KeyServer, store: KeyStore, clock: Clock) -> None:
    assert all(await asyncio.gather(*(store.find(KID) for _ in range(50))))
    clock.now += LATE + 1
    assert all(await asyncio.gather(*(store.find(KID) for _ in range(50))))
    assert len(server.asked) == 2


async def test_an_old_copy_is_used_while_a_new_one_is_fetched(server: KeyServer, store: KeyStore, clock: Clock) -> None:
    await store.find(KID)
    server.answer = server.wait
    clock.now += FRESH + 1
    async with asyncio.timeout(0.2):
        assert await store.find(KID)
    assert store._fetching  # noqa: SLF001
    assert not store._fetching.done()  # noqa: SLF001


async def test_one_who_gives_up_does_not_spoil_it_for_others(server: KeyServer, store: KeyStore) -> None:
    waiting = asyncio.create_task(store.find(KID))
    await asyncio.to_thread(server.was_asked.wait)
    waiting.cancel()
    assert await store.find(KID)
    assert len(server.asked) == 1


async def test_random_keys_cause_one_request_in_half_a_minute(server: KeyServer, store: KeyStore, clock: Clock) -> None:
    await store.find(KID)
    for _ in range(10 * COOLDOWN):
        clock.now += 0.1
        assert await store.find(str(uuid.uuid4())) is None
    assert len(server.asked) == 2


async def test_a_server_that_is_down_is_not_asked_by_every_request(
    server: KeyServer, store: KeyStore, clock: Clock
) -> None:
    server.answer = body(b"", 503)
    for _ in range(20):
        clock.now += 0.5
        with pytest.raises(KeysUnavailableError):
            await store.find(KID)
    assert len(server.asked) == 2


async def test_a_new_key_is_found_and_a_revoked_one_is_not_used_after_ten_minutes(
    server: KeyServer, store: KeyStore, clock: Clock
) -> None:
    await store.find(KID)
    server.answer = keys(OTHER)
    clock.now += COOLDOWN
    assert await store.find(OTHER["kid"])
    assert await store.find(KID) is None
    server.answer = keys(KEY)
    clock.now += LATE + 1
    assert await store.find(OTHER["kid"]) is None


async def test_what_is_being_fetched_at_the_end_is_given_up(server: KeyServer, store: KeyStore) -> None:
    server.answer = server.wait
    waiting = asyncio.create_task(store.find(KID))
    await asyncio.to_thread(server.was_asked.wait)
    await store.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
