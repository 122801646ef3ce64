"""The first revision of a project, and the schema that it makes."""

import ast
from pathlib import Path
from shutil import copytree

from databases import alembic, create_database
from dev.postgres import Server
from projects import python

# What a migration finds on a server of an operator: Supabase's own tables, roles and the functions of policies.
PREPARE = """
import os
from pathlib import Path

import sqlalchemy as sa

if Path("dev/supabase.py").exists():
    from dev.supabase import stand_in

    stand_in()
if Path("app/database/row_security/bootstrap.py").exists():
    from app.database.row_security.bootstrap import LOGIN, main
    from app.settings import get_settings

    url = sa.make_url(os.environ["DATABASE_URL"])
    os.environ["DATABASE_URL"] = url.set(username=LOGIN, password="tests").render_as_string(hide_password=False)
    get_settings.cache_clear()
    main()
"""


def prepared_database(project: Path, server: Server) -> str:
    """Create a database with what the revisions of a project need there, and return its owner's URL."""
    url = create_database(server)
    prepare(project, url)
    return url


def migrated_database(project: Path, server: Server) -> str:
    """Create a database that has the schema of a project, and return its owner's URL."""
    url = prepared_database(project, server)
    make_schema(project, url)
    return url


def prepare(project: Path, url: str) -> None:
    """Give a database what the revisions of a project need there, as its owner."""
    python(project, "-c", PREPARE, DATABASE_URL=url, MIGRATION_DATABASE_URL=url, ENVIRONMENT="development")


def assert_as_autogenerate_writes_it(project: Path, url: str) -> None:
    """Compare the revision that is shipped with one that Alembic writes for an empty database, and apply it."""
    shipped = next((project / "alembic" / "versions").glob("0001_*.py"))
    twin = copytree(project, project.with_name(f"{project.name}-twin"))
    (twin / shipped.relative_to(project)).unlink()
    alembic(twin, url, "revision --autogenerate --rev-id 0001 --message 'create tables'", "upgrade head")
    written = next((twin / "alembic" / "versions").glob("*.py"))
    assert _code(shipped).splitlines() == _code(written).splitlines()


def make_schema(project: Path, url: str) -> None:
    """Bring an empty database to what the project needs, as an operator does."""
    if (project / "alembic").exists():
        alembic(project, url, "upgrade head")
    else:
        command = "from app.database.create_schema import main; main()"
        python(project, "-c", command, DATABASE_URL=url)


def _code(revision: Path) -> str:
    """Without docstrings, comments and layout, which do not run."""
    module = ast.parse(revision.read_text())
    for node in [module, *module.body]:
        if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    # One column or constraint a line: a failing test then shows the one that differs.
    return ast.unparse(module).replace(", sa.", ",\nsa.")
