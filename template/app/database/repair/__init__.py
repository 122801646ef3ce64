"""What a person would run so that a database becomes what the models say: PostgreSQL's own words, in a safe form.

Each difference leads to statements that hold no lock for long, and keep all rows: what would lose some is a comment.
"""

from collections.abc import Callable, Iterator, Mapping

from app.database.drift import Catalog
from app.database.repair import access, columns, constraints, objects
from app.database.repair.steps import HARMLESS, Difference, Step, by_hand

__all__ = ["HARMLESS", "repair"]

KINDS: Mapping[str, Callable[[Difference], Iterator[Step]]] = {
    "column": columns.repair,
    "constraint": constraints.repair,
    "index": constraints.repair_index,
    **dict.fromkeys(("trigger", "statistics", "rule", "policy"), objects.repair_part),
    "row": access.repair_security,
    "missing": access.repair_missing,
    "grant": access.repair_grant,
    "revoked": access.repair_revoked,
    "owner": access.repair_owner,
    "default": access.repair_defaults,
    "replica": objects.repair_identity,
    "comment": objects.repair_comment,
}


def repair(found: Catalog, wanted: Catalog) -> list[Step]:
    """Return the steps in an order that works; those that lose data are comments, at the end."""
    steps = (step for difference in _differences(found, wanted) for step in _repair(difference))
    return sorted(dict.fromkeys(steps), key=lambda step: step.phase)


def _differences(found: Catalog, wanted: Catalog) -> Iterator[Difference]:
    there, said = objects.wholes(found), objects.wholes(wanted)
    for relation, name in sorted(found.keys() | wanted.keys()):
        kinds = said.get(relation), there.get(relation)
        item = Difference(relation, name, kinds[0] or kinds[1] or "", found, wanted)
        if item.there != item.said and (name == item.whole or objects.is_worth_a_look(item)):
            yield item


def _repair(item: Difference) -> Iterator[Step]:
    if item.name == item.whole:
        return objects.repair_whole(item)
    return KINDS.get(item.kind, by_hand)(item)
