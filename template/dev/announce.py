"""What a developer wants to know once the server answers: where the API is, and how to look into the database."""

import json
import os
import shlex
import shutil
import threading
import time
from http.client import HTTPConnection, HTTPException

from dev.binaries import find_binaries
from dev.postgres import Server


def announce_when_serving(host: str, port: int, database: str) -> None:
    """Print the addresses as soon as there is an answer, which a mistake in app/ may put off."""
    threading.Thread(target=_announce, args=(host, port, database), daemon=True).start()


def psql_command(server: Server, database: str) -> str:
    """A line for the shell that reads the password instead of showing it."""
    psql = "psql" if shutil.which("psql") else os.path.relpath(find_binaries().folder / "psql")
    password = os.path.relpath(server.folder / "password")
    return (
        f"PGPASSWORD=$(cat {shlex.quote(password)}) "
        f"{shlex.quote(psql)} -h {server.host} -p {server.port} -U postgres {database}"
    )


def _announce(host: str, port: int, database: str) -> None:
    paths = _wait_for_paths(host, port)
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    collection = next((path for path, methods in paths.items() if {"get", "post"} <= methods.keys()), "/openapi.json")
    print(f"\n  API docs  {address}/docs\n  First     {address}{collection}\n  Database  {database}\n", flush=True)


def _wait_for_paths(host: str, port: int) -> dict[str, dict[str, object]]:
    while True:
        connection = HTTPConnection(host, port, timeout=30)
        try:
            connection.request("GET", "/openapi.json")
            response = connection.getresponse()
            paths: dict[str, dict[str, object]] = json.loads(response.read()).get("paths", {})
        except (OSError, HTTPException, ValueError):
            time.sleep(0.05)
        else:
            return paths
        finally:
            connection.close()
