"""Revisions in a loop that runs, on a connection handed over, and by way of poolers."""

import asyncio

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.ext.asyncio import AsyncConnection

from alembic import command
from app.database.engine import create_migration_engine
from app.settings import get_settings
from tests.migrating.deployment import Deployment
from tests.poolers import PGBOUNCER, running_pooler

LIMITS = ("lock_timeout", "statement_timeout", "row_security", "idle_in_transaction_session_timeout")
SHOWN = " || ' ' || ".join(f"current_setting('{name}')" for name in LIMITS)
LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
STATE = sa.text(f"SELECT {SHOWN}, ({LOCKS})")
GIVEN = "41s"


@pytest.fixture
def config(deployment: Deployment) -> Config:
    """Alembic, with the revisions of the deployment."""
    config = Config(toml_file=deployment.folder / "pyproject.toml")
    config.attributes["report"] = lambda _: None
    return config


async def state(connection: AsyncConnection) -> list[object]:
    """What revisions might change, or leave behind."""
    found = [*(await connection.execute(STATE)).one()]
    await connection.rollback()
    return [*found, connection.dialect.default_schema_name]


async def test_in_a_loop_that_runs(deployment: Deployment, config: Config) -> None:
    command.upgrade(config, "head")
    await asyncio.to_thread(command.downgrade, config, "base")


@pytest.mark.parametrize("error", ["", 'relation "app.nothing" does not exist'])
def test_a_connection_handed_over_is_afterwards_as_it_was(deployment: Deployment, config: Config, error: str) -> None:
    deployment.add("0002", f"op.execute('SELECT FROM {'app.nothing' if error else 'pg_class'}')")

    async def hand_over() -> None:
        async with create_migration_engine(get_settings()).connect() as connection:
            for name in LIMITS:
                await connection.execute(sa.text(f"SET {name} = '{'on' if name == 'row_security' else GIVEN}'"))
            await connection.commit()
            before = await state(connection)
            await connection.run_sync(upgrade)
            assert not connection.in_transaction()
            assert await state(connection) == before

    def upgrade(connection: sa.Connection) -> None:
        config.attributes["connection"] = connection
        if error:
            with pytest.raises(CommandError, match=f"0002: not done. PostgreSQL says: {error}"):
                command.upgrade(config, "head")
        else:
            command.upgrade(config, "head")

    asyncio.run(hand_over())
    assert deployment.had == ["0001" if error else "0002"]


@pytest.mark.parametrize("kept", [True, False])
def test_within_a_transaction_everything_is_a_part_of_it(deployment: Deployment, config: Config, kept: bool) -> None:
    deployment.add("0002", "pass")

    async def hand_over() -> None:
        async with create_migration_engine(get_settings()).connect() as connection:
            before = await state(connection)
            transaction = await connection.begin()
            await connection.run_sync(upgrade)
            busy = await asyncio.to_thread(deployment.migrate, MIGRATION_WAIT="0.1")
            assert "Another migration is still running" in busy.said
            await (transaction.commit() if kept else transaction.rollback())
            assert await state(connection) == before

    def upgrade(connection: sa.Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    asyncio.run(hand_over())
    assert deployment.had == (["0002"] if kept else [])
    assert deployment.ask("SELECT to_regclass('app.categories') IS NOT NULL") == [kept]
    assert deployment.migrate().code == 0


@pytest.mark.skipif(not PGBOUNCER.exists(), reason="this machine has no PgBouncer")
@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_transaction_pooler_is_refused_and_one_in_session_mode_is_not(deployment: Deployment, mode: str) -> None:
    with running_pooler(deployment.url, mode=mode) as pooler:
        # Its port is a chance one, which gives nothing away.
        done = deployment.migrate(MIGRATION_DATABASE_URL=pooler.through(deployment.url))
        assert (done.code == 0) is (mode == "session"), done.said
        assert ("A transaction pooler can lose the lock" in done.said) is (mode == "transaction")
        assert deployment.had == (["0001"] if mode == "session" else [])
        told = {"DATABASE_URL": pooler.through(deployment.url), "CONNECTION_PROFILE": mode}
        done = deployment.migrate(MIGRATION_DATABASE_URL="", **told)
        assert ("A transaction pooler can lose the lock" in done.said) is (mode == "transaction")
