"""Whatever somebody changes by hand in a database is found, and named; and `schema.sql` says all of a schema."""

import asyncio
import json
import shutil
import sys
from pathlib import Path

import asyncpg
import pytest

import planted
from databases import alembic, execute, hand_over, query
from dev.postgres import Server
from first_revision import prepared_database
from projects import Render, run

# Each change is made, seen and taken back in a transaction.
LOOK = """
import asyncio, json, sys
from app.database.engine import open_migration_connection
from app.settings import get_settings
from migrate import differences

def look(connection):
    for change in ["", *json.loads(sys.argv[1])]:
        with connection.begin() as transaction:
            for statement in filter(None, change.split(";; ")):
                connection.exec_driver_sql(statement)
            yield change, differences(connection)
            transaction.rollback()

async def main():
    async with open_migration_connection(get_settings()) as connection:
        print(json.dumps(dict(await connection.run_sync(lambda sync: list(look(sync))))))

asyncio.run(main())
"""
WRITE = """
import asyncio
from migrate.command import _on_database
from migrate.sql import schema_of

print(asyncio.run(_on_database(schema_of)), end="")
"""


def look(project: Path, url: str, *changes: str) -> dict[str, list[str]]:
    """What is found after each of these changes, and without one."""
    found: dict[str, list[str]] = json.loads(
        run(project, sys.executable, "-c", LOOK, json.dumps(changes), DATABASE_URL=url, MIGRATION_DATABASE_URL=url)
    )
    return found


def schema_of(project: Path, url: str) -> str:
    return run(project, sys.executable, "-c", WRITE, DATABASE_URL=url, MIGRATION_DATABASE_URL=url)


@pytest.fixture(scope="module", params=["18", "15"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(f"postgres_{request.param}")
    return found


@pytest.fixture(scope="module", params=[True, False], ids=["secured", "open"])
def secured(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def project(render: Render, *, secured: bool) -> Path:
    """A project whose models and revisions have more than the template renders."""
    answers = {} if secured else {"auth": "none", "row_level_security": False}
    project = render(tables=planted.TABLES, **answers)
    (project / "app/models/room.py").write_text(planted.MODEL)
    text = planted.BY_HAND + planted.SECURE * secured
    (project / "alembic/versions/0002_rooms.py").write_text(planted.REVISION.format(text))
    return project


@pytest.fixture(scope="module")
def url(project: Path, server: Server) -> str:
    url = prepared_database(project, server)
    alembic(project, url, "upgrade head")
    return url


@pytest.fixture(scope="module")
def changes(*, secured: bool) -> dict[str, tuple[str, ...]]:
    return planted.EVERYWHERE | (planted.SECURITY if secured else {})


def test_each_change_is_found_and_named(project: Path, url: str, changes: dict[str, tuple[str, ...]]) -> None:
    found = look(project, url, *changes)
    assert found.pop("") == []
    for change, lines in found.items():
        assert len(lines) == len(changes[change]), (change, lines)
        for line, beginning in zip(lines, changes[change], strict=True):
            assert line.startswith(beginning), change


def test_what_is_not_read_is_not_found(project: Path, url: str, tmp_path: Path) -> None:
    blind = shutil.copytree(project, tmp_path / "blind")
    reader = blind / "app/database/catalog.sql"
    reader.write_text(reader.read_text().replace("pg_get_indexdef(indexrelid)", "indexrelid::regclass::text"))
    (change,) = (change for change in planted.INDEXES if "DESC" in change)
    assert look(blind, url, change)[change] == []


def test_the_command_says_so_too(project: Path, server: Server) -> None:
    url = prepared_database(project, server)
    alembic(project, url, "upgrade head")
    check = [sys.executable, "-m", "migrate.command", "check"]
    assert "is what the models say" in run(project, *check, DATABASE_URL=url, MIGRATION_DATABASE_URL=url)
    execute(
        url, "ALTER TABLE app.rooms ALTER name DROP NOT NULL; INSERT INTO app.rooms (name, taken) VALUES ('', 'empty')"
    )
    with pytest.raises(AssertionError, match=r"column name of app\.rooms: in the database character varying\(40\)"):
        run(project, *check, DATABASE_URL=url, MIGRATION_DATABASE_URL=url)
    assert query(url, "SELECT nspname::text FROM pg_namespace WHERE nspname ~ 'models'") == []


def test_months_come_and_go(project: Path, server: Server) -> None:
    url = prepared_database(project, server)
    alembic(project, url, "upgrade head")
    before = schema_of(project, url)
    run(project, sys.executable, "-m", "app.database.partitions", DATABASE_URL=url, MIGRATION_DATABASE_URL=url)
    assert query(url, r"SELECT relname::text FROM pg_class WHERE relname ~ 'visits_\d{4}_\d\d$'") != []
    assert look(project, url) == {"": []}
    assert schema_of(project, url) == before


# --- schema.sql ---


def test_it_can_be_run_and_makes_the_same(project: Path, server: Server) -> None:
    url, twin = prepared_database(project, server), prepared_database(project, server)
    alembic(project, url, "upgrade head")
    changes = ["ALTER TABLE app.notes DISABLE TRIGGER touch_row", *planted.ACCESS]
    execute(url, ";".join(change for change in changes if "CREATE ROLE" not in change))
    execute(twin, "DROP SCHEMA IF EXISTS app")
    written = schema_of(project, url)
    assert "reference from" not in written  # which the constraint of another table says
    execute(twin, written)
    assert without_enums(schema_of(project, twin)) == without_enums(schema_of(project, url))


def without_enums(text: str) -> list[str]:
    """PostgreSQL writes `varchar IN (…)` in one way, and what it has written in another."""
    return [line for line in text.splitlines() if "= ANY (" not in line]


@pytest.mark.parametrize("answers", [{}, {"database": "supabase", "auth": "supabase"}, {"tables": planted.TABLES}])
def test_each_server_writes_the_same(
    answers: dict[str, str], render: Render, postgres_18: Server, postgres_15: Server
) -> None:
    project = render(**answers)
    texts = []
    for server in (postgres_18, postgres_15):
        url = prepared_database(project, server)
        alembic(project, url, "upgrade head")
        texts.append(schema_of(project, url))
    assert texts[0] == texts[1]
    assert "CREATE TABLE app." in texts[0]


# --- Where the models cannot be made ---


@pytest.fixture(scope="module")
def shop(render: Render) -> Path:
    return render(database="supabase", auth="supabase")


def test_a_login_that_may_not_make_schemas_is_told(shop: Path, postgres_18: Server) -> None:
    url = prepared_database(shop, postgres_18)
    alembic(shop, url, "upgrade head")
    owner = hand_over(url)
    database = url.rpartition("/")[2]
    execute(url, f"ALTER DATABASE {database} OWNER TO postgres; GRANT CONNECT ON DATABASE {database} TO keeper")
    with pytest.raises(AssertionError, match="needs CREATE on the database"):
        look(shop, owner)


def test_it_does_not_wait_for_tables_that_are_not_ours(shop: Path, postgres_18: Server) -> None:
    url = prepared_database(shop, postgres_18)
    alembic(shop, url, "upgrade head")

    async def look_while_locked() -> None:
        connection = await asyncpg.connect(url)
        async with connection.transaction():
            await connection.execute("LOCK TABLE auth.users")
            assert await asyncio.to_thread(look, shop, url) == {"": []}
        await connection.close()

    asyncio.run(look_while_locked())
