"""What holds for the values of every table: the API refuses what the database would, and nothing else."""

import decimal
import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from httpx import AsyncClient
from pydantic.fields import FieldInfo

from app.database.session import Sessions
from dev.factories import Resource
from tests.support import body_for, each_table

pytestmark = each_table
NUL = "\x00"


def required(table: Resource) -> Iterator[str]:
    """The fields that have to be sent."""
    return (name for name, field in table.create.model_fields.items() if field.is_required())


def limit(field: FieldInfo, name: str) -> Any:
    """The bound of a field with this name, or None."""
    return next((getattr(item, name) for item in field.metadata if hasattr(item, name)), None)


async def refused(client: AsyncClient, table: Resource, body: dict[str, Any], field: str) -> bool:
    """Whether a body is refused because of one field."""
    answer = await client.post(table.path, json=body)
    return answer.status_code == 422 and any(name.split(".")[0] == field for name in answer.json()["fields"])


async def test_a_field_nobody_knows_is_refused(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    body = await body_for(sessions, table)
    assert await refused(client, table, {**body, "nobody_knows": 1}, "nobody_knows")
    assert await refused(client, table, {**body, "version": 7}, "version")


async def test_each_required_field_is_required(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    body = await body_for(sessions, table)
    for field in required(table):
        assert await refused(client, table, {name: value for name, value in body.items() if name != field}, field)


async def test_a_value_of_another_type_is_refused(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    body = await body_for(sessions, table)
    for field in body:
        assert await refused(client, table, {**body, field: [{"no": "such"}]}, field)


async def test_null_is_for_nullable_fields(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    for field in table.create.model_fields:
        column = table.table.columns.get(field)
        body = {**await body_for(sessions, table), field: None}
        if column is None or not column.nullable:
            assert await refused(client, table, body, field)
        else:
            created = await client.post(table.path, json=body)
            assert created.status_code == 201, created.text
            assert created.json()[field] is None


async def test_text_is_kept_as_it_is(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    for field, info in table.create.model_fields.items():
        if info.annotation not in (str, str | None):
            continue
        longest = limit(info, "max_length") or 300
        for value in ("", " ", "é" * longest, "a" * longest):
            created = await client.post(table.path, json={**await body_for(sessions, table), field: value})
            assert created.status_code == 201, created.text
            assert created.json()[field] == value
        if limit(info, "max_length"):
            assert await refused(client, table, {**await body_for(sessions, table), field: "a" * (longest + 1)}, field)
        nul = await client.post(table.path, json={**await body_for(sessions, table), field: NUL})
        assert nul.status_code == 422


async def test_numbers_keep_their_bounds(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    for field, info in table.create.model_fields.items():
        body = await body_for(sessions, table)
        for bound, beyond in (("ge", -1), ("le", 1)):
            value = limit(info, bound)
            if value is not None:
                outside = value + beyond
                assert await refused(
                    client, table, {**body, field: str(outside) if is_decimal(info) else outside}, field
                )
        if info.annotation in (float, float | None):
            for value in (float("nan"), float("inf")):
                content, headers = json.dumps({**body, field: value}), {"Content-Type": "application/json"}
                answer = await client.post(table.path, content=content, headers=headers)
                assert (answer.status_code, answer.json()["fields"]) == (422, [field])


async def test_json_may_be_nested_only_so_deep(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    for field, info in table.create.model_fields.items():
        if "JsonValue" in str(info.annotation):
            limit_of_depth = 100
            for depth, accepted in ((limit_of_depth, True), (limit_of_depth + 1, False), (150, False)):
                deep = json.loads('{"a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}")
                body = {**await body_for(sessions, table), field: deep}
                if accepted:
                    assert (await client.post(table.path, json=body)).json()[field] == deep
                else:
                    assert await refused(client, table, body, field)


async def test_times_without_a_zone_and_without_an_end_are_refused(
    client: AsyncClient, sessions: Sessions, table: Resource
) -> None:
    for field in table.create.model_fields:
        if isinstance(getattr(table.table.columns.get(field), "type", None), sa.DateTime):
            for value in ("2026-01-01T00:00:00", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z"):
                assert await refused(client, table, {**await body_for(sessions, table), field: value}, field)


def is_decimal(info: FieldInfo) -> bool:
    """Whether a field is sent as text, so that no digit is lost."""
    return info.annotation in (decimal.Decimal, decimal.Decimal | None)


async def test_a_body_that_is_no_object_is_refused(client: AsyncClient, table: Resource) -> None:
    for content in (b"", b"{", b"[]", b'"text"', b"null"):
        answer = await client.post(table.path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, content


async def test_references_must_exist(client: AsyncClient, sessions: Sessions, table: Resource) -> None:
    unknown = "00000000-0000-7000-8000-000000000000"
    for field in table.references(required=False):
        assert await refused(client, table, {**await body_for(sessions, table), field: unknown}, field)
    for field in table.linked():
        assert await refused(client, table, {**await body_for(sessions, table), field: [unknown]}, field)
