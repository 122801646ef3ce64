"""Twenty tasks that use every way to send a statement: a process of its own, as a worker of the service is."""

import asyncio
import json
import random
import uuid
from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from app.database.session import ReadSession, Sessions, WriteSession, in_transaction, open_sessions
from app.models.category import Category
from app.settings import Settings
from tests.pooled.things import Colour, Counter, Thing, values

TASKS, ROUNDS = 20, 3
SERIALIZABLE = sa.text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")


async def orm(session: WriteSession, task: int) -> None:
    thing = Thing(**values(task))
    session.add(thing)
    await session.flush()
    thing.words = ["changed"]
    await session.flush()
    await session.refresh(thing)
    assert (thing.task, thing.words, thing.colours[0]) == (task, ["changed"], Colour.GREEN)
    await session.delete(thing)


async def application_model(session: WriteSession, _task: int) -> None:
    category = Category(name=uuid.uuid4().hex)
    session.add(category)
    await session.flush()
    category.name += "!"
    await session.flush()
    assert category.version == 2
    await session.delete(category)


async def returning(session: WriteSession, task: int) -> None:
    inserted = sa.insert(Thing).returning(Thing.task, Thing.data, Thing.price)
    sent = values(task)
    found = (await session.execute(inserted, [sent, sent])).all()
    assert [tuple(row) for row in found] == [(task, sent["data"], sent["price"])] * 2
    await session.execute(sa.delete(Thing).where(Thing.task == task).returning(Thing.id))


async def executemany(session: WriteSession, task: int) -> None:
    connection = await session.connection()
    await connection.execute(sa.insert(Counter), [{"id": random.randrange(2, 2**31), "n": task} for _ in range(5)])
    statement = "UPDATE proof.counters SET n = n + $1::int WHERE id = $2::int"
    await connection.exec_driver_sql(statement, [(1, -1), (1, -2)])


async def savepoint(session: WriteSession, _task: int) -> None:
    with suppress(IntegrityError):
        async with session.begin_nested():
            await session.execute(sa.insert(Counter).values(id=1, n=0))
    async with session.begin_nested():
        assert await session.scalar(sa.select(Counter.n).where(Counter.id == 1)) is not None


async def count(session: WriteSession, _task: int) -> None:
    await session.execute(SERIALIZABLE)
    n = await session.scalar(sa.select(Counter.n).where(Counter.id == 1))
    assert n is not None
    await session.execute(sa.update(Counter).where(Counter.id == 1).values(n=n + 1))


async def read(session: ReadSession, task: int) -> None:
    number, name = (await session.execute(sa.select(sa.literal(task), sa.literal(f"{task}")))).one()
    assert (number, name) == (task, f"{task}")
    await session.execute(sa.select(Thing).where(Thing.colour.in_([Colour.RED]), Thing.task == task))


async def stream(session: ReadSession, task: int) -> None:
    rows = await session.stream(sa.text("SELECT n, :task FROM generate_series(1, 200) n"), {"task": f"{task}"})
    assert [tuple(row) async for row in rows] == [(n, f"{task}") for n in range(1, 201)]


WRITES = (orm, application_model, returning, executemany, savepoint, count)
READS = (read, stream)


async def run_writes(sessions: Sessions, task: int, number: int) -> None:
    work = WRITES[number]
    await in_transaction(sessions, lambda session: work(session, task), attempts=100)


async def run_reads(sessions: Sessions, task: int, number: int) -> None:
    async with sessions.read() as session:
        await READS[number](ReadSession(session), task)


async def work(sessions: Sessions, task: int) -> list[str]:
    """Run all kinds of transaction in any order, and return how some of them failed."""
    chosen = [(run_writes, n) for n in range(len(WRITES))] + [(run_reads, n) for n in range(len(READS))]
    failed, mixed = [], random.Random(task).sample(chosen * ROUNDS, len(chosen) * ROUNDS)
    for run, number in mixed:
        try:
            await run(sessions, task, number)
        except Exception as error:  # noqa: BLE001 - all of them count
            failed.append(f"{error!r:.300}")
    return failed


async def main() -> None:
    async with open_sessions(Settings.model_validate({})) as sessions:
        failed = await asyncio.gather(*[work(sessions, task) for task in range(TASKS)])
        print(json.dumps([text for one in failed for text in one]))


if __name__ == "__main__":
    asyncio.run(main())
