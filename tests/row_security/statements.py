"""Every kind of statement that Bob can send: it reaches no row of Ada's, or it is a limit that is documented."""

import uuid
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa

from app.database.identity import SYSTEM, Identity
from app.database.session import Sessions
from app.settings import Settings
from tests.row_security.rows import REFUSED, one_connection, orders, outcome
from tests.support import ADA, BOB

FOR_ADA = "INSERT INTO app.orders (id, owner_id) VALUES (:new, :ada)"
ADAS_KEY = "INSERT INTO app.orders (id, owner_id) VALUES (:adas, :bob)"
MERGE = "MERGE INTO app.orders o USING (SELECT CAST(:adas AS uuid) AS id) s ON o.id = s.id"
UNCOUNTED = -1  # the driver does not count what MERGE did
ALL_MERGE = "MERGE INTO app.orders o USING (VALUES (1)) s ON true WHEN MATCHED THEN"

EXPLAIN = "EXPLAIN (ANALYZE, VERBOSE, COSTS OFF) SELECT id FROM app.orders"

# With the values :adas (a key), :bobs (a key), :ada, :bob and :new. A number is that of rows.
STATEMENTS: list[tuple[str, Any]] = [
    *((f"SELECT id FROM app.orders WHERE id = :adas FOR {lock}", []) for lock in ("UPDATE", "SHARE", "KEY SHARE")),
    ("SELECT id FROM ONLY app.orders WHERE id = :adas", []),
    ("SELECT 1 WHERE EXISTS (SELECT FROM app.orders WHERE id = :adas)", []),
    ("SELECT count(*) FROM app.orders", [(1,)]),
    ("SELECT count(*) FROM app.orders TABLESAMPLE SYSTEM (100)", [(1,)]),
    ("WITH gone AS (DELETE FROM app.orders RETURNING owner_id) SELECT count(*) FROM gone", [(1,)]),
    ("UPDATE app.orders SET note = 'mine' WHERE id = :adas", 0),
    ("UPDATE app.orders SET note = 'mine'", 1),
    ("UPDATE app.orders SET owner_id = :ada", REFUSED),
    ("DELETE FROM app.orders WHERE id = :adas", 0),
    (FOR_ADA, REFUSED),
    (f"{FOR_ADA} RETURNING id", REFUSED),
    (f"{FOR_ADA} ON CONFLICT DO NOTHING", REFUSED),
    (f"{ADAS_KEY} ON CONFLICT (id) DO UPDATE SET note = 'mine'", REFUSED),
    (f"{ADAS_KEY} ON CONFLICT (id) DO UPDATE SET owner_id = EXCLUDED.owner_id", REFUSED),
    (f"{MERGE} WHEN MATCHED THEN DELETE", UNCOUNTED),
    (f"{MERGE} WHEN MATCHED THEN UPDATE SET note = 'mine'", UNCOUNTED),
    (f"{MERGE} WHEN NOT MATCHED THEN INSERT (id, owner_id) VALUES (:new, :ada)", REFUSED),
    (f"{ALL_MERGE} UPDATE SET owner_id = :ada", REFUSED),
    ("INSERT INTO app.bundles (id, owner_id, name) SELECT :new, owner_id, note FROM app.orders WHERE id = :adas", 0),
    ("INSERT INTO app.bundle_orders (owner_id, bundle_id, order_id) VALUES (:ada, :new, :adas)", REFUSED),
    ("INSERT INTO app.bundle_orders (owner_id, bundle_id, order_id) VALUES (:bob, :new, :adas)", "23503"),
    ("INSERT INTO app.events (id, owner_id, at, order_id) VALUES (:new, :bob, now(), :adas)", "23503"),
    ("INSERT INTO app.events (id, owner_id, at, order_id) VALUES (:new, :bob, now(), :new)", "23503"),
    # A condition that fails on Ada's row is asked about Bob's alone: her value is not found out by errors.
    ("SELECT id FROM app.orders WHERE 1 / CASE WHEN owner_id = :ada THEN 0 ELSE 1 END = 0", []),
    ("SELECT * FROM app.users", REFUSED),
    ("SELECT * FROM pg_authid", REFUSED),
    ("SELECT pg_read_file('postgresql.conf')", REFUSED),
    ("CREATE TEMP TABLE mine AS SELECT * FROM app.orders", REFUSED),
    ("CREATE FUNCTION pg_temp.spy() RETURNS int LANGUAGE sql AS 'SELECT 1'", REFUSED),
    ("CREATE TABLE public.mine ()", REFUSED),
    ("CREATE SCHEMA mine", REFUSED),
    ("LOCK TABLE app.users IN ACCESS SHARE MODE", REFUSED),
    ("SELECT count(*) FROM pg_stats WHERE schemaname = 'app'", [(0,)]),
    ("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%owner_id%' AND pid <> pg_backend_pid()", [(0,)]),
    ("DO $$ BEGIN EXECUTE 'TRUNCATE app.orders'; END $$", REFUSED),
    ("SET session_replication_role = replica", REFUSED),
    ("SET ROLE postgres", REFUSED),
    ("SET ROLE shop_api\nSELECT * FROM app.orders", REFUSED),
    ("SET ROLE NONE\nSELECT * FROM app.orders", REFUSED),
    ("SELECT set_config('role', 'pg_read_all_data', true)", REFUSED),
    ("ALTER ROLE shop_api SUPERUSER", REFUSED),
    ("GRANT shop_system TO authenticated", REFUSED),
    ("REASSIGN OWNED BY postgres TO authenticated", REFUSED),
    ("ALTER DATABASE postgres SET row_security = off", REFUSED),
]


@pytest.mark.parametrize(("statement", "expected"), STATEMENTS, ids=[text for text, _ in STATEMENTS])
async def test_it_reaches_no_row_of_anothers(
    sessions: Sessions, owner: asyncpg.Connection, statement: str, expected: Any
) -> None:
    adas, bobs = await orders(sessions)
    await owner.execute("ANALYZE app.orders")
    before = await owner.fetchrow("SELECT * FROM app.orders WHERE id = $1", adas)
    values = {"adas": adas, "bobs": bobs, "ada": ADA.user_id, "bob": BOB.user_id, "new": uuid.uuid4()}
    assert await outcome(sessions, BOB, *statement.splitlines(), **values) == expected
    assert await owner.fetchrow("SELECT * FROM app.orders WHERE id = $1", adas) == before


async def test_copy_reads_ones_own_and_writes_nothing(sessions: Sessions) -> None:
    _, bobs = await orders(sessions)
    async with sessions.of(BOB).write() as session:
        driver: Any = (await (await session.connection()).get_raw_connection()).driver_connection
        await session.execute(sa.text("SELECT 1"))  # SQLAlchemy begins no earlier
        read = bytearray()

        async def keep(chunk: bytes) -> None:
            read.extend(chunk)

        await driver.copy_from_query("SELECT id FROM app.orders", output=keep)
        assert read.decode().split() == [str(bobs)]
        new = {"columns": ["id", "owner_id"], "records": [(uuid.uuid4(), ADA.user_id)]}
        with pytest.raises(asyncpg.FeatureNotSupportedError):
            await driver.copy_records_to_table("orders", schema_name="app", **new)


@pytest.mark.parametrize("mode", ["auto", "force_generic_plan", "force_custom_plan"])
async def test_a_plan_that_is_kept_asks_anew_who_it_is_for(sessions: Sessions, settings: Settings, mode: str) -> None:
    adas, bobs = await orders(sessions)
    prepare = "PREPARE kept AS SELECT id FROM app.orders"
    plan = f"SELECT set_config('plan_cache_mode', '{mode}', true)"
    async with one_connection(settings) as opened:
        assert await outcome(opened, ADA, plan, prepare, "EXECUTE kept") == [(adas,)]
        # Often enough for a generic plan, in all users' statements: the driver keeps one for each text, too.
        for who, seen in ((ADA, [(adas,)]), (BOB, [(bobs,)]), (ADA, [(adas,)]), (SYSTEM, sorted([(adas,), (bobs,)]))):
            for statement in ("EXECUTE kept", "SELECT id FROM app.orders ORDER BY id") * 7:
                assert sorted(await outcome(opened, who, plan, statement)) == seen


# --- Documented limits: whoever can send any SQL at all is stopped by none of this ---


async def reached(sessions: Sessions, *statements: str, who: Identity = BOB, **values: Any) -> Any:
    """Return what a user gets who can send SQL of their own."""
    return await outcome(sessions, who, *statements, **values)


async def test_limit_sql_can_say_who_it_is_for(sessions: Sessions) -> None:
    adas, bobs = await orders(sessions)
    claims = f"SELECT set_config('request.jwt.claims', '{{\"sub\": \"{ADA.user_id}\"}}', true)"
    assert await reached(sessions, claims, "SELECT id FROM app.orders") == [(adas,)]
    found = await reached(sessions, "SET LOCAL ROLE shop_system", "SELECT id FROM app.orders ORDER BY id")
    assert found == sorted([(adas,), (bobs,)])


async def test_limit_sql_can_leave_something_on_its_connection(sessions: Sessions, settings: Settings) -> None:
    adas, _ = await orders(sessions)
    async with one_connection(settings) as opened:
        hold = "DECLARE kept CURSOR WITH HOLD FOR SELECT id FROM app.orders"
        await outcome(opened, ADA, hold)
        assert await outcome(opened, BOB, "FETCH ALL FROM kept") == [(adas,)]


async def test_limit_a_key_that_is_known_is_known_to_be_taken(sessions: Sessions) -> None:
    adas, _ = await orders(sessions)
    values = {"adas": adas, "bob": BOB.user_id}
    assert await reached(sessions, ADAS_KEY, **values) == "23505"
    assert await reached(sessions, f"{ADAS_KEY} ON CONFLICT (id) DO NOTHING", **values) == 0


async def test_limit_locks_and_large_objects_are_everybodys(sessions: Sessions, settings: Settings) -> None:
    async with one_connection(settings) as opened:
        await outcome(opened, ADA, "SELECT pg_advisory_lock(42)")
        assert await reached(sessions, "SELECT pg_try_advisory_lock(42)") == [(False,)]
    assert await reached(sessions, "LOCK TABLE app.orders IN EXCLUSIVE MODE") in {0, -1}
    ((large,),) = await outcome(sessions, ADA, "SELECT lo_from_bytea(0, 'secret')")
    assert await reached(sessions, f"SELECT lo_get({large})") == [(b"secret",)]
    await outcome(sessions, ADA, f"SELECT lo_unlink({large})")


async def test_limit_explain_shows_policies_and_counts_hidden_rows(sessions: Sessions) -> None:
    await orders(sessions)
    plan = str(
        await reached(sessions, "SET LOCAL enable_indexscan = off", "SET LOCAL enable_bitmapscan = off", EXPLAIN)
    )
    assert "Rows Removed by Filter: 1" in plan
    assert "current_user_id" in plan
