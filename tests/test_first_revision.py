"""Migrations of the example: what is shipped is what autogenerate would write, there and back."""

from typing import Any

import pytest

from databases import alembic, read_catalog
from dev.postgres import Server
from first_revision import assert_as_autogenerate_writes_it, make_schema, migrated_database, prepared_database
from hard_tables import HARD
from projects import Render

AUTHS: dict[str, dict[str, Any]] = {
    f"{database}, {auth}{', row security' if secured else ''}": {
        "database": database,
        "auth": auth,
        "row_level_security": secured,
    }
    for database, auth, secured in (
        ("postgres", "none", False),
        ("postgres", "password", False),
        ("postgres", "password", True),
        ("supabase", "none", False),
        ("supabase", "supabase", False),
        ("supabase", "supabase", True),
        ("hybrid", "supabase", False),
        ("hybrid", "supabase", True),
    )
}


@pytest.mark.parametrize("answers", AUTHS.values(), ids=AUTHS)
def test_shipped_revision_is_what_autogenerate_writes(answers: dict[str, Any], render: Render, server: Server) -> None:
    project = render(**answers)
    url = prepared_database(project, server)
    assert_as_autogenerate_writes_it(project, url)
    assert "No new upgrade operations detected." in alembic(project, url, "check")


@pytest.mark.parametrize("migrations", ["autogenerate", "manual"])
def test_upgrade_downgrade_upgrade_ends_where_it_was(migrations: str, render: Render, server: Server) -> None:
    project = render(migrations=migrations)
    url = prepared_database(project, server)
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
        project = render(migrations=migrations, **answers)
        url = migrated_database(project, server)
        catalogs.append(read_catalog(url))
    assert any("CREATE TRIGGER touch_row" in line for line in catalogs[0])
    assert any("owner_update | UPDATE" in line for line in catalogs[0])
    assert catalogs[0] == catalogs[1]
    assert catalogs[0] == catalogs[2]


def test_creating_the_schema_again_changes_nothing(render: Render, server: Server) -> None:
    project = render(migrations="none")
    url = migrated_database(project, server)
    first = read_catalog(url)
    make_schema(project, url)
    assert read_catalog(url) == first
