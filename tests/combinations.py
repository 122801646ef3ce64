"""The answers that a project can be made of: described here a second time, to be compared with `copier.yml`."""

from collections.abc import Iterable, Iterator
from itertools import combinations, product

Answers = dict[str, str]

# What each of these may be, and how many connections a worker opens at a pool tier.
DATABASES = ("postgres", "supabase", "hybrid")
MIGRATIONS = ("autogenerate", "manual", "none")
POOL_TIERS = {"small": (5, 10), "medium": (10, 20), "large": (20, 40)}

QUESTIONS = {"database": DATABASES, "migrations": MIGRATIONS, "pool_tier": tuple(POOL_TIERS)}


def is_valid(answers: Answers) -> bool:
    """Whether a project can be made of these answers. Every choice goes with every other one so far."""
    return all(answers[question] in values for question, values in QUESTIONS.items())


def every(questions: dict[str, tuple[str, ...]]) -> Iterator[Answers]:
    """Every way to answer these questions, whether valid or not."""
    for values in product(*questions.values()):
        yield dict(zip(questions, values, strict=True))


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
    return "-".join(answers.values())


COMBINATIONS = [answers for answers in every(QUESTIONS) if is_valid(answers)]
COVERING = covering(COMBINATIONS)
