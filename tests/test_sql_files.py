"""Revisions of `migrations=manual`: SQL files that Alembic runs statement by statement, both ways."""

import re
from pathlib import Path

import pytest

from databases import alembic, query, read_catalog
from dev.postgres import Server
from first_revision import migrated_database
from projects import Render, python

INDEX = "SELECT indexname FROM pg_indexes WHERE indexname LIKE 'ix_x%' ORDER BY 1"


@pytest.fixture
def project(render: Render) -> Path:
    return render("manual", migrations="manual")


@pytest.fixture
def database(project: Path, postgres_18: Server) -> str:
    return migrated_database(project, postgres_18)


def revise(project: Path, url: str, up: str, down: str) -> tuple[Path, Path]:
    """Begin a revision as a person does, and fill its files."""
    alembic(project, url, "revision --message 'add colours'")
    files = sorted((project / "alembic/versions").glob("2*_add_colours.*.sql"), reverse=True)
    for file, text in zip(files, (up, down), strict=True):
        file.write_text(text)
    return files[0], files[1]


def refused(project: Path, url: str, command: str) -> str:
    """What Alembic says at last where it refuses a command."""
    output = python(
        project, "-m", "alembic", *command.split(), check=False, DATABASE_URL=url, ENVIRONMENT="development"
    )
    line = output.splitlines()[-1]
    assert line.startswith("FAILED: "), output
    return line.removeprefix("FAILED: ")


def test_a_new_revision_has_a_file_for_each_way_which_is_to_be_filled(project: Path, database: str) -> None:
    alembic(project, database, "revision --message 'add colours'")
    (stub,) = (project / "alembic/versions").glob("2*_add_colours.py")
    assert stub.with_suffix(".up.sql").read_text() == "-- What this revision changes.\n"
    assert "-- irreversible: " in stub.with_suffix(".down.sql").read_text()
    said = f"{stub.stem}.up.sql has no statement: write what the revision changes, then run this again."
    assert refused(project, database, "upgrade head") == said


def test_statements_arrive_as_they_were_written(project: Path, database: str) -> None:
    text = r"""ARRAY['a:b ::c \:d %s %(e)s; -- f', E'\'\:', $$ ; :g $$, '{"h": 1}'::jsonb::text]"""
    up = f"""
        -- it's more than one statement; 'so'
        CREATE TABLE app.texts AS SELECT {text} AS texts /* ; */;
        CREATE FUNCTION app.both() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END -- the last one
    """
    revise(project, database, up, "DROP FUNCTION app.both(); DROP TABLE app.texts;")
    before = read_catalog(database)
    assert re.search(r"CREATE FUNCTION app.both\(\) .*\n *done in", alembic(project, database, "upgrade head"))
    assert query(database, f"SELECT texts = {text} FROM app.texts") == [True]  # noqa: S608
    alembic(project, database, "downgrade -1")
    assert read_catalog(database) == before


def test_a_file_is_one_transaction(project: Path, database: str) -> None:
    revise(project, database, "CREATE INDEX ix_x ON app.products (price); SELECT 1 / 0;", "DROP INDEX app.ix_x")
    assert "Statement: SELECT 1 / 0" in refused(project, database, "upgrade head")
    assert query(database, INDEX) == []


def test_without_a_transaction_each_statement_is_one(project: Path, database: str) -> None:
    def index(name: str) -> str:
        drop = f"DROP INDEX CONCURRENTLY IF EXISTS app.{name};"
        return f"{drop} CREATE INDEX CONCURRENTLY {name} ON app.products (price);"

    up, down = revise(
        project,
        database,
        f"-- Prices are searched for.\n-- no-transaction\n{index('ix_x1')} SELECT 1 / 0; {index('ix_x2')}",
        "-- no-transaction\nDROP INDEX CONCURRENTLY app.ix_x1; DROP INDEX CONCURRENTLY app.ix_x2",
    )
    assert "Statement: SELECT 1 / 0" in refused(project, database, "upgrade head")
    assert query(database, INDEX) == ["ix_x1"]
    up.write_text(up.read_text().replace("1 / 0", "1"))
    alembic(project, database, "upgrade head")
    assert query(database, INDEX) == ["ix_x1", "ix_x2"]
    written = alembic(project, database, "upgrade 0001:head --sql")
    assert re.search(r"COMMIT;\s+DROP INDEX CONCURRENTLY IF EXISTS app.ix_x1;\s+CREATE INDEX CONCURRENTLY", written)
    alembic(project, database, "downgrade -1")
    assert query(database, INDEX) == []
    assert down.exists()


def test_what_cannot_be_taken_back_says_why(project: Path, database: str) -> None:
    _, down = revise(project, database, "SELECT 1", "")
    alembic(project, database, "upgrade head")
    for text, reason in (
        ("-- irreversible: the colours are gone\n", "the colours are gone"),
        ("-- Takes it back.\n-- Irreversible:  nobody knows them \n SELECT 1", "nobody knows them"),
        ("-- nothing; really\n", f"{down.name} has no statement: write it, or say why with `-- irreversible: …`."),
    ):
        down.write_text(text)
        assert refused(project, database, "downgrade -1").endswith(f" is irreversible: {reason}")


def test_a_file_that_cannot_be_run_is_named(project: Path, database: str) -> None:
    up, _ = revise(project, database, "", "SELECT 1")
    for sql, sentence in (
        ("SELECT 1;\nSELECT 'a", "What ' opens in line 2 is never closed."),
        ("BEGIN; SELECT 1; COMMIT;", "leave out BEGIN. A file is one transaction, or with the line "),
        ("-- no-transaction\nSELECT 1; rollback", "leave out ROLLBACK. "),
    ):
        up.write_text(sql)
        assert refused(project, database, "upgrade head").startswith(f"{up.name}: {sentence}")


def test_a_file_that_is_not_there_is_named(project: Path, database: str) -> None:
    _, down = revise(project, database, "SELECT 1", "SELECT 1")
    down.unlink()
    assert refused(project, database, "history") == f"There is no {down.name} beside its revision: write it."


def test_a_merge_needs_no_file(project: Path, database: str) -> None:
    revise(project, database, "SELECT 1", "SELECT 1")
    other = next((project / "alembic/versions").glob("2*_add_colours.py"))
    (other.parent / "other.py").write_text(re.sub("(?m)^revision = .*", 'revision = "0002"', other.read_text()))
    for way in ("up", "down"):
        (other.parent / f"other.{way}.sql").write_text("SELECT 1")
    alembic(project, database, "merge --message merge heads", "upgrade head", "downgrade base", "upgrade head")
    assert sorted(path.suffix for path in other.parent.glob("2*_merge.*")) == [".py"]
