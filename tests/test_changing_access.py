"""Who may see rows is decided by `copier update` while there are rows: they all stay, each with its owner."""

from pathlib import Path
from typing import Any

import pytest

from changing import by_hand
from changing.deployed import ADA, BOB, Deployed
from changing.developing import follow, update
from dev.postgres import Server
from updating import assert_merged, made

TABLES = ["Author name:str(80)", "Book title:str(200) author:Author:restrict"]
STORED = [["POST", "/authors", {"name": "Emmy"}], ["POST", "/books", {"title": "Rings", "author_id": "$0"}]]
LISTED = [["GET", "/authors", None], ["GET", "/books?expand=author", None]]


@pytest.mark.parametrize("migrations", ["autogenerate", "manual", "none"])
def test_row_level_security_is_switched_on(migrations: str, released: Path, place: Path, postgres_18: Server) -> None:
    answers = {"tables": TABLES, "migrations": migrations, "auth": "password", "row_level_security": False}
    project = made(released, place / "library", **answers)
    deployed = Deployed(project, postgres_18)
    stored = {user: deployed.ask(user, STORED) for user in (ADA, BOB)}
    before = deployed.rows("users", "authors", "books")

    commands = update(project, row_level_security=True)

    assert_merged(project)
    follow(project, commands, by_hand.security(project))
    deployed.prepare()
    deployed.hand_over()
    deployed.deploy()
    assert deployed.rows(*before) == before
    for user, (author, book) in stored.items():
        authors, books = deployed.ask(user, LISTED)
        assert [authors["items"], books["items"]] == [[author], [book | {"author": author}]]
    assert len(before["books"]) == len(stored) == 2


BACKFILL = """
from app.models.{0} import {1}
from migrate.walk import Backfill

BACKFILL = Backfill({1}, {{"owner_id": "00000000-0000-7000-8000-0000000000ad"}}, where={1}.owner_id.is_(None))
"""


def test_people_sign_in_later(released: Path, place: Path, postgres_18: Server) -> None:
    """Whose the rows are that are there, nobody can say but the user: until then, the second revision is refused."""
    project = made(released, place / "library", tables=TABLES, auth="none")
    deployed = Deployed(project, postgres_18)
    author, book = deployed.ask("", STORED)
    before = deployed.rows("authors", "books")

    commands = update(project, auth="password", row_level_security=True)

    assert_merged(project)
    follow(project, commands, by_hand=())
    deployed.prepare()
    deployed.hand_over()
    refused = deployed.python("-m", "migrate.command", check=False)
    assert 'check constraint "ck_authors_owner_id_required" of relation "authors" is violated by some row' in refused
    assert same(deployed.rows(*before)) == same(before)
    deployed.store_users()
    (project / "migrate/backfills").mkdir()
    for name, model in {"author": "Author", "book": "Book"}.items():
        (project / f"migrate/backfills/{name}_owner.py").write_text(BACKFILL.format(name, model))
        assert deployed.python("-m", "migrate.backfill", f"{name}_owner").endswith("done, 1 rows\n")
    deployed.deploy()
    authors, books = deployed.ask(ADA, LISTED)
    assert same([authors["items"], books["items"]]) == same([[author], [book | {"author": author}]])
    assert [page["items"] for page in deployed.ask(BOB, LISTED)] == [[], []]


def same(value: Any) -> Any:
    """Leave out what getting an owner changes."""
    if isinstance(value, dict):
        return {key: same(part) for key, part in value.items() if key not in {"owner_id", "updated_at", "version"}}
    return [*map(same, value)] if isinstance(value, list) else value
