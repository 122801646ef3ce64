"""The command `migrate`: brings the database to the newest revision, checks it, takes revisions back, writes SQL."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from app.database.engine import open_migration_connection
from app.settings import get_settings
from migrate import UnknownRevisionError, alembic_config, differences, pending, require_one_head
from migrate.guards import answer_of, ask, limited
from migrate.sql import SCHEMA, schema_of

Result = TypeVar("Result")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    options, config = _parse(arguments), alembic_config()
    try:
        if options.run is not sql:
            _require_database()
        options.run(config, options)
    except CommandError as error:
        sys.exit(str(error))
    except DBAPIError as error:
        sys.exit(answer_of(error))
    except KeyboardInterrupt:
        sys.exit("Stopped. What was not reported as done was not done.")


def _require_database() -> None:
    try:
        get_settings()
    except SystemExit as error:
        here = " `uv run dev migrate` is for the development database." if "DATABASE_URL: Field" in str(error) else ""
        raise SystemExit(f"{error}.{here}") from None


def upgrade(config: Config, options: argparse.Namespace) -> None:
    """Bring the database to a revision."""
    _run(config, command.upgrade, options.revision)


def down(config: Config, options: argparse.Namespace) -> None:
    """Take revisions back, after a question."""
    if not options.yes:
        config.attributes["ask"] = ask
    config.attributes["told"] = options.in_production
    _run(config, command.downgrade, options.revision)


def check(config: Config, _options: argparse.Namespace) -> None:
    """Compare revisions, database and models."""
    require_one_head(ScriptDirectory.from_config(config))
    if problems := asyncio.run(_on_database(_problems)):
        raise CommandError("\n".join(problems))
    print("The database has every revision, and is what the models say.")


def sql(config: Config, options: argparse.Namespace) -> None:
    """Write what an upgrade would send."""
    require_one_head(ScriptDirectory.from_config(config))
    command.upgrade(config, f"{options.since}:{options.revision}", sql=True)


def _run(config: Config, run: Callable[[Config, str], None], revision: str) -> None:
    reported: list[str] = []

    def report(line: str) -> None:
        reported.append(line)
        print(line, flush=True)

    config.attributes["report"] = report
    run(config, revision)
    if not reported:
        print("Nothing to do.")
    keep_schema()


def _problems(connection: sa.Connection) -> list[str]:
    try:
        missing = pending(connection)
    except UnknownRevisionError as error:
        return [str(error)]
    if missing:
        return [f"The database has not had {', '.join(missing)}: run `migrate`."]
    connection.rollback()
    with limited(connection, get_settings()):
        return differences(connection)


def keep_schema() -> None:
    """In development, write down for reviews what the schema is now, or say how it is not what the models say."""
    if get_settings().environment != "development":
        return
    left, text = asyncio.run(_on_database(lambda connection: (differences(connection), schema_of(connection))))
    if left:
        print(f"{SCHEMA.name} stays as it is, since database and models differ:", *left, sep="\n  ")
    elif not SCHEMA.exists() or SCHEMA.read_text() != text:
        SCHEMA.write_text(text)
        print(f"Wrote {SCHEMA.name}: commit it with the revision.")


async def _on_database(ask: Callable[[sa.Connection], Result]) -> Result:
    async with open_migration_connection(get_settings()) as connection:
        return await connection.run_sync(ask)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="migrate", description=__doc__)
    parser.set_defaults(run=upgrade, revision="head")
    commands = parser.add_subparsers(metavar="COMMAND")
    add = commands.add_parser("upgrade", help="to the newest revision, or to another; also without this word")
    add.add_argument("revision", nargs="?", default="head")
    add.set_defaults(run=upgrade)
    add = commands.add_parser("check", help="say what is pending, and how database and models differ")
    add.set_defaults(run=check)
    add = commands.add_parser("sql", help="write the SQL of an upgrade, for somebody else to run")
    add.add_argument("since", nargs="?", default="base", help="the revision that the database has")
    add.add_argument("revision", nargs="?", default="head")
    add.set_defaults(run=sql)
    add = commands.add_parser("down", help="take revisions back")
    add.add_argument("revision", nargs="?", default="-1", help="one that stays, base, or a number of them as in -2")
    add.add_argument("--yes", action="store_true", help="do not ask")
    add.add_argument("--in-production", action="store_true", help="also in production, or on a server elsewhere")
    add.set_defaults(run=down)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
