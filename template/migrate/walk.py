"""Backfills: what gives rows new values while the service runs, batch by batch, each with a note of how far that is.

What `backfill copy_title` does, once in the life of a database, stands in `migrate/backfills/copy_title.py`:

    BACKFILL = Backfill(Product, {"title": Product.name}, where=Product.title.is_(None))

Deploy what writes the new column first: rows that are inserted meanwhile may be passed by. A row counts as changed,
so `updated_at` and `version` move on: who changes it by what was read before is answered 412.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.exc import DBAPIError

from app.database.base import TIMESTAMP, Base
from app.database.errors import RETRYABLE, reason_of, sqlstate
from app.database.session import Sessions, WriteSession, in_transaction
from migrate import VERSION_SCHEMA

Row = sa.RowMapping
Values = Mapping[str, Any]

# Milliseconds for a lock. Less than the server's deadlock_timeout, which is a second: it is the backfill that steps
# back, and no request that fails.
PATIENCE = 500
COUNTING = 10_000  # milliseconds
ATTEMPTS = 6  # in half a minute, after which the server has ended a transaction that idles
REST = 0.25  # of the time that a batch has taken
BUSY = RETRYABLE | {"55P03"}
CANCELED = "57014"
FAULT_OF_ROWS = ("22", "23", "P0", CANCELED)

progress = sa.Table(
    "backfills",
    sa.MetaData(schema=VERSION_SCHEMA),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", ARRAY(sa.Text)),
    sa.Column("done", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("finished_at", TIMESTAMP),
)


@dataclass(frozen=True)
class Backfill:
    """Which rows of a model, or a table, get which values: expressions, or what a function makes of each row."""

    target: type[Base] | sa.Table
    values: Values | Callable[[Row], Values]
    where: sa.ColumnElement[bool] = field(default_factory=sa.true)

    @property
    def table(self) -> sa.Table:
        """Where the rows are."""
        return self.target if isinstance(self.target, sa.Table) else Base.metadata.tables[str(self.target.__table__)]

    @property
    def key(self) -> list[sa.Column[Any]]:
        """What tells the rows apart, and puts them in order."""
        return list(self.table.primary_key)

    def rows_behind(self, position: Sequence[str] | None) -> sa.Select[Any]:
        """Return a query of the rows that are still to be changed: those behind this key."""
        columns = self.table.columns if callable(self.values) else self.key
        query = sa.select(*columns).where(self.where).order_by(*self.key)
        if position is None:
            return query
        last = (sa.cast(sa.literal(text), column.type) for text, column in zip(position, self.key, strict=True))
        return query.where(sa.tuple_(*self.key) > sa.tuple_(*last))

    def position_of(self, row: Row) -> sa.ColumnElement[Any]:
        """Return the key of a row as PostgreSQL writes it, which reads it again."""
        return array([sa.cast(sa.literal(row[column], column.type), sa.Text) for column in self.key])

    async def change_rows(self, session: WriteSession, rows: Sequence[Row]) -> int:
        """Give rows their values, and return how many have got them."""
        values = self.values
        each = [([row], values(row)) for row in rows] if callable(values) else [(rows, values)]
        changed = 0
        for some, new in each:
            statement = sa.update(self.table).where(self._is_among(some)).values(new)
            changed += len((await session.execute(statement.returning(sa.true()))).all())
        return changed

    def _is_among(self, rows: Sequence[Row]) -> sa.ColumnElement[bool]:
        # Arrays: a statement with a thousand parameters would fill the log.
        keys = (sa.literal([row[column] for row in rows], ARRAY(column.type)) for column in self.key)
        given = sa.func.unnest(*keys).table_valued(*(column.name for column in self.key)).render_derived()
        return sa.tuple_(*self.key).in_(sa.select(*given.columns))


@dataclass
class Walk:
    """A run of a backfill, with the rows that it changes at a time and in a second."""

    name: str
    backfill: Backfill
    sessions: Sessions
    size: int
    rate: int

    async def count(self) -> int | None:
        """Return how many rows are left; None where it takes too long to count them."""

        async def count(session: WriteSession) -> int:
            await session.execute(sa.text(f"SET LOCAL statement_timeout = {COUNTING}"))
            rows = (await self._rows(session)).order_by(None).subquery()
            return (await session.execute(sa.select(sa.func.count()).select_from(rows))).scalar_one()

        try:
            return await in_transaction(self.sessions, count)
        except DBAPIError as error:
            if sqlstate(error) != CANCELED:
                raise
            return None

    async def run(self, tell: Callable[[int], None]) -> None:
        """Change all rows that are left. CommandError says what prevents it, and names the row that is at fault."""
        changed = -1
        while changed:
            started = monotonic()
            changed = await self._change_batch()
            tell(changed)
            took = monotonic() - started
            await asyncio.sleep(max(took * REST, changed / self.rate - took))

    async def finish(self, *, allow_none: bool) -> int:
        """Note that it is finished, and return how many rows it has changed. CommandError if none is not allowed."""

        async def finish(session: WriteSession) -> int:
            note = sa.update(progress).where(progress.c.name == self.name).values(finished_at=sa.func.now())
            done: int = (await session.execute(note.returning(progress.c.done))).scalar_one()
            if not done and not allow_none:
                raise CommandError(f"{self.name} finds no row of {self.backfill.table}: --allow-none if that is right.")
            return done

        return await in_transaction(self.sessions, finish)

    async def _change_batch(self, attempt: int = 0) -> int:
        try:
            return await in_transaction(self.sessions, self._change)
        except DBAPIError as error:
            state = sqlstate(error)
            if state in BUSY and attempt < ATTEMPTS:
                await asyncio.sleep(PATIENCE / 1000 * 2**attempt)  # those who wait for us have their turn
                return await self._change_batch(attempt + 1)
            if not state.startswith(FAULT_OF_ROWS):
                raise
            if self.size == 1:
                raise CommandError(f"{self.name} stopped at {await self._next_row()}: {reason_of(error)}.") from error
            self.size //= 2  # until it is the one that is at fault
            return await self._change_batch(attempt)

    async def _change(self, session: WriteSession) -> int:
        await session.execute(sa.text(f"SET LOCAL lock_timeout = {PATIENCE}"))
        # Not locked are the rows' keys: what refers to them can be inserted meanwhile.
        query = (await self._rows(session, lock=True)).limit(self.size).with_for_update(key_share=True)
        if not (rows := (await session.execute(query)).mappings().all()):
            return 0
        if (changed := await self.backfill.change_rows(session, rows)) != len(rows):
            raise CommandError(f"{self.name} stopped: a trigger or a rule left out {len(rows) - changed} of its rows.")
        note = {"position": self.backfill.position_of(rows[-1]), "done": progress.c.done + changed}
        await session.execute(sa.update(progress).where(progress.c.name == self.name).values(note))
        return changed

    async def _rows(self, session: WriteSession, *, lock: bool = False) -> sa.Select[Any]:
        note = sa.select(progress.c.position).where(progress.c.name == self.name)
        # Should two be here at once, the second waits, and goes on where the first has been.
        return self.backfill.rows_behind(await session.scalar(note.with_for_update() if lock else note))

    async def _next_row(self) -> str:
        async def read(session: WriteSession) -> str:
            rows = (await session.execute((await self._rows(session)).limit(1))).mappings()
            return ", ".join(f"{column.name} = {row[column]}" for row in rows for column in self.backfill.key)

        return await in_transaction(self.sessions, read)
