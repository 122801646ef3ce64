"""Guessing passwords: counted before each guess, together with other processes, and never at somebody else's cost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from httpx import ASGITransport, AsyncClient, Response
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.auth import accounts, attempts
from app.main import create_app
from app.settings import Settings
from tests.auth.test_sign_in import EVE, register, sign_in

MANY_OLD = """
    INSERT INTO app.sign_in_attempts (address, email, failures, since)
    SELECT '', n::text, 1, now() - interval '1 day' FROM generate_series(1, 250) n
"""
FEW = {"sign_in_limit": 3, "sign_in_limit_per_address": 8}


@asynccontextmanager
async def clients(
    settings: Settings, *hosts: str, trusted: str = "", **changes: Any
) -> AsyncIterator[list[AsyncClient]]:
    """Yield a client at each of these addresses."""
    app: Any = create_app(settings.model_copy(update={**FEW, **changes}))
    async with app.router.lifespan_context(app) as state:

        async def served(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state)}, receive, send)

        behind = ProxyHeadersMiddleware(served, trusted) if trusted else served
        transports = [ASGITransport(behind, client=(host, 1), raise_app_exceptions=False) for host in hosts]
        yield [AsyncClient(transport=transport, base_url="http://test") for transport in transports]


async def guess(client: AsyncClient, email: str = EVE, **headers: str) -> int:
    form = {"username": email, "password": "a wrong guess"}
    return (await client.post("/auth/token", data=form, headers=headers)).status_code


async def right(client: AsyncClient) -> Response:
    return await sign_in(client)


async def test_one_is_refused_and_another_network_is_not(settings: Settings, clean: None) -> None:
    async with clients(settings, "192.0.2.1", "192.0.2.2") as (attacker, eve):
        await register(eve)
        assert [await guess(attacker) for _ in range(5)] == [401, 401, 401, 429, 429]
        assert (await right(attacker)).status_code == 429
        assert (await right(eve)).status_code == 200


async def test_others_at_the_same_network_sign_in(settings: Settings, clean: None) -> None:
    async with clients(settings, "192.0.2.1") as (client,):
        await register(client)
        assert [await guess(client, "bob@example.com") for _ in range(5)] == [401, 401, 401, 429, 429]
        assert (await right(client)).status_code == 200


async def test_many_addresses_from_one_network_are_refused_in_all(settings: Settings, clean: None) -> None:
    async with clients(settings, "192.0.2.1") as (client,):
        answers = [await guess(client, f"user{number}@example.com") for number in range(10)]
        assert answers == [401] * 8 + [429] * 2


async def test_success_does_not_forgive_what_was_tried_with_other_addresses(settings: Settings, clean: None) -> None:
    """Else somebody with an account of their own could go on for ever."""
    async with clients(settings, "192.0.2.1") as (client,):
        await register(client)  # counts as one
        for number in range(7):
            assert await guess(client, f"user{number}@example.com") == 401
            answer = await right(client)
        assert answer.status_code == 429


async def test_a_network_of_ipv6_is_one(settings: Settings, clean: None) -> None:
    async with clients(settings, "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1") as (one, two, other):
        assert [await guess(client) for client in (one, two, one, two)] == [401, 401, 401, 429]
        assert await guess(other) == 401


async def test_of_guesses_at_the_same_time_no_more_are_checked(
    settings: Settings, clean: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    verify = accounts._verify  # noqa: SLF001
    monkeypatch.setattr(accounts, "_verify", lambda *given: (checked.append(given[0]), verify(*given))[1])
    async with (
        clients(settings, "192.0.2.1", pool_size=10) as (one,),
        clients(settings, "192.0.2.1", pool_size=10) as (two,),
    ):
        answers = await asyncio.gather(*(guess(client) for client in (one, two) for _ in range(15)))
        assert sorted(answers) == [401] * 3 + [429] * 27
        assert len(checked) == 3


async def test_a_guess_counts_although_its_client_has_gone(
    settings: Settings, clean: None, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, never = asyncio.Event(), asyncio.Event()

    async def wait(*_given: object) -> bool:
        reached.set()
        return await never.wait()

    monkeypatch.setattr(accounts, "matches", wait)
    async with clients(settings, "192.0.2.1") as (client,):
        task = asyncio.create_task(guess(client))
        await reached.wait()
        task.cancel()
        assert await owner.fetchval("SELECT failures FROM app.sign_in_attempts WHERE email = $1", EVE) == 1


async def test_they_are_forgotten_after_a_while_and_no_sooner(
    settings: Settings, clean: None, owner: asyncpg.Connection
) -> None:
    async with clients(settings, "192.0.2.1", sign_in_window=900) as (client,):
        await register(client)
        for _ in range(5):
            await guess(client)
        await owner.execute("UPDATE app.sign_in_attempts SET since = now() - interval '890 seconds'")
        answer = await right(client)
        assert (answer.status_code, 0 < int(answer.headers["Retry-After"]) <= 10) == (429, True)
        await owner.execute("UPDATE app.sign_in_attempts SET since = now() - interval '901 seconds'")
        assert (await right(client)).status_code == 200


async def test_they_are_forgotten_before_they_are_deleted(
    settings: Settings, clean: None, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are many, or somebody else holds them, they are still there."""

    async def leave(*_given: object) -> None:
        pass

    monkeypatch.setattr(attempts, "delete_old", leave)
    async with clients(settings, "192.0.2.1") as (client,):
        await register(client)
        for _ in range(5):
            await guess(client)
        await owner.execute("UPDATE app.sign_in_attempts SET since = now() - interval '901 seconds'")
        assert [await guess(client) for _ in range(4)] == [401, 401, 401, 429]


async def test_being_refused_does_not_make_the_wait_longer(
    settings: Settings, clean: None, owner: asyncpg.Connection
) -> None:
    async with clients(settings, "192.0.2.1") as (client,):
        for _ in range(4):
            await guess(client)
        since = await owner.fetchval("SELECT max(since) FROM app.sign_in_attempts")
        await guess(client)
        assert await owner.fetchval("SELECT max(since) FROM app.sign_in_attempts") == since


async def test_old_attempts_of_others_go_in_passing(settings: Settings, clean: None, owner: asyncpg.Connection) -> None:
    await owner.execute(MANY_OLD)
    counts = []
    async with clients(settings, "192.0.2.1") as (client,):
        for _ in range(3):
            await guess(client)
            counts.append(await owner.fetchval("SELECT count(*) FROM app.sign_in_attempts"))
    assert counts == [152, 52, 2]


@pytest.mark.parametrize("email", ["", "x", "x" * 100_000, "\0", "' OR true --", "ü@ü", "a@b", "eve@example.com\n"])
async def test_whatever_is_sent_for_an_address_is_answered(settings: Settings, clean: None, email: str) -> None:
    async with clients(settings, "192.0.2.1") as (client,):
        assert await guess(client, email) in {401, 422}


async def test_what_is_no_address_counts_for_the_network(settings: Settings, clean: None) -> None:
    async with clients(settings, "192.0.2.1") as (client,):
        assert [await guess(client, f"user{number}") for number in range(10)] == [401] * 8 + [429] * 2


async def test_registering_is_limited_too(settings: Settings, clean: None) -> None:
    async with clients(settings, "192.0.2.1") as (client,):
        answers = [await register(client, f"user{number}@example.com") for number in range(10)]
        assert [answer.status_code for answer in answers] == [201] * 8 + [429] * 2


# --- Behind a proxy ---


async def test_a_client_of_a_trusted_proxy_is_itself(settings: Settings, clean: None) -> None:
    async with clients(settings, "172.18.0.1", trusted="10.0.0.0/8,172.16.0.0/12") as (proxy,):
        one, two = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
        assert [await guess(proxy, **one) for _ in range(4)] == [401, 401, 401, 429]
        assert await guess(proxy, **two) == 401


async def test_a_client_cannot_choose_who_it_is(settings: Settings, clean: None) -> None:
    """The proxy appends the address that it sees; what stands in front of it came from the client."""
    async with clients(settings, "172.18.0.1", trusted="10.0.0.0/8,172.16.0.0/12") as (proxy,):
        claims = [{"X-Forwarded-For": f"198.51.100.{number}, 192.0.2.1"} for number in range(4)]
        assert [await guess(proxy, **claimed) for claimed in claims] == [401, 401, 401, 429]


async def test_without_a_trusted_proxy_nothing_is_believed(settings: Settings, clean: None) -> None:
    async with clients(settings, "192.0.2.1") as (client,):
        claims = [{"X-Forwarded-For": f"198.51.100.{number}"} for number in range(4)]
        assert [await guess(client, **claimed) for claimed in claims] == [401, 401, 401, 429]
