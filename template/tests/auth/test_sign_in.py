"""Registering, signing in with a password, staying signed in, signing out."""

import asyncio
from typing import Any

import pytest
from argon2 import PasswordHasher, Type
from httpx import AsyncClient, Response

from app.auth import SCOPES, accounts
from app.auth.accounts import set_scopes, sign_in_sessions
from app.auth.attempts import network_of
from app.database.session import Sessions, in_transaction
from app.settings import Settings

EVE = "eve@example.com"
PASSWORD = "correct horse battery"  # noqa: S105

HASHER = accounts.HASHER


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Hashes that take no time, and few of them until guessing is refused."""
    monkeypatch.setattr(accounts, "HASHER", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    monkeypatch.setattr(settings, "sign_in_limit", 3)


def test_what_is_stolen_takes_long_to_guess() -> None:
    assert HASHER.type is Type.ID
    assert HASHER.memory_cost * HASHER.time_cost >= 3 * 2**16


async def register(client: AsyncClient, email: str = EVE, password: str = PASSWORD) -> Response:
    return await client.post("/auth/register", json={"email": email, "password": password})


async def sign_in(client: AsyncClient, email: str = EVE, password: str = PASSWORD, scope: str = "") -> Response:
    return await client.post("/auth/token", data={"username": email, "password": password, "scope": scope})


async def refresh(client: AsyncClient, tokens: dict[str, Any]) -> Response:
    return await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})


async def me(client: AsyncClient, tokens: dict[str, Any]) -> Response:
    return await client.get("/auth/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})


async def test_from_registration_to_sign_out(client: AsyncClient) -> None:
    assert (await register(client)).status_code == 201
    signed_in = await sign_in(client)
    assert (signed_in.status_code, signed_in.headers["Cache-Control"]) == (200, "no-store")
    refreshed = (await refresh(client, signed_in.json())).json()
    assert (await me(client, refreshed)).json()["email"] == EVE
    ended = await client.post("/auth/sign-out", json={"refresh_token": refreshed["refresh_token"]})
    assert ended.status_code == 204
    assert (await refresh(client, refreshed)).status_code == 401


async def test_an_address_is_one_account_however_it_is_spelled(client: AsyncClient) -> None:
    assert (await register(client)).json()["email"] == EVE
    again = await register(client, "Eve@EXAMPLE.com")
    assert (again.status_code, again.json()["code"], again.json()["fields"]) == (409, "taken", ["email"])
    assert (await sign_in(client, "EVE@example.com")).status_code == 200


@pytest.mark.parametrize(
    ("email", "password"), [("nobody", PASSWORD), (EVE, "too short"), (EVE, "x" * 1025), (EVE, "ü" * 513)]
)
async def test_what_cannot_be_registered(client: AsyncClient, email: str, password: str) -> None:
    answer = await register(client, email, password)
    assert answer.status_code == 422
    assert password not in answer.text
    assert (await sign_in(client, email, password)).status_code == 401


async def test_an_unknown_address_is_answered_like_a_wrong_password(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(client)
    verified: list[str] = []

    def refuse(known: str, _password: str) -> bool:
        verified.append(known)
        return False

    monkeypatch.setattr(accounts, "_verify", refuse)
    answers = [await sign_in(client, EVE, "wrong"), await sign_in(client, "nobody@example.com", "wrong")]
    first, second = ({**answer.json(), "request_id": ""} for answer in answers)
    assert first == second
    assert first["status"] == 401
    costs = [known.rpartition("$")[0].rpartition("$")[0] for known in verified]
    assert len(costs) == 2
    assert costs[0] == costs[1]


async def test_an_outdated_hash_is_replaced(client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await register(client)
    monkeypatch.setattr(accounts, "HASHER", PasswordHasher(time_cost=3, memory_cost=16, parallelism=1))
    made: list[str] = []
    hash_password = accounts.hash_password

    async def record(given: str) -> str:
        made.append(given)
        return await hash_password(given)

    monkeypatch.setattr(accounts, "hash_password", record)
    assert [(await sign_in(client)).status_code for _ in range(3)] == [200] * 3
    assert made == [PASSWORD]


async def test_a_token_has_the_requested_scopes_that_its_user_has(client: AsyncClient, sessions: Sessions) -> None:
    await register(client)
    assert (await sign_in(client, scope=" ".join(SCOPES))).json()["scope"] == ""
    given = sorted({*SCOPES, "reports:read"})
    await in_transaction(sign_in_sessions(sessions), lambda session: set_scopes(session, EVE, given, []))
    asked = (await sign_in(client, scope="reports:read reports:write")).json()
    assert asked["scope"] == (await refresh(client, asked)).json()["scope"] == "reports:read"
    full = (await sign_in(client)).json()
    assert full["scope"].split() == (await me(client, full)).json()["scopes"] == given
    await in_transaction(sign_in_sessions(sessions), lambda session: set_scopes(session, EVE, [], given))
    assert (await refresh(client, full)).json()["scope"] == ""


async def test_a_refresh_token_that_is_used_twice_ends_its_family(client: AsyncClient) -> None:
    await register(client)
    first, other = (await sign_in(client)).json(), (await sign_in(client)).json()
    second = (await refresh(client, first)).json()
    assert (await refresh(client, first)).status_code == 401
    assert (await refresh(client, second)).status_code == 401
    assert (await refresh(client, other)).status_code == 200


async def test_of_those_who_use_a_refresh_token_at_once_one_wins(client: AsyncClient) -> None:
    await register(client)
    tokens = (await sign_in(client)).json()
    answers = await asyncio.gather(*(refresh(client, tokens) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7


@pytest.mark.parametrize("token", ["", "nonsense", "x" * 64, "ü" * 64, "x" * 10_000])
async def test_what_is_no_refresh_token_is_refused(client: AsyncClient, token: str) -> None:
    answer = await refresh(client, {"refresh_token": token})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_guessing_is_refused_until_it_is_forgotten(client: AsyncClient, settings: Settings) -> None:
    await register(client)
    guesses = [sign_in(client, password="wrong") for _ in range(settings.sign_in_limit + 5)]  # noqa: S106
    answers = await asyncio.gather(*guesses)
    assert sorted(answer.status_code for answer in answers) == [401] * settings.sign_in_limit + [429] * 5
    right = await sign_in(client)
    assert right.status_code == 429
    assert 0 < int(right.headers["Retry-After"]) <= settings.sign_in_window


async def test_success_takes_failures_back(client: AsyncClient, settings: Settings) -> None:
    await register(client)
    for _ in range(2):
        answers = [await sign_in(client, password="wrong") for _ in range(settings.sign_in_limit - 1)]  # noqa: S106
        assert {answer.status_code for answer in answers} == {401}
        assert (await sign_in(client)).status_code == 200


def test_an_operator_gives_scopes_and_takes_them(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (([*SCOPES], ", ".join(sorted(SCOPES)) or "no scope"), ([*SCOPES, "--revoke"], "no scope")):
        accounts.main(["Ada@example.com", *arguments])
        assert capsys.readouterr().out == f"ada@example.com has {said}.\n"
    for wrong in (["nobody@example.com"], ["ada"], ["ada@example.com", "no:such"]):
        with pytest.raises(SystemExit):
            accounts.main(wrong)


@pytest.mark.parametrize(
    ("host", "network"),
    [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::/64"), (None, "")],
)
def test_clients_are_told_apart_by_network(host: str | None, network: str) -> None:
    assert network_of(host) == network
