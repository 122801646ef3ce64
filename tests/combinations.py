"""The answers that a project can be made of: described here a second time, to be compared with `copier.yml`."""

from collections.abc import Iterable, Iterator
from itertools import combinations, product

Answers = dict[str, str | bool]
Values = tuple[str | bool, ...]

# What each of these may be, and how many connections a worker opens at a pool tier.
DATABASES = ("postgres", "supabase", "hybrid")
AUTHS = ("password", "supabase", "none")
MIGRATIONS = ("autogenerate", "manual", "none")
POOL_TIERS = {"small": (5, 10), "medium": (10, 20), "large": (20, 40)}

QUESTIONS: dict[str, Values] = {
    "database": DATABASES,
    "auth": AUTHS,
    "row_level_security": (True, False),
    "migrations": MIGRATIONS,
    "pool_tier": tuple(POOL_TIERS),
}

# What keeps users apart, in the name of a test.
WALL = {True: "rls", False: "queries"}

NO_PASSWORDS = "Supabase Auth signs people in where there is a Supabase project; choose supabase"
NO_SUPABASE = "Supabase Auth needs a Supabase project; choose the database supabase or hybrid, or password"
NOBODY_ASKS = "Row Level Security needs to know who asks; choose another auth than none"


def refusal(answers: Answers) -> tuple[str, str] | None:
    """The question at which these answers, each of them one that is offered, do not go together, and why not."""
    if answers["auth"] == "password" and answers["database"] != "postgres":
        return "auth", NO_PASSWORDS
    if answers["auth"] == "supabase" and answers["database"] == "postgres":
        return "auth", NO_SUPABASE
    if answers["auth"] == "none" and answers["row_level_security"]:
        return "row_level_security", NOBODY_ASKS
    return None


def defaults(database: str) -> Answers:
    """What everything else is where only the database is chosen: whoever wants less protection has to say so."""
    auth = "password" if database == "postgres" else "supabase"
    rest: Answers = {"row_level_security": True, "migrations": "autogenerate", "pool_tier": "small"}
    return {"database": database, "auth": auth} | rest


def every(questions: dict[str, Values]) -> Iterator[Answers]:
    """Every way to answer these questions, whether valid or not."""
    for values in product(*questions.values()):
        yield dict(zip(questions, values, strict=True))


def rotated(rows: list[Answers]) -> list[Answers]:
    """Each of these with one pool tier, such that every pair of answers occurs, and every triple with a database."""
    tiers, of_one_access, of_one_database = [*POOL_TIERS], len(MIGRATIONS), len(rows) // len(DATABASES)
    turns = (row + row // of_one_access + row // of_one_database for row in range(len(rows)))
    return [answers | {"pool_tier": tiers[turn % len(tiers)]} for answers, turn in zip(rows, turns, strict=True)]


def covering(rows: list[Answers], strength: int = 2) -> list[Answers]:
    """As few of these rows as it takes for every pair (triple, …) of answers to occur; always the same ones."""
    return min((_cover(rows[start:] + rows[:start], strength) for start in range(len(rows))), key=len)


def _cover(rows: Iterable[Answers], strength: int) -> list[Answers]:
    # Greedy: whichever row brings most of what is still missing, so the result depends on where it starts.
    parts = [(row, set(combinations(row.items(), strength))) for row in rows]
    missing = set().union(*(part for _, part in parts))
    chosen = []
    while missing:
        row, part = max(parts, key=lambda candidate: len(candidate[1] & missing))
        chosen.append(row)
        missing -= part
    return chosen


def name_of(answers: Answers) -> str:
    """As a test is called: `postgres-password-rls-manual-small`."""
    return "-".join(value if isinstance(value, str) else WALL[value] for value in answers.values())


COMBINATIONS = [answers for answers in every(QUESTIONS) if refusal(answers) is None]
WITHOUT_TIER = [
    answers
    for answers in every({name: values for name, values in QUESTIONS.items() if name != "pool_tier"})
    if refusal(answers) is None
]
SUITES = rotated(WITHOUT_TIER)
COVERING = covering(COMBINATIONS)
