"""A difference between database and models, and the steps out of it."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from app.database.drift import Catalog


class Phase(enum.IntEnum):
    """When a statement has its turn: what others need goes first, what loses data goes last."""

    UNLINK = enum.auto()
    LESS = enum.auto()
    NEW = enum.auto()
    COLUMN = enum.auto()
    GENERATED = enum.auto()
    KEY = enum.auto()
    CONSTRAINT = enum.auto()
    PART = enum.auto()
    SECURITY = enum.auto()
    GRANT = enum.auto()
    COMMENT = enum.auto()
    BY_HAND = enum.auto()
    SURPLUS = enum.auto()
    LOSS = enum.auto()


HARMLESS = {Phase.COMMENT, Phase.SURPLUS, Phase.LOSS}
"""What the models can do without."""


class Step(NamedTuple):
    """One statement, or several that belong together."""

    phase: Phase
    text: str


@dataclass(frozen=True)
class Difference:
    """An object that the database has otherwise than the models: None where one of them has not got it at all."""

    relation: str
    name: str
    whole: str  # what the relation is: table, view, function
    found: Catalog
    wanted: Catalog

    @property
    def there(self) -> str | None:
        """What the database has."""
        return self.found.get((self.relation, self.name))

    @property
    def said(self) -> str | None:
        """What the models say."""
        return self.wanted.get((self.relation, self.name))

    @property
    def kind(self) -> str:
        """What a part is: column, constraint, policy."""
        return self.name.partition(" ")[0]

    @property
    def part(self) -> str:
        """What a part is called, with quotes where it needs them."""
        return self.name.partition(" ")[2]

    @property
    def twin(self) -> str | None:
        """What the other side calls the same thing, if it has it under another name."""
        here, other = (self.found, self.wanted) if self.said is None else (self.wanted, self.found)
        names = {name for relation, name in other.keys() - here.keys() if relation == self.relation}
        parts = [name.removeprefix(f"{self.kind} ") for name in names if name.startswith(f"{self.kind} ")]
        text = _nameless(here[self.relation, self.name], self.part)
        same = (part for part in parts if _nameless(other[self.relation, f"{self.kind} {part}"], part) == text)
        return next(same, None)

    @property
    def schema(self) -> str:
        """Where it lies."""
        return self.relation.partition(".")[0]

    @property
    def is_partitioned(self) -> bool:
        """Whether it belongs to a table that has partitions."""
        return "PARTITION BY" in self.found.get((self.relation, "table"), "")

    def alter(self, change: str) -> str:
        """Return the statement that changes its table."""
        return f"ALTER TABLE {self.relation} {change};"


def _nameless(definition: str, part: str) -> str:
    return definition.replace(f" {part} ", " ? ", 1)


def by_hand(item: Difference, how: str = "is yours to change, in a way that suits your data") -> Iterator[Step]:
    """Yield a comment where no statement is safe for everybody."""
    what = item.relation if item.name == item.whole else f"{item.name} of {item.relation}"
    yield Step(Phase.BY_HAND, f"-- {what} {how}.")


def at_once(*texts: str) -> str:
    """Return statements as one transaction, so that nobody sees what lies in between."""
    return "\n".join(("BEGIN;", *texts, "COMMIT;"))
