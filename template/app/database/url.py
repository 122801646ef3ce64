"""A connection URI as libpq takes it, read for asyncpg; nothing in it is dropped without a word."""

import enum
import ipaddress
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import unquote

FORM = re.compile(
    r"(?P<scheme>[a-z0-9+]+)://(?:(?P<user>[^:/?#@]*)(?::(?P<password>[^/?#@]*))?@)?"
    r"(?::(?P<port>[0-9]*)(?![^/?])|(?P<host>[^/?#@]*))(?:/(?P<dbname>[^?#@]*))?(?:\?(?P<query>[^#]*))?"
)
HOST = re.compile(r"(?:\[([^]]+)]|([^:\[\]]+))(?::([^:]*))?")
READS = "a database URL reads postgresql://user:password@host:5432/name, with spaces and / ? # @ : % percent-encoded"
HOST_READS = "a host in the database URL reads name, name:5432, [::1]:5432 or, for the folder of a socket, %2Ffolder"
SCHEMES = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})
PLACES = ("user", "password", "host", "port", "dbname")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "primary", "standby", "prefer-standby", "read-write", "read-only"),
}
FILES = ("sslrootcert", "sslcert", "sslkey")
KNOWN = frozenset({*PLACES, *FILES, *CHOICES, "application_name", "connect_timeout", "options"})
SOCKETS = "/var/run/postgresql,/tmp"  # libpq's, as packaged and as built from source
SUPABASE, SUPABASE_POOLERS = (".supabase.co", ".supabase.com"), ".pooler.supabase.com"
DEFAULT_PORT, LAST_PORT = 5432, 65_535
TRANSACTION_PORTS = (6543, 6432)  # Supabase's poolers, PgBouncer's own


class Profile(enum.StrEnum):
    """How a connection behaves: a server's own, a pooler's for as long as it is open, or one a transaction."""

    DIRECT = "direct"
    SESSION = "session"
    TRANSACTION = "transaction"


@dataclass(frozen=True)
class DatabaseUrl:
    """Who connects to what; an empty user, password or database is left to asyncpg, which asks as libpq does."""

    hosts: tuple[tuple[str, int], ...]
    user: str
    password: str = field(repr=False)
    database: str
    parameters: Mapping[str, str]

    @property
    def is_supabase(self) -> bool:
        """Whether Supabase runs the server."""
        return any(host.rstrip(".").endswith(SUPABASE) for host, _ in self.hosts)

    @property
    def is_local(self) -> bool:
        """Whether nothing leaves this machine: Unix sockets and loopback."""
        return all(_is_local(host) for host, _ in self.hosts)

    def profile(self, chosen: Profile | None = None) -> Profile:
        """Return the profile that was chosen, or else the one that host and port give away.

        Raises:
            ValueError: the URL is a transaction pooler's, or asks for what such a one cannot keep.
        """
        found = Profile.DIRECT
        if any(port in TRANSACTION_PORTS or "-pooler." in host for host, port in self.hosts):
            found = Profile.TRANSACTION
        elif any(host.rstrip(".").endswith(SUPABASE_POOLERS) for host, _ in self.hosts):
            found = Profile.SESSION
        if self.is_supabase and found is Profile.TRANSACTION and chosen not in {None, found}:
            raise ValueError("port 6543 is Supabase's transaction pooler: take CONNECTION_PROFILE out")
        profile = chosen or found
        if profile is not Profile.DIRECT and "options" in self.parameters:
            raise ValueError("a pooler does not pass options on: set them on the login with ALTER ROLE")
        return profile

    def __str__(self) -> str:
        return ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)


def parse_url(text: str) -> DatabaseUrl:
    """Read a URL. ValueError says, without a part of the password, what is wrong with it."""
    if (found := FORM.fullmatch(text.strip())) is None or not _is_encoded(text.strip()):
        raise ValueError(READS)
    if found["scheme"] not in SCHEMES:
        raise ValueError(f"a database URL starts with postgresql://, not with {found['scheme']}://")
    parameters = _parameters(found["query"] or "")
    if twice := sorted(name for name in PLACES if name in parameters and found[name]):
        raise ValueError(f"the database URL has its {', '.join(twice)} twice; take one out")
    listed, port = parameters.pop("host", ""), parameters.pop("port", found["port"] or "")
    hosts = _hosts(found["host"] or "", listed, port)
    user, password, name = (parameters.pop(key, unquote(found[key] or "")) for key in ("user", "password", "dbname"))
    return DatabaseUrl(hosts, user, password, name, MappingProxyType(parameters))


def _is_encoded(text: str) -> bool:
    """Whether each % begins a code, each code a character that may stand there, and nothing else needs one."""
    broken = re.search(r"%(?![0-9A-Fa-f]{2})| ", text) or re.search("[\0\ufffd]", unquote(text))
    return text.isprintable() and not broken


def _parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for key, equals, value in (pair.partition("=") for pair in query.split("&") if pair):
        # JDBC and asyncpg call it ssl.
        name, given = ("sslmode", {"true": "require"}.get(value, value)) if key == "ssl" else (key, unquote(value))
        if name not in KNOWN:  # or it is the end of a password that was not encoded: then it is not shown
            told = f"the database URL has {name}, which is not supported; take it out"
            is_name = equals and re.fullmatch("[A-Za-z_]+", key) and not re.search(r"@|%40|\bpassword=", query)
            raise ValueError(told if is_name else READS)
        # SQLAlchemy writes several hosts as `host=a&host=b`, libpq as `host=a,b`.
        if name in parameters and name != "host":
            raise ValueError(f"the database URL has its {name} twice; take one out")
        parameters[name] = ",".join([*filter(None, [parameters.get(name)]), given])
    _check(parameters)
    return parameters


def _check(parameters: Mapping[str, str]) -> None:
    if empty := sorted(name for name, value in parameters.items() if not value):
        raise ValueError(f"the database URL has nothing behind {', '.join(empty)}; take it out")
    for name, choices in CHOICES.items():
        if parameters.get(name, choices[0]) not in choices:
            raise ValueError(f"{name} in the database URL is one of {', '.join(choices)}")
    if not re.fullmatch(r"[1-9][0-9]{0,4}", parameters.get("connect_timeout", "1")):
        raise ValueError("connect_timeout in the database URL is a whole number of seconds, from 1 on")
    if "sslkey" in parameters and "sslcert" not in parameters:
        raise ValueError("sslkey in the database URL needs sslcert")


def _hosts(written: str, listed: str, ports: str) -> tuple[tuple[str, int], ...]:
    if not written and not listed:  # as libpq does; here rather than in asyncpg, so that it passes the same checks
        listed, ports = os.environ.get("PGHOST") or SOCKETS, ports or os.environ.get("PGPORT", "")
    pairs = [_pair(text, encoded=written != "") for text in (written or listed).split(",")]
    given = ports.split(",") if "," in ports else [ports] * len(pairs)
    if len(given) != len(pairs) or (ports and any(own for _, own in pairs)):
        raise ValueError("the database URL has one port for all of its hosts, or one for each of them")
    return tuple((_host(name), _port(own or port)) for (name, own), port in zip(pairs, given, strict=True))


def _pair(text: str, *, encoded: bool) -> tuple[str, str]:
    """Divide a host from its port, written in front of the path or as it stands in a parameter."""
    if not encoded and (text[:1] == "/" or (text[:1] != "[" and text.count(":") > 1)):
        return text, ""
    if (found := HOST.fullmatch(text)) is None:
        raise ValueError(HOST_READS)
    v6, name, port = found.groups("")
    return unquote(v6 + name) if encoded else v6 + name, port


def _host(name: str) -> str:
    """Return a folder, an address or a name as it will be looked up: what the checks see is what is connected to."""
    if name.startswith("/"):
        return name
    with suppress(ValueError):
        return str(ipaddress.ip_address(name))
    with suppress(UnicodeError):
        found = name.encode("idna").decode().lower()
        if re.fullmatch(r"[a-z0-9_.-]+", found):
            return found
    raise ValueError(HOST_READS)


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{0,5}", text) or not 0 < int(text or DEFAULT_PORT) <= LAST_PORT:
        raise ValueError(f"a port in the database URL is a number from 1 to {LAST_PORT}")
    return int(text or DEFAULT_PORT)


def _is_local(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.startswith("/")
