"""Others who write to a table all the while: each of their statements is timed, and they know what the table holds."""

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg

SEED = (
    "INSERT INTO app.products (id, sku, name, price, attributes) "
    "SELECT gen_random_uuid(), number, 'Product ' || number, 0, '{{}}' FROM generate_series(1, {rows}) number"
)
INSERT = "INSERT INTO app.products (id, sku, name, price, attributes) VALUES ($1, $2, 'new', 0, '{}')"
UPDATE = "UPDATE app.products SET price = price + 1 WHERE id = $1"
DELETE = "DELETE FROM app.products WHERE id = $1"
# The other end of foreign keys.
OTHER = "UPDATE app.categories SET name = $1::text WHERE id = $1::text::uuid"
WRITERS = 4
PAUSE = 0.005  # seconds: some hundred transactions a second in all, and not as many as the processors can do


class Writers:
    """Short transactions that insert, change and delete rows of `app.products`."""

    def __init__(self, prices: dict[uuid.UUID, int]) -> None:
        self.prices = prices
        self.times: list[tuple[float, float]] = []
        self.begun: dict[asyncpg.Connection, float] = {}
        self.ended = False

    def slowest_since(self, start: float) -> float:
        """Return the seconds that the slowest statement took of those that ended since, or have not ended yet."""
        now = time.monotonic()
        times = [*self.times, *((begin, now) for begin in self.begun.values())]
        return max(end - begin for begin, end in times if end >= start)

    async def write(self, connection: asyncpg.Connection, shared: list[uuid.UUID]) -> None:
        """Write until the end: to rows of its own, and to those that all writers change."""
        own, category = list[uuid.UUID](), str(uuid.uuid4())
        await connection.execute("INSERT INTO app.categories (id, name) VALUES ($1::text::uuid, $1::text)", category)
        while not self.ended:
            new, changed = uuid.uuid4(), random.choice(shared)
            async with connection.transaction():
                await self._send(connection, INSERT, new, new.hex)
                await self._send(connection, UPDATE, changed)
                await self._send(connection, OTHER, category)
            own.append(new)
            self.prices[new] = 0
            self.prices[changed] += 1
            if len(own) > 10:
                gone = own.pop(random.randrange(len(own)))
                await self._send(connection, DELETE, gone)
                del self.prices[gone]
            await asyncio.sleep(PAUSE)

    async def _send(self, connection: asyncpg.Connection, statement: str, *values: object) -> None:
        self.begun[connection] = time.monotonic()
        done = await connection.execute(statement, *values)
        self.times.append((self.begun.pop(connection), time.monotonic()))
        assert done.endswith(" 1"), done


@asynccontextmanager
async def writing(url: str) -> AsyncIterator[Writers]:
    """Write for as long as the context lasts. It ends with an error where a statement fails or a row is not as left."""
    async with asyncpg.create_pool(url, min_size=WRITERS + 1, max_size=WRITERS + 1) as pool:
        writers = Writers(dict(await _prices(pool)))
        shared = list(writers.prices)
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                connection = await stack.enter_async_context(pool.acquire())
                group.create_task(writers.write(connection, shared))
            try:
                yield writers
            finally:
                writers.ended = True
        assert writers.times
        assert await _prices(pool) ^ writers.prices.items() == set()


async def _prices(pool: asyncpg.Pool) -> set[tuple[uuid.UUID, int]]:
    return {(row["id"], int(row["price"])) for row in await pool.fetch("SELECT id, price FROM app.products")}
