"""The command `dev`: a database with its schema and sample data, and the server, until Ctrl-C.

With a command behind it, as in `dev python`, that command runs on the database instead of the server.
"""

import argparse
import os
import signal
import socket
import sys
import threading
from multiprocessing.process import BaseProcess, current_process, parent_process
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

PROJECT = Path(__file__).resolve().parent.parent

# uvicorn starts a worker by importing this module again. Ctrl-C in a terminal goes to the worker too, where it
# would print a traceback until uvicorn takes care of it.
if current_process().name != "MainProcess":
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main() -> None:
    options = _parse_options()
    os.chdir(PROJECT)
    os.environ.setdefault("ENVIRONMENT", "development")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    if not options.command:
        _require_free(options.host, options.port)
    _run(options)


def _end(_number: int, _frame: FrameType | None) -> None:
    # On its way out it ends the blocks that started something.
    sys.exit(0)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--no-reload", dest="reload", action="store_false", help="do not restart when app/ changes")
    parser.add_argument("--no-sample-data", dest="sample_data", action="store_false", help="leave empty tables empty")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="run this on the database instead of serving")
    return parser.parse_args()


def _require_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            sys.exit(f"Cannot serve on {host}:{port} ({error}): stop the process that does, or choose another --port.")


def _run(options: argparse.Namespace) -> None:
    # Imported here: they take their time, in which Ctrl-C is heeded already and which no worker has to wait for.
    import uvicorn

    from dev.database import announce_when_serving, development_database, run_on_database
    from dev.postgres import PostgresError

    try:
        if options.command:
            sys.exit(run_on_database(options.command))
        with development_database(fill=options.sample_data) as database:
            announce_when_serving(options.host, options.port, database)
            uvicorn.run(
                "dev.serve:create_app",
                factory=True,
                host=options.host,
                port=options.port,
                reload=options.reload,
                reload_dirs=["app"] if options.reload else None,
                # A stream that a browser keeps open would otherwise put off a reload, and the end, for ever.
                timeout_graceful_shutdown=2,
            )
    except PostgresError as error:
        sys.exit(str(error))


def create_app() -> "FastAPI":
    """Return the app for a worker: the process that serves while `dev` watches the code; each reload starts one."""
    from app.main import create_app

    if parent := parent_process():
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    return create_app()


def _end_with(parent: BaseProcess) -> None:
    # A parent that was killed can stop no one, and the port would stay taken.
    parent.join()
    os._exit(1)


if __name__ == "__main__":
    main()
