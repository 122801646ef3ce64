"""What bare connections show: how far the server is, what is in between, and, where there is none, what to do."""

import errno
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from app.database.connection import Opener
from app.database.errors import DatabaseUnavailableError
from app.database.url import DatabaseUrl, Profile

PROCESS = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
SAMPLE = """
    SELECT extract(epoch FROM clock_timestamp())::float8 AS clock, current_setting('TimeZone') AS zone,
        (SELECT oid FROM pg_database WHERE datname = current_database()) AS database,
        extract(epoch FROM pg_postmaster_start_time())::float8 AS started
"""


@dataclass(frozen=True)
class Probe:
    """What two connections have shown; times are in seconds, `tls` is empty for plain text."""

    connect: float
    round_trip: float
    skew: float
    zone: str
    tls: str
    database: tuple[int, float]
    mode: Profile


async def take_probe(opener: Opener) -> Probe:
    """Connect twice at once, and see whether each connection has a process of the server to itself."""
    began = time.perf_counter()
    async with _bare(opener) as one:
        connect = time.perf_counter() - began
        async with _bare(opener) as other:
            mode = await _mode(one, other)
        round_trip = min([await _time_round_trip(one) for _ in range(3)])
        sent = time.time()
        sample = await one.fetchrow(SAMPLE)
        skew = sample["clock"] - (sent + time.time()) / 2
        # By the driver: behind a pooler, pg_stat_ssl is about the pooler's own connection.
        tls = one._transport.get_extra_info("ssl_object")  # noqa: SLF001
    database = sample["database"], sample["started"]
    return Probe(connect, round_trip, skew, sample["zone"], tls.version() if tls else "", database, mode)


@asynccontextmanager
async def _bare(opener: Opener) -> AsyncIterator[asyncpg.Connection]:
    # Brings along what no pooler refuses, and leaves nothing behind for a pooler's next client.
    bare = replace(opener, profile=Profile.TRANSACTION)
    connection = await bare.open(statement_cache_size=0, command_timeout=opener.timeout)
    try:
        yield connection
    finally:
        await connection.close(timeout=opener.timeout)


async def _mode(one: asyncpg.Connection, other: asyncpg.Connection) -> Profile:
    seen: dict[asyncpg.Connection, set[Any]] = {one: set(), other: set()}
    # In turns, and twice each: others may use the pooler meanwhile, or it may take its own connections in turns.
    for connection in (one, one, other, other) * 3:
        seen[connection].add(tuple(await connection.fetchrow(PROCESS)))
    if len(seen[one]) > 1 or seen[one] & seen[other]:
        return Profile.TRANSACTION
    # A pooler tells its clients process numbers of its own making.
    return Profile.DIRECT if one.get_server_pid() in {pid for pid, _ in seen[one]} else Profile.SESSION


async def _time_round_trip(connection: asyncpg.Connection) -> float:
    began = time.perf_counter()
    await connection.execute("SELECT 1")
    return time.perf_counter() - began


async def is_refused(opener: Opener) -> bool:
    """Whether a pooler refuses what this profile brings along."""
    try:
        connection = await opener.open()
    except DatabaseUnavailableError:
        return True
    await connection.close()
    return False


# --- Failures ---

CANNOT_CONNECT = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)

FULL = "Every connection is taken: end idle ones, raise the limit, or lower POOL_SIZE, MAX_OVERFLOW or WORKERS."
WRONG_LOGIN = "Correct user and password in {name}, where / ? # @ : % of a password are percent-encoded."
SUPABASE_USER = "Copy {name} anew: a user of Supabase's pooler reads role.project-ref, and its host names the region."
SUPABASE_DIRECT = (
    "Supabase's direct host has IPv6 only: from an IPv4 network take the session pooler's string into {name}, or book "
    "the IPv4 add-on; a mistyped project reference or a paused project looks the same."
)

SORTS: dict[str | type[BaseException], str] = {
    "Tenant or user not found": SUPABASE_USER,
    "ENOTFOUND": SUPABASE_USER,
    "too many authentication failures": "Stop what sends a wrong password, and wait for some minutes.",
    "max clients reached": FULL,
    "no more connections allowed": FULL,
    "startup parameter": "Take options out of {name}: a pooler is in between, which does not keep them.",
    "28P01": WRONG_LOGIN,
    "28000": "Let this user in at the server: LOGIN, and pg_hba.conf, which may ask for TLS (sslmode=verify-full).",
    "authentication failed": WRONG_LOGIN,
    "42501": "GRANT CONNECT ON DATABASE to this user.",
    "53300": FULL,
    "57P03": "Try again in a moment, or look into the server's log: it is starting, stopping or restoring.",
    'database "': "Create this database, or correct its name in {name}.",
    "08P01": "Look into the pooler's log: it does not reach its server, or has no connection left.",
    "certificate has expired": "Renew the certificate on the server.",
    "certificate is not yet valid": "Set the clock that is wrong, here or at the server.",
    "mismatch, certificate": "Take the name that the certificate is for into {name}: it is not for this host.",
    ssl.SSLCertVerificationError: "Set DATABASE_CA_FILE to the CA that signed the certificate: none trusted here has.",
    ssl.SSLError: "Check sslcert and sslkey in {name}, and the server's log: the two do not agree on TLS.",
    "rejected SSL upgrade": "Turn TLS on at the server (ssl = on): it has none.",
    f"[Errno {errno.ECONNREFUSED}]": "Start the server, or correct host and port in {name}: nothing listens there.",
    FileNotFoundError: "Start the server, or correct the folder in {name}: its socket is not there.",
    socket.gaierror: "Correct the host in {name}, or check the network's DNS: it has no such name.",
    asyncpg.TargetServerAttributeNotMatched: "Correct target_session_attrs in {name}: no host is what it asks for.",
    TimeoutError: "Check host and port in {name} and every firewall in between: nothing answers.",
    ConnectionError: "Check the port in {name}, and the server's log: what answers there hangs up.",
    OSError: "Check the network and the host in {name}: no way leads there from here.",
}
"""What to do, by SQLSTATE, kind or text: what a pooler or the driver has no code for, they do not translate either."""


def reason_of(error: BaseException) -> str:
    """Return what happened, in one line."""
    return " ".join(str(error).split()) or "no answer in time"


def advice_on(error: BaseException, url: DatabaseUrl, name: str) -> str:
    """Return what to do about a connection that failed to open; `name` is the setting that holds its URL."""
    state = getattr(error, "sqlstate", None)
    host, _ = url.hosts[0] if url.is_supabase else ("", 0)
    if host.startswith("db.") and type(error) in {OSError, socket.gaierror}:
        advice = SUPABASE_DIRECT
    elif host.endswith(".pooler.supabase.com") and "." not in url.user and state in {"28P01", "28000"}:
        advice = SUPABASE_USER
    else:
        advice = next((SORTS[sign] for sign in SORTS if _fits(sign, error, state)), "Look into the server's log.")
    return advice.format(name=name)


def _fits(sign: str | type[BaseException], error: BaseException, state: str | None) -> bool:
    return isinstance(error, sign) if isinstance(sign, type) else sign == state or sign in str(error)
