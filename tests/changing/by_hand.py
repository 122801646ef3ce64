"""What somebody writes by hand where tables change as in `test_changing_tables.py`; new ones as their models say."""

from collections.abc import Iterator
from pathlib import Path

from projects import python

NEW = """
from app.database.catalog import our_tables, statements_of

for statement in statements_of([table for table in our_tables() if table.name in {"shelves", "reviews"}]):
    if "FUNCTION app.touch_row() RETURNS" not in statement:
        print(statement + ";")
"""
SECURITY = """
from app.database.catalog import our_tables, statements_of

for statement in statements_of(our_tables()):
    if statement.startswith(("ALTER TABLE", "CREATE POLICY", "GRANT", "REVOKE")):
        print(statement + ";")
"""
CHANGED = """
ALTER TABLE app.authors ADD COLUMN born_on date;
ALTER TABLE app.books
    ADD COLUMN language varchar(2) NOT NULL DEFAULT 'en',
    ADD COLUMN shelf_id uuid,
    ALTER COLUMN pages DROP NOT NULL,
    DROP COLUMN blurb,
    DROP CONSTRAINT ck_books_pages,
    ADD CONSTRAINT ck_books_pages CHECK (pages >= 1 AND pages <= 5000) NOT VALID,
    DROP CONSTRAINT ck_books_state,
    ADD CONSTRAINT ck_books_state CHECK (state IN ('planned', 'printed', 'sold_out')) NOT VALID,
    ADD CONSTRAINT fk_books_owner_id_shelf_id FOREIGN KEY (owner_id, shelf_id)
        REFERENCES app.shelves (owner_id, id) ON DELETE RESTRICT NOT VALID;
"""
ONLINE = """-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_books_owner_id_shelf_id ON app.books (owner_id, shelf_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_books_owner_id_title ON app.books (owner_id, title);
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq_authors_owner_id_name ON app.authors (owner_id, name);
ALTER TABLE app.books VALIDATE CONSTRAINT ck_books_pages;
ALTER TABLE app.books VALIDATE CONSTRAINT ck_books_state;
{lift}ALTER TABLE app.books VALIDATE CONSTRAINT fk_books_owner_id_shelf_id;
{put}ALTER TABLE app.authors ADD CONSTRAINT uq_authors_owner_id_name UNIQUE USING INDEX uq_authors_owner_id_name;
"""
FORCE = "ALTER TABLE app.books {0} ROW LEVEL SECURITY;\nALTER TABLE app.shelves {0} ROW LEVEL SECURITY;\n"


def changes(project: Path) -> Iterator[str]:
    """Yield what is done in one transaction, and what beside those who write."""
    yield printed(project, NEW) + CHANGED
    # The owner sees no rows to validate, unless FORCE is lifted.
    protected = (project / "app/database/row_security").exists()
    lift, put = (FORCE.format("NO FORCE"), FORCE.format("FORCE")) if protected else ("", "")
    yield ONLINE.format(lift=lift, put=put)


def security(project: Path) -> Iterator[str]:
    """Yield what Row Level Security adds to tables."""
    yield printed(project, SECURITY)


def printed(project: Path, code: str) -> str:
    return python(project, "-c", code)
