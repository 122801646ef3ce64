"""Row Level Security and signing in: who reaches users, their refresh tokens and their attempts, and who does not."""

import asyncpg
import pytest
import sqlalchemy as sa
from httpx import AsyncClient
from sqlalchemy.exc import DBAPIError

from app.database.errors import sqlstate
from app.database.identity import ANONYMOUS, SIGN_IN, SYSTEM, Identity
from app.database.session import Sessions
from tests.auth.test_sign_in import register, sign_in
from tests.support import ADA

OURS = ["refresh_tokens", "sign_in_attempts", "users"]
ALLOWED = {
    ("refresh_tokens", "SELECT, INSERT, UPDATE, DELETE"),
    ("sign_in_attempts", "SELECT, INSERT, UPDATE, DELETE"),
    ("users", "SELECT, INSERT, UPDATE"),
}
GRANTS = """
    SELECT table_name, string_agg(privilege_type, ', '
        ORDER BY array_position(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'], privilege_type::text))
    FROM information_schema.role_table_grants WHERE table_schema = 'app' AND grantee = $1 GROUP BY table_name
"""


async def test_the_role_to_sign_in_has_these_rights_alone(owner: asyncpg.Connection, client: AsyncClient) -> None:
    assert {tuple(row) for row in await owner.fetch(GRANTS, str(SIGN_IN.role))} == ALLOWED


@pytest.mark.parametrize("table", OURS)
@pytest.mark.parametrize("identity", [ADA, ANONYMOUS], ids=["a user", "nobody"])
async def test_users_reach_none_of_it(sessions: Sessions, client: AsyncClient, table: str, identity: Identity) -> None:
    await register(client)
    await sign_in(client)
    for statement in ("SELECT * FROM app.{}", "DELETE FROM app.{}", "UPDATE app.{} SET version = 1"):
        async with sessions.of(identity).write() as session:
            with pytest.raises(DBAPIError) as refused:
                await session.execute(sa.text(statement.format(table)))
        assert sqlstate(refused.value) == "42501"


@pytest.mark.parametrize("statement", ["SELECT * FROM app.refresh_tokens", "SELECT * FROM app.sign_in_attempts"])
async def test_the_system_reaches_no_tokens(sessions: Sessions, statement: str) -> None:
    async with sessions.of(SYSTEM).write() as session:
        with pytest.raises(DBAPIError) as refused:
            await session.execute(sa.text(statement))
    assert sqlstate(refused.value) == "42501"


@pytest.mark.parametrize("statement", ["SELECT * FROM app.orders", "DELETE FROM app.users", "TRUNCATE app.users"])
async def test_who_signs_in_reaches_nothing_else(sessions: Sessions, statement: str) -> None:
    async with sessions.of(SIGN_IN).write() as session:
        with pytest.raises(DBAPIError) as refused:
            await session.execute(sa.text(statement))
    assert sqlstate(refused.value) == "42501"
