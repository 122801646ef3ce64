"""The commands of `migrate` and Alembic's own: what they do, say, and end with."""

import asyncio
import re

from tests.conftest import execute
from tests.migrating.deployment import Deployment

TABLE = "op.execute('CREATE TABLE app.things (id int PRIMARY KEY)')"
DROP = "op.drop_table('things', schema='app')"


def test_everything_that_runs_is_said_and_then_there_is_nothing_to_do(deployment: Deployment) -> None:
    deployment.add("0002", TABLE + "\n    op.execute('SELECT pg_sleep(0.2)')")
    done = deployment.migrate()
    assert done.code == 0, done.said
    assert re.search(r"^upgrade 0001 -> 0002\n  CREATE TABLE app.things .*\n", done.said, re.MULTILINE)
    assert re.search(r"^  SELECT pg_sleep\(0.2\)\n    took \d\.\d s\n  done in \d\.\d\d s\n\Z", done.said, re.MULTILINE)
    assert deployment.had == ["0002"]
    assert vars(deployment.migrate()) == {"code": 0, "said": "Nothing to do.\n"}


def test_check_names_what_is_pending_then_what_differs(deployment: Deployment) -> None:
    assert vars(deployment.migrate("check")) == {
        "code": 1,
        "said": "The database has not had 0001: run `migrate`.\n",
    }
    assert deployment.had == []
    deployment.migrate()
    done = deployment.migrate("check")
    assert vars(done) == {"code": 0, "said": "The database has every revision, and is what the models say.\n"}
    deployment.ask("CREATE TABLE app.strange ()")
    done = deployment.migrate("check")
    assert done.code == 1
    assert "app.strange" in done.said


def test_two_heads_are_named_with_the_command_that_merges_them(deployment: Deployment) -> None:
    for name in ("left", "right"):
        deployment.add(name, "pass")
    merging = "`uv run alembic merge -m merge left right`"
    for command in ("migrate.command", "migrate.command check", "migrate.command sql", "alembic upgrade heads"):
        done = deployment.run(*command.split())
        assert done.code != 0
        assert f"left and right both come last: see whether they can follow each other, then run {merging}" in done.said
    assert deployment.had == []
    assert deployment.run(*merging.strip("`").split()[2:]).code == 0
    assert deployment.migrate().code == 0


def test_a_revision_that_the_code_has_not_is_one_sentence(deployment: Deployment) -> None:
    deployment.migrate()
    deployment.ask("UPDATE private.alembic_version SET version_num = 'later'")
    for arguments in ([], ["check"], ["down", "--yes", "--in-production"]):
        done = deployment.migrate(*arguments)
        assert (done.code, done.said.count("\n")) == (1, 1)
        assert done.said.startswith(
            "The database has had revision later, which is not in alembic/versions. Run the code "
        )
    assert deployment.run("alembic", "stamp", "--purge", "0001").code == 0
    assert deployment.had == ["0001"]


def test_the_sql_for_somebody_else_needs_no_database_and_does_the_same(deployment: Deployment) -> None:
    deployment.add("0002", TABLE)
    away = {"DATABASE_URL": "", "MIGRATION_DATABASE_URL": "", "MIGRATION_LOCK_TIMEOUT": "7"}
    written = deployment.migrate("sql", **away)
    assert written.code == 0, written.said
    assert "SET lock_timeout = '7000ms'" in written.said
    assert ("CREATE ROLE" in written.said) is (deployment.folder / "app/database/row_security").exists()
    asyncio.run(execute(deployment.url, written.said))
    assert deployment.migrate().said == "Nothing to do.\n"
    rest = deployment.migrate("sql", "0001", **away).said
    assert "CREATE TABLE app.things" in rest
    assert "alembic_version (" not in rest


def test_going_down_says_what_goes_and_asks(deployment: Deployment) -> None:
    deployment.add("0002", TABLE, DROP)
    deployment.migrate()
    meant = ("down", "--in-production")
    for typed, said in (("\n", "Nothing was done."), ("", "Nobody is there to answer: `--yes` goes on without a")):
        done = deployment.migrate(*meant, typed=typed)
        assert done.code == 1
        assert done.said.startswith("This takes back\n  downgrade 0002 -> 0001\n    DROP TABLE app.things\n")
        assert said in done.said
        assert deployment.had == ["0002"]
    assert deployment.migrate(*meant, typed="yes\n").code == 0
    assert deployment.migrate(*meant, "--yes", "base").code == 0
    assert deployment.ask("SELECT to_regclass('app.things')") == [None]
    assert deployment.had == []


def test_what_is_irreversible_is_refused_before_anything_else_goes(deployment: Deployment) -> None:
    deployment.add("0002", "pass", head="irreversible = 'the old names are gone'\n")
    deployment.add("0003", TABLE, DROP, after="0002")
    deployment.migrate()
    for command in (
        ["migrate.command", "down", "-2", "--yes", "--in-production"],
        ["alembic", "downgrade", "base"],
        ["alembic", "downgrade", "0003:base", "--sql"],
    ):
        done = deployment.run(*command, ENVIRONMENT="development")
        assert done.code != 0
        assert "Revision 0002 is irreversible: the old names are gone\n" in done.said
    assert deployment.had == ["0003"]


def test_an_error_is_one_sentence_without_values_and_takes_its_revision_back(deployment: Deployment) -> None:
    for name, up, reason in (
        ("value", "op.execute('SELECT (6 * 1111)::text::uuid')", "InvalidTextRepresentationError (22P02)"),
        ("row", "op.execute('INSERT INTO app.things SELECT 6666 / n FROM unnest(ARRAY[1, 1]) n')", '"things_pkey"'),
    ):
        deployment.add("0002", TABLE)
        deployment.add("0003", "op.execute('CREATE TABLE app.others ()')\n    " + up, after="0002")
        done = deployment.migrate()
        assert done.code == 1
        last = done.said.splitlines()[-1]
        assert last.startswith("upgrade 0002 -> 0003: not done. PostgreSQL says: "), name
        assert reason in last
        assert "Statement: " in last
        assert not re.search('[("]6666', done.said)
        assert "again in" not in done.said
        assert deployment.had == ["0002"]
        assert deployment.ask("SELECT to_regclass('app.others')") == [None]


def test_without_a_database_it_says_what_to_set(deployment: Deployment) -> None:
    done = deployment.migrate(DATABASE_URL="")
    assert done.code == 1
    assert "DATABASE_URL: Field required" in done.said
    assert "`uv run dev migrate`" in done.said


SCRIPT = """
import shlex, sys
from alembic.config import main
for line in sys.argv[1:]:
    print("=== " + line, flush=True)
    main(shlex.split(line))
"""


def test_alembics_own_commands_work(deployment: Deployment) -> None:
    deployment.add("0002", TABLE, DROP)
    (deployment.folder / "commands.py").write_text(SCRIPT)
    wanted = {
        "upgrade +1": "  done in",
        "upgrade +1 ": "  CREATE TABLE app.things",
        "current": "0002 (head)",
        "heads": "0002 (head)",
        "history": "0001 -> 0002 (head)",
        "downgrade -1": "  DROP TABLE app.things",
        "stamp head": "  done in",
        "current ": "0002 (head)",
        "stamp base": "  done in",
        "stamp 0001": "  done in",
        "revision -m nothing": "Generating ",
        "heads ": "(head)",
    }
    done = deployment.run("commands", *wanted, ENVIRONMENT="development")
    assert done.code == 0, done.said
    for said, (command, words) in zip(done.said.split("=== ")[1:], wanted.items(), strict=True):
        assert said.startswith(command)
        assert words in said, said
    assert deployment.had == ["0001"]
