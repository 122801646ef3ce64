"""Who may do what: first what is too much, at last what is missing."""

import re
from collections.abc import Iterator

from app.database.repair.steps import Difference, Phase, Step, by_hand

OPTION = " WITH GRANT OPTION"
DEFAULTS = re.compile(r"(?P<head>.*) GRANT (?P<rights>.*) TO (?P<role>.*?)( WITH GRANT OPTION)?")
OFF = {"ENABLE": "DISABLE", "FORCE": "NO FORCE"}


def repair_security(item: Difference) -> Iterator[Step]:
    """Yield what switches Row Level Security, after every policy is there."""
    there, said = _words(item.there), _words(item.said)
    changes = [f"{OFF[text.partition(' ')[0]]} {text.partition(' ')[2]}" for text in sorted(there - said)]
    yield Step(Phase.SECURITY, item.alter(", ".join(changes + sorted(said - there))))


def repair_missing(item: Difference) -> Iterator[Step]:
    """Yield what a partition lacks."""
    yield Step(Phase.SECURITY, item.alter("ENABLE ROW LEVEL SECURITY"))


def repair_grant(item: Difference) -> Iterator[Step]:
    """Yield what takes away and gives rights that models give."""
    there, said, role = _words(item.there), _words(item.said), item.part.removeprefix("to ").removesuffix(OPTION)
    option = OPTION if item.name.endswith(OPTION) else ""
    # Who may pass on a right that they shall have keeps the right.
    kept = _words(item.wanted.get((item.relation, f"grant to {role}"))) if option else set()
    for rights, how in ((there - said - kept, ""), ((there - said) & kept, "GRANT OPTION FOR ")):
        if rights:
            yield Step(Phase.LESS, f"REVOKE {how}{_list(rights)} ON {_target(item)} FROM {role};")
    if missing := said - there:
        yield Step(Phase.GRANT, f"GRANT {_list(missing)} ON {_target(item)} TO {role}{option};")


def repair_revoked(item: Difference) -> Iterator[Step]:
    """Yield the same for rights that everything of the kind has unless it is said otherwise."""
    there, said, role = _words(item.there), _words(item.said), item.part.removeprefix("from ")
    if missing := said - there:
        yield Step(Phase.LESS, f"REVOKE {_list(missing)} ON {_target(item)} FROM {role};")
    if rights := there - said:
        yield Step(Phase.GRANT, f"GRANT {_list(rights)} ON {_target(item)} TO {role};")


def repair_owner(item: Difference) -> Iterator[Step]:
    """Yield what gives an object to the login that runs this, which owns the others."""
    yield Step(Phase.SECURITY, f"ALTER {(item.whole or 'table').upper()} {item.relation} OWNER TO CURRENT_USER;")


def repair_defaults(item: Difference) -> Iterator[Step]:
    """Yield what takes away rights to objects that are still to be made."""
    if item.said is None and (found := DEFAULTS.fullmatch(item.there or "")):
        yield Step(Phase.LESS, f"{found['head']} REVOKE {found['rights']} FROM {found['role']};")
    else:
        yield from by_hand(item)


def _words(text: str | None) -> set[str]:
    return set(text.split(", ")) if text else set()


def _list(rights: set[str]) -> str:
    return ", ".join(sorted(rights))


def _target(item: Difference) -> str:
    if item.whole in {"", "table", "view", "materialized view", "foreign table"}:
        return item.relation
    kind = item.whole if item.whole in {"function", "procedure", "sequence", "schema"} else "type"
    return f"{kind.upper()} {item.relation}"
