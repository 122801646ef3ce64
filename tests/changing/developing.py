"""A developer who follows what `copier update` says, on a machine with the project's own commands."""

import contextlib
import io
import os
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import copier

from dev.binaries import find_binaries
from projects import run

UV = '#!/bin/sh\ncase "$1" in run) shift; exec "$@";; sync) ;; *) exit 2;; esac\n'
COMMAND = "#!{}\nimport sys\nsys.path.insert(0, '')\nfrom {} import {} as main\nmain()\n"
PSQL = """uv run dev sh -c 'psql "${MIGRATION_DATABASE_URL:-$DATABASE_URL}" -v ON_ERROR_STOP=1 -f ../left.sql'"""


def update(project: Path, **answers: Any) -> list[str]:
    """Change answers, trusting nothing, and return the commands that Copier says are left to do."""
    with contextlib.redirect_stderr(io.StringIO()) as told:
        copier.run_update(project, data=answers, defaults=True, overwrite=True, unsafe=False)
    return re.findall(r"^  (.+?)(?:   #.*)?$", told.getvalue().partition("left to do:")[2], re.MULTILINE)


def type_in(project: Path, line: str, *, check: bool = True, **environment: str) -> str:
    """Type a line into a shell. The environment is that of these tests, which uv would make first."""
    programs = project.parent / "programs"
    programs.mkdir(exist_ok=True)
    scripts = tomllib.loads((project / "pyproject.toml").read_text())["project"]["scripts"]
    texts = {name: COMMAND.format(sys.executable, *place.split(":")) for name, place in scripts.items()}
    for name, text in {"uv": UV, **texts}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    path = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"], str(find_binaries().folder)]
    return run(project, "/bin/sh", "-c", line, check=check, PATH=os.pathsep.join(path), **environment)


def follow(project: Path, commands: list[str], by_hand: Iterable[str]) -> str:
    """Do what is left to do after an update, but for the tests, and return what the commands have said.

    Where revisions are written by hand, these are their statements, of one file each.
    """
    assert commands[-1] == "uv run pytest"
    said = ""
    for command in commands[:-1]:
        if "revision -m" in command:
            for up in by_hand:
                said += type_in(project, command)
                write(project, up)
        elif "create-schema" in command:
            left = project.parent / "left.sql"
            type_in(project, f"{command} > {left}", check=False)
            said += left.read_text()
            left.write_text(also_lossy(left.read_text()))
            said += type_in(project, PSQL) + type_in(project, command)
        else:
            said += type_in(project, command, check="migrate check" not in command)
    return said


def also_lossy(sql: str) -> str:
    """What loses data are comments: let them be statements."""
    return sql.replace("\n-- ALTER TABLE", "\nALTER TABLE")


def write(project: Path, up: str) -> None:
    """Fill the files of the newest revision."""
    revision = max((project / "alembic/versions").glob("2*.py"))
    revision.with_suffix(".up.sql").write_text(up)
    revision.with_suffix(".down.sql").write_text("-- irreversible: nobody asks for it\n")
