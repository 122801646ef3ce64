"""The combinations that tests choose cover the answers, and the workflow runs the same ones."""

import re
from itertools import combinations, product
from typing import Any

import yaml

from combinations import (
    COMBINATIONS,
    COVERING,
    POOL_TIERS,
    SUITES,
    WALL,
    WITHOUT_TIER,
    Answers,
    every,
    name_of,
)
from projects import ROOT


def parts(rows: list[Answers], strength: int) -> set[tuple[Any, ...]]:
    return {part for row in rows for part in combinations(row.items(), strength)}


def test_there_are_81_combinations_and_27_without_the_pool_tier() -> None:
    assert len(COMBINATIONS) == 81
    assert len(WITHOUT_TIER) == 27
    assert [{**row, "pool_tier": tier} for row, tier in product(WITHOUT_TIER, POOL_TIERS)] == COMBINATIONS


def test_27_suites_cover_every_triple_that_27_can() -> None:
    assert [{name: row[name] for name in row if name != "pool_tier"} for row in SUITES] == WITHOUT_TIER
    assert parts(SUITES, 2) == parts(COMBINATIONS, 2)
    # With a password there are 6 of them, and 9 triples with a way to migrate and a pool tier.
    missing = parts(COMBINATIONS, 3) - parts(SUITES, 3)
    assert [dict(triple)["auth"] for triple in missing] == ["password"] * 3


def test_10_cover_every_pair() -> None:
    """As few as there can be: 3 ways to migrate with a password, none at all, and 3 on each other database."""
    assert len(COVERING) == 10
    assert parts(COVERING, 2) == parts(COMBINATIONS, 2)


def test_workflow_runs_every_combination() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    matrix = workflow["jobs"]["combination"]["strategy"]["matrix"]
    excluded = matrix.pop("exclude")
    run = [row for row in every(matrix) if not any(part.items() <= row.items() for part in excluded)]
    assert run == WITHOUT_TIER
    name = workflow["jobs"]["combination"]["env"]["COMBINATION"]
    assert [filled(name, row) for row in run] == [name_of(row) for row in run]


def filled(text: str, row: Answers) -> str:
    """This text as the workflow fills it in for one of its jobs."""
    wall = f"matrix.row_level_security && '{WALL[True]}' || '{WALL[False]}'"
    values = {f"matrix.{name}": str(value) for name, value in row.items()}
    values[wall] = WALL[bool(row["row_level_security"])]
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: values[found[1]], text)
