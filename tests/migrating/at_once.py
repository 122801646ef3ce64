"""Several migrators at once, and locks of others: who waits, who goes on, and what is left behind."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import pytest

from tests.migrating.deployment import SECONDS, Deployment, Running

WAITING = "Another migration is running: waiting up to "
# Held by the test for as long as the revision is to take.
GATE = "op.execute('SELECT pg_advisory_lock_shared(7)')\n    op.execute('SELECT pg_advisory_unlock_shared(7)')"
TABLE = "op.execute('CREATE TABLE app.things (id int)')\n    op.execute('INSERT INTO app.things VALUES (1)')"
INDEX = """with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS app.ix_things")
        op.execute("CREATE INDEX CONCURRENTLY ix_things ON app.things (id)")"""
MINUTE = {"MIGRATION_LOCK_TIMEOUT": "60", "MIGRATION_WAIT": "60"}
STILL = "Another migration is still running: try again when it has ended.\n"


@contextmanager
def held(deployment: Deployment, *statements: str) -> Iterator[asyncio.Runner]:
    """Send statements on a connection that stays open, in a transaction if they begin one."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(deployment.url))
        for statement in statements:
            runner.run(connection.execute(statement))
        try:
            yield runner
        finally:
            runner.run(connection.close())


def until(deployment: Deployment, query: str) -> None:
    """Wait until a query about the server's activity returns a row."""

    async def look() -> None:
        connection = await asyncpg.connect(deployment.url)
        async with asyncio.timeout(SECONDS + 3):
            while await connection.fetch(f"SELECT 1 FROM pg_stat_activity WHERE {query}") == []:  # noqa: ASYNC110, S608
                await asyncio.sleep(0.02)
        await connection.close()

    asyncio.run(look())


def test_the_second_of_two_deployments_waits_and_each_revision_runs_once(deployment: Deployment) -> None:
    deployment.add("0002", f"{GATE}\n    {TABLE}")
    deployment.add("0003", INDEX, after="0002")
    with deployment.start("migrate.command", **MINUTE) as first, held(deployment, "SELECT pg_advisory_lock(7)"):
        first.until("pg_advisory_lock_shared(7)")
        with deployment.start("alembic", "upgrade", "head", MIGRATION_LOCK_TIMEOUT="0.1") as second:
            second.until(WAITING)
            third = deployment.migrate(MIGRATION_WAIT="0.5")
            assert (third.code, third.said.splitlines()[1:]) == (1, [STILL.strip()])
            assert third.said.startswith(WAITING + "0.5 s")
            until(deployment, "query ~ 'advisory_lock_shared' AND wait_event_type = 'Lock'")
            open_gate(deployment)
            assert_well(first)
            assert_well(second)
    assert "upgrade" not in second.said
    assert deployment.ask("SELECT id FROM app.things") == [1]
    assert deployment.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'app.ix_things'::regclass") == [True]
    assert deployment.had == ["0003"]


def open_gate(deployment: Deployment) -> None:
    """Let the revision go on."""
    deployment.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE objid = 7 AND mode = 'ExclusiveLock' AND granted"
    )


def assert_well(running: Running) -> None:
    """Check that a command ends well."""
    done = running.end()
    assert done.code == 0, done.said


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_one_that_is_ended_leaves_neither_lock_nor_half_a_revision(
    deployment: Deployment, sent: signal.Signals
) -> None:
    deployment.add("0002", f"{TABLE}\n    op.execute('SELECT pg_sleep(60)')")
    with deployment.start("migrate.command", CLIENT_CHECK_INTERVAL="0.2") as first:
        first.until("pg_sleep")
        until(deployment, "wait_event = 'PgSleep'")
        first.process.send_signal(sent)
        done = first.end()
        if sent == signal.SIGINT:
            assert (done.code, done.said.splitlines()[-1]) == (
                1,
                "Stopped. What was not reported as done was not done.",
            )
        deployment.add("0002", TABLE)
        done = deployment.migrate(MIGRATION_WAIT="10")
    assert done.code == 0, done.said
    assert deployment.ask("SELECT id FROM app.things") == [1]


@pytest.mark.parametrize("up", ["op.execute('ALTER TABLE app.things ADD COLUMN other int')", INDEX])
def test_where_somebody_holds_a_lock_it_steps_back_and_tries_again(deployment: Deployment, up: str) -> None:
    deployment.add("0002", TABLE)
    deployment.migrate()
    deployment.add("0003", up, after="0002")
    patient = {"MIGRATION_LOCK_TIMEOUT": "0.1", "MIGRATION_WAIT": "0.1"}
    with deployment.start("migrate.command", **patient) as running:
        with held(deployment, "BEGIN; LOCK TABLE app.things IN SHARE UPDATE EXCLUSIVE MODE"):
            running.until("not done, as somebody else holds a lock; again in 0.1 s")
            running.until("again in 0.2 s")
            # Behind it, nobody has to wait.
            assert deployment.ask("SELECT id FROM app.things") == [1]
        assert_well(running)
    assert deployment.had == ["0003"]


def test_it_gives_up_after_some_attempts_and_nothing_has_changed(deployment: Deployment) -> None:
    deployment.add("0002", TABLE)
    deployment.migrate()
    deployment.add(
        "0003", "op.execute('CREATE TABLE app.others ()')\n    op.execute('DROP TABLE app.things')", after="0002"
    )
    with held(deployment, "BEGIN; LOCK TABLE app.things IN ACCESS SHARE MODE"):
        done = deployment.migrate(MIGRATION_LOCK_TIMEOUT="0.03")
    assert done.code == 1
    assert done.said.count("again in") == 4
    assert done.said.splitlines()[-1].startswith(
        "upgrade 0002 -> 0003: not done. 5 times somebody held a lock for longer"
    )
    assert deployment.had == ["0002"]
    assert deployment.ask("SELECT to_regclass('app.others')") == [None]


def test_concurrently_waits_longer_as_nobody_waits_behind_it(deployment: Deployment) -> None:
    deployment.add("0002", TABLE)
    deployment.migrate()
    deployment.add("0003", INDEX, after="0002")
    with deployment.start("migrate.command", MIGRATION_LOCK_TIMEOUT="0.1", MIGRATION_WAIT="60") as running:
        with held(deployment, "BEGIN", "UPDATE app.things SET id = id"):
            running.until("CREATE INDEX CONCURRENTLY")
            until(deployment, "query ~ '^CREATE INDEX' AND wait_event_type = 'Lock' AND now() > query_start + '0.5 s'")
        assert_well(running)
    assert "not done" not in running.said


def test_what_follows_concurrently_is_not_as_patient(deployment: Deployment) -> None:
    deployment.add("0002", TABLE)
    deployment.migrate()
    again = INDEX.replace("CONCURRENTLY ix", "CONCURRENTLY IF NOT EXISTS ix").replace("DROP", "SELECT 1 -- DROP")
    deployment.add("0003", f"{again}\n        op.execute('DROP TABLE IF EXISTS app.things')", after="0002")
    with held(deployment, "BEGIN; LOCK TABLE app.things IN ACCESS SHARE MODE"):
        done = deployment.migrate(MIGRATION_LOCK_TIMEOUT="0.03", MIGRATION_WAIT="60")
    assert done.said.count("again in") == 4, done.said


def test_the_statements_of_a_transaction_share_the_time_to_wait_for_locks(deployment: Deployment) -> None:
    note = "op.execute(\"INSERT INTO app.limits SELECT current_setting('lock_timeout')\")"
    deployment.add(
        "0002", f"op.execute('CREATE TABLE app.limits (its text)')\n    op.execute('SELECT pg_sleep(0.4)')\n    {note}"
    )
    assert deployment.migrate(MIGRATION_LOCK_TIMEOUT="0.5").code == 0
    (left,) = deployment.ask("SELECT its FROM app.limits")
    assert left == "100ms"


def test_a_statement_that_takes_too_long_is_ended_and_not_repeated(deployment: Deployment) -> None:
    deployment.add("0002", f"{TABLE}\n    op.execute('SELECT pg_sleep(2)')")
    done = deployment.migrate(MIGRATION_STATEMENT_TIMEOUT="0.3")
    assert done.code == 1
    assert "(57014)" in done.said.splitlines()[-1]
    assert "again in" not in done.said
    assert deployment.had == ["0001"]


def test_a_connection_that_breaks_is_one_sentence(deployment: Deployment) -> None:
    deployment.add("0002", f"{TABLE}\n    op.execute('SELECT pg_sleep(60)')")
    with deployment.start("migrate.command") as running:
        until(deployment, "wait_event = 'PgSleep'")
        deployment.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        done = running.end()
    assert done.code == 1
    assert done.said.splitlines()[-1].startswith("upgrade 0001 -> 0002: the connection broke. What of it was not ")
    assert deployment.had == ["0001"]
    assert deployment.migrate("upgrade", "0001").said == "Nothing to do.\n"
