"""What a request of the generated shop costs, against the bare driver in the same framework, in one run.

Once without sign-in, once with passwords and Row Level Security, each against a driver of its own kind: without them it
autocommits, and neither signs anybody in.

    python3 -m uv run --isolated --no-project --with-requirements constraints.txt python benchmarks/requests.py

Every kind of request is sent in turn, round after round, straight into the ASGI application: no socket, no second
process. Only ratios mean anything; the time of a request is printed to show their scale.
"""

import asyncio
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from copier import run_copy

ROOT = Path(__file__).parents[1]
ROUNDS, REQUESTS = 15, 60
LIST = "SELECT id, sku, name, price, attributes, created_at, updated_at, version FROM app.products ORDER BY id LIMIT 20"

Request = Callable[[], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


async def call(app: Any, state: Any, own: Headers, *request: Any) -> None:
    """Send one request into an ASGI application, by its method, path and perhaps body, and demand success."""
    method, path, body = (*request, None)[:3]
    path, _, query = path.partition("?")
    content = b"" if body is None else json.dumps(body).encode()
    headers = [*own, *([(b"content-type", b"application/json")] if body is not None else [])]
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": method}
    scope |= {"path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": ""}
    scope |= {"headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": dict(state)}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 300:
            raise RuntimeError(f"{method} {path} answered {message['status']}")

    await app(scope, receive, send)


async def measure(url: str, headers: Headers) -> dict[str, float]:
    """Return the median time of each kind of request in microseconds; the driver connects as the owner."""
    import asyncpg

    from app.main import create_app
    from app.schemas import Page
    from app.schemas.product import ProductRead
    from app.settings import get_settings

    app = create_app(get_settings().model_copy(update={"log_level": "ERROR"}))
    numbers = iter(range(10**9))
    async with asyncpg.create_pool(url, min_size=1) as pool, app.router.lifespan_context(app) as state:
        first = str(await pool.fetchval("SELECT id FROM app.products LIMIT 1"))

        @app.get("/nothing")
        async def nothing() -> dict[str, str]:
            return {}

        @app.get("/driver", response_model=Page[ProductRead])
        async def driver() -> Any:
            rows = [{**row, "attributes": json.loads(row["attributes"])} for row in await pool.fetch(LIST)]
            return {"items": [{**row, "category_ids": []} for row in rows], "next_cursor": None}

        def create() -> dict[str, Any]:
            number = next(numbers)
            return {"sku": f"B{number}", "name": f"Benchmark {number}", "price": "1.00", "attributes": {}}

        kinds: dict[str, Request] = {
            "no database": lambda: call(app, state, headers, "GET", "/nothing"),
            "driver alone, 20 rows": lambda: call(app, state, headers, "GET", "/driver"),
            "list, 20 rows": lambda: call(app, state, headers, "GET", "/products?limit=20"),
            "list, 20 rows, expanded": lambda: call(app, state, headers, "GET", "/products?limit=20&expand=categories"),
            "get": lambda: call(app, state, headers, "GET", f"/products/{first}"),
            "create": lambda: call(app, state, headers, "POST", "/products", create()),
        }
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(20):
            await kinds["create"]()
        for _ in range(ROUNDS):
            for kind, request in kinds.items():
                started = time.perf_counter()
                for _ in range(REQUESTS):
                    await request()
                times[kind].append((time.perf_counter() - started) / REQUESTS * 1e6)
        return {kind: statistics.median(rounds) for kind, rounds in times.items()}


def measure_project(url: str) -> None:
    """Fill the project of this folder, and print what was measured as JSON: in a process of its own, as `app` is."""
    from dev.database import prepare_schema

    os.environ |= {"DATABASE_URL": url, "MIGRATION_DATABASE_URL": url, "ENVIRONMENT": "development"}
    headers: Headers = []
    if Path("app/auth").exists():
        from app.database.row_security.bootstrap import LOGIN
        from dev.users import new_private_key

        server = urlsplit(url).netloc.rpartition("@")[2]
        os.environ["DATABASE_URL"] = urlsplit(url)._replace(netloc=f"{LOGIN}:benchmark@{server}").geturl()
        os.environ["TOKEN_PRIVATE_KEY"] = new_private_key()
    with contextlib.redirect_stdout(sys.stderr):
        prepare_schema()
    from dev.factories import load_sample_data

    if Path("app/auth").exists():
        from app.auth.tokens import Verifier
        from app.settings import get_settings
        from dev.users import sample_user

        user, key = sample_user(), get_settings().signing_key
        load_sample_data(user)
        headers = [(b"authorization", b"Bearer " + Verifier(key, {key.id: key}, 900).issue(user).encode())]
    else:
        load_sample_data()
    print(json.dumps(asyncio.run(measure(url, headers))))


def main() -> None:
    """Render the shop twice, start a server for both, and print the table."""
    sys.path.insert(0, str(ROOT / "template"))
    from dev.postgres import temporary_server

    found = {}
    with tempfile.TemporaryDirectory() as folder, temporary_server() as server:
        # Copied without the history: the files as they lie here, not as they were committed.
        source = Path(folder, "template")
        shutil.copytree(
            ROOT, source, ignore=shutil.ignore_patterns(".git", ".venv", ".dev", "node_modules", "tests", "__pycache__")
        )
        for auth in ("none", "password"):
            project, database = Path(folder, auth), f"shop_{auth}"
            run_copy(str(source), project, data={"auth": auth}, defaults=True, quiet=True)
            asyncio.run(create_database(server.url(), database))
            command = [sys.executable, Path(__file__).resolve(), server.url(database)]
            environment = {**os.environ, "PYTHONPATH": str(project)}
            printed = subprocess.run(command, cwd=project, env=environment, stdout=subprocess.PIPE, check=True).stdout
            found[auth] = json.loads(printed)
    scales = {auth: times["driver alone, 20 rows"] for auth, times in found.items()}
    print(f"{'':26} {'without sign-in':>20} {'with RLS':>20}")
    for kind in found["none"]:
        columns = [f"{times[kind] / scales[auth]:5.2f}  ({times[kind]:,.0f} µs)" for auth, times in found.items()]
        print(f"{kind:26} {columns[0]:>20} {columns[1]:>20}")


async def create_database(url: str, name: str) -> None:
    """Create an empty database."""
    import asyncpg

    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()


if __name__ == "__main__":
    measure_project(sys.argv[1]) if sys.argv[1:] else main()
