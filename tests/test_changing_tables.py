"""Tables change by `copier update` while there are rows: they all stay, and the application serves old and new ones."""

from pathlib import Path
from typing import Any

import pytest

from changing import by_hand
from changing.deployed import ADA, BOB, Deployed
from changing.developing import follow, type_in, update
from dev.postgres import Server
from projects import commit, git, run_suite
from updating import assert_merged, made

BOOK = "Book {} author:Author:restrict state:enum({}) pages:int:{}"
BEFORE = [
    "Author name:str(80)",
    BOOK.format("title:str(200)", "planned,printed", "min(1)") + " blurb:text:null",
]
# A table that refers to an old one and one that an old one refers to, further fields, a unique one, an index, a further
# value, another bound, a column that may be null, and one dropped.
AFTER = [
    "Author name:str(80):unique born_on:date:null",
    "Shelf/shelves place:str(20)",
    BOOK.format("title:str(200):index", "planned,printed,sold_out", "min(1):max(5000):null")
    + " language:str(2):default(en) shelf:Shelf:null",
    "Review book:Book:cascade stars:int:min(1):max(5)",
]
NAMED = "born_on uq_authors_ blurb language pages shelf_id ck_books_pages ck_books_state ix_books_"
STORED = [
    ["POST", "/authors", {"name": "Emmy"}],
    ["POST", "/books", {"title": "Rings", "author_id": "$0", "state": "printed", "pages": 300, "blurb": "Read it."}],
]
QUERIES = {"auth": "password", "row_level_security": False}
POLICIES = {"auth": "password", "row_level_security": True}
CASES = [
    *((migrations, answers) for migrations in ("autogenerate", "manual", "none") for answers in (QUERIES, POLICIES)),
    ("autogenerate", {"auth": "none"}),
    ("manual", {"database": "supabase"}),
]
SAMPLE = 'uv run dev python -c "from dev.factories import *; load_sample_data({})"'


@pytest.mark.parametrize(("migrations", "answers"), CASES, ids=map(str, CASES))
def test_rows_stay(migrations: str, answers: dict[str, Any], released: Path, place: Path, postgres_18: Server) -> None:
    project = made(released, place / "library", tables=BEFORE, migrations=migrations, **answers)
    deployed = Deployed(project, postgres_18)
    author, book = deployed.ask(ADA, STORED)
    before = deployed.rows("authors", "books")
    signed_in = (project / "app/auth").exists()
    type_in(project, SAMPLE.format("__import__('dev.users').users.sample_user()" if signed_in else ""))
    if migrations != "none":
        type_in(project, "uv run dev migrate")
        commit(project, "schema.sql")

    commands = update(project, tables=AFTER)

    assert_merged(project)
    assert git(project, "status", "--porcelain", "--", "alembic/versions") == ""
    said = follow(project, commands, by_hand.changes(project))
    assert [name for name in NAMED.split() if name not in said] == []
    assert migrations == "none" or "table app.reviews: not in the database" in said  # else it is made already
    deployed.deploy()
    assert_kept(before, deployed.rows(*before))
    assert_served(deployed, author, book)
    if (migrations, answers) in [("autogenerate", POLICIES), ("none", QUERIES)]:
        run_suite(project, postgres_18.url())


def assert_kept(before: dict[str, Any], after: dict[str, Any]) -> None:
    dropped = {"blurb"}
    for table, rows in before.items():
        assert len(after[table]) == len(rows) > 0
        for old, new in zip(rows, after[table], strict=True):
            assert old.items() - new.items() == {item for item in old.items() if item[0] in dropped}


def assert_served(deployed: Deployed, author: Any, book: Any) -> None:
    """Old rows have what is new, and take part in it; new ones can be stored."""
    requests = [
        ["POST", "/shelves", {"place": "left"}],
        ["GET", f"/books/{book['id']}", None],
        ["PATCH", f"/books/{book['id']}", {"shelf_id": "$0", "state": "sold_out", "pages": None}],
        ["POST", "/reviews", {"book_id": book["id"], "stars": 5}],
        ["POST", "/books", {"title": "Ideals", "author_id": author["id"], "state": "printed", "language": "de"}],
    ]
    shelf, old, changed, _, new = deployed.ask(ADA, requests)
    assert old == {key: value for key, value in book.items() if key != "blurb"} | {"language": "en", "shelf_id": None}
    assert (changed["version"], changed["shelf_id"], changed["state"]) == (book["version"] + 1, shelf["id"], "sold_out")
    assert (new["language"], new["pages"]) == ("de", None)
    if (deployed.project / "app/auth").exists():
        assert [page["items"] for page in deployed.ask(BOB, [["GET", "/books", None], ["GET", "/reviews", None]])] == [
            [],
            [],
        ]
