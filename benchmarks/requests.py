"""What a request of the generated shop costs, against the bare driver in the same framework, in one run.

    python3 -m uv run --isolated --no-project --with-requirements constraints.txt python benchmarks/requests.py

Every kind of request is sent in turn, round after round, straight into the ASGI application: no socket, no second
process. Only ratios mean anything; the time of a request is printed to show their scale.
"""

import asyncio
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

from copier import run_copy

ROOT = Path(__file__).parents[1]
ROUNDS, REQUESTS = 15, 60
LIST = "SELECT id, sku, name, price, attributes, created_at, updated_at, version FROM app.products ORDER BY id LIMIT 20"

Request = Callable[[], Awaitable[None]]


async def call(app: Any, state: Any, method: str, path: str, body: Any = None) -> None:
    """Send one request into an ASGI application and demand success."""
    path, _, query = path.partition("?")
    content = b"" if body is None else json.dumps(body).encode()
    headers = [(b"content-type", b"application/json")] if body is not None else []
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": method}
    scope |= {"path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": ""}
    scope |= {"headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": dict(state)}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 300:
            raise RuntimeError(f"{method} {path} answered {message['status']}")

    await app(scope, receive, send)


async def measure(url: str) -> dict[str, float]:
    """Return the median time of each kind of request in microseconds."""
    import asyncpg
    from app.main import create_app
    from app.schemas.product import ProductRead
    from app.settings import Settings

    from app.schemas import Page

    app = create_app(Settings.model_validate({"database_url": url, "log_level": "ERROR"}))
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
            "no database": lambda: call(app, state, "GET", "/nothing"),
            "driver alone, 20 rows": lambda: call(app, state, "GET", "/driver"),
            "list, 20 rows": lambda: call(app, state, "GET", "/products?limit=20"),
            "list, 20 rows, expanded": lambda: call(app, state, "GET", "/products?limit=20&expand=categories"),
            "get": lambda: call(app, state, "GET", f"/products/{first}"),
            "create": lambda: call(app, state, "POST", "/products", create()),
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


def main() -> None:
    """Render the shop, start a server for it, and print the table."""
    sys.path.insert(0, str(ROOT / "template"))
    from dev.postgres import temporary_server

    with tempfile.TemporaryDirectory() as folder, temporary_server() as server:
        # Copied without the history: the files as they lie here, not as they were committed.
        source, project = Path(folder, "template"), Path(folder, "shop")
        shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", ".venv", ".dev", "tests", "__pycache__"))
        run_copy(str(source), project, defaults=True, quiet=True)
        os.environ["DATABASE_URL"] = server.url()
        subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], cwd=project, check=True)
        sys.path[0] = str(project)
        for name in [name for name in sys.modules if name.partition(".")[0] == "dev"]:
            del sys.modules[name]
        from dev.factories import load_sample_data

        load_sample_data()
        found = asyncio.run(measure(server.url()))
    scale = found["driver alone, 20 rows"]
    for kind, microseconds in found.items():
        print(f"{kind:26} {microseconds / scale:5.2f}  ({microseconds:,.0f} µs)")


if __name__ == "__main__":
    main()
