"""What the start refuses where Row Level Security would not hold: each hole, made and mended on real servers."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from databases import as_login, create_database, execute
from dev.postgres import Server
from projects import Render, python

# A process of its own for each hole would take longer than all of them.
EACH = """
import asyncio, json, os, sys
import asyncpg
from app.database.session import open_sessions
from app.database.start import StartError, check_start
from app.settings import Settings

async def refusal(url):
    settings = Settings.model_validate({"database_url": url, "environment": "development"})
    async with open_sessions(settings) as sessions:
        try:
            await check_start(sessions.engine, settings)
        except StartError as error:
            return str(error)
    return ""

async def main(owner, login, holes):
    connection = await asyncpg.connect(owner)
    found = [await refusal(login)]
    for make, mend in holes:
        await connection.execute(make)
        found.append(await refusal(login))
        await connection.execute(mend)
    return [*found, await refusal(login)]
"""
HOLES_IN_TURN = "print(json.dumps(asyncio.run(main(*json.loads(sys.argv[1])))))"
# A server's own answer, replaced.
VERSIONS = """
from app.database.row_security import check
real, asked, found = check.HOLES.text, "current_setting('server_version_num')::int", []
assert asked in real
for version in json.loads(sys.argv[2]):
    check.HOLES = check.sa.text(real.replace(asked, str(version)))
    found.append(asyncio.run(refusal(sys.argv[1])))
print(json.dumps(found))
"""
SECURE = "ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"


class Hole(NamedTuple):
    make: str
    mend: str
    told: str
    run: str


ROLE = "ALTER ROLE shop_api"
BOOTSTRAP, CONNECT = "run `uv run --no-dev bootstrap`", "let DATABASE_URL be shop_api"
HOLES = {
    "superuser": Hole(
        f"{ROLE} SUPERUSER", f"{ROLE} NOSUPERUSER", "No policy applies to shop_api, a superuser", CONNECT
    ),
    "bypassing": Hole(f"{ROLE} BYPASSRLS", f"{ROLE} NOBYPASSRLS", "No policy applies to shop_api, which has", CONNECT),
    "makes roles": Hole(f"{ROLE} CREATEROLE", f"{ROLE} NOCREATEROLE", "as it makes roles", CONNECT),
    "replicates": Hole(f"{ROLE} REPLICATION", f"{ROLE} NOREPLICATION", "as it replicates", CONNECT),
    "becomes": Hole(
        "CREATE ROLE service BYPASSRLS; CREATE ROLE between IN ROLE service; GRANT between TO shop_api",
        "DROP ROLE service, between",
        "as it can become service: REVOKE",
        "REVOKE that",
    ),
    "becomes a file reader": Hole(
        "GRANT pg_read_server_files TO shop_api",
        "REVOKE pg_read_server_files FROM shop_api",
        "as it can become pg_read_server_files",
        "REVOKE that",
    ),
    "owner": Hole(
        "ALTER TABLE app.orders OWNER TO shop_api",
        "ALTER TABLE app.orders OWNER TO postgres",
        "of app.orders:",
        CONNECT,
    ),
    "member of the owner": Hole(
        "CREATE ROLE tables; GRANT tables TO shop_api; ALTER TABLE app.orders OWNER TO tables",
        "ALTER TABLE app.orders OWNER TO postgres; DROP ROLE tables",
        "is or can become the owner of app.orders",
        CONNECT,
    ),
    "owner of a function": Hole(
        "ALTER FUNCTION private.has_scope OWNER TO shop_api",
        "ALTER FUNCTION private.has_scope OWNER TO postgres",
        "the owner of private.has_scope(text)",
        CONNECT,
    ),
    "owner of the schema": Hole(
        "ALTER SCHEMA app OWNER TO shop_api", "ALTER SCHEMA app OWNER TO postgres", "the owner of schema app", CONNECT
    ),
    "rights of its own": Hole(
        "GRANT SELECT ON app.orders TO shop_api",
        "REVOKE SELECT ON app.orders FROM shop_api",
        "takes on no role to reach app.orders",
        BOOTSTRAP,
    ),
    "rights on a column": Hole(
        "GRANT SELECT (note) ON app.orders TO shop_api",
        "REVOKE SELECT (note) ON app.orders FROM shop_api",
        "takes on no role to reach app.orders",
        BOOTSTRAP,
    ),
    "no membership": Hole(
        "REVOKE shop_system FROM shop_api",
        "GRANT shop_system TO shop_api {options}",
        "cannot take on shop_system",
        BOOTSTRAP,
    ),
    "no role": Hole(
        "ALTER ROLE shop_sign_in RENAME TO gone",
        "ALTER ROLE gone RENAME TO shop_sign_in",
        "has no shop_sign_in",
        BOOTSTRAP,
    ),
    "no function": Hole(
        "ALTER FUNCTION private.has_scope RENAME TO gone",
        "ALTER FUNCTION private.gone RENAME TO has_scope",
        "has no private.has_scope",
        BOOTSTRAP,
    ),
    "off": Hole(
        "CREATE TABLE app.notes ()", "DROP TABLE app.notes", "app.notes has row security off: run ALTER TABLE", SECURE
    ),
    "not forced": Hole(
        "ALTER TABLE app.orders NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE app.orders FORCE ROW LEVEL SECURITY",
        "for the owner of app.orders",
        "FORCE ROW LEVEL SECURITY",
    ),
    "off in a partition": Hole(
        f"CREATE TABLE app.notes (n int) PARTITION BY LIST (n); ALTER TABLE app.notes {SECURE};"
        "CREATE TABLE app.part PARTITION OF app.notes DEFAULT",
        "DROP TABLE app.notes",
        "app.part has row security off",
        SECURE,
    ),
    "off in what was a partition": Hole(
        f"CREATE TABLE app.notes (n int) PARTITION BY LIST (n); ALTER TABLE app.notes {SECURE};"
        "CREATE TABLE app.part PARTITION OF app.notes DEFAULT; ALTER TABLE app.notes DETACH PARTITION app.part",
        "DROP TABLE app.notes, app.part",
        "app.part has row security off",
        SECURE,
    ),
    "a partition granted": Hole(
        f"CREATE TABLE app.notes (n int) PARTITION BY LIST (n); ALTER TABLE app.notes {SECURE};"
        f"CREATE TABLE app.part PARTITION OF app.notes DEFAULT; ALTER TABLE app.part {SECURE};"
        "GRANT SELECT ON app.part TO authenticated",
        "DROP TABLE app.notes",
        "REVOKE SELECT ON app.part FROM authenticated",
        "REVOKE",
    ),
    "truncate": Hole(
        "GRANT TRUNCATE, TRIGGER ON app.orders TO authenticated",
        "REVOKE TRUNCATE, TRIGGER ON app.orders FROM authenticated",
        "REVOKE TRIGGER ON app.orders FROM authenticated, TRUNCATE ON app.orders FROM authenticated",
        "REVOKE",
    ),
    "references of a column": Hole(
        "GRANT REFERENCES (id) ON app.orders TO anon",
        "REVOKE REFERENCES (id) ON app.orders FROM anon",
        "REVOKE REFERENCES ON app.orders FROM anon",
        "REVOKE",
    ),
    "granted to everybody": Hole(
        "GRANT DELETE ON app.orders TO PUBLIC",
        "REVOKE DELETE ON app.orders FROM PUBLIC",
        "REVOKE DELETE ON app.orders FROM PUBLIC",
        "REVOKE",
    ),
    "a policy that is missing": Hole(
        "ALTER POLICY owner_update ON app.orders TO shop_system",
        "ALTER POLICY owner_update ON app.orders TO authenticated",
        "REVOKE UPDATE ON app.orders FROM authenticated",
        "create the policy that is missing",
    ),
    "a policy for everybody": Hole(
        "ALTER POLICY owner_select ON app.orders TO PUBLIC",
        "ALTER POLICY owner_select ON app.orders TO authenticated",
        "TO authenticated for owner_select ON app.orders",
        "ALTER POLICY",
    ),
    "view in private": Hole(
        "CREATE VIEW private.all_orders AS TABLE app.orders; GRANT SELECT ON private.all_orders TO authenticated",
        "DROP VIEW private.all_orders",
        "A view shows what its owner sees: run ALTER VIEW",
        "for private.all_orders",
    ),
    "view": Hole(
        "CREATE VIEW app.all_orders AS TABLE app.orders; GRANT SELECT ON app.all_orders TO authenticated",
        "DROP VIEW app.all_orders",
        "(security_invoker = true) for app.all_orders",
        "ALTER VIEW",
    ),
    "view that says so": Hole(
        "CREATE VIEW app.all_orders WITH (security_invoker = off) AS TABLE app.orders;"
        "GRANT SELECT ON app.all_orders TO PUBLIC",
        "DROP VIEW app.all_orders",
        "(security_invoker = true) for app.all_orders",
        "ALTER VIEW",
    ),
    "materialized view": Hole(
        "CREATE MATERIALIZED VIEW app.copies AS TABLE app.orders; GRANT SELECT ON app.copies TO anon",
        "DROP MATERIALIZED VIEW app.copies",
        "REVOKE SELECT ON app.copies FROM anon",
        "REVOKE",
    ),
    "definer": Hole(
        "CREATE FUNCTION app.count_all() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1'",
        "DROP FUNCTION app.count_all",
        "SECURITY INVOKER for app.count_all()",
        "ALTER FUNCTION",
    ),
    "a policy for every command": Hole(
        (
            f"CREATE TABLE app.notes (n int); ALTER TABLE app.notes {SECURE};"
            "CREATE POLICY whole ON app.notes FOR ALL TO authenticated USING (true) WITH CHECK (true);"
            "GRANT TRIGGER ON app.notes TO authenticated"
        ),
        "DROP TABLE app.notes",
        "REVOKE TRIGGER ON app.notes FROM authenticated",
        "REVOKE",
    ),
    "another function": Hole(
        (
            "ALTER FUNCTION private.has_scope RENAME TO real_one;"
            "CREATE FUNCTION private.has_scope(wanted text) RETURNS boolean LANGUAGE sql AS 'SELECT true'"
        ),
        "DROP FUNCTION private.has_scope; ALTER FUNCTION private.real_one RENAME TO has_scope",
        "The database has no private.has_scope",
        BOOTSTRAP,
    ),
    "owns the database": Hole(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO shop_api', current_database()); END $$",
        (
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %1$I OWNER TO postgres;"
            " GRANT CONNECT ON DATABASE %1$I TO shop_api', current_database()); END $$"
        ),
        "owner of database",
        CONNECT,
    ),
    "reads everything": Hole(
        "GRANT pg_read_all_data TO authenticated",
        "REVOKE pg_read_all_data FROM authenticated",
        "as it can become pg_read_all_data",
        "REVOKE that",
    ),
    "definer that searches": Hole(
        "CREATE FUNCTION private.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "DROP FUNCTION private.f",
        "SET search_path = '' for private.f()",
        "SET search_path",
    ),
    "sequence": Hole(
        "CREATE SEQUENCE app.numbers; GRANT USAGE ON SEQUENCE app.numbers TO authenticated",
        "DROP SEQUENCE app.numbers",
        "REVOKE ALL ON SEQUENCE app.numbers",
        "REVOKE",
    ),
}
FINE = {
    "a part that nobody reaches": (
        (
            f"CREATE TABLE app.notes (n int) PARTITION BY LIST (n); ALTER TABLE app.notes {SECURE};"
            "CREATE TABLE app.part PARTITION OF app.notes DEFAULT;"
            "CREATE TABLE app.old PARTITION OF app.notes FOR VALUES IN (1);"
            "ALTER TABLE app.part ENABLE ROW LEVEL SECURITY; ALTER TABLE app.old ENABLE ROW LEVEL SECURITY;"
            "ALTER TABLE app.notes DETACH PARTITION app.old"
        ),
        "DROP TABLE app.notes, app.old",
    ),
    "a view of those who ask": (
        "CREATE VIEW app.mine WITH (security_invoker) AS TABLE app.orders; GRANT SELECT ON app.mine TO authenticated",
        "DROP VIEW app.mine",
    ),
    "a materialized view of nobody's": (
        "CREATE MATERIALIZED VIEW app.copies AS TABLE app.orders",
        "DROP MATERIALIZED VIEW app.copies",
    ),
    "FORCE that a migration has lifted while it compares references": (
        (
            "ALTER TABLE app.orders NO FORCE ROW LEVEL SECURITY;"
            "ALTER TABLE app.order_lines NO FORCE ROW LEVEL SECURITY;"
            "ALTER TABLE app.order_lines ADD CONSTRAINT late FOREIGN KEY (owner_id, order_id) "
            "REFERENCES app.orders (owner_id, id) NOT VALID"
        ),
        (
            "ALTER TABLE app.order_lines DROP CONSTRAINT late, FORCE ROW LEVEL SECURITY;"
            "ALTER TABLE app.orders FORCE ROW LEVEL SECURITY"
        ),
    ),
    "a function of private": (
        "CREATE FUNCTION private.f() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1'",
        "DROP FUNCTION private.f",
    ),
    "a sequence of nobody's": ("CREATE SEQUENCE app.numbers", "DROP SEQUENCE app.numbers"),
}
PREPARE = "from dev.database import prepare_schema; prepare_schema()"


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    return render(migrations="none")


def prepared(project: Path, server: Server) -> tuple[str, str]:
    """Return the URLs of the owner and of the application's login, in a database that has everything."""
    owner = create_database(server)
    login = as_login(owner, "shop_api", "hush")
    python(project, "-c", PREPARE, DATABASE_URL=login, MIGRATION_DATABASE_URL=owner)
    return owner, login


def test_the_start_refuses_every_hole_and_says_what_to_run(project: Path, server: Server) -> None:
    options = "" if server.version.startswith("15.") else "WITH INHERIT FALSE, SET TRUE"
    changes = [(hole.make, hole.mend.format(options=options)) for hole in HOLES.values()] + [*FINE.values()]
    asked = json.dumps([*prepared(project, server), changes])
    before, *found, after = json.loads(python(project, "-c", EACH + HOLES_IN_TURN, asked))
    assert (before, after) == ("", "")
    told = dict(zip([*HOLES, *FINE], found, strict=True))
    missed = {
        name: told[name] for name, hole in HOLES.items() if not (hole.told in told[name] and hole.run in told[name])
    }
    assert not missed
    assert not {name: told[name] for name in FINE if told[name]}


def test_the_start_refuses_a_server_that_lacks_a_fix(project: Path, postgres_18: Server) -> None:
    lacks = {140018: True, 150013: True, 150014: False, 160009: True, 160010: False, 170005: True, 170006: False}
    login = prepared(project, postgres_18)[1]
    found = json.loads(python(project, "-c", EACH + VERSIONS, login, json.dumps([*lacks])))
    assert {version: "can show what policies hide" in text for version, text in zip(lacks, found, strict=True)} == lacks


# What the start logs, by the setting and by what else is wrong.
TOLERANT = """
import logging
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
for allowed in ("false", "true"):
    os.environ["ALLOW_BYPASSING_LOGIN"] = allowed
    print(allowed, asyncio.run(refusal(sys.argv[1])) or "starts")
"""


def test_supabases_own_login_is_let_in_by_a_setting_that_the_start_warns_of(
    render: Render, postgres_18: Server
) -> None:
    project, url = render(database="supabase", migrations="none"), create_database(postgres_18)
    allowed = {"DATABASE_URL": url, "ALLOW_BYPASSING_LOGIN": "true"}
    python(project, "-c", PREPARE, check=True, **allowed)
    start = ("-c", EACH + TOLERANT, url)
    refused, warned, started = python(project, *start).splitlines()
    assert refused.startswith("false No policy applies to postgres")
    assert warned.startswith("WARNING ALLOW_BYPASSING_LOGIN: all that keeps users apart is role switching. No policy")
    assert started == "true starts"
    execute(url, "ALTER TABLE app.orders DISABLE ROW LEVEL SECURITY")
    assert python(project, *start).splitlines()[-1].startswith("true app.orders has row security off")
