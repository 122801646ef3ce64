"""Nobody overwrites what somebody else has written meanwhile."""

import uuid

import asyncpg
import pytest
from fastapi import APIRouter
from httpx import AsyncClient

from app.api import SessionDep
from app.database.session import Sessions
from app.models.category import Category
from app.settings import Settings
from dev.factories import key_of
from tests.proofs.service import assert_problem, serving
from tests.support import body_for, stored, table_named


@pytest.mark.parametrize("change", ["UPDATE app.categories SET name = 'theirs'", "DELETE FROM app.categories"])
async def test_a_row_that_somebody_else_changed_meanwhile_is_stale(
    client: AsyncClient, settings: Settings, owner: asyncpg.Connection, change: str
) -> None:
    router, key = APIRouter(), (await client.post("/categories", json={"name": "before"})).json()["id"]

    @router.post("/proof")
    async def rename(session: SessionDep) -> None:
        row = await session.get_one(Category, uuid.UUID(key))
        await owner.execute(change)
        row.name = "ours"

    async with serving(settings, router) as service:
        assert_problem(await service.post(), 412, "stale")
    assert await owner.fetchval("SELECT count(*) FROM app.categories WHERE name = 'ours'") == 0


async def test_a_version_that_is_gone_is_refused(client: AsyncClient) -> None:
    path = (await client.post("/categories", json={"name": "before"})).headers["Location"]
    answers = [await client.patch(path, json={"name": name}, headers={"If-Match": '"1"'}) for name in ("one", "two")]
    assert answers[0].status_code == 200
    assert_problem(answers[1], 412, "stale")
    assert (await client.get(path)).json()["name"] == "one"


async def test_linked_ids_are_those_that_were_sent_last(client: AsyncClient, sessions: Sessions) -> None:
    keys = sorted(str(key_of(row)) for row in await stored(sessions, table_named("category"), 3))
    body = await body_for(sessions, table_named("product"))
    created = await client.post("/products", json={**body, "category_ids": keys[:2]})
    path, match = created.headers["Location"], created.headers["ETag"]
    for version, (sent, linked) in enumerate([(keys[1:], keys[1:]), (keys[:1] * 2, keys[:1]), ([], [])], start=2):
        changed = await client.patch(path, json={"category_ids": sent}, headers={"If-Match": match})
        assert (changed.status_code, changed.json()["category_ids"]) == (200, linked)
        match = changed.headers["ETag"]
        assert match == f'"{version}"'
    assert (await client.get(path)).json()["category_ids"] == []
