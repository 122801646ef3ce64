"""The command `bootstrap`, on fresh servers: what owners may be, what it makes, refuses and leaves alone."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa

from databases import as_login, create_database, execute
from dev.postgres import Server, temporary_server
from projects import DEBIAN, MISSING, Render, python

PASSWORD, OTHER = "7d3f:correct/horse%", "another#one"
COMMAND = ("-m", "app.database.row_security.bootstrap")
ROLES = ["anon", "authenticated", "shop_system", "shop_sign_in"]
MAY_NOT = "The login of MIGRATION_DATABASE_URL may not"
ACLS = """
    SELECT datacl::text, (SELECT nspacl::text FROM pg_namespace WHERE nspname = 'public')
    FROM pg_database WHERE datname = current_database()
"""


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    return render()


@pytest.fixture(params=["15", "18"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server for each test: roles belong to all of its databases."""
    monkeypatch.delenv("POSTGRES_BIN", raising=False)
    if request.param == "15":
        if not (DEBIAN / "initdb").exists():
            pytest.skip(f"{MISSING}PostgreSQL 15 in {DEBIAN}")
        monkeypatch.setenv("POSTGRES_BIN", str(DEBIAN))
    with temporary_server() as server:
        yield server


def urls(owner: str, password: str = PASSWORD, login: str = "shop_api") -> dict[str, str]:
    return {"MIGRATION_DATABASE_URL": owner, "DATABASE_URL": as_login(owner, login, password)}


def bootstrap(project: Path, owner: str, password: str = PASSWORD) -> list[str]:
    printed = python(project, *COMMAND, check=True, **urls(owner, password))
    assert password not in printed
    return printed.splitlines()


def refused(project: Path, **environment: str) -> str:
    """Run the command, which has to fail, and return the one sentence that it prints."""
    printed = python(project, *COMMAND, check=False, **environment)
    assert printed.count("\n") == 1, printed
    return printed.strip()


def ask(url: str, query: str, *before: str) -> list[tuple[object, ...]]:
    async def fetch() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(url)
        try:
            for statement in before:
                await connection.execute(statement)
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return asyncio.run(fetch())


def create_owner(server: Server, options: str, name: str = "owner") -> str:
    """Return the URL of a new database, by a login that owns it."""
    url = create_database(server)
    execute(url, f"CREATE ROLE {name} LOGIN PASSWORD 'hush' {options}")
    execute(url, f"ALTER DATABASE {sa.make_url(url).database} OWNER TO {name}")
    return as_login(url, name, "hush")


def attributes_of(url: str, role: str) -> set[str]:
    (row,) = ask(url, f"SELECT to_jsonb(pg_roles)::text FROM pg_roles WHERE oid = '{role}'::regrole")  # noqa: S608
    return {name for name, value in json.loads(str(row[0])).items() if value is True}


def check_hardened(owner: str) -> None:
    """What has to be true of roles, login and schemas afterwards."""
    login = as_login(owner, "shop_api", PASSWORD)
    assert attributes_of(login, "shop_api") == {"rolcanlogin"}
    others = (
        "SELECT rolname FROM pg_roles WHERE pg_has_role(oid, 'MEMBER') AND rolname <> current_user ORDER BY rolname"
    )
    assert [role for (role,) in ask(login, others)] == sorted(ROLES)
    assert ask(login, "SELECT * FROM pg_shdepend WHERE refobjid = 'shop_api'::regrole AND deptype = 'o'") == []
    for role in ROLES:
        assert ask(login, "SELECT private.current_user_id()", f"SET ROLE {role}") == [(None,)]
    for statement in ("SELECT private.current_user_id()", "CREATE TABLE app.mine ()"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            ask(login, "SELECT 1", statement)


# --- Owners ---


@pytest.mark.parametrize("options", ["SUPERUSER", "CREATEROLE"])
def test_an_owner_makes_everything_and_a_second_run_says_so(project: Path, server: Server, options: str) -> None:
    owner = create_owner(server, options)
    assert bootstrap(project, owner)[:5] == [f"done: role {role}" for role in [*ROLES, "shop_api"]]
    check_hardened(owner)
    login = as_login(owner, "shop_api", PASSWORD)
    for statement in ("CREATE TEMPORARY TABLE mine ()", "CREATE TABLE public.mine ()"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            ask(login, "SELECT 1", statement)
    assert bootstrap(project, owner) == ["Everything is there already."]


def test_on_supabase_only_what_is_ours_changes(project: Path, server: Server) -> None:
    owner = create_owner(server, "CREATEROLE BYPASSRLS")
    execute(server.url(), "CREATE ROLE supabase_admin SUPERUSER; CREATE ROLE service_role BYPASSRLS")
    for role in ("anon", "authenticated"):
        execute(server.url(), f"CREATE ROLE {role}; ALTER ROLE {role} SET statement_timeout = '3s'")
        execute(server.url(), f"GRANT {role} TO owner WITH ADMIN OPTION")
    known = "SELECT rolname, rolconfig, pg_roles::text FROM pg_roles WHERE rolname !~ '^shop_' ORDER BY 1"
    before = ask(server.url(), known), ask(owner, ACLS)
    assert "done: role shop_system" in bootstrap(project, owner)
    check_hardened(owner)
    assert (ask(server.url(), known), ask(owner, ACLS)) == before
    assert bootstrap(project, owner) == ["Everything is there already."]


def test_an_owner_that_may_not_grant_what_is_there_is_told_what_to_run(project: Path, server: Server) -> None:
    owner = create_owner(server, "CREATEROLE")
    execute(server.url(), "CREATE ROLE anon")
    if server.version.startswith("15."):  # there, CREATEROLE is enough
        assert "done: shop_api as a member of anon" in bootstrap(project, owner)
        return
    assert refused(project, **urls(owner)).startswith(f"{MAY_NOT} GRANT anon TO shop_api ")
    assert ask(owner, "SELECT rolname FROM pg_roles WHERE rolname LIKE 'shop%'") == []
    execute(server.url(), "GRANT anon TO owner WITH ADMIN OPTION")
    bootstrap(project, owner)
    check_hardened(owner)


def test_an_owner_that_may_not_make_roles_is_told_what_to_run(project: Path, server: Server) -> None:
    owner = create_owner(server, "")
    sentence = refused(project, **urls(owner))
    assert sentence.startswith(f"{MAY_NOT} CREATE ROLE anon NOLOGIN: as a superuser, run ALTER ROLE … CREATEROLE")
    execute(server.url(), "ALTER ROLE owner CREATEROLE")
    bootstrap(project, owner)
    check_hardened(owner)


def test_who_does_not_own_the_database_is_told_each_statement_that_its_owner_has_to_run(
    project: Path, server: Server
) -> None:
    url = create_database(server)
    name = sa.make_url(url).database
    execute(url, "CREATE ROLE stranger LOGIN CREATEROLE PASSWORD 'hush'")
    stranger = as_login(url, "stranger", "hush")
    for statement, remedy in {
        "CREATE SCHEMA app": f"GRANT CREATE ON DATABASE {name} TO stranger",
        f"GRANT CONNECT ON DATABASE {name} TO shop_api": (
            f"CREATE ROLE shop_api LOGIN NOINHERIT; GRANT CONNECT ON DATABASE {name} TO shop_api;"
            "GRANT shop_api TO stranger WITH ADMIN OPTION"
        ),
        f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC": (
            f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO stranger"
        ),
        f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC": f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC": "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    }.items():
        assert refused(project, **urls(stranger)).startswith(f"{MAY_NOT} {statement}: as a superuser, run ")
        execute(url, remedy)
    bootstrap(project, stranger)
    check_hardened(stranger)


# --- Repeated, and at once ---


def test_what_has_gone_since_is_made_again(project: Path, server: Server) -> None:
    owner = server.url(create_database(server).rpartition("/")[2])
    bootstrap(project, owner)
    for statement in (
        "REVOKE anon FROM shop_api",
        "REVOKE USAGE ON SCHEMA app FROM authenticated",
        "GRANT TEMPORARY ON DATABASE {} TO PUBLIC".format(owner.rpartition("/")[2]),
        "GRANT ALL ON FUNCTION private.current_user_id TO PUBLIC",
        "CREATE OR REPLACE FUNCTION private.has_scope(wanted text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    ):
        execute(owner, statement)
    assert bootstrap(project, owner) == [
        "done: shop_api as a member of anon",
        "done: function private.has_scope",
        "done: no temporary tables of PUBLIC",
    ]
    check_hardened(owner)
    reached = (
        "SELECT bool_and(has_schema_privilege(role::regrole, 'app', 'USAGE')) FROM unnest($${{{}}}$$::text[]) role"
    )
    assert ask(owner, reached.format(",".join(ROLES))) == [(True,)]
    assert bootstrap(project, owner) == ["Everything is there already."]


def test_a_new_password_replaces_the_old_one_and_no_log_has_either(project: Path, server: Server) -> None:
    execute(server.url(), "ALTER SYSTEM SET log_statement = 'all'")
    execute(server.url(), "SELECT pg_reload_conf()")
    owner = create_owner(server, "CREATEROLE")
    bootstrap(project, owner)
    assert bootstrap(project, owner, OTHER) == ["done: password of shop_api"]
    assert ask(as_login(owner, "shop_api", OTHER), "SELECT 1") == [(1,)]
    with pytest.raises(asyncpg.InvalidPasswordError):
        ask(as_login(owner, "shop_api", PASSWORD), "SELECT 1")
    log = (server.folder / "postgres.log").read_text()
    assert log.count("ALTER ROLE shop_api PASSWORD 'SCRAM-SHA-256$") == 2
    assert PASSWORD not in log
    assert OTHER not in log
    if not server.version.startswith("15."):  # there, CREATEROLE is enough
        stranger = create_owner(server, "CREATEROLE", "stranger")
        assert refused(project, **urls(stranger)).startswith(f"{MAY_NOT} ALTER ROLE shop_api: as a superuser, run ")


def test_runs_at_once_in_several_databases_all_succeed(project: Path, server: Server) -> None:
    owners = [server.url(create_database(server).rpartition("/")[2]) for _ in range(2)] * 2
    waiting = (
        "SELECT count(DISTINCT datname) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^CREATE ROLE'"
    )

    async def held_up() -> None:
        # A role that somebody else is making, and that is not yet to be seen: one of each database waits for it.
        maker, watcher = await asyncpg.connect(server.url()), await asyncpg.connect(server.url())
        async with asyncio.timeout(30), maker.transaction():
            await maker.execute("CREATE ROLE anon")
            started.extend(pool.submit(bootstrap, project, owner) for owner in owners)
            while await watcher.fetchval(waiting) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await maker.close()
        await watcher.close()

    started: list[Future[list[str]]] = []
    with ThreadPoolExecutor() as pool:
        asyncio.run(held_up())
        printed = [each.result() for each in started]
    assert sum(lines[0].startswith("done: ") for lines in printed) >= 2
    assert all(lines[0].startswith(("done: ", "Everything is there already.")) for lines in printed), printed
    for owner in owners:
        check_hardened(owner)


# --- What is asked for ---


def test_what_the_urls_lack_is_one_sentence(project: Path) -> None:
    owner = "postgresql://owner:hush@127.0.0.1:1/shop"
    makes = "Set DATABASE_URL to the login that this is to make, shop_api with a new random password"
    assert refused(project, DATABASE_URL=owner).startswith(makes)
    assert refused(project, DATABASE_URL=as_login(owner, "shop_api", PASSWORD)).startswith(makes)
    assert refused(project, **urls(owner, login="postgres")).startswith(makes)
    assert refused(project, **urls(owner, "")).startswith(makes)
    assert refused(project, **urls(owner, "pässword")).startswith(makes)
    assert refused(project, **urls(owner)).startswith("No connection to the database")
