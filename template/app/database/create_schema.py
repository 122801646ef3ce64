"""The command `create-schema`: makes the tables that are missing, alters none, and says what differs from the models.

What differs is printed as SQL to review and run: each difference as a comment, then the statements. The exit code is 1
where something is missing or otherwise than the models say; with --check also where something is merely too much, such
as a column that the version before still uses.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.base import CREATE_TOUCH
from app.database.catalog import our_schemas, our_tables, statements_of
from app.database.drift import catalogs, compare
from app.database.engine import open_migration_connection
from app.database.errors import reason_of, sqlstate
from app.database.repair import HARMLESS, repair
from app.settings import get_settings

SCHEMAS = ("app", "private")
LOCK_TIMEOUT = "5s"
ALREADY_THERE = {"42P07", "42710", "42723"}  # a relation, an object of another kind, a function

# What stands above the statements, for whoever runs them.
HEAD = f"""\
--
-- Read these statements, then run them as the owner, one by one, up to the first that fails: psql does so with a file
-- and -v ON_ERROR_STOP=1. Those that lose data, and what no statement does safely, are comments. Then
-- `create-schema --check` says what is left.
SET lock_timeout = '{LOCK_TIMEOUT}';  -- rather an error, and once more, than requests that wait
"""


class Outcome(NamedTuple):
    """What the command has done, and what it leaves to do."""

    new: list[str]
    """The tables that it has made."""
    left: str
    """How the database differs, and what to run, as SQL; empty where it does not."""
    is_usable: bool
    """Whether the models have all they need, as the difference is only what they do not know."""


async def create_schema(*, check: bool = False) -> Outcome:
    """Create what is missing, as the login that owns the tables, or with `check` nothing; then compare."""
    async with open_migration_connection(get_settings()) as connection:
        await _wait_for_others(connection)
        new = [] if check else await connection.run_sync(_create)
        outcome = Outcome(new, *await connection.run_sync(describe))
        await connection.commit()
        return outcome


async def _wait_for_others(connection: AsyncConnection) -> None:
    """Wait until no other deployment runs this command; a second one then finds nothing left to do."""
    # Polled: whoever waits within a statement has a snapshot, for which CREATE INDEX CONCURRENTLY would wait.
    while not await connection.scalar(sa.text("SELECT pg_try_advisory_xact_lock(hashtext('create-schema'))")):
        await connection.rollback()
        await asyncio.sleep(0.1)
    await connection.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))


def _create(connection: sa.Connection) -> list[str]:
    schemas = set(sa.inspect(connection).get_schema_names())
    for schema in {*our_schemas(), *SCHEMAS} - schemas:
        connection.execute(sa.schema.CreateSchema(schema))
    _make(connection, CREATE_TOUCH.replace("OR REPLACE ", ""))
    new = [table for table in our_tables() if not sa.inspect(connection).has_table(table.name, table.schema)]
    for statement in statements_of(new) if new else ():
        if statement != CREATE_TOUCH:
            _make(connection, statement)
    return [table.name for table in new]


def _make(connection: sa.Connection, statement: str) -> None:
    """Run a statement, unless what it makes is there: models may declare more than tables, such as a view of them."""
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if sqlstate(error) not in ALREADY_THERE:
            raise


def describe(connection: sa.Connection) -> tuple[str, bool]:
    """Return how the database differs and what to run, as SQL, and whether the models can do with it."""
    found, wanted = catalogs(connection)
    if not (lines := [f"--   {line}" for line in compare(found, wanted)]):
        return "", True
    steps = repair(found, wanted)
    text = ["-- The database is not what the models say:", *lines, HEAD, *(step.text for step in steps)]
    return "\n".join(text), all(step.phase in HARMLESS for step in steps)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="create-schema", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only look: change nothing")
    options = parser.parse_args(arguments)
    try:
        outcome = asyncio.run(create_schema(check=options.check))
    except DBAPIError as error:
        sys.exit(f"PostgreSQL refused, and nothing was done: {reason_of(error)}")
    if outcome.new:
        print(f"-- Created {', '.join(outcome.new)}.")
    print(outcome.left or "-- The database is what the models say.")
    if outcome.left and (options.check or not outcome.is_usable):
        sys.exit(1)


if __name__ == "__main__":
    main()
