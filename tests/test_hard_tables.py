"""Hard good answers: rendered clean, their own tests pass, and each way to migrate makes the same schema."""

from collections.abc import Callable
from pathlib import Path

import pytest

from databases import read_catalog
from dev.postgres import Server
from first_revision import assert_as_autogenerate_writes_it, make_schema, prepared_database
from hard_tables import HARD, TABLES
from projects import Render, lint, run_suite


@pytest.fixture(scope="module", params=HARD)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def project(name: str, render: Render) -> Path:
    return render(**HARD[name])


def test_code_is_clean(project: Path, check_types: Callable[[Path], None]) -> None:
    lint(project)
    check_types(project)


def test_own_tests_pass(name: str, project: Path, postgres_18: Server, progress: Callable[[str], None]) -> None:
    progress(f"{name}, {run_suite(project, postgres_18.url())}")


@pytest.mark.parametrize("name", TABLES, indirect=True, scope="module")
def test_first_revision_is_what_autogenerate_writes(
    name: str, project: Path, render: Render, postgres_18: Server
) -> None:
    manual = render(**HARD[name], migrations="manual")
    written, by_hand = prepared_database(project, postgres_18), prepared_database(manual, postgres_18)
    assert_as_autogenerate_writes_it(project, written)
    # Without Alembic the same models make the schema, which test_first_revision.py compares once.
    make_schema(manual, by_hand)
    assert read_catalog(written) == read_catalog(by_hand)
