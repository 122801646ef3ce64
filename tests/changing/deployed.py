"""A project in production: a database with rows, a login that owns the tables, and one of the application."""

import json
from pathlib import Path
from typing import Any

from changing.developing import also_lossy
from databases import as_login, create_database, execute, hand_over, query
from dev.binaries import find_binaries
from dev.postgres import Server
from first_revision import make_schema, prepare
from projects import ROOT, python, run

ASK = (ROOT / "tests/changing/ask.py").read_text()
USERS = "from tests.support import STORE_USERS; print(STORE_USERS)"
ADA, BOB = "ada@example.com", "bob@example.com"
ROWS = "SELECT coalesce(json_agg(t), '[]')::text FROM (SELECT * FROM app.{} ORDER BY id) t"


class Deployed:
    """The database of a project, made and filled as that says."""

    def __init__(self, project: Path, server: Server) -> None:
        self.project, self.superuser = project, create_database(server)
        self.prepare()
        make_schema(project, self.superuser)
        self.hand_over()
        if (project / "app/auth").exists():
            self.store_users()

    def prepare(self) -> None:
        """Do what an operator does before the first deployment, and when Row Level Security is switched on."""
        prepare(self.project, self.superuser)

    def hand_over(self) -> None:
        """Let a login own everything that is no superuser, and is bound by FORCE as everybody is."""
        on_supabase = (self.project / "app/database/supabase.py").exists()  # whose own login may do more
        self.owner = self.login = self.superuser if on_supabase else hand_over(self.superuser)
        if (self.project / "app/database/row_security").exists():
            self.login = as_login(self.superuser, "library_api", "tests")

    def store_users(self) -> None:
        execute(self.superuser, self.python("-c", USERS))

    def python(self, *arguments: str, check: bool = True) -> str:
        urls = {"DATABASE_URL": self.login, "MIGRATION_DATABASE_URL": self.owner}
        return python(self.project, *arguments, check=check, ENVIRONMENT="development", **urls)

    def ask(self, user: str, requests: list[Any]) -> list[Any]:
        """Return what the application answers."""
        answers: list[Any] = json.loads(self.python("-c", ASK, user, json.dumps(requests)).splitlines()[-1])
        return answers

    def rows(self, *tables: str) -> dict[str, Any]:
        """Return every row, whoever owns it."""
        return {table: json.loads(query(self.superuser, ROWS.format(table))[0]) for table in tables}

    def deploy(self) -> None:
        """Change the schema as its operator does, after which it is what the models say."""
        if (self.project / "alembic").exists():
            self.python("-m", "migrate.command")
            self.python("-m", "migrate.command", "check")
        else:
            left = also_lossy(self.python("-m", "app.database.create_schema", check=False))
            (self.project.parent / "left.sql").write_text(left)
            psql = find_binaries().folder / "psql"
            run(self.project, psql, self.owner, "-v", "ON_ERROR_STOP=1", "-f", self.project.parent / "left.sql")
            self.python("-m", "app.database.create_schema", "--check")
