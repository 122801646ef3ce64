"""Lists read along an index and no further than their page, in every order, from any page on."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import asyncpg
import pytest
from httpx import AsyncClient
from sqlalchemy import event

from app.database.session import Sessions
from dev.factories import Resource
from tests.support import each_table, stored

Sent = list[tuple[str, tuple[Any, ...]]]


@pytest.fixture
def sent(sessions: Sessions) -> Iterator[Sent]:
    """What is sent for reading, with its values."""
    recorded: Sent = []

    def record(_connection: object, _cursor: object, statement: str, parameters: tuple[Any, ...], *_rest: Any) -> None:
        recorded.append((statement, parameters))

    engine = sessions.read.kw["bind"].sync_engine
    event.listen(engine, "before_cursor_execute", record)
    yield recorded
    event.remove(engine, "before_cursor_execute", record)


async def nodes(owner: asyncpg.Connection, statement: str, parameters: tuple[Any, ...]) -> set[str]:
    """Return the kinds of nodes in the plan of a table so large that sorting or reading all of it would not do."""
    async with owner.transaction():
        for habit in ("seqscan", "bitmapscan", "sort"):
            await owner.execute(f"SET LOCAL enable_{habit} = off")
        plan = json.loads(await owner.fetchval(f"EXPLAIN (FORMAT json) {statement}", *parameters))
    return set(kinds(plan[0]["Plan"]))


def kinds(node: dict[str, Any]) -> Iterator[str]:
    yield node["Node Type"]
    for child in node.get("Plans", []):
        yield from kinds(child)


@each_table
async def test_every_order_follows_an_index(
    client: AsyncClient, sessions: Sessions, owner: asyncpg.Connection, table: Resource, sent: Sent
) -> None:
    await stored(sessions, table, 3)
    for sort in get_args(table.query.model_fields["sort"].annotation):
        first = await client.get(table.path, params={"sort": sort, "limit": 1})
        await client.get(table.path, params={"sort": sort, "limit": 1, "cursor": first.json()["next_cursor"]})
    assert len(sent) >= 4
    for statement, parameters in sent:
        assert await nodes(owner, statement, parameters) & {"Seq Scan", "Sort"} == set(), statement


@each_table
async def test_a_page_reads_one_row_more_than_it_shows(client: AsyncClient, table: Resource, sent: Sent) -> None:
    for limit, read in ((None, 51), (1, 2), (100, 101)):
        sent.clear()
        answer = await client.get(table.path, params={} if limit is None else {"limit": limit})
        assert answer.status_code == 200
        assert [parameters[-1] for statement, parameters in sent if "LIMIT" in statement] == [read]
    assert (await client.get(table.path, params={"limit": 101})).status_code == 422


@pytest.mark.parametrize("sort", ["name", "-name"])
async def test_rows_with_one_value_are_neither_lost_nor_repeated(
    client: AsyncClient, owner: asyncpg.Connection, sort: str
) -> None:
    await owner.execute(
        "INSERT INTO app.products (id, sku, name, price, attributes) "
        "SELECT gen_random_uuid(), n::text, 'same', 1, '{}' FROM generate_series(1, 40) n"
    )
    page: dict[str, Any] = {"next_cursor": ""}
    seen: list[str] = []
    while page["next_cursor"] is not None:
        given = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        page = (await client.get("/products", params={"sort": sort, "limit": "7", **given})).json()
        seen += [row["id"] for row in page["items"]]
    assert seen == sorted(set(seen), reverse=sort.startswith("-"))
    assert len(seen) == 40
