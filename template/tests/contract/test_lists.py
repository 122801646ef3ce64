"""What holds for the list of every table: pages, orders, filters and expansions."""

from typing import Any, get_args

from httpx import AsyncClient

from app.database.base import Base
from app.database.session import Sessions
from dev.factories import Resource, key_of
from tests.support import each_table, stored

pytestmark = each_table


async def listed(client: AsyncClient, table: Resource, **query: Any) -> dict[str, Any]:
    """Return one page."""
    answer = await client.get(table.path, params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def test_no_page_loses_or_repeats_a_row(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    before = {str(key_of(row)) for row in await stored(sessions, table, 5)}
    for sort in get_args(table.query.model_fields["sort"].annotation):
        page = await listed(client, table, sort=sort, limit=3)
        seen = [row["id"] for row in page["items"]]
        meanwhile = {str(key_of(row)) for row in await stored(sessions, table)}
        while page["next_cursor"]:
            page = await listed(client, table, sort=sort, limit=3, cursor=page["next_cursor"])
            seen += [row["id"] for row in page["items"]]
        assert len(seen) == len(set(seen))
        assert before <= set(seen)
        before |= meanwhile


async def test_every_order_is_kept(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    await stored(sessions, table, 4)
    for sort in get_args(table.query.model_fields["sort"].annotation):
        rows = (await listed(client, table, sort=sort))["items"]
        backwards = sort.removeprefix("-") if sort.startswith("-") else f"-{sort}"
        assert len(rows) >= 4
        assert rows == (await listed(client, table, sort=backwards))["items"][::-1]


async def test_an_empty_list_is_a_page(client: AsyncClient, table: Resource) -> None:
    assert await listed(client, table) == {"items": [], "next_cursor": None}


async def test_a_query_that_makes_no_sense_is_refused(client: AsyncClient, table: Resource) -> None:
    for query in ("limit=0", "limit=101", "limit=x", "sort=nothing", "nobody_knows=1", "cursor=%00"):
        assert (await client.get(f"{table.path}?{query}")).status_code == 422, query


async def test_a_cursor_belongs_to_its_order(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    await stored(sessions, table, 2)
    cursor = (await listed(client, table, limit=1))["next_cursor"]
    *_, other = get_args(table.query.model_fields["sort"].annotation)
    for wrong in ({"cursor": cursor, "sort": other}, {"cursor": cursor[:-4]}, {"cursor": "e30"}, {"cursor": "é"}):
        answer = await client.get(table.path, params=wrong)
        assert answer.status_code == 422
        assert answer.json()["code"] == "bad_cursor"


async def test_filters_narrow_the_list(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    targets = table.references(required=False)
    rows = [(await client.get(table.url_of(row))).json() for row in await stored(sessions, table, 3)]
    for name in table.query.model_fields.keys() - {"limit", "cursor", "sort", "expand"}:
        column, _, bound = name.rpartition("_") if name not in table.table.columns else (name, "", "")
        if column not in table.table.columns:
            continue
        for shown in rows:
            if shown[column] is None:
                assert column in targets
                continue
            found = (await listed(client, table, **{name: shown[column]}))["items"]
            assert shown["id"] in [other["id"] for other in found]
            if not bound:
                assert {other[column] for other in found} == {shown[column]}


async def test_expanding_needs_the_same_statements_for_any_number_of_rows(
    client: AsyncClient, sessions: Sessions, table: Resource, statements: list[str]
) -> None:
    expand = table.expandable()
    counts = []
    for _ in range(2):
        rows: list[Base] = await stored(sessions, table, 2)
        statements.clear()
        page = await listed(client, table, expand=expand)
        counts.append(len(statements))
        shown = next(row for row in page["items"] if row["id"] == str(key_of(rows[0])))
        assert set(expand) <= shown.keys()
    assert counts[0] == counts[1] <= 1 + len(expand)
