"""Each error that a statement can cause, caused on the server: its SQLSTATE decides, none of its words is told."""

import datetime as dt
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import APIRouter
from httpx import AsyncClient

from app.api import SessionDep
from app.database.session import Sessions
from app.settings import Settings
from tests.proofs.server import schema
from tests.proofs.service import SECRET, assert_problem, running, serving
from tests.support import body_for, table_named

TABLES = (
    "CREATE TABLE proof.rooms (id int PRIMARY KEY, during int4range, EXCLUDE USING gist (during WITH &&))",
    "CREATE TABLE proof.notes (text text UNIQUE)",
)
CATEGORY = "INSERT INTO app.categories (id, name, parent_id) VALUES"
ORDER = "INSERT INTO app.orders (id, status) VALUES"
NEW = "gen_random_uuid()"
LONG = "SELECT string_agg(md5(n::text), '') FROM generate_series(1, 900) n"
LONG_AGO = dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=14)))

CAUSED_BY_VALUES: dict[str, tuple[str, int, str, list[str]]] = {
    "23505": (f"{CATEGORY} ({NEW}, '{SECRET}', NULL), ({NEW}, '{SECRET}', NULL)", 409, "taken", ["name"]),
    "23P01": ("INSERT INTO proof.rooms VALUES (1, '[1,3]'), (2, '[2,4]')", 409, "taken", []),
    "23503": (f"{CATEGORY} ({NEW}, '{SECRET}', {NEW})", 422, "unknown_reference", ["parent_id"]),
    "23514": (f"{ORDER} ({NEW}, '{SECRET}')", 422, "invalid_value", ["status"]),
    "23502": (f"{ORDER} ({NEW}, NULL)", 422, "invalid_value", ["status"]),
    "22001": (f"{CATEGORY} ({NEW}, repeat('{SECRET}', 5), NULL)", 422, "invalid_value", []),
    "22003": ("SELECT 2147483647 + 1", 422, "invalid_value", []),
    "22007": (f"SELECT '{SECRET}'::date", 422, "invalid_value", []),
    "22008": ("SELECT '5874897-12-31'::date + 1", 422, "invalid_value", []),
    "22021": (r"SELECT convert_from('\x00', 'UTF8')", 422, "invalid_value", []),
    "22P02": ("""SELECT '{"value": NaN}'::jsonb""", 422, "invalid_value", []),
    "22P05": (r"""SELECT '{"value": "\u0000"}'::jsonb""", 422, "invalid_value", []),
    "54000": (f"INSERT INTO proof.notes {LONG}", 422, "invalid_value", []),
}
CAUSED_BY_US: dict[str, str] = {
    "22012": "SELECT 1 / 0",
    "42601": f"SELEC '{SECRET}'",
    "42703": f'SELECT "{SECRET}"',
    "42P01": "SELECT * FROM proof.nothing",
}
# Refused by the driver before the server sees them: each would otherwise be a 500.
CAUSED_BY_PARAMETERS: dict[str, tuple[str, Any]] = {
    "too large": ("SELECT CAST(:value AS int)", 2**40),
    "lone surrogate": ("SELECT CAST(:value AS text)", "\ud800"),
    "NUL": ("SELECT CAST(:value AS text)", f"{SECRET}\x00"),
    "before all time": ("SELECT CAST(:value AS timestamptz)", LONG_AGO),
    "another type": ("SELECT CAST(:value AS date)", SECRET),
}


async def assert_causes(owner: asyncpg.Connection, state: str, statement: str) -> None:
    """Check that the server's answer to this statement is this SQLSTATE."""
    with pytest.raises(asyncpg.PostgresError) as raised:
        await owner.execute(statement)
    assert raised.value.sqlstate == state


@pytest.mark.parametrize("state", CAUSED_BY_VALUES)
async def test_a_value_that_cannot_be_stored_is_the_clients_error(
    settings: Settings, owner: asyncpg.Connection, state: str
) -> None:
    statement, status, code, fields = CAUSED_BY_VALUES[state]
    async with schema(owner, *TABLES), serving(settings, running(statement)) as service:
        await assert_causes(owner, state, statement)
        assert_problem(await service.post(), status, code, *fields)


@pytest.mark.parametrize("value", CAUSED_BY_PARAMETERS)
async def test_a_parameter_that_cannot_be_sent_is_the_clients_error(settings: Settings, value: str) -> None:
    statement, parameter = CAUSED_BY_PARAMETERS[value]
    router = APIRouter()

    @router.post("/proof")
    async def run(session: SessionDep) -> None:
        await session.execute(sa.text(statement), {"value": parameter})

    async with serving(settings, router) as service:
        assert_problem(await service.post(), 422, "invalid_value")


@pytest.mark.parametrize("state", CAUSED_BY_US)
async def test_a_statement_that_cannot_run_is_our_error_and_logged(
    settings: Settings, owner: asyncpg.Connection, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with schema(owner, *TABLES), serving(settings, running(CAUSED_BY_US[state])) as service:
        await assert_causes(owner, state, CAUSED_BY_US[state])
        assert_problem(await service.post(), 500, "internal")
    assert "POST /proof] a database error that no client can cause" in capsys.readouterr().err


async def test_a_unique_value_is_named_by_a_rendered_route(client: AsyncClient, sessions: Sessions) -> None:
    body = {**await body_for(sessions, table_named("product")), "sku": SECRET}
    assert (await client.post("/products", json=body)).status_code == 201
    assert_problem(await client.post("/products", json=body), 409, "taken", "sku")


async def test_a_row_that_others_refer_to_stays(client: AsyncClient, sessions: Sessions) -> None:
    parent = (await client.post("/categories", json={"name": "Parent"})).json()
    await client.post("/categories", json={"name": "Child", "parent_id": parent["id"]})
    assert_problem(await client.delete(f"/categories/{parent['id']}"), 409, "still_referenced")
    assert (await client.get(f"/categories/{parent['id']}")).json() == parent


@pytest.mark.parametrize("action", ["NO ACTION", "RESTRICT"])
async def test_a_referenced_row_stays_whichever_state_says_so(
    settings: Settings, owner: asyncpg.Connection, action: str
) -> None:
    tables = (
        "CREATE TABLE proof.parents (id int PRIMARY KEY)",
        f"CREATE TABLE proof.children (parent int REFERENCES proof.parents ON DELETE {action})",
        "INSERT INTO proof.parents VALUES (1)",
        "INSERT INTO proof.children VALUES (1)",
    )
    async with schema(owner, *tables), serving(settings, running(" DELETE FROM proof.parents")) as service:
        assert_problem(await service.post(), 409, "still_referenced")
