"""Columns: without a rewrite of the table, and no NOT NULL that reads it all under a lock."""

import re
from collections.abc import Iterator

from app.database.repair.steps import Difference, Phase, Step, by_hand

# As the catalog writes a column.
DEFINITION = re.compile(r"(?P<type>.*?)(?P<required> NOT NULL)?(?: (?P<made>(?:GENERATED|DEFAULT) .*))?", re.DOTALL)
# What differs from row to row PostgreSQL would write into each of them, under a lock.
CALL = re.compile(r"\b(?!now\()\w+\(")
LENGTH = re.compile(r"(character varying|numeric)\((\d+)(,\d+)?\)")


def repair(item: Difference) -> Iterator[Step]:
    """Yield what brings a column to what its model says."""
    if item.said is None:
        yield from _drop(item)
    elif item.there is None:
        yield from _add(item, *_parts(item.said))
    else:
        yield from _change(item, _parts(item.there), _parts(item.said))


def _drop(item: Difference) -> Iterator[Step]:
    _, required, made = _parts(item.there or "")
    keys = (text for (relation, _), text in item.found.items() if relation == item.relation)
    if required and not made and not any(re.match(rf"PRIMARY KEY \(.*\b{item.part}\b", text) for text in keys):
        # The models do not write it: until it is dropped, PostgreSQL would refuse every new row.
        yield Step(Phase.LESS, item.alter(f"ALTER COLUMN {item.part} DROP NOT NULL"))
    yield Step(Phase.LOSS, f"-- {item.alter(f'DROP COLUMN {item.part}')}")


def _parts(definition: str) -> tuple[str, bool, str]:
    found = DEFINITION.fullmatch(definition)
    return (found["type"], bool(found["required"]), found["made"] or "") if found else (definition, False, "")


def _add(item: Difference, kind: str, required: bool, made: str) -> Iterator[Step]:
    if made.startswith("GENERATED"):
        slow = "" if made.endswith("VIRTUAL") else "-- Writes the table anew: nobody reads or writes it meanwhile.\n"
        yield Step(Phase.GENERATED, slow + item.alter(f"ADD COLUMN {item.part} {item.said}"))
    elif (made and not CALL.search(made)) or not (made or required):
        yield Step(Phase.COLUMN, item.alter(f"ADD COLUMN {item.part} {item.said}"))
    else:
        yield Step(Phase.COLUMN, item.alter(f"ADD COLUMN {item.part} {kind}"))
        if made:
            yield Step(Phase.COLUMN, item.alter(f"ALTER COLUMN {item.part} SET {made}"))
        if required:
            yield Step(Phase.COLUMN, _require(item))


def _change(item: Difference, there: tuple[str, bool, str], said: tuple[str, bool, str]) -> Iterator[Step]:
    column = f"ALTER COLUMN {item.part}"
    if there[0] != said[0]:
        if is_wider(there[0], said[0]):
            yield Step(Phase.COLUMN, item.alter(f"{column} TYPE {said[0]}"))
        else:
            yield from by_hand(item, f"becomes {said[0]} as a new column: add it, write both, copy, then drop this one")
    if there[2] != said[2]:
        if "GENERATED" in there[2] + said[2]:
            yield from by_hand(item, f"becomes {said[2] or 'ordinary'} as a new column: add it, then drop this one")
        else:
            yield Step(Phase.COLUMN, item.alter(f"{column} " + (f"SET {said[2]}" if said[2] else "DROP DEFAULT")))
    if said[1] > there[1]:
        yield Step(Phase.COLUMN, _require(item))
    elif said[1] < there[1]:
        yield Step(Phase.COLUMN, item.alter(f"{column} DROP NOT NULL"))


def is_wider(there: str, said: str) -> bool:
    """Whether every value stays as it lies."""
    old, new = LENGTH.fullmatch(there), LENGTH.fullmatch(said)
    if old and new:
        return (old[1], old[3]) == (new[1], new[3]) and int(old[2]) <= int(new[2])
    return there.startswith("character varying") and said in {"character varying", "text"}


def _require(item: Difference) -> str:
    """Return how a column gets NOT NULL while others write: PostgreSQL believes a CHECK that has been validated."""
    return "\n".join(
        (
            f"-- First give {item.part} a value in every row of {item.relation} that has none, in short transactions.",
            item.alter(f"ADD CONSTRAINT required CHECK ({item.part} IS NOT NULL) NOT VALID"),
            item.alter("VALIDATE CONSTRAINT required"),
            item.alter(f"ALTER COLUMN {item.part} SET NOT NULL"),
            item.alter("DROP CONSTRAINT required"),
        )
    )
