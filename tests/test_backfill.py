"""A backfill changes each row once: killed, refused, beside writers, behind policies and a pooler, on old servers."""

import asyncio
import os
import pty
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shutil import copytree
from types import MappingProxyType
from typing import Any, Protocol

import asyncpg
import pytest

from databases import as_login, create_database, execute, hand_over, query
from dev.postgres import Server
from first_revision import migrated_database
from mutants import Mutant
from poolers import PGBOUNCER, running_pooler
from projects import MISSING, Render, inherited, python

TABLES = [
    "Item +shared name:str(80) title:str(80):null size:int:min(0)",
    "Event +shared +partitioned(at) at:datetime note:text:null",
]
LOGIN, SYSTEM = "shop_api", "shop_system"
ROWS = 2_000
INSERT = (
    "INSERT INTO app.items (id, name, size) "
    "SELECT gen_random_uuid(), 'Item ' || number, number FROM generate_series(1, $1::int) number"
)
EVENTS = (
    "INSERT INTO app.events (id, at) "
    "SELECT gen_random_uuid(), now() + number % 400 * interval '86399.999999 s' FROM generate_series(1, 999) number"
)
WAITING = "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())"
# As many rows as have been changed so many times.
CHANGES = "SELECT version - 1 || ': ' || count(*) FROM app.items GROUP BY version ORDER BY version"
IN_A_SECOND = (
    "SELECT count(*) OVER (ORDER BY updated_at RANGE BETWEEN interval '0.99 s' PRECEDING AND CURRENT ROW) "
    "FROM app.items"
)
BACKFILLS = {
    "copy_title": "Backfill(Item, {'title': Item.name}, where=Item.title.is_(None))",
    "grow": "Backfill(Item, {'size': Item.size + 1})",
    "shrink": "Backfill(Item, {'size': Item.size - 5}, where=Item.size > 0)",
    "shout": "Backfill(Item, lambda row: {'title': row['name'].upper()}, where=Item.size <= 100)",
    "overflow": "Backfill(Item, lambda row: {'title': row['name'] * row['size']}, where=Item.size.in_([1, 2, 70]))",
    "note": "Backfill(Event, {'note': 'seen'})",
    "count": "Backfill(counters, {'seen': counters.c.seen + 1})",
    "nowhere": "Backfill(lost, {'seen': 1})",
}
MODULE = """
import sqlalchemy as sa

from app.models.event import Event
from app.models.item import Item
from migrate.walk import Backfill

counters = sa.Table(
    "counters",
    sa.MetaData(schema="app"),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("number", sa.Numeric(9, 3), primary_key=True),
    sa.Column("seen", sa.Integer),
)
lost = sa.Table("lost", sa.MetaData(schema="app"), sa.Column("id", sa.Integer, primary_key=True))
BACKFILL = {}
"""


@dataclass(frozen=True)
class Place:
    """A project, and a database of its own that a login owns which is no superuser."""

    project: Path
    admin: str
    owner: str
    application: str

    @property
    def settings(self) -> dict[str, str]:
        urls = {"DATABASE_URL": self.application, "MIGRATION_DATABASE_URL": self.owner}
        return urls | {"ENVIRONMENT": "development"}

    def python(self, *arguments: str, check: bool = True, settings: Mapping[str, str] = MappingProxyType({})) -> str:
        return python(self.project, *arguments, check=check, **{**self.settings, **settings})

    def backfill(self, *arguments: str, check: bool = True, **settings: str) -> str:
        return self.python("-m", "migrate.backfill", *arguments, check=check, settings=settings)

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Run one that has seen its rows, and is killed in the end."""
        environment = inherited() | self.settings
        command = [sys.executable, "-m", "migrate.backfill", *arguments]
        with subprocess.Popen(command, cwd=self.project, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline().startswith(f"{arguments[0]}: 0 of ")
                yield process
            finally:
                process.kill()

    def query(self, statement: str, *values: Any) -> list[Any]:
        return query(self.admin, statement, *values)

    def wait_for(self, condition: str) -> None:
        deadline = time.monotonic() + 20
        while self.query(f"SELECT {condition}") != [True]:
            assert time.monotonic() < deadline, condition


class MakePlace(Protocol):
    def __call__(self, project: Path, version: str = ..., rows: int = ...) -> Place: ...


def with_backfills(project: Path) -> Path:
    (project / "migrate/backfills").mkdir()
    for name, backfill in BACKFILLS.items():
        (project / f"migrate/backfills/{name}.py").write_text(MODULE.format(backfill))
    return project


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    return with_backfills(render(tables=TABLES))


@pytest.fixture(scope="module")
def unprotected(render: Render) -> Path:
    return with_backfills(render(tables=[table.replace("+shared ", "") for table in TABLES], auth="none"))


@pytest.fixture(scope="module")
def make_place(project: Path, unprotected: Path, request: pytest.FixtureRequest) -> MakePlace:
    """Make a database as a copy of one with the schema."""
    sources: dict[tuple[bool, str], tuple[str, str]] = {}

    def make(project: Path, version: str = "18", rows: int = ROWS) -> Place:
        server: Server = request.getfixturevalue(f"postgres_{version}")
        secured = (project / "app/database/row_security").exists()
        if (secured, version) not in sources:
            url = migrated_database(project, server)
            sources[secured, version] = url.rpartition("/")[2], hand_over(url)
        source, keeper = sources[secured, version]
        admin = create_database(server, template=source)
        owner = keeper.replace(source, admin.rpartition("/")[2])
        query(admin, INSERT, rows)
        return Place(project, admin, owner, as_login(admin, LOGIN, "tests") if secured else owner)

    return make


@pytest.fixture
def place(project: Path, make_place: MakePlace) -> Place:
    return make_place(project)


@contextmanager
def locked(place: Place, table: str) -> Iterator[None]:
    """Lock the rows of a table, in a transaction of somebody else."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(place.admin))
        runner.run(connection.execute(f"BEGIN; SELECT FROM {table} FOR UPDATE"))
        try:
            yield
        finally:
            runner.run(connection.close())


# --- Killed ---


@pytest.mark.parametrize(("version", "rows"), [("18", 50_000), ("15", 10_000)])
def test_each_row_is_changed_once_however_often_it_is_killed(
    version: str, rows: int, project: Path, make_place: MakePlace, progress: Callable[[str], None]
) -> None:
    place, seen = make_place(project, version, rows=rows), []
    for _ in range(4):
        running = place.running("grow", "--batch", "250", "--rows-per-second", str(rows // 4))
        with running as process, pytest.raises(subprocess.TimeoutExpired):
            process.wait(random.uniform(0.02, 0.5))
        seen += place.query("SELECT sum(version - 1)::int FROM app.items")
    assert len({0, *seen, rows}) > 3, "it was never killed half-way"
    assert place.backfill("grow", "--rows-per-second", "1000000").endswith(f"grow: done, {rows:,} rows\n")
    assert place.query(CHANGES) == [f"1: {rows}"]
    progress(f"backfill of {rows:,} rows on {version}, killed after {', '.join(f'{count:,}' for count in seen)}")


@pytest.mark.parametrize("held", ["app.items", "private.backfills"])
def test_rows_and_the_note_of_them_are_changed_together(held: str, place: Place) -> None:
    with place.running("grow", "--batch", "100", "--rows-per-second", "500") as process:
        place.wait_for("(SELECT done FROM private.backfills) >= 100")
        with locked(place, held):
            place.wait_for(WAITING)
            process.kill()  # before it can go on
            process.wait()
    assert place.backfill("grow", "--batch", "100").endswith("grow: done, 2,000 rows\n")
    assert place.query(CHANGES) == ["1: 2000"]


# --- Limits ---


def test_no_more_rows_a_second_are_changed_than_it_is_told(place: Place) -> None:
    place.backfill("copy_title", "--rows-per-second", "800", "--batch", "100")
    assert max(place.query(IN_A_SECOND)) <= 900


def test_writers_wait_for_a_batch_at_most_and_lose_nothing(place: Place, progress: Callable[[str], None]) -> None:
    ids = place.query("SELECT id FROM app.items ORDER BY id")
    with place.running("copy_title", "--batch", "500", "--rows-per-second", "1000") as process:
        waits = asyncio.run(write_until_its_end(place, process, ids))
    assert place.query("SELECT sum(size) - $1 FROM app.items", ROWS * (ROWS + 1) // 2) == [len(waits) * 3]
    assert place.query("SELECT sum(version - 1) - count(title) FROM app.items") == [len(waits) * 3]
    assert place.query("SELECT count(title) FROM app.items") == [ROWS]
    assert max(waits) < 1
    progress(f"beside a backfill, {len(waits):,} transactions of writers took {max(waits):.3f} s at most")


async def write_until_its_end(place: Place, process: subprocess.Popen[str], ids: list[Any]) -> list[float]:
    """Change rows in any order, by writers that are not in each other's way; return how long each transaction took."""
    waits: list[float] = []

    async def write(some: list[Any]) -> None:
        connection = await asyncpg.connect(place.admin)
        while process.poll() is None:
            started = time.monotonic()
            async with connection.transaction():
                for row in random.sample(some, 3):
                    await connection.execute("UPDATE app.items SET size = size + 1 WHERE id = $1", row)
            waits.append(time.monotonic() - started)
        await connection.close()

    await asyncio.gather(*(write(ids[start::3]) for start in range(3)))
    return waits


def test_rows_that_stay_locked_are_waited_for(place: Place) -> None:
    with place.running("copy_title") as process:
        assert process.stdout is not None
        with locked(place, "app.items"):
            for _ in range(2):  # in between, it lets others pass
                place.wait_for(WAITING)
                place.wait_for(f"NOT {WAITING}")
        assert process.stdout.read() == "copy_title: done, 2,000 rows\n"


def test_two_at_once_are_one_too_many(place: Place) -> None:
    with place.running("copy_title", "--rows-per-second", "500"):
        assert place.backfill("copy_title", check=False) == "copy_title is running already.\n"
        assert place.backfill("shout").endswith("shout: done, 100 rows\n")


def test_the_first_two_make_one_table_for_their_notes(place: Place) -> None:
    with ThreadPoolExecutor() as pool:
        told = list(pool.map(place.backfill, ("copy_title", "grow")))  # neither changes what the other looks for
    assert [lines.splitlines()[-1] for lines in told] == ["copy_title: done, 2,000 rows", "grow: done, 2,000 rows"]


# --- What it works on ---


@pytest.fixture(params=["protected", "unprotected"])
def either(request: pytest.FixtureRequest, project: Path, unprotected: Path, make_place: MakePlace) -> Place:
    """With Row Level Security, and without it."""
    return make_place(project if request.param == "protected" else unprotected)


def test_rows_of_a_partitioned_table(either: Place) -> None:
    either.query(EVENTS)
    either.python("-m", "app.database.partitions")
    assert either.backfill("note", "--batch", "70").endswith("note: done, 999 rows\n")
    assert either.query("SELECT DISTINCT note || version FROM app.events") == ["seen2"]


def test_rows_of_a_table_without_a_model(either: Place) -> None:
    either.query("CREATE TABLE app.counters (kind text, number numeric(9, 3), seen int, PRIMARY KEY (kind, number))")
    either.query("INSERT INTO app.counters SELECT 'it''s, ' || n % 3, n / 8.0, 0 FROM generate_series(-500, 499) n")
    either.query(f"GRANT ALL ON app.counters TO keeper, {SYSTEM if either.owner != either.application else 'keeper'}")
    assert either.backfill("count", "--batch", "9").endswith("count: done, 1,000 rows\n")
    assert either.query("SELECT DISTINCT seen FROM app.counters") == [1]


def test_values_that_a_function_makes_of_a_row(either: Place) -> None:
    assert either.backfill("shout", "--batch", "700").endswith("shout: done, 100 rows\n")
    assert either.query("SELECT count(*) FROM app.items WHERE title = upper(name) AND version = 2") == [100]


def test_only_the_rows_that_are_meant(either: Place) -> None:
    either.query("UPDATE app.items SET title = 'kept' WHERE size <= 500")
    assert either.backfill("copy_title").endswith("copy_title: done, 1,500 rows\n")
    assert either.query("SELECT count(*) FROM app.items WHERE title = 'kept'") == [500]


def test_it_is_done_once(place: Place) -> None:
    place.backfill("grow")
    assert re.fullmatch(r"grow was finished on [-\d]+ at \d\d:\d\d UTC: it is done once\.\n", place.backfill("grow"))
    assert place.query(CHANGES) == ["1: 2000"]


def test_no_row_is_an_error_unless_that_is_told(place: Place) -> None:
    place.query("DELETE FROM app.items")
    told = "copy_title finds no row of app.items: --allow-none if that is right.\n"
    assert place.backfill("copy_title", check=False).endswith(told)
    assert place.backfill("copy_title", "--allow-none").endswith("copy_title: done, 0 rows\n")


@pytest.mark.skipif(not PGBOUNCER.exists(), reason=f"{MISSING}PgBouncer in {PGBOUNCER}")
def test_by_way_of_a_transaction_pooler(project: Path, make_place: MakePlace) -> None:
    place = make_place(project, "15")
    with running_pooler(place.application) as pooler:
        pooled = replace(place, application=pooler.through(place.application))
        told = pooled.backfill("grow", "--batch", "100", CONNECTION_PROFILE="transaction")
        assert told.endswith("grow: done, 2,000 rows\n")
    assert place.query(CHANGES) == ["1: 2000"]


# --- Refused ---


def test_a_row_that_is_refused_is_named_without_its_values(place: Place) -> None:
    told = place.backfill("shrink", check=False).splitlines()[-1]
    broken = place.query("SELECT id FROM app.items WHERE version = 1 AND size < 5 ORDER BY id LIMIT 1")[0]
    assert told == (
        f'shrink stopped at id = {broken}: new row for relation "items" violates check constraint "ck_items_size".'
    )
    before = place.query("SELECT count(*) FROM app.items WHERE version = 2 AND id < $1", broken)
    assert before == place.query("SELECT count(*) FROM app.items WHERE id < $1", broken)
    assert before == place.query("SELECT done FROM private.backfills")
    place.query("UPDATE app.items SET size = 5, version = 0 WHERE size < 5 AND version = 1")
    assert place.backfill("shrink").splitlines()[-1].startswith("shrink: done, ")
    assert place.query("SELECT count(*) FROM app.items WHERE size < 0") == [0]


def test_a_value_that_is_refused_is_not_told(place: Place) -> None:
    told = place.backfill("overflow", check=False).splitlines()[-1]
    (broken,) = place.query("SELECT id FROM app.items WHERE size = 70")
    assert told == f"overflow stopped at id = {broken}: StringDataRightTruncationError."


def test_rows_that_a_trigger_leaves_out_stop_it(place: Place) -> None:
    leave_out(place)
    told = place.backfill("copy_title", check=False).splitlines()[-1]
    assert told == "copy_title stopped: a trigger or a rule left out 1 of its rows."


def leave_out(place: Place) -> None:
    place.query(
        "CREATE FUNCTION app.leave_out() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.size = 777 THEN RETURN NULL; END IF; RETURN NEW; END $$"
    )
    place.query("CREATE TRIGGER leave_out BEFORE UPDATE ON app.items FOR EACH ROW EXECUTE FUNCTION app.leave_out()")


HIDDEN = {
    "some": "ALTER POLICY system ON app.items USING (size < 1000) WITH CHECK (true)",
    "none with a reason": "CREATE POLICY fewer ON app.items AS RESTRICTIVE TO shop_system USING (size < 1000)",
    "all": "DROP POLICY system ON app.items",
    "to be changed": (
        "DROP POLICY system ON app.items; CREATE POLICY system ON app.items FOR SELECT TO shop_system USING (true)"
    ),
}


@pytest.mark.parametrize("hidden", HIDDEN)
def test_rows_that_a_policy_hides_stop_it(hidden: str, place: Place) -> None:
    execute(place.admin, HIDDEN[hidden])
    told = place.backfill("copy_title", check=False)
    assert told == "Policies can hide rows of app.items from shop_system: let one be FOR ALL USING (true).\n"
    assert place.query(CHANGES) == ["0: 2000"]


def test_a_database_that_is_not_here_has_to_be_confirmed(place: Place) -> None:
    backfill = partial(place.backfill, "grow", ENVIRONMENT="production", TOKEN_SECRET="x" * 32)
    name = place.admin.rpartition("/")[2]
    assert f"set CONFIRM_MIGRATION={name}." in backfill(check=False)
    assert place.query(CHANGES) == ["0: 2000"]
    assert backfill(CONFIRM_MIGRATION=name).endswith("grow: done, 2,000 rows\n")


WRONG = {
    "no name": (["nothing"], r"There is no migrate/backfills/nothing\.py; there is copy_title, count, .*"),
    "nothing in it": (["empty"], r"migrate/backfills/empty\.py says no BACKFILL = Backfill\(…\)\."),
    "no table": (["nowhere"], r'nowhere stopped: relation "app\.lost" does not exist\.'),
    "no rows": (["grow", "--batch", "0"], r"usage: [\s\S]*'0' is no number of rows, as in 500"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_one_sentence(wrong: str, place: Place) -> None:
    arguments, words = WRONG[wrong]
    (place.project / "migrate/backfills/empty.py").touch()
    assert re.fullmatch(words, place.backfill(*arguments, check=False).strip())


def test_before_the_first_backfill_its_folder_is_not_there(render: Render) -> None:
    said = python(render(tables=TABLES), "-m", "migrate.backfill", "grow", check=False)
    assert said == "There is no migrate/backfills/grow.py; there is none at all.\n"


def test_a_connection_that_is_lost_is_one_sentence(place: Place) -> None:
    with place.running("grow", "--rows-per-second", "500") as process, locked(place, "app.items"):
        place.wait_for(WAITING)
        its_own = "FROM pg_stat_activity WHERE application_name LIKE '%app' AND datname = current_database()"
        assert place.query(f"SELECT pg_terminate_backend(pid) {its_own}") == [True]
        assert process.wait(20) == 1
    assert place.backfill("grow").endswith("grow: done, 2,000 rows\n")
    assert place.query(CHANGES) == ["1: 2000"]


# --- What it shows ---


def test_a_terminal_shows_a_bar(place: Place) -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "migrate.backfill", "grow", "--batch", "100"]
    environment = {**os.environ, **place.settings, "COLUMNS": "100", "TERM": "xterm"}
    with subprocess.Popen(command, cwd=place.project, env=environment, stdout=follower) as process:
        os.close(follower)
        shown = b""
        while process.poll() is None:
            shown += read(leader)
        shown += read(leader)
    os.close(leader)
    assert b"]1000/2000" in shown.replace(b" ", b"")
    assert shown.decode().splitlines()[-1] == "grow: done, 2,000 rows"


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 100_000)
    except OSError:  # its other end is closed
        return b""


def test_elsewhere_there_are_lines(place: Place) -> None:
    assert place.backfill("grow") == "grow: 0 of 2,000 rows\ngrow: done, 2,000 rows\n"
    often = "from migrate import backfill; backfill.SAID_EVERY = 0; backfill.main(['copy_title'])"
    told = place.python("-c", often)
    assert told.splitlines()[1:3] == [f"copy_title: {done} of 2,000 rows" for done in ("1,000", "2,000")]


def test_a_project_without_revisions_has_none(render: Render) -> None:
    assert not (render(migrations="none") / "migrate").exists()


# --- Mistakes ---

COMMAND, ERRORS, WALK = "migrate/backfill.py", "app/database/errors.py", "migrate/walk.py"
UNLOCKED = (WALK, "lock=True", "lock=False")
NOTE = "sa.update(progress).where(progress.c.name == self.name).values(note)"
CHANGE = "return await in_transaction(self.sessions, self._change)"
CHECK = "if (changed := await self.backfill.change_rows(session, rows)) != len(rows):"
THEN_NOTE = (
    "if changed := await in_transaction(self.sessions, self._change):\n"
    "                await in_transaction(self.sessions, lambda session: session.execute(self.note))\n"
    "            return changed"
)
NOTE_FIRST = (
    'note = {"position": self.backfill.position_of(rows[-1]), "done": progress.c.done + len(rows)}\n'
    f"        await in_transaction(self.sessions, lambda other: other.execute({NOTE}))\n"
    f"        {CHECK}"
)
SESSIONS = "sessions = opened.of(SYSTEM)"
TOGETHER = test_rows_and_the_note_of_them_are_changed_together

# What is changed, in which file, to what; and what has to fail then.
MISTAKES: dict[str, tuple[list[tuple[str, str, str]], Callable[[Place], None]]] = {
    "notes what it has committed": (
        [
            UNLOCKED,
            (WALK, f"await session.execute({NOTE})", f"self.note = {NOTE}"),
            (
                WALK,
                CHANGE,
                THEN_NOTE,
            ),
        ],
        partial(TOGETHER, "private.backfills"),
    ),
    "notes what it will do": (
        [
            UNLOCKED,
            (WALK, ".limit(self.size).with_for_update(key_share=True)", ".limit(self.size)"),
            (WALK, f"await session.execute({NOTE})", "pass"),
            (
                WALK,
                CHECK,
                NOTE_FIRST,
            ),
        ],
        partial(TOGETHER, "app.items"),
    ),
    "takes what it locks for what it changes": (
        [
            (
                WALK,
                "await self.backfill.change_rows(session, rows)) != len(rows)",
                "len(rows)) == await self.backfill.change_rows(session, rows) == -1",
            )
        ],
        test_rows_that_a_trigger_leaves_out_stop_it,
    ),
    "is nobody": (
        [
            (COMMAND, SESSIONS, "sessions = opened.of(ANONYMOUS)"),
            (COMMAND, "import SYSTEM", "import ANONYMOUS, SYSTEM"),
        ],
        test_it_is_done_once,
    ),
    "is the owner": (
        [
            (
                COMMAND,
                "open_sessions(settings) as",
                'open_sessions(settings.model_copy(update={"database_url": settings.migration_database_url})) as',
            ),
            (COMMAND, SESSIONS, "sessions = opened.of(AS_LOGIN)"),
            (COMMAND, "import SYSTEM", "import AS_LOGIN, SYSTEM"),
        ],
        test_it_is_done_once,
    ),
    "does not ask for policies": (
        [(COMMAND, "is False:", "is None:")],
        partial(test_rows_that_a_policy_hides_stop_it, "some"),
    ),
    "runs twice": (
        [(COMMAND, "if not owner.scalar(", "if owner.scalar is None and (")],
        test_two_at_once_are_one_too_many,
    ),
    "makes no pause": (
        [(WALK, "changed / self.rate - took", "0")],
        test_no_more_rows_a_second_are_changed_than_it_is_told,
    ),
    "waits for locks": ([(WALK, "PATIENCE = 500", "PATIENCE = 60_000")], test_rows_that_stay_locked_are_waited_for),
    "tells values": ([(ERRORS, 'sqlstate(error)[:2] == "22"', "False")], test_a_value_that_is_refused_is_not_told),
    "is content with nothing": (
        [(WALK, "if not done and not allow_none:", "if False:")],
        test_no_row_is_an_error_unless_that_is_told,
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_noticed(mistake: str, place: Place, tmp_path: Path) -> None:
    changes, notice = MISTAKES[mistake]
    copy = copytree(place.project, tmp_path / "copy")
    for change in changes:
        Mutant(mistake, *change, noticed_by="").apply(copy)
    with pytest.raises(AssertionError, match=r"^(?!.*has this)"):
        notice(replace(place, project=copy))
