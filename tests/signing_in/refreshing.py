"""Refresh tokens: one use each, nothing in the database to steal, and a thief ends the family, for good."""

import asyncio
import base64
import hashlib
import logging
import uuid

import asyncpg
import pytest
from httpx import AsyncClient

from app.main import create_app
from app.settings import Settings
from tests.auth.test_sign_in import EVE, me, refresh, register, sign_in
from tests.support import started


async def rows(owner: asyncpg.Connection) -> list[asyncpg.Record]:
    return list(await owner.fetch("SELECT * FROM app.refresh_tokens"))


async def test_the_database_holds_nothing_that_could_be_used(client: AsyncClient, owner: asyncpg.Connection) -> None:
    await register(client)
    token = (await sign_in(client)).json()["refresh_token"]
    content = base64.urlsafe_b64decode(token)
    (row,) = await rows(owner)
    assert len(content) == 16 + 32
    assert (row["id"].bytes, row["token_hash"]) == (content[:16], hashlib.sha256(content[16:]).digest())
    dump = str(dict(row)).encode()
    assert content[16:] not in dump
    assert token.encode() not in dump


async def test_a_family_is_one_row_however_often_it_is_renewed(client: AsyncClient, owner: asyncpg.Connection) -> None:
    await register(client)
    tokens = (await sign_in(client)).json()
    (first,) = await rows(owner)
    seen = {tokens["refresh_token"]}
    for _ in range(5):
        tokens = (await refresh(client, tokens)).json()
        seen.add(tokens["refresh_token"])
    (last,) = await rows(owner)
    assert len(seen) == 6
    assert last["id"] == first["id"]
    assert last["expires_at"] > first["expires_at"]


async def test_the_end_of_a_family_is_committed_although_it_is_answered_401(
    client: AsyncClient, owner: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await register(client)
    first = (await sign_in(client)).json()
    await refresh(client, first)
    with caplog.at_level(logging.WARNING):
        assert (await refresh(client, first)).status_code == 401
    assert await rows(owner) == []
    assert "was used twice" in caplog.text
    assert first["refresh_token"] not in caplog.text


async def test_of_many_at_once_one_wins_again_and_again(client: AsyncClient) -> None:
    await register(client)
    for _ in range(10):
        tokens = (await sign_in(client)).json()
        answers = await asyncio.gather(*(refresh(client, tokens) for _ in range(12)))
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 11


async def test_an_expired_one_is_refused_and_goes(client: AsyncClient, owner: asyncpg.Connection) -> None:
    await register(client)
    tokens = (await sign_in(client)).json()
    await owner.execute("UPDATE app.refresh_tokens SET expires_at = now()")
    assert (await refresh(client, tokens)).status_code == 401
    assert await rows(owner) == []


async def test_expired_families_of_others_go_in_passing(client: AsyncClient, owner: asyncpg.Connection) -> None:
    await register(client)
    await asyncio.gather(*(sign_in(client) for _ in range(5)))
    await owner.execute("UPDATE app.refresh_tokens SET expires_at = now()")
    await sign_in(client)
    assert len(await rows(owner)) == 1


async def test_families_that_expire_do_not_wait_for_each_other(client: AsyncClient, owner: asyncpg.Connection) -> None:
    await register(client)
    await asyncio.gather(*(sign_in(client) for _ in range(5)))
    await owner.execute("UPDATE app.refresh_tokens SET expires_at = now()")
    async with owner.transaction():
        await owner.execute("SELECT FROM app.refresh_tokens FOR UPDATE")
        assert (await asyncio.wait_for(sign_in(client), 2)).status_code == 200


async def test_a_user_who_is_no_more_gets_nothing_more(client: AsyncClient, owner: asyncpg.Connection) -> None:
    await register(client)
    tokens = (await sign_in(client)).json()
    await owner.execute("DELETE FROM app.users WHERE email = $1", EVE)
    assert (await refresh(client, tokens)).status_code == 401
    assert (await me(client, tokens)).status_code == 401
    assert await rows(owner) == []


async def test_a_secret_of_another_family_does_not_help(client: AsyncClient) -> None:
    await register(client)
    one, other = [(await sign_in(client)).json()["refresh_token"] for _ in range(2)]
    family, secret = base64.urlsafe_b64decode(one)[:16], base64.urlsafe_b64decode(other)[16:]
    mixed = base64.urlsafe_b64encode(family + secret).decode()
    assert (await refresh(client, {"refresh_token": mixed})).status_code == 401


async def test_an_unknown_family_is_refused(client: AsyncClient) -> None:
    made_up = base64.urlsafe_b64encode(uuid.uuid4().bytes + bytes(32)).decode()
    assert (await refresh(client, {"refresh_token": made_up})).status_code == 401


@pytest.mark.parametrize("ended", ["first", "last", "unknown", "nonsense"])
async def test_signing_out_is_answered_alike(client: AsyncClient, owner: asyncpg.Connection, ended: str) -> None:
    await register(client)
    first = (await sign_in(client)).json()
    last = (await refresh(client, first)).json()
    unknown = base64.urlsafe_b64encode(bytes(48)).decode()
    token = {"first": first["refresh_token"], "last": last["refresh_token"], "unknown": unknown}.get(ended, "x")
    answer = await client.post("/auth/sign-out", json={"refresh_token": token})
    assert (answer.status_code, answer.content) == (204, b"")
    assert len(await rows(owner)) == (0 if ended in {"first", "last"} else 1)


async def test_other_processes_see_it(client: AsyncClient, settings: Settings) -> None:
    await register(client)
    tokens = (await sign_in(client)).json()
    async with started(create_app(settings)) as (other, _):
        renewed = (await refresh(other, tokens)).json()
        assert (await me(client, renewed)).status_code == 200
        assert (await refresh(client, tokens)).status_code == 401
        assert (await refresh(other, renewed)).status_code == 401
