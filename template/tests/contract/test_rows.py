"""What holds for a row of every table: it is created, read, changed and deleted, and no change is lost."""

import asyncio
import uuid

from httpx import AsyncClient

from app.database.session import Sessions
from dev.factories import Resource, key_of
from tests.support import body_for, each_table, stored

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


async def test_an_unknown_row_is_not_found(client: AsyncClient, table: Resource) -> None:
    path = f"{table.path}/{UNKNOWN}"
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

    assert (await client.patch(location, json=body)).status_code == 428
    assert (await client.patch(location, json=body, headers={"If-Match": '"2"'})).status_code == 412
    assert (await client.patch(location, json=body, headers={"If-Match": 'W/"1"'})).status_code == 412
    assert (await client.get(location)).headers["ETag"] == '"1"'


async def test_each_field_can_be_changed_alone(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    (row,) = await stored(sessions, table)
    location, body = f"{table.path}/{key_of(row)}", await body_for(sessions, table)
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


async def test_of_two_changes_at_once_one_wins(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    (row,) = await stored(sessions, table)
    bodies = [await body_for(sessions, table) for _ in range(2)]
    location, match = f"{table.path}/{key_of(row)}", {"If-Match": '"1"'}

    answers = await asyncio.gather(*[client.patch(location, json=body, headers=match) for body in bodies])

    assert sorted(answer.status_code for answer in answers) in ([200, 412], [200, 200])
    versions = [answer.json()["version"] for answer in answers if answer.status_code == 200]
    assert (await client.get(location)).json()["version"] == max(versions)


async def test_an_empty_change_changes_nothing(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    (row,) = await stored(sessions, table)
    location = f"{table.path}/{key_of(row)}"
    before = (await client.get(location)).json()
    assert (await client.patch(location, json={}, headers={"If-Match": "*"})).json() == before


async def test_what_is_deleted_is_gone(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    (row,) = await stored(sessions, table)
    location = f"{table.path}/{key_of(row)}"

    assert (await client.delete(location, headers={"If-Match": '"9"'})).status_code == 412
    assert (await client.delete(location)).status_code == 204
    assert (await client.get(location)).status_code == 404


async def test_the_database_counts_versions_itself(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    (row,) = await stored(sessions, table)
    async with sessions.write.begin() as session:
        await session.execute(table.table.update().values(created_at=table.table.c.created_at))
    after = (await client.get(f"{table.path}/{key_of(row)}")).json()
    assert after["version"] == 2
    assert after["updated_at"] > after["created_at"]
