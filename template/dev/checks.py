"""What `doctor` checks: the settings, what a probe has shown, and the database as the application sees it."""

import enum
import ssl
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.budget import read_budget
from app.database.connection import Opener
from app.database.url import DatabaseUrl, Profile, parse_url
from app.settings import Settings
from dev import schema
from dev.probe import Probe, is_refused


class Status(enum.StrEnum):
    """Green, yellow, red."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


OK, WARN, FAIL = Status


@dataclass(frozen=True)
class Line:
    """What a check has found and, unless all is well, what to do."""

    check: str
    status: Status
    found: str
    advice: str = ""


def judge(check: str, found: str, *problems: tuple[object, Status, str]) -> Line:
    """Return a line. A problem is: whether it is there, how bad it is, what to do; the first that is there counts."""
    status, advice = next(((status, advice) for there, status, advice in problems if there), (OK, ""))
    return Line(check, status, found, advice)


# --- Settings ---

GUESSED = {"your_password_here", "postgres", "password", "secret", "[your-password]"}


def check_settings(settings: Settings) -> list[Line]:
    """Look for what the start accepts but nobody should run with."""
    secrets = {"DATABASE_URL": settings.database_url, "MIGRATION_DATABASE_URL": settings.migration_database_url}
    urls = {name: parse_url(secret.get_secret_value()) for name, secret in secrets.items() if secret}
    lines = [_check_password(name, url) for name, url in urls.items() if not url.is_local]
    unsafe = settings.environment == "development" and not settings.url.is_local
    pooled = settings.profile is Profile.TRANSACTION and not settings.migration_database_url
    lines += [
        judge(
            "settings",
            f"ENVIRONMENT={settings.environment}, the database is on {settings.url}",
            (unsafe, WARN, "Set ENVIRONMENT=production where it is deployed: the start then refuses what is unsafe."),
            (pooled, WARN, "Set MIGRATION_DATABASE_URL: migrations refuse a pooler in transaction mode."),
        )
    ]
    return [line for line in lines if line.advice] or lines[-1:]


def _check_password(name: str, url: DatabaseUrl) -> Line:
    guessed = url.password and url.password.lower() in {*GUESSED, url.user.lower()}
    missing = not url.password and "sslcert" not in url.parameters
    return judge(
        "settings",
        f"the password in {name} is {'missing' if missing else 'easily guessed' if guessed else 'your own'}",
        (guessed, FAIL, "Give this login a random one."),
        (missing, WARN, "Write it there, or name a client certificate by sslcert."),
    )


# --- What a probe has shown ---

FAR, SKEWED, ADRIFT = 0.02, 1, 60  # seconds
UTC = {"UTC", "Etc/UTC", "UCT", "Etc/UCT", "GMT", "Etc/GMT"}


def check_distance(probe: Probe, opener: Opener) -> Line:
    """Judge how far away the server is."""
    return judge(
        "connection",
        f"{opener.url} in {probe.connect * 1000:.0f} ms, round trip {probe.round_trip * 1000:.1f} ms",
        (probe.round_trip > FAR, WARN, "Run the service nearer to its database: every statement waits that long."),
    )


def check_tls(probe: Probe, opener: Opener) -> Line:
    """Judge who can read along, and who can pose as the server."""
    context, local = opener.tls, opener.url.is_local
    if probe.tls and isinstance(context, ssl.SSLContext) and context.verify_mode is ssl.CERT_REQUIRED:
        return Line("TLS", OK, f"{probe.tls}, server verified{'' if context.check_hostname else ' but for its name'}")
    return judge(
        "TLS",
        f"{probe.tls or 'plain text'}, {'on this machine' if local else 'and anybody can pose as the server'}",
        (not local and not probe.tls, FAIL, "Turn TLS on at the server, and add sslmode=verify-full to the URL."),
        (not local, WARN, "Set DATABASE_CA_FILE, or sslmode=verify-full if the server's CA is a public one."),
    )


async def check_profile(probe: Probe, opener: Opener) -> Line:
    """Compare the profile, which decides on the caches, with how connections behaved."""
    taken, mode = opener.profile, probe.mode
    lost = mode is Profile.TRANSACTION and taken is not mode
    pooled = mode is Profile.SESSION and taken is Profile.DIRECT
    refused = pooled and await is_refused(opener)
    found = f"{taken}, caches {'off' if taken is Profile.TRANSACTION else 'on'}"
    return judge(
        "profile",
        f"{found}, but a pooler in {mode} mode is in between" if lost or pooled else found,
        (lost, FAIL, "Set CONNECTION_PROFILE=transaction: prepared statements and limits get lost in between."),
        (refused, FAIL, "Set CONNECTION_PROFILE=session: the pooler refuses what a direct connection brings along."),
        (pooled, WARN, "Set CONNECTION_PROFILE=session, unless its connections are as many as the server's own."),
    )


def check_clock(probe: Probe) -> Line:
    """Compare the server's clock and time zone with ours."""
    skew, advice = abs(probe.skew), "Have both machines set their clocks by NTP."
    return judge(
        "clock",
        f"{probe.skew:+.1f} s from ours, time zone {probe.zone}",
        (skew > ADRIFT, FAIL, advice),
        (skew > SKEWED, WARN, advice),
        (probe.zone not in UTC, WARN, "Set timezone = 'UTC' on the server: psql and migrations use its local time."),
    )


def check_migration_url(probe: Probe, opener: Opener, application: Probe | None) -> Line:
    """Look whether migrations get to the same database as the application, and keep their lock."""
    pooled = Profile.TRANSACTION in {opener.profile, probe.mode}
    other = application and application.database != probe.database
    return judge(
        "URL",
        "a pooler in transaction mode" if pooled else "another database" if other else "the same database",
        (pooled, FAIL, "Set MIGRATION_DATABASE_URL to the server, or to its pooler in session mode: locks get lost."),
        (other, FAIL, "Let MIGRATION_DATABASE_URL lead to the database of DATABASE_URL, with another login."),
    )


# --- The database ---

OLDEST, PATCHED = 15, {15: 14, 16: 10, 17: 6}
SERVER = "SELECT current_setting('server_version_num')::int, current_setting('transaction_read_only')::bool"
LOGIN = """
    WITH tables AS (
        SELECT oid, relowner FROM pg_class
        WHERE relnamespace = to_regnamespace('app') AND relkind IN ('r', 'p') AND NOT relispartition
    )
    SELECT rolname AS name, rolsuper AS super, rolbypassrls AS bypasses, rolcreaterole AS makes_roles,
        has_schema_privilege(to_regnamespace('app'), 'CREATE') AS creates,
        (SELECT count(*) FROM tables WHERE pg_has_role(relowner, 'MEMBER')) AS owned,
        (SELECT count(*) FROM tables WHERE NOT has_schema_privilege(to_regnamespace('app'), 'USAGE')
            OR (SELECT NOT bool_and(has_table_privilege(oid, verb))
                FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS verb)) AS closed,
        (SELECT string_agg(other.rolname, ', ' ORDER BY other.rolname) FROM pg_roles AS other
            WHERE other.rolname <> current_user AND pg_has_role(current_user, other.oid, 'MEMBER')
                AND NOT login.rolsuper AND (other.rolsuper OR other.rolbypassrls OR other.rolcreaterole
                    OR other.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'))
        ) AS can_become
    FROM pg_roles AS login WHERE rolname = current_user
"""
OWNER = """
    SELECT current_user AS name, pg_get_userbyid(nspowner) AS owner,
        coalesce(pg_has_role(nspowner, 'USAGE'), has_database_privilege(current_database(), 'CREATE')) AS may
    FROM (SELECT 1) AS always LEFT JOIN pg_namespace ON nspname = 'app'
"""
TIMEOUTS = "SELECT name, setting::float8 / 1000 AS seconds FROM pg_settings WHERE name = ANY(:names)"
EXTENSIONS = """
    SELECT extname AS name, extversion AS version, extversion <> default_version AS is_old
    FROM pg_extension JOIN pg_available_extensions ON name = extname ORDER BY extname
"""


async def check_server(connection: AsyncConnection, _: Settings) -> Line:
    """Judge its version, and whether it takes writes."""
    number, refuses = (await connection.execute(sa.text(SERVER))).one()
    major, minor = divmod(number, 10_000)
    patched = PATCHED.get(major, 0)
    return judge(
        "server",
        f"PostgreSQL {major}.{minor}{', which refuses to write' if refuses else ''}",
        (major < OLDEST, FAIL, f"Upgrade to PostgreSQL {OLDEST} or later."),
        (refuses, FAIL, "Connect to the primary (target_session_attrs=primary); some hosts also lock a full disk."),
        (minor < patched, WARN, f"Update to {major}.{patched}: rows can leak (CVE-2024-10976, CVE-2025-8713)."),
    )


async def check_login(connection: AsyncConnection, _: Settings) -> Line:
    """Judge whether the login may do what it has to, and no more."""
    login = (await connection.execute(sa.text(LOGIN))).one()
    powers = {
        "is a superuser": login.super,
        "bypasses row security": login.bypasses,
        "makes roles": login.makes_roles,
        f"can become {login.can_become}": login.can_become,
        f"owns {login.owned} tables": login.owned,
        "may create in app": login.creates,
    }
    held = [power for power, is_held in powers.items() if is_held]
    closed = f"cannot read and write {login.closed} tables of app"
    return judge(
        "login",
        f"{login.name} {closed if login.closed else ', '.join(held) or 'reads and writes rows'}",
        (login.closed, FAIL, "Grant it what README.md lists under Logins."),
        (held, WARN, "Give the service a login without these rights: README.md, under Logins, says how."),
    )


async def check_pool(connection: AsyncConnection, settings: Settings) -> Line:
    """Compare the pools with the room for them."""
    budget = await read_budget(connection, settings)
    return judge(
        "pool",
        str(budget),
        (not budget.fits, FAIL, "Lower POOL_SIZE, MAX_OVERFLOW or WORKERS, or make room on the server."),
        (budget.left is None, WARN, "Set CONNECTION_BUDGET to what the pooler has for this service."),
    )


async def check_timeouts(connection: AsyncConnection, settings: Settings) -> Line:
    """Compare the limits that the application's connections have with those that are set."""
    wanted = {
        "statement_timeout": settings.statement_timeout,
        "lock_timeout": settings.lock_timeout,
        "idle_in_transaction_session_timeout": settings.idle_in_transaction_timeout,
    }
    rows = (await connection.execute(sa.text(TIMEOUTS), {"names": list(wanted)})).all()
    lost = any(round(row.seconds, 3) != round(wanted[row.name], 3) for row in rows)
    return judge(
        "timeouts",
        ", ".join(f"{row.name} {row.seconds:g} s" for row in rows),
        (lost, FAIL, "Set CONNECTION_PROFILE to the pooler's mode: it drops what connections bring along."),
    )


async def check_extensions(connection: AsyncConnection, _: Settings) -> Line:
    """List what is installed, and what of it waits for an update."""
    rows = (await connection.execute(sa.text(EXTENSIONS))).all()
    updates = [f"ALTER EXTENSION {row.name} UPDATE" for row in rows if row.is_old]
    found = ", ".join(f"{row.name} {row.version}" for row in rows)
    return judge("extensions", found or "none", (updates, WARN, f"Run as its owner: {'; '.join(updates)}."))


async def check_schema(connection: AsyncConnection, _: Settings) -> Line:
    """Look for the schemas, and for what they have not had yet."""
    schemas = await connection.run_sync(lambda sync: sa.inspect(sync).get_schema_names())
    if missing := sorted({"app", "private"} - set(schemas)):
        return Line("schema", FAIL, f"no schema {', '.join(missing)}", f"Run `{schema.UPDATE}`.")
    try:
        pending = await connection.run_sync(schema.pending)
    except LookupError as error:
        return Line("schema", WARN, str(error), "Run the code that has it, or choose the database of this code.")
    return judge("schema", f"pending: {', '.join(pending) or 'nothing'}", (pending, FAIL, f"Run `{schema.UPDATE}`."))


async def check_owner(connection: AsyncConnection, _: Settings) -> Line:
    """Judge whether the login may change the tables."""
    login = (await connection.execute(sa.text(OWNER))).one()
    advice = f"Set MIGRATION_DATABASE_URL to the login {login.owner or 'that owns the database'}."
    return judge("login", f"{login.name} {'may' if login.may else 'may not'} change app", (not login.may, FAIL, advice))
