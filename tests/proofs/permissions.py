"""What a login may not do: a policy's refusal is the client's affair, a missing right is ours."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import sqlalchemy as sa
from fastapi import APIRouter
from sqlalchemy.exc import DBAPIError

from app.api import SessionDep
from app.settings import Settings
from tests.proofs.server import PASSWORD, at, login, schema
from tests.proofs.service import assert_problem, running, serving

TABLES = (
    "CREATE TABLE proof.notes (author text)",
    "CREATE TABLE proof.accounts (author text)",
    "ALTER TABLE proof.notes ENABLE ROW LEVEL SECURITY",
)
RIGHTS = """
    GRANT USAGE ON SCHEMA proof TO name;
    GRANT INSERT ON proof.notes TO name;
    CREATE POLICY own ON proof.notes TO name USING (true) WITH CHECK (author = current_user);
"""


@pytest.fixture
async def limited(settings: Settings, owner: asyncpg.Connection, database_url: str) -> AsyncIterator[Settings]:
    """Settings with a login that has a table with a policy, and another one without rights."""
    async with login(owner) as name, schema(owner, *TABLES):
        await owner.execute(RIGHTS.replace("name", name))
        yield settings.model_copy(update={"database_url": at(database_url, username=name, password=PASSWORD)})


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("INSERT INTO proof.notes VALUES (current_user)", ""),
        ("INSERT INTO proof.notes VALUES ('nobody-may-read-this')", "forbidden"),
        ("INSERT INTO proof.accounts VALUES ('nobody-may-read-this')", "internal"),
        ("SELECT * FROM proof.accounts WHERE author = 'nobody-may-read-this'", "internal"),
        ("CREATE TABLE proof.mine ()", "internal"),
    ],
)
async def test_only_a_policy_forbids(
    limited: Settings, capsys: pytest.CaptureFixture[str], statement: str, code: str
) -> None:
    async with serving(limited, running(statement)) as service:
        answer = await service.post()
        if code:
            assert_problem(answer, {"forbidden": 403, "internal": 500}[code], code)
        else:
            assert answer.status_code == 201
    logged = "a database error that no client can cause" in capsys.readouterr().err
    assert logged is (code == "internal")


async def test_a_statement_after_a_caught_error_is_our_error(settings: Settings) -> None:
    router = APIRouter()

    @router.post("/proof")
    async def go_on(session: SessionDep) -> None:
        try:
            await session.execute(sa.text("SELECT 1 / 0"))
        except DBAPIError:
            await session.execute(sa.text("SELECT 1"))  # 25P02

    async with serving(settings, router) as service:
        assert_problem(await service.post(), 500, "internal")
