"""What Supabase has and a PostgreSQL of our own has not."""

import asyncio

import sqlalchemy as sa

from app import import_modules
from app.database.base import Base
from app.database.engine import create_migration_engine
from app.database.supabase import SUPABASE_SCHEMAS
from app.settings import get_settings


def stand_in() -> None:
    """Create, in the database of `DATABASE_URL`, what models refer to of Supabase's own, such as `auth.users`."""
    import_modules("app.models")
    tables = [table for table in Base.metadata.sorted_tables if table.schema in SUPABASE_SCHEMAS]
    if tables:
        asyncio.run(_create(tables))


async def _create(tables: list[sa.Table]) -> None:
    engine = create_migration_engine(get_settings())
    async with engine.begin() as connection:
        for schema in {str(table.schema) for table in tables}:
            await connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        await connection.run_sync(Base.metadata.create_all, tables)
    await engine.dispose()
