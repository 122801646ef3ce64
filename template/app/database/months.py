"""The partitions of a table, one for each month: which there should be, what they are called, how they come and go.

Months are those of UTC, written as numbers: months since the year 0. A row whose month has no partition is kept in
the default one until its month is made.
"""

import datetime as dt
import re
from collections.abc import Collection

from app.database.base import Base


def time_columns() -> dict[str, str]:
    """Return the tables that the models partition, each with the column that says in which month a row belongs."""
    options = {table.name: table.dialect_options["postgresql"]["partition_by"] for table in Base.metadata.sorted_tables}
    found = {name: re.fullmatch(r"RANGE \((\w+)\)", option or "") for name, option in options.items()}
    return {name: match[1] for name, match in found.items() if match}


def is_partition(name: str) -> bool:
    """Whether a table is a partition of ours, or was one."""
    return any(re.fullmatch(rf"{table}_(default|\d{{4}}_\d\d)", name) for table in time_columns())


def month_of(time: dt.datetime) -> int:
    """Return the month that a time lies in."""
    utc = time.astimezone(dt.UTC)
    return utc.year * 12 + utc.month - 1


def name_of(table: str, month: int) -> str:
    """Return the name of a month's partition."""
    return f"{table}_{month // 12:04}_{month % 12 + 1:02}"


def start_of(month: int) -> str:
    """Return the first moment of a month as SQL; it is also the end of the month before, which does not include it."""
    return f"'{month // 12:04}-{month % 12 + 1:02}-01 00:00:00+00'"


def to_make(made: Collection[int], now: int, ahead: int) -> list[int]:
    """Return the months that are missing: this one, some ahead, and any since the last one that was made in time."""
    first = max((month for month in made if month < now), default=now)
    return [month for month in range(first, now + ahead + 1) if month not in made]


def to_detach(made: Collection[int], now: int, keep: int) -> list[int]:
    """Return the months that were over before the last `keep` whole months began."""
    return sorted(month for month in made if month < now - keep)


def make_default(table: str) -> str:
    """Return the statement that makes the partition for every month that has none."""
    return f"CREATE TABLE app.{table}_default PARTITION OF app.{table} DEFAULT"


def take_locks(table: str, *, make: bool) -> list[str]:
    """Return the statements that take every lock before the work: once it has begun, nobody is waited for.

    Writers wait for the table itself, before PostgreSQL has chosen a partition for their row: a row for which it had
    chosen the default one would be refused after the month was made. Those who read other months go on.
    """
    keys = Base.metadata.tables[f"app.{table}"].foreign_keys
    # First what the rows refer to, as those who write both do.
    parents = sorted({key.column.table.fullname for key in keys if key.column.table.schema == "app"})
    return [
        *(f"LOCK TABLE ONLY {parent} IN SHARE ROW EXCLUSIVE MODE" for parent in parents),
        f"LOCK TABLE ONLY app.{table} IN {'SHARE ROW' if make else 'ACCESS'} EXCLUSIVE MODE",
        f"LOCK TABLE app.{table}_default IN ACCESS EXCLUSIVE MODE",
    ]


def make_month(table: str, month: int, columns: str) -> list[str]:
    """Return the statements that make a month's partition and move there what the default one has kept for it.

    `columns` are those that can be written.
    """
    name, column, start, end = name_of(table, month), time_columns()[table], start_of(month), start_of(month + 1)
    kept = f"{column} >= {start} AND {column} < {end}"
    moved = f"DELETE FROM app.{table}_default WHERE {kept} RETURNING {columns}"  # noqa: S608
    return [
        # Not CREATE TABLE … PARTITION OF, which would keep out those who read, too.
        f"CREATE TABLE app.{name} (LIKE app.{table} INCLUDING ALL EXCLUDING IDENTITY)",
        f"WITH moved AS ({moved}) INSERT INTO app.{name} ({columns}) SELECT {columns} FROM moved",  # noqa: S608
        f"ALTER TABLE app.{table} ATTACH PARTITION app.{name} FOR VALUES FROM ({start}) TO ({end})",
    ]


def detach_month(table: str, month: int) -> list[str]:
    """Return the statement that makes a table of its own of a month's partition."""
    # CONCURRENTLY would keep nobody out, but PostgreSQL cannot do it beside a default partition.
    return [f"ALTER TABLE app.{table} DETACH PARTITION app.{name_of(table, month)}"]
