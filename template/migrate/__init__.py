"""Changes of the schema: the commands `migrate` and `backfill`, and what `alembic/env.py` runs revisions with."""

from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from app.database import drift

PROJECT = Path(__file__).parents[1]
VERSION_SCHEMA = "private"


class UnknownRevisionError(CommandError, LookupError):
    """The database has had a revision that this code has not."""


def alembic_config() -> Config:
    """Return what `pyproject.toml` says about Alembic."""
    return Config(toml_file=PROJECT / "pyproject.toml")


def require_one_head(scripts: ScriptDirectory) -> None:
    """CommandError names the heads, where there are several, and the command that merges them."""
    if len(heads := scripts.get_heads()) > 1:
        raise CommandError(
            f"Revisions {' and '.join(heads)} both come last: see whether they can follow each other, then run "
            f"`uv run alembic merge -m merge {' '.join(heads)}`."
        )


def heads_of(migration: MigrationContext, scripts: ScriptDirectory) -> tuple[str, ...]:
    """Return the revisions that the database is at. Raises UnknownRevisionError."""
    heads = migration.get_current_heads()
    known = {script.revision for script in scripts.walk_revisions()}
    if unknown := sorted(set(heads) - known):
        which = f"The database has had revision {', '.join(unknown)}, which is not in alembic/versions."
        raise UnknownRevisionError(f"{which} Run the code that has it, or choose the database of this code.")
    return heads


def pending(connection: sa.Connection) -> list[str]:
    """Return the revisions that the database has not had, in order. Raises UnknownRevisionError."""
    migration = MigrationContext.configure(connection, opts={"version_table_schema": VERSION_SCHEMA})
    scripts = ScriptDirectory.from_config(alembic_config())
    had = heads_of(migration, scripts)
    return [script.revision for script in scripts.iterate_revisions("heads", had)][::-1]


def differences(connection: sa.Connection) -> list[str]:
    """Return a line for each difference between the database and the models; SystemExit where that cannot be told."""
    return list(drift.compare(*drift.catalogs(connection)))
