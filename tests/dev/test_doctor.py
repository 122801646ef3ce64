"""The command `doctor`: settings, servers, logins and schemas that are wrong in each way."""

import json
import re
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from shutil import copytree

import pytest
from doctors import (
    EACH,
    ELSEWHERE,
    SECRET,
    create_login,
    examine,
    examine_urls,
    is_green,
    name_of,
    prepare,
)

from databases import at, create_database, execute
from dev.postgres import Server
from projects import Render, python, run

# --- All is well ---


@pytest.mark.parametrize("migrations", ["autogenerate", "manual", "none"])
def test_two_logins_as_the_readme_has_them_are_green(migrations: str, render: Render, server: Server) -> None:
    project, url = render(auth="none", migrations=migrations), create_database(server)
    owner, api = create_login(server), create_login(server)
    execute(url, f"ALTER DATABASE {name_of(url)} OWNER TO {owner}")
    owners, applications = (at(url, username=name, password=SECRET) for name in (owner, api))
    prepare(project, owners)
    urls = {"DATABASE_URL": applications, "MIGRATION_DATABASE_URL": owners}

    unable = examine(project, **urls)["login"]
    assert unable["status"] == "fail"
    assert "cannot read and write 5 tables" in unable["found"]

    sentences = (project / "README.md").read_text().partition("**Logins.**")[2].split("```")[1]
    granted = re.sub(r"^sql\n|CREATE ROLE.*\n", "", sentences)
    execute(owners, re.sub(r"TO \w+;", f"TO {api};", granted))
    lines = examine(project, **urls)
    assert {line["status"] for line in lines.values()} == {"ok"}, lines
    assert lines["server"]["found"] == f"PostgreSQL {server.version}"


def test_every_database_answer_has_it(render: Render, postgres_18: Server) -> None:
    for database in ("supabase", "hybrid"):
        project, url = render(auth="none", database=database), create_database(postgres_18)
        prepare(project, url)
        assert is_green(examine(project, DATABASE_URL=url))


def test_dev_doctor_examines_the_development_database(project: Path, place: Path) -> None:
    assert is_green(examine(copytree(project, place / "project"), f"-m dev.serve {sys.executable} -m dev.doctor"))


def test_the_table_is_coloured_on_a_terminal(project: Path, url: str) -> None:
    terminal = (sys.executable, "-c", "import pty, sys; pty.spawn([sys.executable, '-m', 'dev.doctor'])")
    plain = python(project, "-m", "dev.doctor", DATABASE_URL=url)
    coloured = run(project, *terminal, DATABASE_URL=url)
    assert re.search(r"^ok    server      PostgreSQL [\d.]+$", plain, re.MULTILINE)
    assert re.search(r"^warn  login       postgres is a superuser.*\n {18}Give the service", plain, re.MULTILINE)
    assert "\033[32mok  \033[0m  server" in coloured
    assert "\033[33mwarn\033[0m  login" in coloured
    assert "\033" not in plain + run(project, *terminal, DATABASE_URL=url, NO_COLOR="1")


# --- Settings ---


def test_without_a_database_it_says_how_to_examine_the_development_database(project: Path) -> None:
    assert examine(project) == {
        "settings": {
            "check": "settings",
            "status": "fail",
            "found": "Set as .env.example shows, in the environment or in .env: DATABASE_URL: Field required",
            "advice": "`uv run dev doctor` examines the development database.",
        }
    }


WRONG = [
    f"mysql://user:{SECRET}@127.0.0.1/app",
    f"postgresql://user:{SECRET}@127.0.0.1:port/app",
    f"postgresql://user:{SECRET}/{SECRET}@127.0.0.1/app",
    f"postgresql://user:5432/{SECRET}@127.0.0.1/app",
    f"postgresql://user:{SECRET}@{SECRET}@127.0.0.1/app",
    f"postgresql://user:{SECRET}#{SECRET}@127.0.0.1/app",
    f"postgresql://user:?{SECRET}@127.0.0.1/app",
    f"postgresql://user:%{SECRET}@127.0.0.1/app",
    f"postgresql://user@127.0.0.1/app?password={SECRET}&passwort={SECRET}",
    f"postgresql://user:{SECRET}@127.0.0.1/app?sslmode=verify-full&sslrootcert=/nowhere",
    f"postgresql://user:{SECRET}@db.example/app",
]


def test_no_secret_is_shown_of_a_wrong_url(project: Path) -> None:
    environments = [{"DATABASE_URL": wrong} for wrong in WRONG]
    environments += [{"DATABASE_URL": "postgresql://user@127.0.0.1/app", "MIGRATION_DATABASE_URL": WRONG[0]}]
    output = python(project, "-c", EACH, json.dumps(environments))
    assert output.count("Set as .env.example shows") == len(environments)
    assert SECRET not in output


def test_a_guessed_password_counts_on_another_host(project: Path) -> None:
    found = {
        "your_password_here": ("fail", "the password in DATABASE_URL is easily guessed"),
        "postgres": ("fail", "the password in DATABASE_URL is easily guessed"),
        "": ("warn", "the password in DATABASE_URL is missing"),
        SECRET: ("warn", f"ENVIRONMENT=development, the database is on {ELSEWHERE}:1"),
    }
    remote = [f"postgresql://postgres:{password}@{ELSEWHERE}:1/app" for password in found]
    lines = [each["settings"] for each in examine_urls(project, *remote, ENVIRONMENT="development")]
    assert [(line["status"], line["found"]) for line in lines] == [*found.values()]
    local = (url.replace(ELSEWHERE, "127.0.0.1") for url in remote)
    assert {each["settings"]["status"] for each in examine_urls(project, *local)} == {"ok"}


# --- The database ---


@contextmanager
def posing_as(server: Server, version: str) -> Iterator[int]:
    """A port where a server's `server_version_num` is another one."""
    shown, posed = (
        struct.pack("!i", int(major) * 10_000 + int(minor))
        for major, minor in (number.split(".") for number in (server.version, version))
    )

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((server.host, server.port)) as upstream:
                threading.Thread(target=self.ask, args=[upstream], daemon=True).start()
                while data := upstream.recv(65_536):
                    self.request.sendall(data.replace(shown, posed))

        def ask(self, upstream: socket.socket) -> None:
            with suppress(OSError):
                while data := self.request.recv(65_536):
                    upstream.sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection) as proxy:
        threading.Thread(target=proxy.serve_forever).start()
        yield proxy.server_address[1]
        proxy.shutdown()


def test_the_version_counts(project: Path, url: str, postgres_18: Server) -> None:
    expected = {
        "14.18": "fail",
        "15.13": "warn",
        "15.14": "ok",
        "16.9": "warn",
        "16.10": "ok",
        "17.5": "warn",
        "17.6": "ok",
        "18.0": "ok",
        "19.0": "ok",
    }
    with ExitStack() as stack:
        ports = [stack.enter_context(posing_as(postgres_18, version)) for version in expected]
        lines = [each["server"] for each in examine_urls(project, *(at(url, port=port) for port in ports))]
    found = {line["found"].removeprefix("PostgreSQL "): line["status"] for line in lines}
    assert found == expected


def test_a_server_that_refuses_to_write_is_red(project: Path, url: str, postgres_18: Server) -> None:
    reader = create_login(postgres_18, "IN ROLE pg_read_all_data, pg_write_all_data")
    execute(url, f"ALTER ROLE {reader} SET default_transaction_read_only = on")
    line = examine(project, DATABASE_URL=at(url, username=reader, password=SECRET))["server"]
    assert line["status"] == "fail"
    assert line["found"].endswith(", which refuses to write")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("SUPERUSER", "is a superuser, owns 5 tables, may create in app"),
        ("BYPASSRLS IN ROLE pg_read_all_data, pg_write_all_data", "bypasses row security"),
        ("CREATEROLE IN ROLE pg_read_all_data, pg_write_all_data", "makes roles"),
        (
            "IN ROLE pg_read_all_data, pg_write_all_data, pg_execute_server_program",
            "can become pg_execute_server_program",
        ),
        ("IN ROLE postgres", "can become postgres, owns 5 tables, may create in app"),
    ],
)
def test_a_login_with_too_many_rights_is_yellow(
    project: Path, url: str, postgres_18: Server, options: str, found: str
) -> None:
    name = create_login(postgres_18, options)
    line = examine(project, DATABASE_URL=at(url, username=name, password=SECRET))["login"]
    assert (line["status"], line["found"]) == ("warn", f"{name} {found}")


def test_a_login_that_only_reads_is_red(project: Path, url: str, postgres_18: Server) -> None:
    reader = create_login(postgres_18, "IN ROLE pg_read_all_data")
    line = examine(project, DATABASE_URL=at(url, username=reader, password=SECRET))["login"]
    assert (line["status"], line["found"]) == ("fail", f"{reader} cannot read and write 5 tables of app")


def test_pools_without_room_are_red(project: Path, url: str) -> None:
    line = examine(project, DATABASE_URL=url, WORKERS="20")["pool"]
    assert line["status"] == "fail"
    assert line["found"].startswith("2 engines x (5 + 10) x 20 workers = 600 connections, of 192")


def test_a_clock_that_is_wrong_is_noticed(project: Path, url: str) -> None:
    for seconds, status in ((90, "fail"), (-5, "warn")):
        ahead = f"import time; now = time.time; time.time = lambda: now() + {seconds}"
        line = examine(project, f'-c "{ahead}; from dev.doctor import main; main()"', DATABASE_URL=url)["clock"]
        assert line["status"] == status
        assert line["found"].startswith(f"{-seconds:+}.")


def test_what_the_database_was_given_is_noticed(project: Path, postgres_18: Server) -> None:
    url = create_database(postgres_18)
    prepare(project, url)
    execute(url, f"ALTER DATABASE {name_of(url)} SET timezone = 'Asia/Tokyo'")
    execute(url, "CREATE EXTENSION pg_prewarm VERSION '1.1'")
    lines = examine(project, DATABASE_URL=url)
    assert lines["clock"]["status"] == lines["extensions"]["status"] == "warn"
    assert lines["clock"]["found"].endswith("time zone Asia/Tokyo")
    assert lines["extensions"]["found"] == "pg_prewarm 1.1, plpgsql 1.0"
    assert "ALTER EXTENSION pg_prewarm UPDATE." in lines["extensions"]["advice"]
    assert is_green(lines, "clock", "extensions")


# --- The schema ---


def test_what_the_schema_has_not_had_is_red(project: Path, render: Render, postgres_18: Server) -> None:
    for made, first, command in (
        (project, "uv run migrate", "uv run migrate"),
        (render(), "uv run --no-dev bootstrap", "uv run migrate"),
        (render(auth="none", migrations="none"), "uv run create-schema", "uv run create-schema"),
    ):
        url = create_database(postgres_18)
        line = examine(made, DATABASE_URL=url)["schema"]
        assert (line["status"], line["found"]) == ("fail", "no schema app, private")
        assert line["advice"] == f"Run `{first}`."
        execute(url, "CREATE SCHEMA app; CREATE SCHEMA private")
        line = examine(made, DATABASE_URL=url)["schema"]
        assert (line["status"], line["advice"]) == ("fail", f"Run `{command}`.")
        assert line["found"] == (PENDING if "create-schema" in command else "pending: 0001")


PENDING = "pending: categories, orders, products, order_lines, product_categories"


def test_revisions_are_told_in_order_and_an_unknown_one_is_yellow(render: Render, postgres_18: Server) -> None:
    project, url = render(auth="none"), create_database(postgres_18)
    prepare(project, url)
    for before, name in (("0001", "second"), ("second", "third")):
        revision = f"revision, down_revision = '{name}', '{before}'\ndef upgrade() -> None: ...\n"
        (project / f"alembic/versions/{name}.py").write_text(revision)
    line = examine(project, DATABASE_URL=url)["schema"]
    assert (line["status"], line["found"]) == ("fail", "pending: second, third")
    execute(url, "UPDATE private.alembic_version SET version_num = 'later'")
    line = examine(project, DATABASE_URL=url)["schema"]
    assert line["status"] == "warn"
    assert line["found"] == "The database has had revision later, which is not in alembic/versions"
    assert line["advice"] == "Run the code that has it, or choose the database of this code."


def test_a_login_that_may_not_look_is_told_so(project: Path, url: str, postgres_18: Server) -> None:
    name = create_login(postgres_18, "IN ROLE pg_monitor")
    line = examine(project, DATABASE_URL=at(url, username=name, password=SECRET))["schema"]
    assert line["status"] == "warn"
    assert line["found"] == "permission denied for schema private"


def test_the_login_of_migrations_is_examined_too(project: Path, url: str, postgres_18: Server) -> None:
    stranger = at(url, username=create_login(postgres_18), password=SECRET)
    wrong = {
        at(url, port=1): ("migration connection", "correct host and port in MIGRATION_DATABASE_URL"),
        create_database(postgres_18): (
            "migration URL",
            "lead to the database of DATABASE_URL",
        ),
        stranger: ("migration login", "Set MIGRATION_DATABASE_URL to the login postgres."),
    }
    for other, (check, advice) in wrong.items():
        lines = examine(project, DATABASE_URL=url, MIGRATION_DATABASE_URL=other)
        assert lines[check]["status"] == "fail"
        assert advice in lines[check]["advice"]
    both = examine(project, DATABASE_URL=at(url, port=1), MIGRATION_DATABASE_URL=url)
    assert both["connection"]["status"] == "fail"
    assert both["migration schema"]["status"] == "ok"
