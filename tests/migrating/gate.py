"""Production is changed by those only who have named its database."""

import asyncio

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from pydantic import SecretStr

from app.database.engine import open_migration_connection
from app.settings import get_settings
from migrate.guards import check_steps
from tests.migrating.deployment import Deployment

EVERYTHING = "SELECT nspname || '.' || relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
EVERYTHING += " WHERE nspname !~ '^pg_' UNION ALL SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1"
CHANGING = ["migrate.command", "alembic upgrade head", "alembic upgrade +1", "alembic stamp head"]
READING = ["alembic current", "alembic history", "alembic heads", "migrate.command sql", "alembic upgrade head --sql"]
BACK = ["migrate.command down --yes", "alembic downgrade -1"]


def test_without_its_name_nothing_at_all_changes(deployment: Deployment) -> None:
    before = deployment.ask(EVERYTHING)
    name = deployment.database
    for command, confirmed in zip(CHANGING, ["", "another", name.upper(), "postgres"], strict=True):
        done = deployment.run(*command.split(), CONFIRM_MIGRATION=confirmed)
        assert done.code != 0, command
        assert f"This changes the database {name} on 127.0.0.1:" in done.said
        assert f": if that is meant, set CONFIRM_MIGRATION={name}.\n" in done.said
        assert "Traceback" not in done.said
    assert deployment.ask(EVERYTHING) == before


def test_who_reads_is_not_asked(deployment: Deployment) -> None:
    for command in READING:
        done = deployment.run(*command.split(), CONFIRM_MIGRATION="")
        assert done.code == 0, done.said
    deployment.migrate()
    assert deployment.migrate(CONFIRM_MIGRATION="").said == "Nothing to do.\n"
    if (deployment.folder / "migrate/autogenerate.py").exists():
        assert deployment.run("alembic", "check", CONFIRM_MIGRATION="").code == 0


def test_taking_back_is_asked_for_twice(deployment: Deployment) -> None:
    deployment.migrate()
    for command in BACK:
        done = deployment.run(*command.split())
        assert done.code != 0
        assert "This takes back what may hold data: if that is meant, `migrate down --in-production`.\n" in done.said
    done = deployment.migrate("down", "--yes", "--in-production", CONFIRM_MIGRATION="")
    assert "set CONFIRM_MIGRATION=" in done.said
    assert deployment.had == ["0001"]
    assert deployment.migrate("down", "--yes", "--in-production").code == 0
    assert deployment.had == []


def test_development_is_asked_too_where_the_server_is_elsewhere(deployment: Deployment) -> None:
    assert deployment.migrate(ENVIRONMENT="development", CONFIRM_MIGRATION="").code == 0
    elsewhere = SecretStr("postgresql://ada@db.example.com/shop")
    settings = get_settings().model_copy(update={"migration_database_url": elsewhere, "confirm_migration": ""})

    def check(connection: sa.Connection) -> None:
        with pytest.raises(
            CommandError, match=r"This changes the database \S+ on db.example.com:5432: if that is meant"
        ):
            check_steps([], settings, connection, told=False)

    async def connect() -> None:
        async with open_migration_connection(get_settings()) as connection:
            await connection.run_sync(check)

    assert get_settings().environment == "development"
    asyncio.run(connect())
