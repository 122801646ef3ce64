"""What the load stores: a column of every sort, and what everybody wants to change at once."""

import enum
import uuid
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

TABLES = (
    "CREATE TYPE proof.colour AS ENUM ('RED', 'GREEN')",
    """CREATE TABLE proof.things (id uuid PRIMARY KEY, task int, colour proof.colour, colours proof.colour[],
    words text[], data jsonb, price numeric)""",
    "CREATE TABLE proof.counters (id int PRIMARY KEY, n int)",
    "INSERT INTO proof.counters VALUES (1, 0)",
)


class Colour(enum.Enum):
    """A type that the driver has to look up."""

    RED, GREEN = "red", "green"


COLOUR = sa.Enum(Colour, name="colour", schema="proof")


class Base(DeclarativeBase):
    """The tables of this load."""

    metadata = sa.MetaData(schema="proof")


class Thing(Base):
    """A column of every sort."""

    __tablename__ = "things"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    task: Mapped[int]
    colour: Mapped[Colour] = mapped_column(COLOUR)
    colours: Mapped[list[Colour]] = mapped_column(ARRAY(COLOUR))
    words: Mapped[list[str]] = mapped_column(ARRAY(sa.Text))
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    price: Mapped[Decimal]


class Counter(Base):
    """What all tasks of all processes change."""

    __tablename__ = "counters"
    id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]


def values(task: int) -> dict[str, Any]:
    """Return the values of a row, each task's its own."""
    return {
        "task": task,
        "colour": Colour.GREEN,
        "colours": [Colour.GREEN, Colour.RED],
        "words": ["a", f"{task}"],
        "data": {"task": task, "list": [1, None, "é"]},
        "price": Decimal(task) / 8,
    }
