"""What Supabase has and our own PostgreSQL gets for development and tests (supabase only)."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator

import asyncpg
import certifi
import pytest

from app.settings import get_settings
from dev.supabase import stand_in
from tests.conftest import execute, new_database

ID = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
CLAIMS = {"sub": ID, "role": "authenticated", "email": "ada@example.com", "aal": "aal2"}


@pytest.fixture
async def asking(owner: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """A connection in a transaction that is rolled back."""
    transaction = owner.transaction()
    await transaction.start()
    yield owner
    await transaction.rollback()


async def claim(connection: asyncpg.Connection, name: str, value: str) -> None:
    """Set what a token says, for this transaction."""
    await connection.execute("SELECT set_config($1, $2, true)", name, value)


async def answers(connection: asyncpg.Connection) -> tuple[object, ...]:
    """Return what the functions say that policies call."""
    row = await connection.fetchrow("SELECT auth.uid(), auth.role(), auth.email(), auth.jwt() ->> 'aal'")
    return tuple(row)


async def test_policies_are_told_who_asks(asking: asyncpg.Connection) -> None:
    await claim(asking, "request.jwt.claims", json.dumps(CLAIMS))
    await asking.execute("SET LOCAL ROLE authenticated")
    assert await answers(asking) == (uuid.UUID(ID), "authenticated", "ada@example.com", "aal2")


@pytest.mark.parametrize("claims", [None, "", "{}"])
async def test_nobody_is_null(asking: asyncpg.Connection, claims: str | None) -> None:
    if claims is not None:
        await claim(asking, "request.jwt.claims", claims)
    assert await answers(asking) == (None, None, None, None)


async def test_the_setting_for_one_claim_comes_first_as_on_supabase(asking: asyncpg.Connection) -> None:
    await claim(asking, "request.jwt.claims", json.dumps(CLAIMS))
    await claim(asking, "request.jwt.claim.sub", OTHER)
    await claim(asking, "request.jwt.claim.role", "")
    assert (await answers(asking))[:2] == (uuid.UUID(OTHER), "authenticated")


async def test_a_person_who_is_no_uuid_is_an_error(asking: asyncpg.Connection) -> None:
    await claim(asking, "request.jwt.claims", '{"sub": "1"}')
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await asking.fetch("SELECT auth.uid()")


@pytest.mark.parametrize("role", ["anon", "authenticated", "shop_system"])
async def test_users_are_hidden_from_the_api_s_roles(asking: asyncpg.Connection, role: str) -> None:
    await asking.execute(f"SET LOCAL ROLE {role}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asking.fetch("SELECT * FROM auth.users")


async def test_users_are_secured_and_an_address_is_one_user_s(asking: asyncpg.Connection) -> None:
    assert await asking.fetchval("SELECT relrowsecurity FROM pg_class WHERE oid = 'auth.users'::regclass")
    store = "INSERT INTO auth.users (id, email, is_sso_user) VALUES ($1, 'eve@example.com', $2)"
    for sso in (True, True, False):
        await asking.execute(store, uuid.uuid4(), sso)
    with pytest.raises(asyncpg.UniqueViolationError):
        await asking.execute(store, uuid.uuid4(), False)


async def test_a_user_s_own_policy_for_supabase_works(asking: asyncpg.Connection) -> None:
    await asking.execute("""
        CREATE TABLE app.notes (user_id uuid REFERENCES auth.users, text text);
        ALTER TABLE app.notes ENABLE ROW LEVEL SECURITY;
        GRANT SELECT, INSERT ON app.notes TO authenticated;
        CREATE POLICY own ON app.notes TO authenticated USING ((SELECT auth.uid()) = user_id);
        CREATE POLICY registered ON app.notes AS RESTRICTIVE FOR INSERT TO authenticated
            WITH CHECK ((SELECT (auth.jwt() ->> 'is_anonymous')::boolean) IS FALSE);
    """)
    await asking.execute("INSERT INTO auth.users (id) VALUES ($1), ($2)", ID, OTHER)
    await asking.execute("INSERT INTO app.notes VALUES ($1, 'a'), ($2, 'b')", ID, OTHER)
    await claim(asking, "request.jwt.claims", json.dumps({**CLAIMS, "is_anonymous": True}))
    await asking.execute("SET LOCAL ROLE authenticated")
    assert [row["text"] for row in await asking.fetch("SELECT text FROM app.notes")] == ["a"]
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await asking.execute("INSERT INTO app.notes VALUES ($1, 'c')", ID)


async def test_a_second_time_changes_nothing(asking: asyncpg.Connection) -> None:
    every = """
        SELECT oid || relname FROM pg_class WHERE relnamespace = 'auth'::regnamespace
        UNION ALL SELECT oid || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'auth'::regnamespace
        UNION ALL SELECT oid || conname FROM pg_constraint WHERE connamespace = 'auth'::regnamespace
        ORDER BY 1
    """
    before = await asking.fetch(every)
    get_settings.cache_clear()
    await asyncio.to_thread(stand_in)
    assert await asking.fetch(every) == before != []


@pytest.mark.parametrize("name", ["DATABASE_URL", "MIGRATION_DATABASE_URL"])
def test_nothing_is_made_up_on_supabase(database_url: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "postgresql://postgres:x@db.your-project-ref.supabase.co:5432/postgres")
    monkeypatch.setenv("DATABASE_CA_FILE", certifi.where())
    get_settings.cache_clear()
    with pytest.raises(SystemExit, match="is Supabase's"):
        stand_in()
    get_settings.cache_clear()


def test_nothing_is_made_up_where_supabase_s_own_schema_is(maintenance_url: str) -> None:
    with new_database(maintenance_url) as url:
        get_settings.cache_clear()
        asyncio.run(execute(url, "CREATE ROLE supabase_auth_admin"))
        asyncio.run(execute(url, "CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin"))
        with pytest.raises(SystemExit, match="belongs to supabase_auth_admin"):
            stand_in()
    asyncio.run(execute(maintenance_url, "DROP ROLE supabase_auth_admin"))
    get_settings.cache_clear()
