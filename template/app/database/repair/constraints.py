"""Constraints and indexes: made while others write, and without a moment in which nothing holds."""

import re
from collections.abc import Iterator

from app.database.repair.steps import Difference, Phase, Step

UNIQUE = re.compile(r"(?P<kind>UNIQUE|PRIMARY KEY)(?P<nulls> NULLS NOT DISTINCT)? (?P<columns>\([^()]+\))(?P<rest>.*)")
REFERENCED = re.compile(r"REFERENCES (\S+?)\(")
LATE = re.compile(r"( NOT)? DEFERRABLE.*|( NOT)? ENFORCED")


def repair(item: Difference) -> Iterator[Step]:
    """Yield what brings a constraint to what its model says."""
    there, said, drop = item.there, item.said, f"DROP CONSTRAINT {item.part}"
    checked = (there or "").removesuffix(" NOT VALID")
    # The models know NOT NULL as a part of its column.
    if checked != there and (checked == said or (checked.startswith("NOT NULL") and not said)):
        yield Step(Phase.NEW, _validate(item, checked))
        return
    if not (there and said) and (twin := item.twin):
        if said is None:
            yield Step(Phase.LESS, item.alter(f"RENAME CONSTRAINT {item.part} TO {twin}"))
        return
    if said is None:
        yield Step(Phase.UNLINK if checked.startswith("FOREIGN KEY") else Phase.LESS, item.alter(drop))
        return
    prefix, add = f"{drop}, " if there else "", f"ADD CONSTRAINT {item.part} "
    if not item.is_partitioned and (key := UNIQUE.fullmatch(said)) and "WITHOUT" not in said:
        yield Step(Phase.KEY, _unique(item, key, prefix + add))
    elif said.startswith("CHECK") or (said.startswith("FOREIGN KEY") and not item.is_partitioned):
        yield Step(Phase.CONSTRAINT, "\n".join((item.alter(f"{prefix}{add}{said} NOT VALID"), _validate(item, said))))
    else:
        phase = Phase.CONSTRAINT if said.startswith(("FOREIGN", "EXCLUDE")) else Phase.KEY
        yield Step(phase, _locking(item) + item.alter(prefix + add + said))


def _validate(item: Difference, definition: str) -> str:
    """Return what compares the rows that are there; for references, FORCE would hide them from their owner."""
    named = {item.relation, *REFERENCED.findall(definition)} if definition.startswith("FOREIGN KEY") else set()
    forced = [name for name in sorted(named) if "FORCE" in item.found.get((name, "row security"), "")]
    lift = [f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY;" for name in forced]
    restore = [statement.replace("NO FORCE", "FORCE") for statement in lift]
    return "\n".join((*lift, item.alter(f"VALIDATE CONSTRAINT {item.part}"), *restore))


def _unique(item: Difference, key: re.Match[str], add: str) -> str:
    late = found[0] if (found := LATE.search(key["rest"])) else ""
    include = key["rest"].removesuffix(late)
    columns = f"{key['columns']}{include}{key['nulls'] or ''}"
    add = item.alter(f"{add}{key['kind']} USING INDEX replacing{late}")
    return f"CREATE UNIQUE INDEX CONCURRENTLY replacing ON {item.relation} {columns};\n{add}"


def repair_index(item: Difference) -> Iterator[Step]:
    """Yield what brings an index to what its model says."""
    there, said = item.there, item.said
    slowly = "" if item.is_partitioned else " CONCURRENTLY"
    drop = f"DROP INDEX{slowly} {item.schema}.{item.part};"
    if not (there and said) and (twin := item.twin):
        if said is None:
            yield Step(Phase.LESS, f"ALTER INDEX {item.schema}.{item.part} RENAME TO {twin};")
        return
    if said is None:
        # One that was left behind makes place first.
        is_in_the_way = item.part == "replacing" or "INVALID" in (there or "")[-20:]
        is_rule = "CREATE UNIQUE" in (there or "")
        yield Step(Phase.LESS if is_in_the_way or is_rule else Phase.SURPLUS, drop)
        return
    create = said.replace(" INDEX ", f" INDEX{slowly} ", 1) + ";"
    if item.is_partitioned:
        yield Step(Phase.KEY, _locking(item) + (f"{drop}\n{create}" if there else create))
    elif there is None:
        yield Step(Phase.KEY, create)
    elif "INVALID" in there[-20:]:
        yield Step(Phase.KEY, f"{drop}\n{create}")
    else:
        other = create.replace(f"{slowly} {item.part} ", f"{slowly} replacing ", 1)
        yield Step(Phase.KEY, f"{other}\n{drop}\nALTER INDEX {item.schema}.replacing RENAME TO {item.part};")


def _locking(item: Difference) -> str:
    return f"-- Nobody writes {item.relation} until this is done: choose a quiet hour.\n"
