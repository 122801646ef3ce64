"""`dev` and `doctor` of a project with Row Level Security: the service has the login without rights of its own."""

import json
import sys
from pathlib import Path
from shutil import copytree

import pytest
from doctors import SECRET, create_login, examine, name_of, prepare

from databases import at, create_database, execute
from dev.postgres import Server, running_server
from projects import Render, run

WHO = (
    "import asyncio, asyncpg, json, os\n"
    "async def who(name):\n"
    "    connection = await asyncpg.connect(os.environ[name])\n"
    "    print(json.dumps([await connection.fetchval('SELECT current_user'), os.environ[name]]))\n"
    "    await connection.close()\n"
    "for name in ('DATABASE_URL', 'MIGRATION_DATABASE_URL'): asyncio.run(who(name))\n"
)


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    return render()


def urls_of(owner: str) -> dict[str, str]:
    login = at(owner, username="shop_api", password=SECRET)
    return {"MIGRATION_DATABASE_URL": owner, "DATABASE_URL": login, "TOKEN_SECRET": "of these tests, " * 3}


# --- doctor ---


def test_bootstrap_and_migration_make_a_database_with_which_all_is_well(project: Path, server: Server) -> None:
    made = create_database(server)
    owner = create_login(server, "SUPERUSER")
    execute(made, f"ALTER DATABASE {name_of(made)} OWNER TO {owner}")
    urls = urls_of(at(made, username=owner, password=SECRET))
    prepare(project, urls["DATABASE_URL"], MIGRATION_DATABASE_URL=urls["MIGRATION_DATABASE_URL"])
    lines = examine(project, **urls)
    assert {line["status"] for line in lines.values()} == {"ok"}, lines
    assert lines["login"]["found"] == "shop_api has no rights of its own"
    assert lines["row security"]["found"] == "holds for everything in app"
    assert lines["tokens"]["found"] == "signed by HS256"
    unsigned = examine(project, **urls | {"TOKEN_SECRET": "", "ENVIRONMENT": "production"})["tokens"]
    assert (unsigned["status"], unsigned["found"]) == ("fail", "nothing can sign them")

    execute(made, "ALTER TABLE app.orders DISABLE ROW LEVEL SECURITY; GRANT SELECT ON app.orders TO shop_api")
    lines = examine(project, **urls)
    assert {name for name, line in lines.items() if line["status"] == "fail"} == {"login", "row security"}
    assert "REVOKE what it was granted" in lines["login"]["advice"]
    assert "app.orders has row security off" in lines["row security"]["advice"]
    execute(made, "REVOKE SELECT ON app.orders FROM shop_api")  # roles outlive this database

    line = examine(project, **urls | {"DATABASE_URL": urls["MIGRATION_DATABASE_URL"]})["login"]
    assert (line["status"], line["found"]) == ("fail", f"{owner} gets round policies")


def test_a_login_that_nobody_has_made_is_told_of_bootstrap(project: Path, postgres_18: Server) -> None:
    owner = create_database(postgres_18)
    line = examine(project, **urls_of(owner) | {"DATABASE_URL": at(owner, username="nobody_yet", password=SECRET)})
    assert line["connection"]["advice"].endswith("run `uv run --no-dev bootstrap`.")


# --- dev ---


def test_dev_connects_as_the_login_without_rights_also_on_a_database_from_before(project: Path, place: Path) -> None:
    copy = copytree(project, place / "project")
    (copy / ".dev" / "postgres").mkdir(parents=True)
    with running_server(copy / ".dev" / "postgres") as server:
        execute(server.url(), "CREATE DATABASE app")
    command = ("-m", "dev.serve", sys.executable, "-c", WHO)
    first, second = (run(copy, sys.executable, *command).splitlines()[-2:] for _ in range(2))
    assert [json.loads(line)[0] for line in first] == ["shop_api", "postgres"]
    assert first == second
    password = copy / ".dev" / "postgres" / "api_password"
    assert oct(password.stat().st_mode)[-3:] == "600"
    assert password.read_text() in first[0]


def test_dev_doctor_finds_nothing_wrong(project: Path, place: Path) -> None:
    lines = examine(copytree(project, place / "project"), f"-m dev.serve {sys.executable} -m dev.doctor")
    assert {line["status"] for line in lines.values()} == {"ok"}, lines
