"""The command `doctor`: what is wrong with this project's database, and what to do about it. It changes nothing."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.database.connection import Opener, opener_of
from app.database.engine import create_migration_engine, limits_of
from app.database.errors import sqlstate
from app.database.url import parse_url
from app.settings import Settings, get_settings
from dev import checks
from dev.checks import FAIL, LOGIN_CHECKS, OK, UNKNOWN_LOGIN, WARN, Line, application_engine
from dev.probe import CANNOT_CONNECT, Probe, advice_on, reason_of, take_probe

Check = Callable[[AsyncConnection, Settings], Awaitable[Line]]

GREEN, YELLOW, RED = 32, 33, 31
COLOURS = {OK: GREEN, WARN: YELLOW, FAIL: RED}


def main() -> None:
    """Print a table, or JSON, and exit with 1 where something is red."""
    parser = argparse.ArgumentParser(prog="doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a list of check, status, found and advice")
    options = parser.parse_args()
    os.chdir(Path(__file__).resolve().parents[1])  # where `.env` is
    lines = _examine_settings()
    print(json.dumps([asdict(line) for line in lines], indent=2) if options.json else _table(lines))
    sys.exit(any(line.status is FAIL for line in lines))


def _table(lines: list[Line]) -> str:
    width = max(len(line.check) for line in lines)
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    rows = []
    for line in lines:
        status = f"\033[{COLOURS[line.status]}m{line.status:4}\033[0m" if coloured else f"{line.status:4}"
        rows.append(f"{status}  {line.check:{width}}  {line.found}")
        if line.advice:
            rows.append(" " * (width + 8) + line.advice)
    return "\n".join(rows)


def _examine_settings() -> list[Line]:
    try:
        settings = get_settings()
    except SystemExit as error:
        missing = "DATABASE_URL: Field required" in str(error)
        advice = "`uv run dev doctor` examines the development database." if missing else "Correct what it names."
        return [Line("settings", FAIL, str(error), advice)]
    return [*checks.check_settings(settings), *checks.check_tokens(settings), *asyncio.run(_examine(settings))]


async def _examine(settings: Settings) -> list[Line]:
    opener = opener_of(settings.url, settings, settings.profile, "doctor", **limits_of(settings))
    probe, reached = await _reach(opener, "DATABASE_URL")
    lines = [reached, *(await _examine_application(settings, opener, probe) if probe else [])]
    if settings.migration_database_url:
        lines += await _examine_migrations(settings, settings.migration_database_url.get_secret_value(), probe)
    return lines


async def _reach(opener: Opener, name: str) -> tuple[Probe | None, Line]:
    try:
        probe = await take_probe(opener)
    except CANNOT_CONNECT as error:
        reason = error.__cause__ or error
        found = f"no connection to {opener.url}: {reason_of(reason)}"
        advice = advice_on(reason, opener.url, name)
        if name == "DATABASE_URL" and getattr(reason, "sqlstate", None) in {"28P01", "28000"}:
            advice += UNKNOWN_LOGIN
        return None, Line("connection", FAIL, found, advice)
    return probe, checks.check_distance(probe, opener)


async def _examine_application(settings: Settings, opener: Opener, probe: Probe) -> list[Line]:
    profile = await checks.check_profile(probe, opener)
    if profile.status is FAIL:  # the rest is examined as it will be once that is mended
        settings = settings.model_copy(update={"connection_profile": probe.mode})
    asked = [checks.check_server, *LOGIN_CHECKS, checks.check_pool, checks.check_timeouts, checks.check_extensions]
    if not settings.migration_database_url:
        asked.append(checks.check_schema)
    lines = [checks.check_tls(probe, opener), profile, checks.check_clock(probe)]
    return lines + await _ask(application_engine(settings), asked, settings)


async def _examine_migrations(settings: Settings, secret: str, application: Probe | None) -> list[Line]:
    url = parse_url(secret)
    opener = opener_of(url, settings, url.profile(), "doctor")
    probe, reached = await _reach(opener, "MIGRATION_DATABASE_URL")
    lines = [reached]
    if probe:
        lines += [checks.check_tls(probe, opener), checks.check_migration_url(probe, opener, application)]
        if lines[-1].status is OK:
            asked = [checks.check_owner, checks.check_schema]
            lines += await _ask(create_migration_engine(settings), asked, settings)
    return [replace(line, check=f"migration {line.check}") for line in lines]


async def _ask(engine: AsyncEngine, asked: Sequence[Check], settings: Settings) -> list[Line]:
    try:
        return [await _ask_one(engine, check, settings) for check in asked]
    finally:
        await engine.dispose()


async def _ask_one(engine: AsyncEngine, check: Check, settings: Settings) -> Line:
    try:
        async with engine.connect() as connection:
            return await check(connection, settings)
    except (DBAPIError, OSError) as error:
        reason = error.driver_exception if isinstance(error, DBAPIError) else error.__cause__ or error
        status, advice = FAIL, "Look into the server's log."
        if isinstance(error, DBAPIError) and sqlstate(error) == "42501":
            status, advice = WARN, "Set MIGRATION_DATABASE_URL to a login that may see this."
        return Line(check.__name__.removeprefix("check_"), status, reason_of(reason), advice)


if __name__ == "__main__":
    main()
