"""The command `create-schema`: makes the tables that are missing, and never alters or drops one."""

import asyncio

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app import import_modules
from app.database.base import CREATE_TOUCH, Base, touch_trigger
from app.database.url import parse_url
from app.settings import get_settings

SCHEMAS = ("app", "private")


async def create_schema() -> list[str]:
    """Create what the database has not, as the login that owns the tables; return the names of the new tables."""
    import_modules("app.models")
    settings = get_settings()
    url = settings.migration_database_url or settings.database_url
    engine = create_async_engine(parse_url(url.get_secret_value()), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(_create)
    finally:
        await engine.dispose()


def _create(connection: sa.Connection) -> list[str]:
    # Two deployments at once: the second one waits and finds nothing left to do.
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('create-schema'))"))
    for schema in set(SCHEMAS) - set(sa.inspect(connection).get_schema_names()):
        connection.execute(sa.schema.CreateSchema(schema))
    before = set(sa.inspect(connection).get_table_names("app"))
    Base.metadata.create_all(connection)
    connection.execute(sa.text(CREATE_TOUCH))
    new = [table for table in Base.metadata.sorted_tables if table.name not in before]
    for table in new:
        if "updated_at" in table.columns:
            connection.execute(sa.text(touch_trigger(table.name)))
    return [table.name for table in new]


def main() -> None:
    """Run from the command line."""
    new = asyncio.run(create_schema())
    print(f"Created {', '.join(new)}." if new else "Every table is there already.")


if __name__ == "__main__":
    main()
