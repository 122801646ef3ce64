"""Objects as a whole, and parts of them that are made and dropped at once, such as triggers."""

from collections.abc import Iterator

from app.database.catalog import WHOLE
from app.database.drift import Catalog
from app.database.repair.steps import Difference, Phase, Step, at_once, by_hand

TYPES = {"enum": "TYPE {0} AS ENUM ({1})", "range": "TYPE {0} AS RANGE ({1})", "domain": "DOMAIN {0} AS {1}"}
BY_TABLE = {"trigger", "policy", "rule", "constraint"}
"""What is named together with its table."""


def wholes(catalog: Catalog) -> dict[str, str]:
    """Return what each object is."""
    return {relation: name for relation, name in catalog if name in WHOLE}


def is_worth_a_look(item: Difference) -> bool:
    """Whether a part is not made, dropped or inherited together with the whole."""
    if not item.whole:  # a month, or the sequence of an identity: the catalog has only what they should not have
        return True
    there, said = item.found.get((item.relation, item.whole)), item.wanted.get((item.relation, item.whole))
    if said is None or there is None:
        return said is not None and (item.whole != "table" or said.startswith("PARTITION OF"))
    is_attached = said.startswith("PARTITION OF") and not there.startswith("PARTITION OF")
    return not is_attached or item.kind in {"row", "grant", "comment"}


def repair_whole(item: Difference) -> Iterator[Step]:
    """Yield what makes an object, or a comment where it is one too much."""
    there, said, kind = item.there, item.said, item.whole.upper()
    if said is None:
        # With a column goes the sequence that it owns.
        what = {"ENUM": "TYPE", "RANGE": "TYPE", "SEQUENCE": "SEQUENCE IF EXISTS"}.get(kind, kind)
        yield Step(Phase.LOSS, f"-- DROP {what} {item.relation};")
    elif kind == "TABLE":
        yield from _table(item, there, said)
    elif kind in {"FUNCTION", "PROCEDURE"}:
        yield Step(Phase.NEW, f"{said};")
    elif kind == "VIEW":
        yield Step(Phase.PART, f"CREATE OR REPLACE VIEW {item.relation} {said};")
    elif there is None and item.whole in TYPES:
        yield Step(Phase.NEW, f"CREATE {TYPES[item.whole].format(item.relation, said)};")
    elif kind == "SEQUENCE":
        yield Step(Phase.NEW, f"{'ALTER' if there is not None else 'CREATE'} SEQUENCE {item.relation} {said};")
    elif there is None and kind == "MATERIALIZED VIEW":
        yield Step(Phase.PART, f"CREATE MATERIALIZED VIEW {item.relation} {said};")
    else:
        yield from by_hand(item)


def _table(item: Difference, there: str | None, said: str) -> Iterator[Step]:
    if said.startswith("PARTITION OF "):
        parent, _, bound = said.removeprefix("PARTITION OF ").partition(" ")
        attach = f"ALTER TABLE {parent} ATTACH PARTITION {item.relation} {bound};"
        yield Step(Phase.NEW, f"CREATE TABLE {item.relation} {said};" if there is None else attach)
    elif there is None:
        yield from by_hand(item, "is not there: `create-schema` without `--check` makes it")
    elif there.replace("UNLOGGED", "").strip() == said:
        yield Step(Phase.NEW, "-- Writes the table anew: nobody uses it meanwhile.\n" + item.alter("SET LOGGED"))
    elif there.partition("WITH (")[0].strip() == said:
        options = there.partition("WITH (")[2].removesuffix(")").split(", ")
        yield Step(Phase.NEW, item.alter(f"RESET ({', '.join(option.partition('=')[0] for option in options)})"))
    else:
        yield from by_hand(item, f"has to be {said or 'an ordinary table'}, as a new table: make it, copy, switch")


def repair_part(item: Difference) -> Iterator[Step]:
    """Yield what makes, drops or replaces a part."""
    place = f"{item.part} ON {item.relation}" if item.kind in BY_TABLE else f"{item.schema}.{item.part}"
    drop = f"DROP {item.kind.upper()} {place};"
    create = f"CREATE POLICY {place} {item.said};" if item.kind == "policy" else f"{item.said};"
    if item.kind == "trigger" and item.there and item.there.startswith(("ALTER", f"{item.said}; ALTER")):
        yield Step(Phase.PART, item.alter(f"ENABLE TRIGGER {item.part}"))
    elif item.said is None:
        yield Step(Phase.LESS, drop)
    elif item.there is None:
        yield Step(Phase.PART, create)
    else:
        yield Step(Phase.PART, at_once(drop, create))


def repair_comment(item: Difference) -> Iterator[Step]:
    """Yield what says a comment, or takes it away."""
    kind, _, part = item.part.removeprefix("on ").partition(" ")
    if kind == "column":
        place = f"{item.relation}.{part}"
    elif item.part.removeprefix("on ") == item.whole:
        kind, place = item.whole, item.relation
    else:
        place = f"{part} ON {item.relation}" if kind in BY_TABLE else f"{item.schema}.{part}"
    yield Step(Phase.COMMENT, f"COMMENT ON {kind.upper()} {place} IS {item.said or 'NULL'};")


def repair_identity(item: Difference) -> Iterator[Step]:
    """Yield what says how rows are told apart by those who subscribe to changes."""
    yield Step(Phase.PART, item.alter(f"REPLICA IDENTITY {item.said or 'DEFAULT'}"))
