"""How the schema changes is decided anew by `copier update` while there are rows: they stay, and old revisions run."""

import re
from pathlib import Path
from typing import Any

from changing.deployed import Deployed
from changing.developing import follow, type_in, update, write
from databases import execute
from dev.postgres import Server
from projects import ROOT, commit, git, lint, run_suite
from updating import assert_merged, made

TABLES = ["Book title:str(200)"]
BOOK = "INSERT INTO app.books (id, title) VALUES (gen_random_uuid(), 'Rings')"
OWNED = "INSERT INTO app.books (id, title, owner_id) SELECT gen_random_uuid(), 'Rings', id FROM app.users LIMIT 1"
OF_OLD = "CREATE TABLE private.alembic_version AS SELECT varchar 'gone' AS version_num"
SECTION = (ROOT / "docs/migrations.md").read_text().partition("## Another answer")[2].partition("\n## ")[0]
# What tells a database that it has the tables of the first revision.
TOLD = re.findall("uv run .+", re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)[0])


def deploy(project: Path, server: Server) -> tuple[Deployed, list[dict[str, Any]]]:
    """Make a database with a row, and return what is in it, too."""
    deployed = Deployed(project, server)
    execute(deployed.superuser, OWNED if (project / "app/auth").exists() else BOOK)
    return deployed, deployed.rows("books")["books"]


def add_column(project: Path, name: str) -> str:
    """Let a model have a column that no answer names, and return the statement that a person would write."""
    model = project / "app/models/book.py"
    model.write_text(f"{model.read_text()}\n    {name}: Mapped[str | None] = mapped_column(sa.String(20))\n")
    commit(project)
    return f"ALTER TABLE app.books ADD COLUMN {name} varchar(20);"


def change(project: Path, migrations: str) -> list[str]:
    """Change the answer, and return the commands that are left to do."""
    commands = update(project, migrations=migrations)
    assert_merged(project)
    commit(project, migrations)
    return commands


def tell(deployed: Deployed, refused: str) -> None:
    """Tell a database that it has the tables of the first revision, without which that is refused."""
    assert refused in deployed.python("-m", "migrate.command", check=False)
    for line in TOLD:
        type_in(deployed.project, line, DATABASE_URL=deployed.owner, ENVIRONMENT="development")


def test_revisions_in_sql_come_later_and_stay(released: Path, place: Path, postgres_18: Server) -> None:
    project = made(released, place / "library", tables=TABLES, migrations="none", auth="none")
    deployed, (row,) = deploy(project, postgres_18)

    change(project, "manual")
    execute(deployed.owner, OF_OLD)
    tell(deployed, "revision gone, which is not in alembic/versions")

    add_column(project, "generated")
    change(project, "autogenerate")
    deployed.python("-m", "alembic", "revision", "--autogenerate", "-m", "generated")
    deployed.python("-m", "migrate.command")
    run_suite(project, postgres_18.url(), "tests/test_schema.py")
    assert deployed.rows("books")["books"] == [row | {"generated": None}]


def test_generated_revisions_come_later_and_go(released: Path, place: Path, postgres_18: Server) -> None:
    """With policies, and a column that the first revision does not have."""
    project = made(released, place / "library", tables=TABLES, migrations="none", auth="password")
    add_column(project, "colour")
    deployed, (row,) = deploy(project, postgres_18)

    said = follow(project, change(project, "autogenerate"), by_hand=())
    assert "column colour of app.books: not in the database, in the models" in said
    commit(project, "Our own")
    tell(deployed, 'relation "sign_in_attempts" already exists')

    statement = add_column(project, "by_hand")
    change(project, "manual")
    update(project)
    assert git(project, "status", "--porcelain") == ""
    deployed.python("-m", "alembic", "revision", "-m", "by hand")
    write(project, statement)
    deployed.python("-m", "migrate.command")
    run_suite(project, postgres_18.url(), "tests/test_schema.py", "-k", "revision and not reviews")
    commit(project, "By hand")

    commands = change(project, "none")
    type_in(project, next(command for command in commands if command.startswith("git rm")))
    assert git(project, "ls-files", "alembic", "migrate", "schema.sql") == ""
    lint(project)
    deployed.python("-m", "app.database.create_schema", "--check")
    assert deployed.rows("books")["books"] == [row | {"by_hand": None}]
