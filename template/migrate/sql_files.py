"""Revisions in SQL: beside each `….py` of alembic/versions lie `….up.sql` and `….down.sql`."""

import re
import sys
from contextlib import nullcontext
from pathlib import Path

from alembic import op
from alembic.util import CommandError

from migrate.statements import split

# Lines of the comment that a file begins with.
HEADER = re.compile(r"(?:\s*--[^\n]*)*")
NO_TRANSACTION = re.compile(r"^--\s*no[- ]transaction\s*$", re.MULTILINE | re.IGNORECASE)
IRREVERSIBLE = re.compile(r"^--\s*irreversible:\s*(\S.*?)\s*$", re.MULTILINE | re.IGNORECASE)

OF_TRANSACTIONS = re.compile(
    r"(begin|start\s+transaction|commit|end|abort|rollback(?!.*\bto\b)|prepare\s+transaction)\b",
    re.IGNORECASE | re.DOTALL,
)

NEW = {
    "up": "-- What this revision changes.\n",
    "down": "-- Takes it back. Where that would lose data: only a line `-- irreversible: ` that says why.\n",
}


def run(revision: str, direction: str) -> None:
    """Run a file of a revision, each statement by itself: it is reported with its time, an error shows it.

    With the line `-- no-transaction` each one is also a transaction of its own, as CREATE INDEX CONCURRENTLY and a
    VALIDATE beside writers need it. Such a file has to allow being repeated, as it is where a lock was not to be had.
    """
    file = _file(revision, direction)
    statements, header = _read(file)
    if direction == "up" and not statements:
        raise CommandError(f"{file.name} has no statement: write what the revision changes, then run this again.")
    with op.get_context().autocommit_block() if NO_TRANSACTION.search(header) else nullcontext():
        for statement in statements:
            op.execute(statement.replace(":", r"\:"))  # which else begins a parameter


def irreversible_because(revision: str) -> str | None:
    """Return why a revision cannot be taken back, or None."""
    file = _file(revision, "down")
    statements, header = _read(file)
    if reason := IRREVERSIBLE.search(header):
        return reason[1]
    return None if statements else f"{file.name} has no statement: write it, or say why with `-- irreversible: …`."


def _file(revision: str | Path, direction: str) -> Path:
    return Path(revision).with_suffix(f".{direction}.sql")


def _read(file: Path) -> tuple[list[str], str]:
    """Return the statements of a file, and what stands above them."""
    try:
        text = file.read_text("utf-8-sig")
        statements = [*split(text)]
    except FileNotFoundError:
        raise CommandError(f"There is no {file.name} beside its revision: write it.") from None
    except ValueError as error:
        raise CommandError(f"{file.name}: {error}") from error
    for statement in statements:
        if mark := OF_TRANSACTIONS.match(statement):
            raise CommandError(
                f"{file.name}: leave out {mark[0].upper()}. A file is one transaction, or with the line "
                "`-- no-transaction` above its first statement each statement is one."
            )
    return statements, header[0] if (header := HEADER.match(text)) else ""


def main() -> None:
    """Make the files of a new revision, for Alembic, which has just written it."""
    revision = Path(sys.argv[1])
    if "sql_files" in revision.read_text("utf-8"):  # a merge has none
        for direction, text in NEW.items():
            _file(revision, direction).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
