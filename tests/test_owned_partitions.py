"""Partitions behind Row Level Security, kept by a login that owns the tables and is bound by FORCE as everybody is."""

from pathlib import Path

import asyncpg
import pytest

from databases import alembic, execute, hand_over, query
from dev.postgres import Server
from first_revision import migrated_database
from projects import Render, python

TABLES = [
    "Product name:str(80)",
    "Label +shared name:str(40)",
    "Event +partitioned(occurred_at) occurred_at:datetime product:Product label:Label:null",
]
ROWS = """
    INSERT INTO app.users (id, email, password_hash) SELECT gen_random_uuid(), 'ada@example.com', 'none';
    INSERT INTO app.labels (id, name) VALUES (gen_random_uuid(), 'new');
    INSERT INTO app.products (id, owner_id, name) SELECT gen_random_uuid(), id, 'Lamp' FROM app.users;
    INSERT INTO app.events (id, occurred_at, owner_id, product_id, label_id)
    SELECT gen_random_uuid(), now() + number * interval '1 day', p.owner_id, p.id, l.id
    FROM generate_series(-300, 40) number, app.products p, app.labels l
"""
PARTS = """
    SELECT concat_ws(' ', relname, relrowsecurity, relforcerowsecurity, (
        SELECT count(*) FROM aclexplode(relacl) WHERE grantee <> relowner
    ), (SELECT count(*) FROM pg_policy WHERE polrelid = pg_class.oid))
    FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relname ~ '^events_' AND relkind = 'r' ORDER BY 1
"""
UNSECURE = """
    DO $$ DECLARE statement text; BEGIN
        FOR statement IN
            SELECT format('DROP POLICY %I ON app.events', policyname) FROM pg_policies WHERE tablename = 'events'
            UNION ALL
            SELECT format('ALTER TABLE app.%I DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', tablename)
            FROM pg_tables WHERE tablename ~ '^events'
        LOOP EXECUTE statement; END LOOP;
    END $$;
    REVOKE ALL ON app.events FROM authenticated, shop_system
"""


@pytest.fixture
def project(render: Render) -> Path:
    return render(tables=TABLES)


@pytest.fixture
def url(project: Path, server: Server) -> str:
    """A database with rows that no partition but the default one has kept."""
    url = migrated_database(project, server)
    execute(url, ROWS)
    return url


@pytest.fixture
def keeper(url: str) -> str:
    """The same database, for a login that is nothing but the owner of it all."""
    return hand_over(url)


def partitions(project: Path, url: str, *arguments: str) -> list[str]:
    return python(project, "-m", "app.database.partitions", *arguments, DATABASE_URL=url).splitlines()


def test_rows_move_to_their_months_though_the_owner_does_not_see_them(project: Path, url: str, keeper: str) -> None:
    before = query(url, "SELECT events::text FROM app.events ORDER BY id")
    assert query(keeper, "SELECT count(*) FROM app.events") == [0]
    made = partitions(project, keeper)
    assert len(made) == 4
    assert query(url, "SELECT events::text FROM app.events ORDER BY id") == before
    this_month = made[0].removeprefix("created ")
    assert query(url, f"SELECT count(*) > 0 FROM {this_month}") == [True]  # noqa: S608
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="fk_events_owner_id_product_id"):
        query(url, f"UPDATE {this_month} SET product_id = gen_random_uuid()")  # noqa: S608
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="fk_events_label_id"):
        query(url, "DELETE FROM app.labels")


def test_nobody_but_the_owner_reads_a_partition_past_its_table(project: Path, url: str, keeper: str) -> None:
    execute(
        url,
        "CREATE TABLE app.events_2020_01 PARTITION OF app.events FOR VALUES FROM ('2020-01-01Z') TO ('2020-02-01Z');"
        "ALTER TABLE app.events_2020_01 ENABLE ROW LEVEL SECURITY, OWNER TO keeper",
    )
    execute(
        url, "INSERT INTO app.events SELECT id, '2020-01-10', product_id, label_id, owner_id FROM app.events LIMIT 5"
    )
    lines = partitions(project, keeper, "--keep", "1")
    assert "detached app.events_2020_01: dump it, then drop it" in lines
    parts = query(url, PARTS)
    assert len(parts) > len(lines)
    assert [part.partition(" ")[2] for part in parts] == ["t f 0 0"] * len(parts)
    assert query(keeper, "SELECT count(*) FROM app.events_2020_01") == [5]
    execute(url, "GRANT SELECT ON app.events_2020_01 TO authenticated")
    assert query(url, "SELECT count(*) FROM app.events_2020_01", role="authenticated") == [0]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        query(url, "SELECT FROM app.events_default", role="authenticated")
    assert "No new upgrade operations detected" in alembic(project, url, "check")


def test_what_is_switched_on_later_reaches_the_partitions_that_are_there(project: Path, url: str) -> None:
    partitions(project, url)
    secured = query(url, PARTS)
    execute(url, UNSECURE)
    before = query(url, PARTS)
    assert before != secured
    alembic(project, url, "revision --autogenerate --message secured", "upgrade head", "check")
    assert query(url, PARTS) == secured
    alembic(project, url, "downgrade -1")
    assert query(url, PARTS) == before
