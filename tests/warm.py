"""Python that has already imported the libraries of projects: to import them takes longer than most commands do.

Projects under test have a copy of this file.
"""

import functools
import json
import multiprocessing.process
import os
import runpy
import subprocess
import sys
import tempfile
import types
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

# Nothing of a project, which each process imports anew, and nothing that pytest wants to rewrite.
LIBRARIES = ["alembic.autogenerate", "alembic.config", "asyncpg", "fastapi", "httpx", "jwt", "pydantic_settings"]
LIBRARIES += ["pytest", "sqlalchemy.dialects.postgresql.asyncpg", "sqlalchemy.ext.asyncio"]
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(LIBRARIES)


class Ended(NamedTuple):
    """How a command ended; where a signal did it, the code is negative."""

    code: int
    printed: str


def run_python(
    folder: Path, arguments: list[str], environment: dict[str, str], *, typed: str = "", seconds: float | None = None
) -> Ended:
    """Run `python -c CODE …` or `python -m MODULE …` in a process of its own; what is registered for its exit is not.

    TimeoutError where it takes longer than so many seconds: it is killed then.
    """
    with tempfile.NamedTemporaryFile() as keyboard, tempfile.NamedTemporaryFile() as printed:
        Path(keyboard.name).write_text(typed)
        process = FORKS.Process(
            target=_become, args=(folder, arguments, environment, (keyboard.name, printed.name, printed.name), _path())
        )
        process.start()
        # Every start asks for the ends of all the others, also those that another thread is waiting for.
        vars(multiprocessing.process)["_children"].discard(process)
        process.join(seconds)
        code = process.exitcode
        process.kill()
        process.join()
        process.close()
        said = printed.read().decode()
        if code is None:
            raise TimeoutError(f"python {' '.join(arguments)} takes longer than {seconds} s:\n{said}")
        return Ended(code, said)


@functools.cache
def _path() -> list[str]:
    """Where Python looks for modules when it has just started: pytest adds to that."""
    found: list[str] = json.loads(
        subprocess.check_output([sys.executable, "-c", "import json, sys; print(json.dumps(sys.path[1:]))"])
    )
    return found


def _become(
    folder: Path, arguments: list[str], environment: dict[str, str], files: tuple[str, ...], path: list[str]
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = False
    sys.path[:] = [str(folder), *path]
    for number, place in enumerate(files):
        os.dup2(os.open(place, os.O_RDWR | os.O_APPEND), number)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    option, code, *sys.argv[1:] = arguments
    sys.argv[0] = option
    try:
        if option == "-m":
            runpy.run_module(code, run_name="__main__", alter_sys=True)
        else:
            sys.modules["__main__"] = main = types.ModuleType("__main__")
            exec(compile(code, "<string>", "exec"), vars(main))  # noqa: S102
    finally:
        sys.stdout.flush()  # before the error, as Python does at its end
