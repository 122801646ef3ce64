"""Runs of the command `doctor` in rendered projects, and the databases and logins that it examines."""

import json
import shlex
import uuid
from pathlib import Path

import sqlalchemy as sa

from databases import execute
from dev.postgres import Server
from projects import end_of, python

SECRET = "hush"  # noqa: S105
# Loopback, but to a program that does not look it up another machine.
ELSEWHERE = "127.1"
Line = dict[str, str]


# A process of its own for each would take longer than all that is examined.
EACH = """
import contextlib, io, json, os, sys
from app.settings import get_settings
from dev.doctor import main
environments, sys.argv[1:] = json.loads(sys.argv[1]), ["--json"]
before, done = dict(os.environ), []
for environment in environments:
    get_settings.cache_clear()
    os.environ.clear()
    os.environ.update(before | environment)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            main()
        except SystemExit as end:
            done.append((int(end.code), printed.getvalue()))
print(json.dumps(done))
"""


def examine(project: Path, command: str = "-m dev.doctor", **environment: str) -> dict[str, Line]:
    """Run the command, and return its lines by what they check; of those about the settings, the first."""
    done = end_of(project, *shlex.split(command), "--json", **environment)
    return read(done.code, done.printed, environment)


def examine_each(project: Path, *environments: dict[str, str]) -> list[dict[str, Line]]:
    """Run the command for each of these environments, in one process."""
    done = json.loads(python(project, "-c", EACH, json.dumps(environments)))
    return [read(code, text, given) for (code, text), given in zip(done, environments, strict=True)]


def examine_urls(project: Path, *urls: str, **environment: str) -> list[dict[str, Line]]:
    return examine_each(project, *({"DATABASE_URL": url, **environment} for url in urls))


def read(code: int, text: str, environment: dict[str, str]) -> dict[str, Line]:
    lines: list[Line] = json.loads(text)
    assert code == any(line["status"] == "fail" for line in lines)
    assert all(bool(line["advice"]) == (line["status"] != "ok") for line in lines), text
    urls = [sa.make_url(url) for name, url in environment.items() if name.endswith("DATABASE_URL")]
    # The name of the superuser is no secret.
    assert not [url for url in urls if url.password not in {None, "", "postgres"} and str(url.password) in text], text
    return {line["check"]: line for line in reversed(lines)}


def prepare(project: Path, url: str, **environment: str) -> None:
    python(
        project,
        "-c",
        "from dev.database import prepare_schema; prepare_schema()",
        check=True,
        DATABASE_URL=url,
        **{"ENVIRONMENT": "development", **environment},
    )


def name_of(url: str) -> str:
    return str(sa.make_url(url).database)


def create_login(server: Server, options: str = "") -> str:
    name = f"login_{uuid.uuid4().hex}"
    execute(server.url(), f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}' {options}")
    return name


def is_green(lines: dict[str, Line], *besides: str) -> bool:
    """Whether all is well, but for these, and the login: most tests connect as the superuser."""
    return {line["status"] for check, line in lines.items() if check not in {"login", *besides}} == {"ok"}
