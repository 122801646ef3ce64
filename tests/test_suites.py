"""Every combination, with one of the pool tiers, passes its own tests on a real server."""

from collections.abc import Callable

import pytest

from combinations import COVERING, SUITES, Answers, name_of
from dev.postgres import Server
from projects import Render, run_suite, tool

Progress = Callable[[str], None]


def without_tier(answers: Answers) -> str:
    return name_of(answers).rpartition("-")[0]


COVERED = {*map(without_tier, COVERING)}


@pytest.mark.parametrize("answers", SUITES, ids=name_of)
def test_suite_passes_on_postgres_18(answers: Answers, render: Render, postgres_18: Server, progress: Progress) -> None:
    closing = run_suite(render(**answers), postgres_18.url())
    progress(f"{name_of(answers)} on PostgreSQL 18, {closing}")


@pytest.mark.parametrize("answers", COVERING, ids=name_of)
def test_suite_passes_on_postgres_15(answers: Answers, render: Render, postgres_15: Server, progress: Progress) -> None:
    closing = run_suite(render(**answers), postgres_15.url())
    progress(f"{name_of(answers)} on PostgreSQL 15, {closing}")


@pytest.mark.parametrize("answers", [row for row in SUITES if without_tier(row) not in COVERED], ids=name_of)
def test_migrations_hold_on_postgres_15(
    answers: Answers, render: Render, postgres_15: Server, progress: Progress
) -> None:
    """Where the whole suite does not run there."""
    closing = run_suite(render(**answers), postgres_15.url(), "tests/test_schema.py")
    progress(f"{name_of(answers)}, migrations on PostgreSQL 15, {closing}")


def test_suite_brings_its_own_server_and_covers_the_application(render: Render, progress: Progress) -> None:
    output = tool(render(), "pytest", "--quiet", "--cov", "--cov-fail-under=95")
    assert "Required test coverage of 95% reached" in output
    progress(f"coverage, {output.splitlines()[-1]}")
