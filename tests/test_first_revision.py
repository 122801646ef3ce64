"""Migrations of the example: what is shipped is what autogenerate would write, there and back."""

from typing import Any

import pytest

from databases import alembic, create_database, read_catalog
from dev.postgres import Server
from first_revision import assert_as_autogenerate_writes_it, make_schema
from hard_tables import HARD
from projects import Render

DATABASES = ("postgres", "supabase", "hybrid")


@pytest.fixture(scope="session", params=["18", "15"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(f"postgres_{request.param}")
    return found


@pytest.mark.parametrize("database", DATABASES)
def test_shipped_revision_is_what_autogenerate_writes(database: str, render: Render, server: Server) -> None:
    assert_as_autogenerate_writes_it(render(database=database), create_database(server))


@pytest.mark.parametrize("database", DATABASES)
def test_check_finds_nothing_to_do_after_the_upgrade(database: str, render: Render, server: Server) -> None:
    project, url = render(database=database), create_database(server)
    assert "No new upgrade operations detected." in alembic(project, url, "upgrade head", "check")


@pytest.mark.parametrize("migrations", ["autogenerate", "manual"])
def test_upgrade_downgrade_upgrade_ends_where_it_was(migrations: str, render: Render, server: Server) -> None:
    project, url = render(migrations=migrations), create_database(server)
    alembic(project, url, "upgrade head")
    upgraded = read_catalog(url)
    alembic(project, url, "downgrade base")
    assert read_catalog(url) == []
    alembic(project, url, "upgrade head")
    assert read_catalog(url) == upgraded


@pytest.mark.parametrize("answers", [{}, HARD["partitioned"]], ids=["the example", "partitioned"])
def test_every_way_to_migrate_makes_the_same_schema(answers: dict[str, Any], render: Render, server: Server) -> None:
    catalogs = []
    for migrations in ("autogenerate", "manual", "none"):
        url = create_database(server)
        make_schema(render(migrations=migrations, **answers), url)
        catalogs.append(read_catalog(url))
    assert any("CREATE TRIGGER touch_row" in line for line in catalogs[0])
    assert catalogs[0] == catalogs[1]
    assert catalogs[0] == catalogs[2]


def test_creating_the_schema_again_changes_nothing(render: Render, server: Server) -> None:
    project, url = render(migrations="none"), create_database(server)
    make_schema(project, url)
    first = read_catalog(url)
    make_schema(project, url)
    assert read_catalog(url) == first
