"""What holds for a row of every table: it is created, read, changed and deleted, and no change is lost."""

import asyncio
import uuid

import pytest
import sqlalchemy as sa
from httpx import AsyncClient
from sqlalchemy.orm.attributes import flag_modified
from sqlalchemy.orm.exc import StaleDataError

from app.database.session import Sessions
from dev.factories import Resource, key_of
from tests.support import TABLES, body_for, each_table, stored

pytestmark = each_table
UNKNOWN = uuid.UUID(int=7 << 76)


async def test_what_is_created_can_be_read(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    body = await body_for(sessions, table)
    created = await client.post(table.path, json=body)
    assert created.status_code == 201, created.text
    assert created.headers["ETag"] == '"1"'

    read = await client.get(created.headers["Location"])

    assert read.status_code == 200
    assert read.json() == created.json()
    assert read.headers["ETag"] == '"1"'
    assert {field: read.json()[field] for field in body} == body


async def test_an_unknown_row_is_not_found(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    (row,) = await stored(sessions, table)
    path = table.url_of(row).replace(str(key_of(row)), str(UNKNOWN))
    answers = [
        await client.get(path),
        await client.patch(path, json={}, headers={"If-Match": '"1"'}),
        await client.delete(path),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert answers[0].headers["Content-Type"] == "application/problem+json"


async def test_a_malformed_key_is_refused(client: AsyncClient, table: Resource) -> None:
    assert (await client.get(f"{table.path}/1")).status_code == 422


async def test_a_change_needs_the_current_version(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    body = await body_for(sessions, table)
    location = (await client.post(table.path, json=body)).headers["Location"]
    body = table.changes(body)

    assert (await client.patch(location, json=body)).status_code == 428
    assert (await client.patch(location, json=body, headers={"If-Match": '"2"'})).status_code == 412
    assert (await client.patch(location, json=body, headers={"If-Match": 'W/"1"'})).status_code == 412
    assert (await client.patch(location, json=body, headers={"If-Match": ""})).status_code == 412
    assert (await client.get(location)).headers["ETag"] == '"1"'


async def test_each_field_can_be_changed_alone(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    (row,) = await stored(sessions, table)
    location, body = table.url_of(row), table.changes(await body_for(sessions, table))
    before = (await client.get(location)).json()
    for field, value in body.items():
        match = {"If-Match": f'"{before["version"]}"'}
        changed = await client.patch(location, json={field: value}, headers=match)
        after = changed.json()
        assert changed.status_code == 200, changed.text
        assert changed.headers["ETag"] == f'"{after["version"]}"'
        assert {name: after[name] for name in body} == {name: before[name] for name in body} | {field: value}
        assert after == (await client.get(location)).json()
        before = after


async def test_of_many_changes_at_once_one_wins(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    (row,) = await stored(sessions, table)
    location, match = table.url_of(row), {"If-Match": '"1"'}
    # The factories count: these differ from the stored row.
    body = table.changes(await body_for(sessions, table))

    answers = await asyncio.gather(*[client.patch(location, json=body, headers=match) for _ in range(4)])

    changed = sorted(answer.status_code for answer in answers)
    assert changed in ([200, 412, 412, 412], [200] * 4)
    unchanged = body == {field: value for field, value in answers[0].json().items() if field in body}
    assert changed != [200] * 4 or unchanged
    assert (await client.get(location)).json()["version"] <= 2


async def test_a_change_that_was_read_too_early_is_refused(sessions: Sessions, table: Resource) -> None:
    (row,) = await stored(sessions, table)
    async with sessions.write() as first, sessions.write() as second:
        mine, yours = [await session.get(table.model, sa.inspect(row).identity) for session in (first, second)]
        for session, read in ((first, mine), (second, yours)):
            flag_modified(read, "created_at")
            if session is second:
                with pytest.raises(StaleDataError):
                    await session.commit()
            else:
                await session.commit()


async def test_deleting_and_changing_at_once_never_fails(
    client: AsyncClient, sessions: Sessions, table: Resource
) -> None:
    (row,) = await stored(sessions, table)
    location, any_version = table.url_of(row), {"If-Match": "*"}
    changes = [client.patch(location, json={}, headers=any_version) for _ in range(4)]
    answers = await asyncio.gather(*changes, *[client.delete(location) for _ in range(2)])
    assert {answer.status_code for answer in answers[:4]} <= {200, 404}
    assert sorted(answer.status_code for answer in answers[4:]) == [204, 404]


async def test_links_are_what_was_sent_last(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    for field, target in table.linked().items():
        others = await stored(sessions, next(other for other in TABLES if other.table.name == target), 3)
        one, two, three = sorted(str(key_of(other)) for other in others)
        created = await client.post(table.path, json={**await body_for(sessions, table), field: [one, two, two]})
        assert created.json()[field] == [one, two]
        for version, links in enumerate(([two, three], [], [one]), start=1):
            match = {"If-Match": f'"{version}"'}
            changed = await client.patch(created.headers["Location"], json={field: links}, headers=match)
            assert changed.json()[field] == (await client.get(created.headers["Location"])).json()[field] == links
            assert changed.headers["ETag"] == f'"{version + 1}"'


async def test_an_empty_change_changes_nothing(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    (row,) = await stored(sessions, table)
    location = table.url_of(row)
    before = (await client.get(location)).json()
    assert (await client.patch(location, json={}, headers={"If-Match": "*"})).json() == before


async def test_what_is_deleted_is_gone(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    (row,) = await stored(sessions, table)
    location = table.url_of(row)

    assert (await client.delete(location, headers={"If-Match": '"9"'})).status_code == 412
    assert (await client.delete(location)).status_code == 204
    assert (await client.get(location)).status_code == 404


async def test_the_database_counts_versions_itself(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    (row,) = await stored(sessions, table)
    async with sessions.write.begin() as session:
        await session.execute(table.table.update().values(created_at=table.table.c.created_at))
    after = (await client.get(table.url_of(row))).json()
    assert after["version"] == 2
    assert after["updated_at"] > after["created_at"]
