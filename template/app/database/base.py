"""What every table has: a schema, names for its constraints, timestamps and a version."""

import datetime as dt
import enum
import secrets
import time
import uuid
from typing import Any

import sqlalchemy as sa
from pydantic import JsonValue
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

JsonObject = dict[str, JsonValue]
TIMESTAMP = sa.DateTime(timezone=True)
TOUCHED = sa.FetchedValue()

CREATE_TOUCH = (
    "CREATE OR REPLACE FUNCTION app.touch_row() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN NEW.updated_at := now(); NEW.version := OLD.version + 1; RETURN NEW; END $$"
)


class Base(DeclarativeBase):
    """A row that knows when it was made, when it changed last and how often.

    A trigger keeps `updated_at` and `version`, whoever writes: the application, a migration, a person in psql.
    """

    # Predictable names: a migration can drop a constraint, an error can name its column.
    metadata = sa.MetaData(
        schema="app",
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        },
    )

    created_at: Mapped[dt.datetime] = mapped_column(TIMESTAMP, server_default=sa.func.now(), sort_order=2)
    updated_at: Mapped[dt.datetime] = mapped_column(
        TIMESTAMP, server_default=sa.func.now(), server_onupdate=TOUCHED, sort_order=3
    )
    version: Mapped[int] = mapped_column(sa.Integer, server_default="1", server_onupdate=TOUCHED, sort_order=4)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805
        # The version stands in the WHERE clause of every UPDATE: a lost update is a StaleDataError.
        # `eager_defaults` reads back what the trigger and generated columns made, within the same statement.
        return {"version_id_col": cls.version, "version_id_generator": False, "eager_defaults": True}


def uuid7() -> uuid.UUID:
    """Return a UUIDv7 (RFC 9562): milliseconds, then random bits, so that new keys lie side by side in the index."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1)


def text_enum(members: type[enum.StrEnum]) -> sa.Enum:
    """Return a text column type for an enumeration; its values are guarded by a named CHECK of the table.

    A native PostgreSQL enum can never lose a value and survives the downgrade that should drop it.
    """
    return sa.Enum(members, native_enum=False, length=32, values_callable=lambda cls: [member.value for member in cls])


def linked_ids(links: sa.Table, row_id: Any) -> sa.Function[list[uuid.UUID]]:
    """Return a row's ids on the other side of an association table: one array within the row's own SELECT."""
    left, right = links.primary_key.columns
    ids = sa.select(right).where(left == row_id).order_by(right).correlate_except(links)
    return sa.func.array(ids.scalar_subquery(), type_=ARRAY(sa.Uuid))


def one_of(column: str, members: type[enum.StrEnum]) -> sa.CheckConstraint:
    """Return the CHECK that lets a column hold only the values of an enumeration."""
    values = ", ".join(f"'{member.value}'" for member in members)
    return sa.CheckConstraint(f"{column} IN ({values})", name=column)


def touch_trigger(table: str) -> str:
    """Return the statement that gives a table of the schema `app` its trigger."""
    when = f"BEFORE UPDATE ON app.{table} FOR EACH ROW"
    return f"CREATE TRIGGER touch_row {when} EXECUTE FUNCTION app.touch_row()"
