"""With 100,000 rows of a thousand owners, each policy reads along an index and asks once a query who it is for."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from httpx import AsyncClient

from app.database.identity import Identity
from app.database.session import Sessions
from tests.support import ADA, BOB

USERS, EACH = 1_000, 100
OWNERS = f"(SELECT id AS owner_id FROM app.users) AS owners, generate_series(1, {EACH}) AS n"
FILL = f"""
    SET session_replication_role = replica;
    INSERT INTO app.users (id, email, password_hash)
        SELECT gen_random_uuid(), n || '@plans.example', 'x' FROM generate_series(3, {USERS}) AS n;
    INSERT INTO app.orders (id, owner_id) SELECT gen_random_uuid(), owner_id FROM {OWNERS};
    INSERT INTO app.events (id, owner_id, order_id, at)
        SELECT gen_random_uuid(), owner_id, gen_random_uuid(), now() - n * interval '1 minute' FROM {OWNERS};
    INSERT INTO app.bundle_orders (owner_id, bundle_id, order_id)
        SELECT owner_id, gen_random_uuid(), gen_random_uuid() FROM {OWNERS};
    INSERT INTO app.products (id, sku, name, price, attributes)
        SELECT gen_random_uuid(), n::text, n::text, 1, '{{}}' FROM generate_series(1, {USERS}) AS n;
    INSERT INTO app.product_categories (product_id, category_id)
        SELECT id, gen_random_uuid() FROM app.products;
    RESET session_replication_role;
    ANALYZE app.users, app.orders, app.events, app.bundle_orders, app.products, app.product_categories;
"""
EMPTY = "TRUNCATE app.events, app.bundle_orders, app.product_categories, app.products, app.orders CASCADE"
FORGET = "DELETE FROM app.users WHERE email LIKE '%@plans.example'"
ME = "private.current_user_id()"
FUNCTIONS = ("current_user_id(", "has_scope(")
LEADING = """
    SELECT indexrelid::regclass::text FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE attname = 'owner_id'
"""
INDEXED = {"Index Scan", "Index Only Scan", "Bitmap Index Scan"}

ALL_OWN = [
    "SELECT * FROM app.{}",
    "UPDATE app.{} SET owner_id = owner_id",
    "DELETE FROM app.{}",
    "SELECT count(*) FROM app.{}",
]
NEW = {
    "orders": f"INSERT INTO app.orders (id, owner_id) SELECT gen_random_uuid(), {ME} FROM generate_series(1, 50)",
    "products": "INSERT INTO app.products (id, sku, name, price, attributes) "
    "SELECT gen_random_uuid(), 'new' || n, 'x', 1, '{}' FROM generate_series(1, 50) AS n",
}


@pytest.fixture(scope="module")
async def filled(owner: asyncpg.Connection, running: tuple[AsyncClient, Sessions]) -> AsyncIterator[Sessions]:
    """Sessions in front of the rows, which stay for all of these tests."""
    await owner.execute(FILL)
    yield running[1]
    await owner.execute(f"{EMPTY}; {FORGET}")


async def plan_of(sessions: Sessions, who: Identity, statement: str) -> list[dict[str, Any]]:
    """Run a statement of somebody's for nothing, and return the nodes of its plan."""
    async with sessions.of(who).write() as session:
        explained = await session.scalar(sa.text(f"EXPLAIN (ANALYZE, VERBOSE, FORMAT json) {statement}"))
    (plan,) = explained if isinstance(explained, list) else json.loads(str(explained))
    return list(nodes(plan["Plan"]))


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a node and those below it."""
    yield node
    for child in node.get("Plans", []):
        yield from nodes(child)


def asks(node: dict[str, Any]) -> bool:
    """Whether a node itself calls one of our functions."""
    texts = json.dumps({name: value for name, value in node.items() if name != "Plans"})
    return any(function in texts for function in FUNCTIONS)


def assert_asked_once(plan: list[dict[str, Any]]) -> None:
    asking = [node for node in plan if asks(node)]
    assert {node.get("Parent Relationship") for node in asking} <= {"InitPlan"}, asking
    assert {node["Actual Loops"] for node in asking} <= {0, 1}, asking


@pytest.mark.parametrize("statement", ALL_OWN)
@pytest.mark.parametrize("table", ["orders", "events", "bundle_orders"])
async def test_ones_own_rows_are_found_by_an_index(
    filled: Sessions, owner: asyncpg.Connection, table: str, statement: str
) -> None:
    leading = await owner.fetch(LEADING)
    names = {name.rpartition(".")[2] for (name,) in leading}
    for who in (ADA, BOB):
        plan = await plan_of(filled, who, statement.format(table))
        reading = [node for node in plan if "Scan" in node["Node Type"] and "Heap" not in node["Node Type"]]
        # Months to come are empty, and a table without rows has nothing to look up.
        reading = [node for node in reading if node["Actual Rows"] or node.get("Rows Removed by Filter")]
        assert {node["Node Type"] for node in reading} <= INDEXED
        assert {node["Index Name"] for node in reading} <= names
        # An index also finds what the statements before would have changed.
        assert all(EACH <= node["Actual Rows"] <= 4 * EACH for node in reading)
        assert_asked_once(plan)
        assert any(asks(node) for node in plan)


@pytest.mark.parametrize("who", [ADA, BOB], ids=["writer", "reader"])
@pytest.mark.parametrize("table", ["products", "product_categories"])
@pytest.mark.parametrize(
    "statement", ["SELECT count(*) FROM app.{}", "DELETE FROM app.{}", "UPDATE app.{} SET product_id = product_id"]
)
async def test_scopes_are_looked_at_once_a_query(filled: Sessions, table: str, statement: str, who: Identity) -> None:
    column = "product_id" if table == "product_categories" else "id"
    plan = await plan_of(filled, who, statement.format(table).replace("product_id", column))
    assert_asked_once(plan)
    assert any(asks(node) for node in plan) is not statement.startswith("SELECT")


@pytest.mark.parametrize("table", ["orders", "products"])
async def test_new_rows_are_checked_by_what_is_asked_once(filled: Sessions, table: str) -> None:
    plan = await plan_of(filled, ADA, NEW[table].replace(f"{ME} ", f"(SELECT {ME}) "))
    assert_asked_once(plan)
    assert any(asks(node) for node in plan)
