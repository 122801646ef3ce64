"""What went wrong in the database, told apart by SQLSTATE and constraint name, never by text, which is localised."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, NotSupportedError

from app.database.base import Base

RETRYABLE = frozenset({"40001", "40P01"})  # serialization failure, deadlock: the same work may succeed the next time


class DatabaseUnavailableError(ConnectionError):
    """No connection to the database could be opened."""


class RuleError(ValueError):
    """A value that fits its column but breaks a rule of its model; the client is told `detail`."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field, self.detail = field, detail


@dataclass(frozen=True)
class Failure:
    """What a client is told. `code` is stable and meant for programs, `detail` for people."""

    status: HTTPStatus
    code: str
    detail: str
    fields: tuple[str, ...] = ()


UNAVAILABLE = Failure(HTTPStatus.SERVICE_UNAVAILABLE, "database_unavailable", "The database cannot be reached.")
BUSY = Failure(HTTPStatus.SERVICE_UNAVAILABLE, "database_busy", "The database is busy; try again.")
CONTENDED = Failure(HTTPStatus.SERVICE_UNAVAILABLE, "contended", "Others changed the same rows; try again.")
TIMED_OUT = Failure(HTTPStatus.GATEWAY_TIMEOUT, "timed_out", "The database took too long.")
FORBIDDEN = Failure(HTTPStatus.FORBIDDEN, "forbidden", "You may not do this.")
STALE = Failure(HTTPStatus.PRECONDITION_FAILED, "stale", "The row has changed since; read it again.")
INTERNAL = Failure(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something went wrong here; it has been logged.")
INVALID = Failure(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_value", "A value does not fit its field.")
TAKEN = Failure(HTTPStatus.CONFLICT, "taken", "Another row has this value already.")
UNKNOWN_REFERENCE = Failure(HTTPStatus.UNPROCESSABLE_ENTITY, "unknown_reference", "There is no row with this id.")
STILL_REFERENCED = Failure(HTTPStatus.CONFLICT, "still_referenced", "Other rows still refer to this one.")

BY_STATE = {
    "22012": INTERNAL,  # division by zero: ours, no value of a client's may cause it
    "23001": STILL_REFERENCED,  # RESTRICT, from PostgreSQL 18 on
    "23502": INVALID,
    "23505": TAKEN,
    "23514": INVALID,
    "23P01": TAKEN,
    "3D000": UNAVAILABLE,
    "40001": CONTENDED,
    "40P01": CONTENDED,
    "54000": INVALID,  # a value too long for its index
    "55P03": BUSY,
    "57014": TIMED_OUT,
}
BY_CLASS = {"08": UNAVAILABLE, "22": INVALID, "28": UNAVAILABLE, "53": BUSY, "57": UNAVAILABLE}


def sqlstate(error: DBAPIError) -> str:
    """Return the five characters of the SQLSTATE, or an empty string when the server did not answer."""
    return getattr(error.orig, "sqlstate", None) or ""


def reason_of(error: DBAPIError) -> str:
    """Return what PostgreSQL says, in one line without values, which class 22 and details show."""
    driver = error.driver_exception
    return type(driver).__name__ if sqlstate(error)[:2] == "22" else str(driver).partition("\n")[0]


def failure_of(error: DBAPIError) -> Failure:
    """Translate a database error; what only our own mistakes can cause is `INTERNAL`."""
    if error.connection_invalidated:
        return UNAVAILABLE
    state = sqlstate(error)
    if isinstance(error, NotSupportedError) and not state:
        return CONTENDED  # a prepared statement from before a migration; the next one is new
    if state == "42501":
        checked = getattr(error.driver_exception, "server_source_function", None) == "ExecWithCheckOptions"
        return FORBIDDEN if checked else INTERNAL
    if state == "23503":
        return _foreign_key(error)
    failure = BY_STATE.get(state) or BY_CLASS.get(state[:2], INTERNAL)
    # The field that still refers to a row is another table's: the client did not send it.
    names_fields = state[:2] == "23" and failure is not STILL_REFERENCED
    return replace(failure, fields=_fields(error)) if names_fields else failure


def _foreign_key(error: DBAPIError) -> Failure:
    # Both directions share SQLSTATE and constraint. At COMMIT there is no statement: then either may be meant.
    if error.statement is None or error.statement.lstrip().upper().startswith("DELETE"):
        return STILL_REFERENCED
    return replace(UNKNOWN_REFERENCE, fields=_fields(error))


def _fields(error: DBAPIError) -> tuple[str, ...]:
    driver = error.driver_exception
    if column := getattr(driver, "column_name", None):
        return (column,)
    return fields_of(getattr(driver, "constraint_name", None) or "")


def fields_of(constraint: str) -> tuple[str, ...]:
    """Return the fields that a constraint or unique index of our tables is about; nothing for an unknown one."""
    return _by_name().get(constraint, ())


@functools.cache
def _by_name() -> dict[str, tuple[str, ...]]:
    return {name: fields for table in Base.metadata.tables.values() for name, fields in _named(table)}


def _named(table: sa.Table) -> Iterator[tuple[str, tuple[str, ...]]]:
    items: list[sa.Constraint | sa.Index] = [*table.constraints, *table.indexes]
    for item in items:
        # A CHECK knows no columns, but its name ends with one: ck_<table>_<column>.
        last = str(item.name).removeprefix(f"ck_{table.name}_")
        names = [column.name for column in getattr(item, "columns", ())] or [last] * (last in table.columns)
        # A client sends an association as a list of ids: `category_id` stood in `category_ids`. A link of a table to
        # itself has `related_` before its second column, unless the field already is a `related_…`.
        prefix = "" if "_related" in table.name else "related_"
        lists = [f"{name.removeprefix(prefix)}s" for name in names]
        fields = names if "id" in table.columns else lists
        # Whose a row is, no client has sent.
        yield str(item.name), tuple(field for field in fields if not field.startswith("owner_id"))
