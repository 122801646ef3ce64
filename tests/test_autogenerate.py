"""What autogenerate writes for each kind of change: safe while others write, repeatable, and taken back as it was."""

import re
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from databases import alembic, create_database, execute, hand_over, query, read_catalog
from dev.postgres import Server
from first_revision import make_schema, prepared_database
from projects import ROOT, Render

TABLES = [
    "Category name:str(80)",
    (
        "Product sku:str(32):unique name:str(80):index price:decimal(12,2):min(0) state:enum(new,old) "
        "note:text:null size:int category:Category:null"
    ),
]
ROWS = """
    INSERT INTO app.categories (id, name) VALUES (gen_random_uuid(), 'all');
    INSERT INTO app.products (id, sku, name, price, state, note, size, category_id)
    SELECT gen_random_uuid(), n, n, n, 'new', 'none', n, categories.id FROM generate_series(1, 5) AS n, app.categories
"""
SIZE = "size: Mapped[int] = mapped_column(sa.Integer)"
NAME = "name: Mapped[str] = mapped_column(sa.String(80), index=True)\n"
CHECK = 'sa.CheckConstraint("price >= 0", name="price"), '
KEY = 'sa.ForeignKey("categories.id", ondelete="RESTRICT")'
ARGUMENTS = "__table_args__ = ("
REWRITES = "changing-column-type"


def lint_of(test: str) -> Callable[[str, Path], str]:
    """The function by which projects let squawk read their revisions: a part of their test that needs no project."""
    parts = re.findall(r"^(?:SQUAWK = .*?(?=\nVIEWS)|def lint.*?(?=\n\n\n))", test, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {"re": re, "subprocess": subprocess, "metadata": metadata, "Path": Path}
    exec("\n".join(parts), names)  # noqa: S102
    found: Callable[[str, Path], str] = names["lint"]
    return found


@dataclass(frozen=True)
class Change:
    """What is edited in the model of products; what PostgreSQL is sent, and what squawk finds in that."""

    edits: dict[str, str]
    statements: str
    found: str = ""
    stays: str = ""  # in the catalog after it was taken back


def added(line: str) -> dict[str, str]:
    """The edit that adds a field."""
    return {SIZE: f"{line}\n    {SIZE}"}


def sized(how: str) -> dict[str, str]:
    """The edit that changes the field `size`."""
    return {SIZE: f"size: Mapped[int] = mapped_column({how})"}


CHANGES = {
    "a column": Change(
        added("colour: Mapped[str | None] = mapped_column(sa.String(20))"),
        "BEGIN; ALTER TABLE app.products ADD COLUMN colour VARCHAR(20); 0002; COMMIT",
    ),
    "a column with a default": Change(
        added('colour: Mapped[str] = mapped_column(sa.String(20), server_default="red")'),
        "BEGIN; ALTER TABLE app.products ADD COLUMN colour VARCHAR(20) DEFAULT 'red' NOT NULL; 0002; COMMIT",
    ),
    "a generated column": Change(
        added('double: Mapped[int] = mapped_column(sa.Computed("size * 2", persisted=True))'),
        """
        BEGIN;
        ALTER TABLE app.products ADD COLUMN double INTEGER GENERATED ALWAYS AS (size * 2) STORED NOT NULL;
        0002; COMMIT
        """,
        found="adding-field-with-default",
    ),
    "an index": Change(
        sized("sa.Integer, index=True"),
        """
        DROP INDEX CONCURRENTLY IF EXISTS app.ix_products_size;
        CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_products_size ON app.products (size);
        BEGIN; 0002; COMMIT
        """,
    ),
    "no index": Change(
        {", index=True)\n    price": ")\n    price"},
        "DROP INDEX CONCURRENTLY IF EXISTS app.ix_products_name; BEGIN; 0002; COMMIT",
    ),
    "another index": Change(
        {
            ", index=True)\n    price": ")\n    price",
            ARGUMENTS: f'{ARGUMENTS}sa.Index("ix_products_name", "name", postgresql_where=sa.text("size > 1")), ',
        },
        """
        DROP INDEX CONCURRENTLY IF EXISTS app.ix_products_name_new;
        CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_products_name_new ON app.products (name) WHERE size > 1;
        DROP INDEX CONCURRENTLY IF EXISTS app.ix_products_name;
        -- squawk-ignore renaming-object ALTER INDEX app.ix_products_name_new RENAME TO ix_products_name;
        BEGIN; 0002; COMMIT
        """,
    ),
    "a unique constraint": Change(
        sized("sa.Integer, unique=True"),
        """
        DROP INDEX CONCURRENTLY IF EXISTS app.uq_products_size;
        CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq_products_size ON app.products (size);
        BEGIN;
        ALTER TABLE app.products ADD CONSTRAINT uq_products_size UNIQUE USING INDEX uq_products_size;
        0002; COMMIT
        """,
    ),
    "another unique constraint": Change(
        {
            "sa.String(32), unique=True": "sa.String(32)",
            ARGUMENTS: f'{ARGUMENTS}sa.UniqueConstraint("sku", deferrable=True, initially="DEFERRED"), ',
        },
        """
        DROP INDEX CONCURRENTLY IF EXISTS app.uq_products_sku_new;
        CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq_products_sku_new ON app.products (sku);
        BEGIN;
        ALTER TABLE app.products DROP CONSTRAINT uq_products_sku;
        ALTER TABLE app.products ADD CONSTRAINT uq_products_sku
            UNIQUE USING INDEX uq_products_sku_new DEFERRABLE INITIALLY DEFERRED;
        0002; COMMIT
        """,
    ),
    "no unique constraint": Change(
        {"sa.String(32), unique=True": "sa.String(32)"},
        "BEGIN; ALTER TABLE app.products DROP CONSTRAINT uq_products_sku; 0002; COMMIT",
    ),
    "a check": Change(
        {ARGUMENTS: f'{ARGUMENTS}sa.CheckConstraint("size > 0", name="size"), '},
        """
        BEGIN;
        ALTER TABLE app.products DROP CONSTRAINT IF EXISTS ck_products_size;
        ALTER TABLE app.products ADD CONSTRAINT ck_products_size CHECK (size > 0) NOT VALID;
        COMMIT;
        ALTER TABLE app.products VALIDATE CONSTRAINT ck_products_size;
        BEGIN; 0002; COMMIT
        """,
    ),
    "another check": Change(
        {"price >= 0": "price >= -1"},
        """
        BEGIN;
        ALTER TABLE app.products DROP CONSTRAINT IF EXISTS ck_products_price;
        ALTER TABLE app.products ADD CONSTRAINT ck_products_price CHECK (price >= -1) NOT VALID;
        COMMIT;
        ALTER TABLE app.products VALIDATE CONSTRAINT ck_products_price;
        BEGIN; 0002; COMMIT
        """,
        stays=" NOT VALID",
    ),
    "a value of an enumeration": Change(
        {'OLD = "old"': 'OLD = "old"\n    SOLD = "sold"'},
        """
        BEGIN;
        ALTER TABLE app.products DROP CONSTRAINT IF EXISTS ck_products_state;
        ALTER TABLE app.products ADD CONSTRAINT ck_products_state CHECK (state IN ('new', 'old', 'sold')) NOT VALID;
        COMMIT;
        ALTER TABLE app.products VALIDATE CONSTRAINT ck_products_state;
        BEGIN; 0002; COMMIT
        """,
        stays=" NOT VALID",
    ),
    "names in two cases": Change(
        {
            CHECK: f'{CHECK}sa.CheckConstraint("size > 0", name="Size"), ',
            ARGUMENTS: f'{ARGUMENTS}sa.UniqueConstraint("size", name="uq_Size"), ',
        },
        """
        BEGIN;
        ALTER TABLE app.products DROP CONSTRAINT IF EXISTS "ck_products_Size";
        ALTER TABLE app.products ADD CONSTRAINT "ck_products_Size" CHECK (size > 0) NOT VALID;
        COMMIT;
        DROP INDEX CONCURRENTLY IF EXISTS app."uq_Size";
        CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "uq_Size" ON app.products (size);
        ALTER TABLE app.products VALIDATE CONSTRAINT "ck_products_Size";
        BEGIN;
        ALTER TABLE app.products ADD CONSTRAINT "uq_Size" UNIQUE USING INDEX "uq_Size";
        0002; COMMIT
        """,
    ),
    "no check": Change(
        {f'{CHECK}one_of("state", ProductState)': 'one_of("state", ProductState),'},
        "BEGIN; ALTER TABLE app.products DROP CONSTRAINT ck_products_price; 0002; COMMIT",
        stays=" NOT VALID",
    ),
    "a reference": Change(
        added('parent_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("products.id"), index=True)'),
        """
        BEGIN; ALTER TABLE app.products ADD COLUMN parent_id UUID; 0002; COMMIT;
        BEGIN;
        ALTER TABLE app.products DROP CONSTRAINT IF EXISTS fk_products_parent_id;
        ALTER TABLE app.products ADD CONSTRAINT fk_products_parent_id
            FOREIGN KEY(parent_id) REFERENCES app.products (id) NOT VALID;
        COMMIT;
        DROP INDEX CONCURRENTLY IF EXISTS app.ix_products_parent_id;
        CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_products_parent_id ON app.products (parent_id);
        ALTER TABLE app.products VALIDATE CONSTRAINT fk_products_parent_id;
        BEGIN; online; COMMIT
        """,
    ),
    "another reference": Change(
        {"RESTRICT": "SET NULL"},
        """
        BEGIN;
        ALTER TABLE app.products DROP CONSTRAINT IF EXISTS fk_products_category_id;
        ALTER TABLE app.products ADD CONSTRAINT fk_products_category_id
            FOREIGN KEY(category_id) REFERENCES app.categories (id) ON DELETE SET NULL NOT VALID;
        COMMIT;
        ALTER TABLE app.products VALIDATE CONSTRAINT fk_products_category_id;
        BEGIN; 0002; COMMIT
        """,
        stays=" NOT VALID",
    ),
    "a value is required": Change(
        {"note: Mapped[str | None]": "note: Mapped[str]"},
        """
        BEGIN;
        ALTER TABLE app.products DROP CONSTRAINT IF EXISTS ck_products_note_required;
        ALTER TABLE app.products ADD CONSTRAINT ck_products_note_required CHECK (note IS NOT NULL) NOT VALID;
        COMMIT;
        ALTER TABLE app.products VALIDATE CONSTRAINT ck_products_note_required;
        BEGIN;
        ALTER TABLE app.products ALTER COLUMN note SET NOT NULL;
        ALTER TABLE app.products DROP CONSTRAINT ck_products_note_required;
        0002; COMMIT
        """,
    ),
    "a value may be missing": Change(
        {SIZE: SIZE.replace("int]", "int | None]")},
        "BEGIN; ALTER TABLE app.products ALTER COLUMN size DROP NOT NULL; 0002; COMMIT",
    ),
    "more room": Change(
        {"sa.String(32)": "sa.String(40)", "Numeric(12, 2)": "Numeric(14, 2)", "sa.String(80)": "sa.Text"},
        """
        BEGIN;
        -- squawk-ignore changing-column-type;
        ALTER TABLE app.products ALTER COLUMN sku TYPE VARCHAR(40);
        -- squawk-ignore changing-column-type;
        ALTER TABLE app.products ALTER COLUMN name TYPE TEXT;
        -- squawk-ignore changing-column-type;
        ALTER TABLE app.products ALTER COLUMN price TYPE NUMERIC(14, 2);
        0002; COMMIT
        """,
    ),
    "another type": Change(
        {"sa.String(32)": "sa.String(30)"} | sized("sa.BigInteger"),
        """
        BEGIN;
        ALTER TABLE app.products ALTER COLUMN sku TYPE VARCHAR(30);
        ALTER TABLE app.products ALTER COLUMN size TYPE BIGINT;
        0002; COMMIT
        """,
        found=REWRITES,
    ),
    "a default": Change(
        sized('sa.Integer, server_default="7"'),
        "BEGIN; ALTER TABLE app.products ALTER COLUMN size SET DEFAULT '7'; 0002; COMMIT",
    ),
}
LINT = lint_of((ROOT / "template/tests/test_schema.py.jinja").read_text())
# The older server takes part where it might know less.
ON_15 = ["another index", "another unique constraint", "a reference", "a value is required", "more room", "no check"]


@pytest.fixture(scope="module", params=["18", "15"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(f"postgres_{request.param}")
    return found


@pytest.fixture
def project(render: Render) -> Path:
    return render(tables=TABLES, auth="none")


@pytest.fixture(scope="module")
def filled(render: Render, server: Server) -> str:
    """A database as the first revision leaves it, with rows."""
    url = create_database(server)
    make_schema(render(tables=TABLES, auth="none"), url)
    execute(url, ROWS)
    return url


@pytest.fixture
def url(filled: str, server: Server) -> str:
    """One like it."""
    name = f"made_{uuid.uuid4().hex}"
    execute(server.url(), f"CREATE DATABASE {name} TEMPLATE {filled.rpartition('/')[2]}")
    return server.url(name)


def edit(project: Path, edits: dict[str, str]) -> None:
    model = project / "app/models/product.py"
    text = model.read_text()
    for old, new in edits.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    model.write_text(text)


WRITE = "revision --autogenerate --rev-id 0002 --message change"
READ = "upgrade 0001:head --sql"


def sent(told: str) -> str:
    """What PostgreSQL is sent, in one line, without settings and empty transactions."""
    text = re.sub(r"-- Running .*", "", told[told.index("BEGIN;") : told.rindex("COMMIT;") + 6])
    text = re.sub(r"UPDATE private.alembic_version SET version_num='(\w+)'[^;]*", _revision, text)
    return " ".join(text.split()).replace("BEGIN; COMMIT; ", "")


def _revision(update: re.Match[str]) -> str:
    return update[1] if update[1] == "0002" else "online"


EACH = [("18", name) for name in CHANGES] + [("15", name) for name in ON_15]


@pytest.mark.parametrize(("server", "name"), EACH, indirect=["server"], scope="module")
def test_it_is_safe_and_can_be_taken_back(name: str, project: Path, url: str, tmp_path: Path) -> None:
    change, before = CHANGES[name], read_catalog(url)
    edit(project, change.edits)
    told = alembic(project, url, WRITE, READ, "upgrade head", "check")
    assert sent(told) == " ".join(change.statements.split())
    assert "No new upgrade operations detected" in told
    found = LINT(told[told.index("SET lock_timeout") : told.rindex("COMMIT;") + 8], tmp_path)
    assert set(re.findall(r"warning: ([a-z-]+)", found)) == ({change.found} if change.found else set())
    after = read_catalog(url)
    alembic(project, url, "downgrade 0001")
    assert [line.replace(change.stays, "") if change.stays else line for line in read_catalog(url)] == before
    alembic(project, url, "upgrade head")
    assert read_catalog(url) == after
    assert query(url, "SELECT count(*) FROM app.products") == [5]


def test_a_field_that_must_have_a_value_waits_until_all_rows_have_one(project: Path, url: str) -> None:
    edit(project, added("colour: Mapped[str] = mapped_column(sa.String(20))"))
    alembic(project, url, WRITE)
    with pytest.raises(AssertionError, match='"ck_products_colour_required" of relation "products" is violated'):
        alembic(project, url, "upgrade head")
    assert query(url, "SELECT version_num FROM private.alembic_version") == ["0002"]
    execute(url, "UPDATE app.products SET colour = 'red'")
    assert "No new upgrade operations detected" in alembic(project, url, "upgrade head", "check")


def test_a_revision_that_was_interrupted_runs_again(project: Path, url: str) -> None:
    edit(project, sized("sa.Integer, unique=True"))
    execute(url, "UPDATE app.products SET size = 1")
    with pytest.raises(AssertionError, match="could not create unique index"):
        alembic(project, url, WRITE, "upgrade head")
    assert query(url, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [1]
    execute(url, "UPDATE app.products SET size = sku::int")
    assert "No new upgrade operations detected" in alembic(project, url, "upgrade head", "check")


def test_what_is_dropped_does_not_come_back(project: Path, url: str, tmp_path: Path) -> None:
    edit(project, {NAME: "\n"})
    (project / "app/models/category.py").unlink()
    edit(project, {f", {KEY}": "", 'category: Mapped["Category | None"] = relationship(lazy="raise")': ""})
    told = alembic(project, url, WRITE, READ, "upgrade head", "check")
    assert LINT(told[told.index("SET lock_timeout") : told.rindex("COMMIT;") + 8], tmp_path) == ""
    with pytest.raises(AssertionError, match=r"what was in app.categories, app.products.name does not come back"):
        alembic(project, url, "downgrade 0001")


def test_what_it_cannot_write_it_names(project: Path, url: str) -> None:
    constraint = 'ExcludeConstraint(("size", "="), name="ex_products_size", using="hash")'
    imported = "from sqlalchemy.dialects.postgresql import ExcludeConstraint\nfrom sqlalchemy.orm import Mapped"
    edit(project, {"from sqlalchemy.orm import Mapped": imported, ARGUMENTS: f"{ARGUMENTS}{constraint}, "})
    execute(url, "CREATE VIEW app.cheap AS SELECT id FROM app.products WHERE price < 2")
    alembic(project, url, WRITE, "upgrade head")
    text = next(project.glob("alembic/versions/*_change.py")).read_text()
    assert "# Not written here: constraint ex_products_size of app.products" in text
    assert "# Not written here: view app.cheap" in text
    with pytest.raises(AssertionError, match="ex_products_size"):
        alembic(project, url, "check")


def test_the_trigger_of_a_table_is_mended(project: Path, url: str) -> None:
    before = read_catalog(url)
    execute(url, "DROP TRIGGER touch_row ON app.products; ALTER TABLE app.categories DISABLE TRIGGER touch_row")
    drifted = read_catalog(url)
    alembic(project, url, WRITE, "upgrade head", "check")
    assert read_catalog(url) == before
    alembic(project, url, "downgrade 0001")
    assert read_catalog(url) == drifted


def test_a_unique_constraint_is_replaced_under_the_references_that_lean_on_it(
    project: Path, url: str, tmp_path: Path
) -> None:
    edit(project, added('parent: Mapped[str | None] = mapped_column(sa.ForeignKey("products.sku"), index=True)'))
    alembic(project, url, "revision --autogenerate --message lean", "upgrade head")
    execute(url, "UPDATE app.products SET parent = sku")
    unique = 'sa.UniqueConstraint("sku", postgresql_nulls_not_distinct=True), '
    (lean,) = query(url, "SELECT version_num FROM private.alembic_version")
    unique += 'sa.UniqueConstraint("name", "sku"), '
    edit(project, {"sa.String(32), unique=True": "sa.String(32)", ARGUMENTS: f"{ARGUMENTS}{unique}"})
    before = read_catalog(url)
    told = alembic(project, url, WRITE, READ, "upgrade head", "check")
    assert "No new upgrade operations detected" in told
    assert LINT(told[told.index("SET lock_timeout") : told.rindex("COMMIT;") + 8], tmp_path) == ""
    after = read_catalog(url)
    assert [line.split(" | ")[2] for line in after if line not in before and line.startswith("constraint")] == [
        "UNIQUE (name, sku)",
        "UNIQUE NULLS NOT DISTINCT (sku)",
    ]
    # Interrupted at its end, it begins anew.
    alembic(project, url, f"stamp {lean}", "upgrade head")
    assert read_catalog(url) == after
    alembic(project, url, "downgrade -1")
    assert [line.replace(" NOT VALID", "") for line in read_catalog(url)] == before
    alembic(project, url, "upgrade head")
    assert read_catalog(url) == after


CYCLE = """
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import Base


class Hen(Base):
    __tablename__ = "hens"

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    egg_id: Mapped[int | None] = mapped_column(sa.ForeignKey("eggs.id"), index=True)


class Egg(Base):
    __tablename__ = "eggs"

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    hen_id: Mapped[int] = mapped_column(sa.ForeignKey("hens.id"), index=True)
"""


def test_tables_that_refer_to_each_other_are_made(project: Path, url: str, tmp_path: Path) -> None:
    before = read_catalog(url)
    (project / "app/models/hen.py").write_text(CYCLE)
    told = alembic(project, url, WRITE, READ, "upgrade head", "check")
    assert "No new upgrade operations detected" in told
    assert LINT(told[told.index("SET lock_timeout") : told.rindex("COMMIT;") + 8], tmp_path) == ""
    alembic(project, url, "downgrade 0001")
    assert read_catalog(url) == before


OWNED = ["Category name:str(80)", "Product name:str(80) category:Category:null", "Event +partitioned(at) at:datetime"]


def test_the_owner_compares_references_though_rows_are_hidden_from_it(render: Render, server: Server) -> None:
    project = render(tables=OWNED)
    url = prepared_database(project, server)
    make_schema(project, url)
    keeper = hand_over(url)
    model = project / "app/models/product.py"
    model.write_text(model.read_text().replace("SET NULL (category_id)", "RESTRICT").replace('"RESTRICT"', '"CASCADE"'))
    told = alembic(project, keeper, WRITE, READ, "upgrade head", "check")
    assert "ALTER TABLE app.products VALIDATE CONSTRAINT fk_products_" in told
    forced = "SELECT count(*) FROM pg_class WHERE relforcerowsecurity AND relname IN ('products', 'categories')"
    assert query(url, forced) == [2]


def test_a_partitioned_table_makes_others_wait_and_says_so(render: Render, server: Server, tmp_path: Path) -> None:
    project = render(tables=OWNED)
    url = prepared_database(project, server)
    make_schema(project, url)
    model, line = project / "app/models/event.py", "    at: Mapped"
    new = "    place: Mapped[str | None] = mapped_column(sa.String(20), index=True)\n"
    model.write_text(model.read_text().replace(line, new + line, 1))
    before = read_catalog(url)
    told = alembic(project, hand_over(url), WRITE, READ, "upgrade head", "check")
    assert "# Those who write wait meanwhile" in next(project.glob("alembic/versions/*_change.py")).read_text()
    assert LINT(told[told.index("SET lock_timeout") : told.rindex("COMMIT;") + 8], tmp_path) == ""
    alembic(project, hand_over(url), "downgrade 0001")
    assert read_catalog(url) == before
