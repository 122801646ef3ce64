"""What a database or a model says about Row Level Security that the other does not: seen, written down, taken back."""

import ast
import asyncio
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from databases import alembic, execute, hand_over, query, read_catalog
from dev.postgres import Server
from first_revision import migrated_database
from projects import Render

TABLES = [
    "Label +shared name:str(40):unique",
    "Project name:str(80):unique",
    "Note title:str(80) text:text:null project:Project:null labels:Label[]",
    "Wish +shared text:str(80)",
]
SECURITY = """
WITH acl AS (
    SELECT oid, relacl AS items FROM pg_class UNION ALL SELECT attrelid, attacl FROM pg_attribute
)
SELECT concat_ws(' ', relname, relrowsecurity, relforcerowsecurity, (
    SELECT string_agg(granted::text, ' ' ORDER BY granted::text) FROM acl, aclexplode(items) AS granted
    WHERE acl.oid = pg_class.oid AND granted.grantee <> relowner
))
FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p')
UNION ALL
SELECT pg_policies::text FROM pg_policies ORDER BY 1
"""
IS_OWNER = "(owner_id = ( SELECT private.current_user_id() AS current_user_id))"
EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"

# What somebody did by hand, and what undoes it.
PLANTED = {
    "a policy is missing": (
        "DROP POLICY owner_insert ON app.projects",
        (
            "op.create_policy('projects', 'owner_insert', 'FOR INSERT TO authenticated "
            "WITH CHECK (owner_id = (SELECT private.current_user_id()))')"
        ),
    ),
    "a policy is too much": (
        "CREATE POLICY everyone ON app.projects AS RESTRICTIVE USING (name LIKE '%:x')",
        (
            "op.drop_policy('projects', 'everyone', "
            "\"AS RESTRICTIVE FOR ALL TO PUBLIC USING (((name)::text ~~ '%:x'::text))\")"
        ),
    ),
    "another condition": (
        "ALTER POLICY owner_select ON app.projects USING (true)",
        (
            "op.replace_policy('projects', 'owner_select', new='FOR SELECT TO authenticated "
            "USING (owner_id = (SELECT private.current_user_id()))', old='FOR SELECT TO authenticated USING (true)')"
        ),
    ),
    "another check": (
        "ALTER POLICY owner_update ON app.projects WITH CHECK (true)",
        (
            "op.replace_policy('projects', 'owner_update', new='FOR UPDATE TO authenticated "
            "USING (owner_id = (SELECT private.current_user_id())) WITH CHECK (owner_id = (SELECT "
            f"private.current_user_id()))', old='FOR UPDATE TO authenticated USING ({IS_OWNER}) WITH CHECK (true)')"
        ),
    ),
    "another role": (
        "ALTER POLICY owner_delete ON app.projects TO authenticated, anon",
        (
            "op.replace_policy('projects', 'owner_delete', new='FOR DELETE TO authenticated "
            "USING (owner_id = (SELECT private.current_user_id()))', "
            f"old='FOR DELETE TO anon, authenticated USING ({IS_OWNER})')"
        ),
    ),
    "another command": (
        (
            "DROP POLICY reader_select ON app.labels; "
            "CREATE POLICY reader_select ON app.labels TO authenticated USING (true)"
        ),
        (
            "op.replace_policy('labels', 'reader_select', new='FOR SELECT TO authenticated USING (true)', "
            "old='FOR ALL TO authenticated USING (true)')"
        ),
    ),
    "an association table's policy": (
        "DROP POLICY owner_delete ON app.note_labels",
        (
            "op.create_policy('note_labels', 'owner_delete', 'FOR DELETE TO authenticated "
            "USING (owner_id = (SELECT private.current_user_id()))')"
        ),
    ),
    "Row Level Security is off": (
        "ALTER TABLE app.notes DISABLE ROW LEVEL SECURITY",
        "op.enable_row_security('notes', 'ENABLE')",
    ),
    "the owner is exempt": (
        "ALTER TABLE app.labels NO FORCE ROW LEVEL SECURITY",
        "op.enable_row_security('labels', 'FORCE')",
    ),
    "both": (
        "ALTER TABLE app.users DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
        "op.enable_row_security('users')",
    ),
    "a grant is missing": (
        "REVOKE DELETE, INSERT ON app.projects FROM authenticated",
        (
            f"op.set_grants('projects', new={{'authenticated': '{EVERYTHING}'}}, "
            "old={'authenticated': 'SELECT, UPDATE'})"
        ),
    ),
    "grants beyond rows": (
        "GRANT TRIGGER, TRUNCATE, REFERENCES ON app.notes TO authenticated",
        (
            f"op.set_grants('notes', new={{'authenticated': '{EVERYTHING}'}}, "
            f"old={{'authenticated': '{EVERYTHING}, REFERENCES, TRIGGER, TRUNCATE'}})"
        ),
    ),
    "a grant to everybody": (
        "GRANT SELECT ON app.labels TO PUBLIC",
        "op.set_grants('labels', new={}, old={'PUBLIC': 'SELECT'})",
    ),
    "grants to other roles, on a column, with the right to grant": (
        "GRANT SELECT (text) ON app.wishes TO anon; GRANT UPDATE ON app.wishes TO anon WITH GRANT OPTION",
        ("op.set_grants('wishes', new={}, old={'anon': 'SELECT (text)', 'anon WITH GRANT OPTION': 'UPDATE'})"),
    ),
    "a table that never was secured": (
        (
            "DROP POLICY sign_in ON app.refresh_tokens; REVOKE ALL ON app.refresh_tokens FROM shop_sign_in; "
            "ALTER TABLE app.refresh_tokens DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"
        ),
        (
            "op.secure_table('refresh_tokens', "
            "policies={'sign_in': 'FOR ALL TO shop_sign_in USING (true) WITH CHECK (true)'}, "
            f"grants={{'shop_sign_in': '{EVERYTHING}'}})"
        ),
    ),
    "its grants of that time": (
        "GRANT SELECT ON app.refresh_tokens TO PUBLIC",
        "op.set_grants('refresh_tokens', new={}, old={'PUBLIC': 'SELECT'})",
    ),
}


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    return render(tables=TABLES)


def state(url: str) -> list[str]:
    return [*read_catalog(url, "app", "private"), *query(url, SECURITY)]


def write_revision(project: Path, url: str) -> list[str]:
    """Let Alembic write what has to be done; return its operations, without their layout."""
    alembic(project, url, "revision --autogenerate --rev-id 0002 --message drift")
    module = ast.parse(next((project / "alembic" / "versions").glob("*_drift.py")).read_text())
    upgrade = next(node for node in module.body if isinstance(node, ast.FunctionDef))
    return [ast.unparse(node) for node in upgrade.body]


@dataclass(frozen=True)
class Drift:
    """A project and its database before and after all of this was done by hand, and the revision that undoes it."""

    project: Path
    url: str
    wanted: list[str]
    planted: list[str]
    upgrade: list[str]


@pytest.fixture(scope="module")
def drifted(render: Render, server: Server) -> Drift:
    project = render(tables=TABLES)
    url = migrated_database(project, server)
    wanted = state(url)
    for statement, _ in PLANTED.values():
        execute(url, statement)
    return Drift(project, url, wanted, state(url), write_revision(project, url))


@pytest.mark.parametrize("drift", PLANTED)
def test_what_was_done_by_hand_is_seen(drift: str, drifted: Drift) -> None:
    assert PLANTED[drift][1] in drifted.upgrade


def test_nothing_else_is_seen(drifted: Drift) -> None:
    assert len(drifted.upgrade) == len(PLANTED)


def test_the_revision_leads_there_and_back(drifted: Drift) -> None:
    url = drifted.url
    told = alembic(drifted.project, url, "upgrade head", "check")
    assert "No new upgrade operations detected" in told
    assert state(url) == drifted.wanted
    alembic(drifted.project, url, "downgrade -1")
    assert state(url) == drifted.planted


def test_so_does_its_script(drifted: Drift) -> None:
    scripts = alembic(drifted.project, drifted.url, "upgrade 0001:0002 --sql", "downgrade 0002:0001 --sql")
    _, upgrade, downgrade = scripts.split("BEGIN;")
    execute(drifted.url, f"BEGIN;{upgrade}")
    assert state(drifted.url) == drifted.wanted
    execute(drifted.url, f"BEGIN;{downgrade}")
    assert state(drifted.url) == drifted.planted


def test_looking_waits_for_nobody_and_leaves_nothing(project: Path, server: Server) -> None:
    url = migrated_database(project, server)
    before = state(url)
    execute(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET lock_timeout = '1s'")

    async def check_beside_others() -> str:
        connection = await asyncpg.connect(url)
        async with connection.transaction():
            await connection.execute("LOCK TABLE app.projects, app.labels IN ROW EXCLUSIVE MODE")
            told = await asyncio.to_thread(alembic, project, url, "check")
        await connection.close()
        return told

    assert "No new upgrade operations detected" in asyncio.run(check_beside_others())
    assert state(url) == before


TABLE_BY_HAND = """
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import Base


class Diary(Base):
    __tablename__ = "diaries"
    __policies__ = ()

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid, primary_key=True)
"""
COLUMN_AND_POLICY = """    __tablename__ = "projects"

    reader_id: Mapped[uuid.UUID | None]

    from app.database.row_security import Policy, owner_policies

    __policies__ = (
        *owner_policies()[1:],
        Policy("owner_select", "SELECT", "authenticated", using="reader_id = (SELECT private.current_user_id())"),
        Policy("by_diary", "SELECT", "anon", using="id IN (SELECT d.id FROM app.diaries d)"),
    )
"""


def change_models(project: Path) -> None:
    """Remove a table, add one without policies, and change policies by what is new in the same revision."""
    (project / "app/models/wish.py").unlink()
    (project / "app/models/diary.py").write_text(TABLE_BY_HAND)
    model = project / "app/models/project.py"
    model.write_text(model.read_text().replace('    __tablename__ = "projects"\n', COLUMN_AND_POLICY))


def test_a_changed_model_is_followed_and_taken_back(render: Render, server: Server) -> None:
    project = render(tables=TABLES)
    url = migrated_database(project, server)
    before = state(url)
    change_models(project)
    upgrade = write_revision(project, url)
    assert "op.secure_table('diaries', policies={}, grants={})" in upgrade
    assert "op.set_grants('projects', new={'anon': 'SELECT'}, old={})" in upgrade
    assert "op.drop_table('wishes', schema='app')" in upgrade
    assert "No new upgrade operations detected" in alembic(project, url, "upgrade head", "check")
    # What was in the table that goes is lost, but the schema comes back for whoever takes that line out.
    revision = next((project / "alembic" / "versions").glob("*_drift.py"))
    revision.write_text(revision.read_text().replace("irreversible = ", "# "))
    alembic(project, url, "downgrade -1")
    assert state(url) == before


CHANGES_ROWS = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None


def upgrade() -> None:
    op.add_column("projects", sa.Column("label_id", sa.Uuid()), schema="app")
    op.disable_row_security("projects", "FORCE")
    op.disable_row_security("labels", "FORCE")
    op.execute("UPDATE app.projects SET label_id = (SELECT id FROM app.labels)")
    op.create_foreign_key("fk", "projects", "labels", ["label_id"], ["id"], source_schema="app", referent_schema="app")
    op.enable_row_security("labels", "FORCE")
    op.enable_row_security("projects", "FORCE")
"""
ROWS = """
    INSERT INTO app.users (id, email, password_hash) SELECT gen_random_uuid(), 'ada@example.com', 'none';
    INSERT INTO app.labels (id, name) VALUES (gen_random_uuid(), 'new');
    INSERT INTO app.projects (id, owner_id, name) SELECT gen_random_uuid(), id, 'Lamp' FROM app.users
"""


@pytest.mark.parametrize("forgotten", ["nothing", "projects"])
def test_a_revision_reaches_rows_only_while_nothing_is_forced(forgotten: str, render: Render, server: Server) -> None:
    project = render(tables=TABLES)
    url = migrated_database(project, server)
    execute(url, ROWS)
    script = CHANGES_ROWS.replace(f'    op.disable_row_security("{forgotten}", "FORCE")\n', "")
    (project / "alembic/versions/0002_rows.py").write_text(script)
    owner = hand_over(url)
    if forgotten == "nothing":
        alembic(project, owner, "upgrade head")
        assert query(url, "SELECT count(*) FROM app.projects WHERE label_id IS NOT NULL") == [1]
    else:
        # Without `SET row_security = off` the UPDATE would find no row, and nobody would be told.
        with pytest.raises(AssertionError, match="query would be affected by row-level security policy"):
            alembic(project, owner, "upgrade head")
        assert query(url, "SELECT version_num FROM private.alembic_version") == ["0001"]
