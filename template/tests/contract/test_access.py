"""Whose rows are whose, for every table: what others ask for is refused, or as if it were not there."""

import importlib
import uuid
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest
from httpx import AsyncClient, Response

from app.database.access import Owned
from app.database.identity import ANONYMOUS, ForbiddenError, Identity
from app.database.session import Sessions, open_transaction
from app.queries import delete_row, get_row, lock_row, save_row
from dev.factories import Resource, key_of
from tests.support import ADA, BOB, BY_NAME, SCOPES, body_for, each_table, headers_of, stored, stored_with_links

pytestmark = each_table
RIVAL = replace(BOB, scopes=SCOPES)
"""Bob with every scope: none of them opens what is another's."""

CLAIMED = {"X-User-Id": str(ADA.user_id), "X-Forwarded-User": "ada@example.com", "X-Role": "service_role"}
UNKNOWN = uuid.UUID(int=7 << 76)
ANY_VERSION = {"If-Match": "*"}


def is_owned(table: Resource) -> bool:
    """Whether a row is its owner's alone, or there for everybody to read."""
    return issubclass(table.model, Owned)


def bob_for(table: Resource) -> Identity:
    """Return Bob with every scope but the one that it takes to write."""
    return replace(BOB, scopes=SCOPES - {getattr(table.model, "__scope__", "")})


async def ask(client: AsyncClient, who: Identity | None, method: str, path: str, **sent: Any) -> Response:
    """Send a request of somebody's, who claims to be Ada as well."""
    request = client.build_request(method, path, **sent)
    del request.headers["Authorization"]
    request.headers.update(CLAIMED | (headers_of(who) if who else {}))
    return await client.send(request)


async def listed(client: AsyncClient, who: Identity, table: Resource, **query: Any) -> set[str]:
    """Return the ids that a list shows to somebody."""
    answer = await ask(client, who, "GET", table.path, params=query)
    assert answer.status_code == 200, answer.text
    return {row["id"] for row in answer.json()["items"]}


async def test_a_list_shows_what_one_may_read(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    adas = {str(key_of(await stored_with_links(sessions, table, ADA))) for _ in range(2)}
    bobs = {str(key_of(await stored_with_links(sessions, table, RIVAL)))}
    cursor = (await ask(client, ADA, "GET", table.path, params={"limit": 1})).json()["next_cursor"]
    seen, hidden = (bobs, adas) if is_owned(table) else (adas | bobs, set())
    for query in ({}, {"cursor": cursor}, {"expand": table.expandable()}):
        assert not hidden & await listed(client, bob_for(table), table, **query)
    assert seen <= await listed(client, bob_for(table), table)
    assert adas <= await listed(client, ADA, table)


async def test_a_row_stays_as_it_is_whatever_others_send(
    client: AsyncClient, sessions: Sessions, table: Resource
) -> None:
    path, bob = table.url_of(await stored_with_links(sessions, table, ADA)), bob_for(table)
    before, body = (await ask(client, ADA, "GET", path)).json(), await body_for(sessions, table, RIVAL)
    answers = [
        await ask(client, bob, "GET", path),
        await ask(client, bob, "PATCH", path, json=table.changes(body), headers=ANY_VERSION),
        await ask(client, bob, "DELETE", path),
        await ask(client, bob, "POST", table.path, json=body),
    ]
    expected = [404, 404, 404, 201] if is_owned(table) else [200, 403, 403, 403]
    assert [answer.status_code for answer in answers] == expected
    for answer in answers:
        assert answer.status_code != 403 or "insufficient_scope" in answer.headers["WWW-Authenticate"]
    assert (await ask(client, ADA, "GET", path)).json() == before
    if is_owned(table):
        assert (await ask(client, ADA, "GET", answers[3].headers["Location"])).status_code == 404


async def test_without_signing_in_there_is_nothing(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    path, body = table.url_of(await stored_with_links(sessions, table, ADA)), await body_for(sessions, table)
    answers = [
        await ask(client, None, "GET", table.path),
        await ask(client, None, "GET", path),
        await ask(client, None, "PATCH", path, json={}, headers=ANY_VERSION),
        await ask(client, None, "DELETE", path),
        await ask(client, None, "POST", table.path, json=body),
    ]
    assert {(answer.status_code, "WWW-Authenticate" in answer.headers) for answer in answers} == {(401, True)}
    assert (await ask(client, ADA, "GET", path)).status_code == 200


async def test_query_functions_go_by_who_asks(sessions: Sessions, table: Resource) -> None:
    row, bob = await stored_with_links(sessions, table, ADA), bob_for(table)
    keys = row.__mapper__.primary_key_from_instance(row)
    key: Any = tuple(keys) if len(keys) > 1 else keys[0]
    list_rows = getattr(importlib.import_module(f"app.queries.{table.name}"), f"list_{table.table.name}")
    async with open_transaction(sessions) as session:  # Ada's, where sessions are somebody's
        shown = {key_of(other) for other in (await list_rows(session, bob, table.query())).items}
        found = await get_row(session, bob, table.model, key)
        if is_owned(table):
            assert (shown, found) == (set(), None)
            assert await lock_row(session, bob, table.model, key) is None
        else:
            assert (key_of(row) in shown, found is None) == (True, False)
        refused: list[Awaitable[object]] = [
            save_row(session, bob, row, table.update()),
            delete_row(session, bob, row),
            get_row(session, ANONYMOUS, table.model, key),
            lock_row(session, ANONYMOUS if is_owned(table) else bob, table.model, key),
        ]
        for work in refused:
            with pytest.raises(ForbiddenError):
                await work


async def test_nobody_says_whose_a_row_is(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    path, body = table.url_of(await stored_with_links(sessions, table, ADA)), await body_for(sessions, table)
    for owner_id in (str(ADA.user_id), str(BOB.user_id)):
        created = await ask(client, ADA, "POST", table.path, json={**body, "owner_id": owner_id})
        changed = await ask(client, ADA, "PATCH", path, json={"owner_id": owner_id}, headers=ANY_VERSION)
        assert [created.status_code, changed.status_code] == [422, 422]


async def test_what_is_anothers_cannot_be_referred_to(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    path = table.url_of(await stored_with_links(sessions, table, RIVAL))
    for field, target in (table.references(required=False) | table.linked()).items():
        if not is_owned(BY_NAME[target]):
            continue
        (adas,) = await stored(sessions, BY_NAME[target])
        outcomes = []
        for key in (str(key_of(adas)), str(UNKNOWN)):
            sent: dict[str, Any] = {field: [key] if field in table.linked() else key}
            body = await body_for(sessions, table, RIVAL) | sent
            answers = [await ask(client, RIVAL, "POST", table.path, json=body)]
            if field in table.update.model_fields:
                answers.append(await ask(client, RIVAL, "PATCH", path, json=sent, headers=ANY_VERSION))
            outcomes.append([answer.json() | {"request_id": ""} for answer in answers])
            assert {answer.status_code for answer in answers} == {422}
        assert outcomes[0] == outcomes[1]


async def test_what_another_has_taken_is_free(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    if not is_owned(table):
        return
    body = await body_for(sessions, table)
    assert (await ask(client, ADA, "POST", table.path, json=body)).status_code == 201
    own = await body_for(sessions, table, RIVAL)
    own = {field: own[field] for field in table.references(required=True)}
    answer = await ask(client, RIVAL, "POST", table.path, json=body | own)
    assert answer.status_code == 201, answer.text
