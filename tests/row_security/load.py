"""Ten tasks of Ada's and Bob's in turns, in every way there is: a process of its own, as a worker of the service is."""

import asyncio
import json
import random
import uuid

from app.database.identity import Identity
from app.database.session import Sessions, WriteSession, in_transaction, open_sessions
from app.models.order import Order
from app.settings import Settings
from tests.row_security.sessions import connection, driver_sql, execute, get, run_sync, savepoint, stream
from tests.support import ADA, BOB

TASKS, ROUNDS = 10, 10
LOOKS = (execute, get, stream, connection, driver_sql, savepoint, run_sync)


async def store(sessions: Sessions, who: Identity) -> uuid.UUID:
    """Store an order of somebody's."""

    async def work(session: WriteSession) -> uuid.UUID:
        row = Order(owner_id=who.user_id)
        session.add(row)
        await session.flush()
        return row.id

    return await in_transaction(sessions.of(who), work)


async def remove(sessions: Sessions, who: Identity, key: uuid.UUID) -> None:
    """Delete an order of somebody's."""

    async def work(session: WriteSession) -> None:
        await session.delete(await session.get_one(Order, key))

    await in_transaction(sessions.of(who), work)


async def work(sessions: Sessions, task: int) -> list[str]:
    """Store, look and remove; return what was seen that should not be, and what failed."""
    who, wrong, chance = (ADA, BOB)[task % 2], list[str](), random.Random(task)
    for _ in range(ROUNDS):
        look, kind = chance.choice(LOOKS), chance.choice(["write", "read"])
        try:
            key = await store(sessions, who)
            async with getattr(sessions.of(who), kind)() as session:
                keys = await look(session, {key})
                owners = {row.owner_id for row in [await session.get(Order, key) for key in keys] if row}
                wrong += [f"{look.__name__} saw {owners} and {key in keys}"] * (
                    owners != {who.user_id} or key not in keys
                )
            await remove(sessions, who, key)
        except Exception as error:  # noqa: BLE001 - all of them count
            wrong.append(f"{error!r:.300}")
    return wrong


async def main() -> None:
    async with open_sessions(Settings.model_validate({})) as sessions:
        wrong = await asyncio.gather(*[work(sessions, task) for task in range(TASKS)])
        print(json.dumps([text for one in wrong for text in one]))


if __name__ == "__main__":
    asyncio.run(main())
