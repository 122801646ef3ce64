"""Users: one account an address, passwords that cannot be read or guessed by the clock, scopes from an operator."""

import asyncio
import subprocess
import sys
import threading
import time
import unicodedata

import asyncpg
import pytest
from httpx import AsyncClient

from app.auth import SCOPES, accounts
from app.auth.accounts import normal_email
from app.settings import Settings
from tests.auth.test_sign_in import EVE, PASSWORD, me, register, sign_in
from tests.support import ADA, BOB, headers_of


@pytest.mark.usefixtures("real")
async def test_a_password_is_stored_as_argon2id(client: AsyncClient, owner: asyncpg.Connection) -> None:
    await register(client)
    stored = await owner.fetchval("SELECT password_hash FROM app.users WHERE email = $1", EVE)
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PASSWORD not in stored


@pytest.mark.usefixtures("real")
async def test_an_unknown_address_takes_as_long_as_a_wrong_password(client: AsyncClient) -> None:
    await register(client)

    async def seconds(email: str) -> float:
        started = time.perf_counter()
        assert (await sign_in(client, email, "a wrong guess")).status_code == 401
        return time.perf_counter() - started

    known, unknown = [], []
    for number in range(5):
        known.append(await seconds(EVE))
        unknown.append(await seconds(f"nobody{number}@example.com"))
    # The shortest of each: whatever else this machine does only adds to the others.
    assert 0.5 < min(unknown) / min(known) < 2


async def test_at_most_four_passwords_are_hashed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def verify(*_given: str) -> bool:
        nonlocal running, most
        with lock:
            running, most = running + 1, max(most, running + 1)
        time.sleep(0.02)
        with lock:
            running -= 1
        return True

    monkeypatch.setattr(accounts, "_verify", verify)
    await asyncio.gather(*(accounts.matches(None, PASSWORD) for _ in range(20)))
    assert 1 < most <= 4


@pytest.mark.usefixtures("real")
async def test_hashing_keeps_nobody_waiting() -> None:
    longest = 0.0
    started = time.perf_counter()
    hashing = asyncio.gather(*(accounts.hash_password(PASSWORD) for _ in range(12)))
    while not hashing.done():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - before)
    assert longest < (time.perf_counter() - started) / 2


async def test_a_password_is_the_same_however_its_letters_are_composed(client: AsyncClient) -> None:
    composed, decomposed = (unicodedata.normalize(form, "pässwörter sind länger") for form in ("NFC", "NFD"))
    assert composed != decomposed
    await register(client, password=composed)
    assert (await sign_in(client, password=decomposed)).status_code == 200


async def test_what_is_longer_than_any_is_not_normalised(client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks that combine with a letter are sorted: a body full of them would keep a worker busy for minutes."""
    seen: list[int] = []

    def normalize(_form: str, text: str) -> str:
        seen.append(len(text))
        return text

    monkeypatch.setattr(unicodedata, "normalize", normalize)
    marks = "a" + "\u0315" * 60_000 + "\u0300" * 60_000
    for form in ({"username": "ada@example.com", "password": marks}, {"username": marks, "password": "x"}):
        assert (await client.post("/auth/token", data=form)).status_code == 401
    body = {"email": f"{marks}@example.com", "password": "long enough for anybody"}
    assert (await client.post("/auth/register", json=body)).status_code == 422
    assert all(length <= accounts.MOST_BYTES for length in seen)


async def test_no_two_register_with_one_address_at_once(client: AsyncClient) -> None:
    spelled = [EVE, "EVE@example.com", "Eve@Example.Com", "eve@EXAMPLE.COM"]
    answers = await asyncio.gather(*(register(client, email) for email in spelled))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("Ä@EXAMPLE.com", "ä@example.com"),
        ("a\u0308@example.com", "ä@example.com"),
        ("x@xn--bcher-kva.example.com", None),
    ],
)
def test_spellings_of_an_address(given: str, stored: str | None) -> None:
    assert normal_email(given) == (stored or "x@bücher.example.com")


@pytest.mark.parametrize(
    "email",
    [
        *("", "x", "@example.com", "eve@", "eve@localhost", "Eve <eve@example.com>", "eve@example.com "),
        *("e\0@example.com", "eve@example.com\r\nBcc: x@example.com", "eve@[127.0.0.1]", "eve@exa mple.com"),
        f"{'x' * 250}@example.com",
    ],
)
async def test_what_is_no_address_cannot_register(client: AsyncClient, email: str) -> None:
    answer = await register(client, email)
    assert (answer.status_code, answer.json()["fields"]) == (422, ["email"])


@pytest.mark.parametrize("body", [{"id": "x"}, {"scopes": ["products:write"]}, {"password_hash": "x"}])
async def test_nobody_chooses_more_than_address_and_password(client: AsyncClient, body: dict[str, object]) -> None:
    answer = await client.post("/auth/register", json={"email": EVE, "password": PASSWORD, **body})
    assert answer.status_code == 422


async def test_no_password_and_no_hash_is_in_any_answer(
    client: AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [await register(client), await sign_in(client), await sign_in(client, EVE, "a wrong guess")]
    answers.append(await me(client, answers[1].json()))
    text = "".join(answer.text for answer in answers) + "".join(capsys.readouterr())
    assert PASSWORD not in text
    assert "a wrong guess" not in text
    assert "argon2" not in text


@pytest.mark.parametrize("grant_type", ["client_credentials", "refresh_token", "x"])
async def test_another_grant_is_a_problem(client: AsyncClient, grant_type: str) -> None:
    form = {"username": EVE, "password": PASSWORD, "grant_type": grant_type}
    answer = await client.post("/auth/token", data=form)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert PASSWORD not in answer.text


async def test_an_outdated_hash_that_somebody_else_replaces_is_left_alone(
    client: AsyncClient, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(client)
    stored = "UPDATE app.users SET password_hash = $1 WHERE email = $2"

    async def meanwhile(_password: str) -> str:
        await owner.execute(stored, "another", EVE)
        return "renewed"

    monkeypatch.setattr(accounts, "is_outdated", lambda _hash: True)
    monkeypatch.setattr(accounts, "hash_password", meanwhile)
    assert (await sign_in(client)).status_code == 200
    assert await owner.fetchval("SELECT password_hash FROM app.users WHERE email = $1", EVE) == "another"


async def test_a_hash_that_nobody_can_read_lets_nobody_in(client: AsyncClient, owner: asyncpg.Connection) -> None:
    await register(client)
    for stored in ("", "none", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv"):
        await owner.execute("UPDATE app.users SET password_hash = $1 WHERE email = $2", stored, EVE)
        assert (await sign_in(client, password=stored or "none")).status_code == 401
        assert (await sign_in(client)).status_code == 401


# --- Scopes ---


def grant(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"DATABASE_URL": settings.database_url.get_secret_value(), "ENVIRONMENT": "development"}
    command = [sys.executable, "-m", "app.auth.accounts", *arguments]
    return subprocess.run(command, env=environment, text=True, capture_output=True, check=False)


async def test_an_operator_gives_scopes_and_takes_them(client: AsyncClient, settings: Settings) -> None:
    await register(client)
    scope = min(SCOPES)
    assert grant(settings, "EVE@example.com", scope).stdout == f"{EVE} has {scope}.\n"
    assert (await sign_in(client)).json()["scope"] == scope
    assert grant(settings, EVE).stdout == f"{EVE} has {scope}.\n"
    assert grant(settings, EVE, scope, "--revoke").stdout == f"{EVE} has no scope.\n"
    assert (await sign_in(client)).json()["scope"] == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody@example.com", "products:write"], "Nobody has registered as nobody@example.com."),
        ([EVE, "orders:write"], "There is no scope orders:write; there are categories:write, products:write."),
        (["eve"], "An email address must have an @-sign."),
    ],
)
def test_a_mistake_of_an_operator_is_one_sentence(settings: Settings, arguments: list[str], said: str) -> None:
    done = grant(settings, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


async def test_scopes_are_in_the_api_description(client: AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()
    flow = described["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"]
    assert flow == {"scopes": SCOPES, "tokenUrl": "auth/token"}
    assert described["paths"]["/products"]["post"]["security"] == [{"OAuth2PasswordBearer": ["products:write"]}]
    assert described["paths"]["/orders"]["post"]["security"] == [{"OAuth2PasswordBearer": []}]
    assert "security" not in described["paths"]["/auth/token"]["post"]


async def test_a_shared_table_is_written_with_its_scope_alone(client: AsyncClient) -> None:
    body = {"name": "written"}
    refused = await client.post("/categories", json=body, headers=headers_of(BOB))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert refused.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="categories:write"'
    assert (await client.post("/categories", json=body, headers=headers_of(ADA))).status_code == 201
