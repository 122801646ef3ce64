"""Users of Supabase Auth get a row of ours when they are first seen, under their own policies (hybrid only)."""

import asyncio
import uuid
from dataclasses import dataclass, replace

import asyncpg
import pytest
from httpx import AsyncClient
from sqlalchemy.exc import DBAPIError

from app.auth import users
from app.auth.users import SECONDS, Users
from app.database.identity import Identity
from app.database.session import Sessions
from tests.support import ADA, BOB, TABLES, body_for, headers_of


@dataclass
class Clock:
    """Time that passes when it is told to."""

    now: float = 1_000

    def __call__(self) -> float:
        return self.now


def somebody(email: str | None = "eve@example.com") -> Identity:
    """Return a user whom nobody has seen."""
    return replace(ADA, user_id=uuid.uuid4(), email=email)


async def rows_of(owner: asyncpg.Connection, who: Identity) -> list[tuple[str | None, int]]:
    """Return the e-mail addresses and versions of the rows that a user has."""
    found = await owner.fetch("SELECT email, version FROM app.users WHERE id = $1", who.user_id)
    return [(row["email"], row["version"]) for row in found]


def storing(statements: list[str]) -> int:
    """Count what was sent to store users."""
    return sum("INSERT INTO app.users" in statement for statement in statements)


async def test_a_user_is_stored_once_and_not_at_each_request(
    client: AsyncClient, owner: asyncpg.Connection, statements: list[str]
) -> None:
    eve = somebody()
    for _ in range(3):
        assert (await client.get(TABLES[0].path, headers=headers_of(eve))).status_code == 200
    assert (await rows_of(owner, eve), storing(statements)) == ([("eve@example.com", 1)], 1)


async def test_many_first_requests_at_once_are_no_collision(sessions: Sessions, owner: asyncpg.Connection) -> None:
    eve = somebody()
    await asyncio.gather(*(Users(sessions).see(eve) for _ in range(10)))
    assert await rows_of(owner, eve) == [("eve@example.com", 1)]


async def test_it_is_forgotten_after_a_while(
    sessions: Sessions, owner: asyncpg.Connection, statements: list[str]
) -> None:
    clock, eve = Clock(), somebody()
    seen = Users(sessions, clock)
    for passed, stored in ((0, 1), (SECONDS - 1, 1), (1, 2), (SECONDS - 1, 2)):
        clock.now += passed
        await seen.see(eve)
        assert storing(statements) == stored
    assert await rows_of(owner, eve) == [("eve@example.com", 1)]
    assert SECONDS <= 600


async def test_only_so_many_are_remembered(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "REMEMBERED", 3)
    seen, everybody = Users(sessions), [somebody(f"{number}@example.com") for number in range(5)]
    for who in (*everybody, everybody[0]):
        await seen.see(who)
    assert list(seen.stored) == [*everybody[3:], everybody[0]]


async def test_an_address_that_somebody_else_had_is_no_collision(sessions: Sessions, owner: asyncpg.Connection) -> None:
    before, after = somebody(), somebody()
    await Users(sessions).see(before)
    await Users(sessions).see(after)
    await Users(sessions).see(replace(before, email="new@example.com"))
    assert await rows_of(owner, before) == [("new@example.com", 2)]
    assert await rows_of(owner, after) == [("eve@example.com", 1)]


async def test_who_was_deleted_can_own_nothing_until_seen_again(
    sessions: Sessions, client: AsyncClient, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve, clock = somebody(), Clock()
    table = next(table for table in TABLES if "owner_id" in table.table.columns and not table.references(required=True))
    seen = Users(sessions, clock)
    see = seen.see  # the application's own, but with a clock
    monkeypatch.setattr(Users, "see", lambda _, identity: see(identity))
    body = await body_for(sessions, table)
    assert (await client.post(table.path, json=body, headers=headers_of(eve))).status_code == 201
    await owner.execute("DELETE FROM app.users WHERE id = $1", eve.user_id)
    assert (await client.post(table.path, json=body, headers=headers_of(eve))).status_code == 422
    clock.now += SECONDS
    assert (await client.post(table.path, json=body, headers=headers_of(eve))).status_code == 201


async def test_nobody_stores_or_changes_another(sessions: Sessions, owner: asyncpg.Connection) -> None:
    eve = somebody()
    with pytest.raises(DBAPIError, match="row-level security"):
        async with sessions.of(BOB).write.begin() as session:
            await session.execute(users.upsert(eve))
    await Users(sessions).see(eve)
    with pytest.raises(DBAPIError, match="row-level security"):
        async with sessions.of(BOB).write.begin() as session:
            await session.execute(users.upsert(replace(eve, email="bob@example.com")))
    assert await rows_of(owner, eve) == [("eve@example.com", 1)]


async def test_what_was_not_stored_is_not_remembered(sessions: Sessions) -> None:
    seen = Users(sessions.of(BOB))
    with pytest.raises(DBAPIError):
        await seen.see(somebody("\0"))
    assert not seen.stored
