"""What Supabase has and a PostgreSQL of our own has not: users, and the functions that policies call."""

import asyncio
from collections.abc import Iterator

import sqlalchemy as sa

from app import import_modules
from app.database.base import Base
from app.database.engine import create_migration_engine
from app.database.supabase import SUPABASE_SCHEMAS
from app.database.url import parse_url
from app.settings import get_settings

WHOSE = "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'auth'"

# As on Supabase: the setting for one claim comes first, and one that an earlier transaction had reads as ''.
CLAIMS = "coalesce(nullif(current_setting('request.jwt.claim', true), ''), {claims})::jsonb"
CLAIM = "coalesce(nullif(current_setting('request.jwt.claim.{name}', true), ''), {claims}::jsonb ->> '{name}')::{type}"

ROLES = """
    DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$
"""
USERS = """
    CREATE TABLE IF NOT EXISTS auth.users (
        id uuid PRIMARY KEY,
        instance_id uuid,
        aud varchar(255),
        role varchar(255),
        email varchar(255),
        phone text UNIQUE,
        raw_app_meta_data jsonb,
        raw_user_meta_data jsonb,
        email_confirmed_at timestamptz,
        phone_confirmed_at timestamptz,
        confirmed_at timestamptz GENERATED ALWAYS AS (least(email_confirmed_at, phone_confirmed_at)) STORED,
        last_sign_in_at timestamptz,
        banned_until timestamptz,
        is_sso_user boolean NOT NULL DEFAULT false,
        is_anonymous boolean NOT NULL DEFAULT false,
        created_at timestamptz,
        updated_at timestamptz,
        deleted_at timestamptz
    )
"""
EMAIL = "CREATE UNIQUE INDEX IF NOT EXISTS users_email_partial_key ON auth.users (email) WHERE NOT is_sso_user"


def stand_in() -> None:
    """Create, in a database of our own, what Supabase has. SystemExit where it is a Supabase project's."""
    import_modules("app.models")
    settings = get_settings()
    urls = [secret for secret in (settings.database_url, settings.migration_database_url) if secret]
    if any(parse_url(url.get_secret_value()).is_supabase for url in urls):
        raise SystemExit("The database is Supabase's: it has everything, and nothing there may be made up.")
    asyncio.run(_create())


async def _create() -> None:
    # Others that models refer to, such as `storage.objects`.
    tables = [table for table in Base.metadata.sorted_tables if table.schema in SUPABASE_SCHEMAS]
    engine = create_migration_engine(get_settings())
    async with engine.begin() as connection:
        owner = await connection.scalar(sa.text(WHOSE))
        if owner and owner.startswith("supabase"):
            raise SystemExit(f"The schema auth belongs to {owner}: this is a Supabase, where nothing may be made up.")
        for schema in {"auth", *(str(table.schema) for table in tables)}:
            await connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        for statement in statements():
            await connection.exec_driver_sql(statement)
        await connection.run_sync(Base.metadata.create_all, tables)
    await engine.dispose()


def statements() -> Iterator[str]:
    """Yield what makes the schema `auth`; all of it can be there already."""
    yield from (ROLES.format(role=role) for role in ("anon", "authenticated"))
    yield "GRANT USAGE ON SCHEMA auth TO anon, authenticated"
    yield USERS
    yield EMAIL
    yield "ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY"
    claims = "nullif(current_setting('request.jwt.claims', true), '')"
    functions = {"jwt": ("jsonb", CLAIMS.format(claims=claims))}
    for function, name, kind in (("uid", "sub", "uuid"), ("role", "role", "text"), ("email", "email", "text")):
        functions[function] = kind, CLAIM.format(name=name, type=kind, claims=claims)
    for function, (kind, body) in functions.items():
        yield f"CREATE OR REPLACE FUNCTION auth.{function}() RETURNS {kind} LANGUAGE sql STABLE AS $$ SELECT {body} $$"
