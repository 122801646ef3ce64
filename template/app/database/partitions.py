"""The command `partitions`, for cron: makes the months to come and, if asked to, detaches those that are old."""

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import import_modules
from app.database import months
from app.database.engine import create_migration_engine
from app.database.errors import DatabaseUnavailableError, reason_of, sqlstate
from app.settings import get_settings

BUSY = {"40P01", "55P03"}
SENTENCES = {
    **dict.fromkeys(BUSY, "others kept it locked; run this again at a quieter time"),
    **dict.fromkeys(("3F000", "42P01"), "it or its default partition is not there; bring the schema up to date first"),
    "42501": "this login may not change it; set MIGRATION_DATABASE_URL to the one that owns it",
    "42P07": "a table that is no partition of it has the name of a month; attach, rename or drop that",
}
ATTEMPTS, PAUSE = 10, 3.0
# Milliseconds for all locks together. Less than the server's deadlock_timeout, which is a second: where some wait for
# each other in a circle, it is this command that steps back, and no request that fails.
PATIENCE = 800

ATTACHED = sa.text(
    "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = to_regclass(:parent)"
)
# Those that are written, not generated: also columns that the models do not know.
COLUMNS = sa.text(
    "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute "
    "WHERE attrelid = to_regclass(:parent) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
)
KEYS = sa.text(
    "SELECT format('ADD CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint "
    "WHERE contype = 'f' AND conrelid = to_regclass(:parent) AND conparentid = 0"
)
ACTING = sa.text(
    "SELECT format('%s of %s', conname, conrelid::regclass) FROM pg_constraint "
    "WHERE contype = 'f' AND confrelid = to_regclass(:parent) AND confdeltype IN ('c', 'n', 'd') LIMIT 1"
)


async def maintain(ahead: int = 3, keep: int | None = None) -> list[str]:
    """Make and detach what is due in every partitioned table; return a sentence for each table where that failed."""
    import_modules("app.models")
    engine, failures = create_migration_engine(get_settings()), []
    try:
        async with engine.connect() as connection:
            now = months.month_of((await connection.execute(sa.select(sa.func.now()))).scalar_one())
        for table in months.time_columns():
            try:
                failure = await _maintain(engine, table, now, ahead, keep)
            except DBAPIError as error:
                failure = SENTENCES.get(sqlstate(error)) or reason_of(error)
            failures += [f"app.{table}: {failure}"] if failure else []
    finally:
        await engine.dispose()
    return failures


async def _maintain(engine: AsyncEngine, table: str, now: int, ahead: int, keep: int | None) -> str:
    async with engine.connect() as connection:
        made = await _months(connection, table)
        acting = (await connection.execute(ACTING, {"parent": f"app.{table}"})).scalar()
    if acting:  # to a foreign key, a row that moves to its month is a row that is deleted
        return f"the foreign key {acting} would delete or empty what refers to rows that move; drop it"
    for month in months.to_make(made, now, ahead):
        if await change_month(engine, table, month, make=True):
            print(f"created app.{months.name_of(table, month)}")
    for month in [] if keep is None else months.to_detach(made, now, keep):
        if await change_month(engine, table, month, make=False):
            print(f"detached app.{months.name_of(table, month)}: dump it, then drop it")
    return ""


async def change_month(engine: AsyncEngine, table: str, month: int, *, make: bool) -> bool:
    """Make a month, or else detach it; return False where that has been done before. Waits for others, for a while."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with engine.begin() as connection:
                return await _change(connection, table, month, make=make)
        except DBAPIError as error:
            if sqlstate(error) not in BUSY or attempt == ATTEMPTS:
                raise
        await asyncio.sleep(PAUSE)
    return False


async def _change(connection: AsyncConnection, table: str, month: int, *, make: bool) -> bool:
    # A second command waits here, then finds nothing left to do.
    await connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('partitions'))")
    if (month in await _months(connection, table)) is make:
        return False
    columns = (await connection.execute(COLUMNS, {"parent": f"app.{table}"})).scalar_one()
    keys = (await connection.execute(KEYS, {"parent": f"app.{table}"})).scalars().all()
    locks = months.take_locks(table, make=make)
    await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE // len(locks)}ms'")
    work = months.make_month(table, month, columns, keys) if make else months.detach_month(table, month)
    for statement in locks + work:
        await connection.exec_driver_sql(statement)
    return True


async def _months(connection: AsyncConnection, table: str) -> set[int]:
    """Return the months that have a partition."""
    names = (await connection.execute(ATTACHED, {"parent": f"app.{table}"})).scalars()
    found = [re.fullmatch(rf"{table}_(\d{{4}})_(\d\d)", name) for name in names]
    return {int(match[1]) * 12 + int(match[2]) - 1 for match in found if match}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line; exit code 1 says that something is left to do, and one sentence what."""
    options = _parse(arguments)
    try:
        failures = asyncio.run(maintain(options.ahead, options.keep))
    except (DatabaseUnavailableError, DBAPIError, asyncpg.PostgresError) as error:
        sys.exit(f"No connection to the database: {error.__cause__ or error}")
    if failures:
        sys.exit("\n".join(failures))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="partitions", description=__doc__)
    parser.add_argument("--ahead", type=_number, default=3, metavar="N", help="months to make beyond this one (3)")
    parser.add_argument("--keep", type=_number, metavar="M", help="detach months that lie more than M back (none)")
    return parser.parse_args(arguments)


def _number(text: str) -> int:
    if not re.fullmatch(r"\d{1,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of months, as in 12")
    return int(text)


if __name__ == "__main__":
    main()
