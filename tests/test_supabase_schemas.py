"""Schemas that are not ours, as Supabase has a dozen, are neither proposed nor touched, also where we refer to them."""

import re
import uuid
from pathlib import Path

import pytest

from databases import alembic, as_login, create_database, execute, read_catalog
from dev.postgres import Server
from first_revision import make_schema
from projects import Render, lint, python, run_suite

SUPABASE = (
    "auth",
    "cron",
    "extensions",
    "graphql",
    "graphql_public",
    "net",
    "pgbouncer",
    "realtime",
    "storage",
    "supabase_functions",
    "supabase_migrations",
    "vault",
)
THEIRS = (*SUPABASE, "public")
# Tables that are called as ours are, or as Alembic's own, with what else a schema can hold.
OBJECTS = """
CREATE SCHEMA IF NOT EXISTS {0};
CREATE TYPE {0}.status AS ENUM ('draft', 'placed');
CREATE TABLE {0}.users (id uuid PRIMARY KEY, email text UNIQUE, status {0}.status NOT NULL DEFAULT 'draft');
CREATE TABLE {0}.orders (id bigserial PRIMARY KEY, user_id uuid REFERENCES {0}.users, CONSTRAINT one CHECK (id > 0));
CREATE TABLE {0}.order_lines (id int GENERATED ALWAYS AS IDENTITY, updated_at timestamptz DEFAULT now());
CREATE TABLE {0}.alembic_version (version_num varchar(32) PRIMARY KEY);
CREATE INDEX ix_orders_status ON {0}.orders (user_id);
CREATE SEQUENCE {0}.counter;
CREATE VIEW {0}.products AS SELECT id FROM {0}.orders;
CREATE FUNCTION {0}.touch_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touch_row BEFORE UPDATE ON {0}.orders FOR EACH ROW EXECUTE FUNCTION {0}.touch_row();
"""
# What Supabase lets its `postgres` do, who is no superuser.
OWNER = """
CREATE ROLE "{0}" LOGIN BYPASSRLS PASSWORD '{0}';
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO "{0}"', current_database()); END $$;
GRANT USAGE ON SCHEMA auth TO "{0}";
GRANT REFERENCES ON auth.users TO "{0}";
"""
CLEAN = "No new upgrade operations detected."


@pytest.fixture
def database(server: Server) -> str:
    """The URL of a superuser, on a database that others use as well."""
    url = create_database(server)
    execute(url, "".join(OBJECTS.format(schema) for schema in THEIRS))
    return url


def owned(url: str, name: str) -> str:
    """The URL of a login that may do what Supabase lets `postgres` do."""
    execute(url, OWNER.format(name))
    return as_login(url, name, name)


def with_profiles(project: Path) -> Path:
    """Add the model that the project's README shows, which refers to a user of Supabase."""
    example = re.search(r'```python\n(""".*?)```', (project / "README.md").read_text(), re.DOTALL)
    assert example
    model = project / "app" / "models" / "profile.py"
    model.write_text(example[1])
    lint(project, model)
    return project


@pytest.mark.parametrize("kind", ["postgres", "supabase", "hybrid"])
def test_nothing_of_others_is_proposed_or_touched(kind: str, render: Render, database: str) -> None:
    login = owned(database, f"owner_{uuid.uuid4().hex}")
    before = read_catalog(database, *THEIRS)
    commands = ("upgrade head", "check", "downgrade base", "upgrade head", "check")
    assert alembic(render(auth="none", database=kind), login, *commands).count(CLEAN) == 2
    assert read_catalog(database, *THEIRS) == before != []


def test_a_login_may_be_called_as_our_schema(render: Render, database: str) -> None:
    """PostgreSQL then finds `app` first, and Alembic would take it for the one that needs no name."""
    login = owned(database, "app")
    try:
        assert CLEAN in alembic(render(auth="none"), login, "upgrade head", "check")
    finally:
        execute(database, "DROP OWNED BY app CASCADE; DROP ROLE app")


def test_a_model_that_refers_to_a_user_gets_its_key_and_no_more(render: Render, database: str) -> None:
    project = with_profiles(render(auth="none", database="supabase"))
    login = owned(database, f"owner_{uuid.uuid4().hex}")
    before = read_catalog(database, *THEIRS)
    write = "revision --autogenerate --rev-id 0002 --message profiles"
    assert CLEAN in alembic(project, login, "upgrade head", write, "upgrade head", "check")
    migrated = read_catalog(database)
    assert any("FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE" in line for line in migrated)

    (revision,) = (project / "alembic" / "versions").glob("*_profiles.py")
    assert re.findall(r"op\.(?!f\()(\w+)\(\s*[\"'](\w+)", revision.read_text()) == [
        ("create_table", "profiles"),
        ("execute", "CREATE"),
        ("drop_table", "profiles"),
    ]
    alembic(project, login, "downgrade base")
    assert read_catalog(database) == []
    alembic(project, login, "upgrade head")
    assert read_catalog(database) == migrated
    assert read_catalog(database, *THEIRS) == before


def test_create_schema_leaves_others_alone(render: Render, database: str) -> None:
    project = with_profiles(render(auth="none", database="supabase", migrations="none"))
    login, before = owned(database, f"owner_{uuid.uuid4().hex}"), read_catalog(database, *THEIRS)
    make_schema(project, login)
    assert any("REFERENCES auth.users(id) ON DELETE CASCADE" in line for line in read_catalog(database))
    assert read_catalog(database, *THEIRS) == before


def test_create_schema_makes_no_users_where_there_are_none(render: Render, server: Server) -> None:
    project, url = with_profiles(render(auth="none", database="supabase", migrations="none")), create_database(server)
    execute(url, "CREATE SCHEMA auth")
    command = "from app.database.create_schema import main; main()"
    output = python(project, "-c", command, check=False, DATABASE_URL=url)
    assert 'relation "auth.users" does not exist' in output
    assert read_catalog(url, "app", "auth") == []


@pytest.mark.parametrize("migrations", ["autogenerate", "none"])
def test_a_project_with_such_a_model_passes_its_tests(migrations: str, render: Render, postgres_18: Server) -> None:
    project = with_profiles(render(auth="none", database="supabase", migrations=migrations))
    if migrations == "autogenerate":
        url = create_database(postgres_18)
        execute(url, "CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY)")
        alembic(project, url, "upgrade head", "revision --autogenerate --rev-id 0002 --message profiles")
    run_suite(project, postgres_18.url())
