"""A connection URI as libpq takes it, read for asyncpg; nothing in it is dropped without a word."""

import enum
import ipaddress
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import unquote

FORM = re.compile(
    r"(?P<scheme>[a-z+]+)://(?:(?P<user>[^:/?#]*)(?::(?P<password>[^/?#]*))?@)?(?P<host>[^/?#@]*)"
    r"(?:/(?P<dbname>[^?#]*))?(?:\?(?P<query>[^#]*))?"
)
READS = "a database URL reads postgresql://user:password@host:5432/name, with / ? # @ : % in a password percent-encoded"
SCHEMES = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})
HOST = re.compile(r"(?:\[(?P<v6>[^]]+)]|(?P<name>[^:\[\]]*))(?::(?P<port>\d+))?")
PLACES = ("user", "password", "host", "port", "dbname")
FILES = ("sslrootcert", "sslcert", "sslkey")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "primary", "standby", "prefer-standby", "read-write", "read-only"),
}
KNOWN = frozenset({*PLACES, *FILES, *CHOICES, "application_name", "connect_timeout", "options"})
SUPABASE = (".supabase.co", ".supabase.com")
DEFAULT_PORT, LAST_PORT = 5432, 65_535
TRANSACTION_PORTS = (6543, 6432)  # Supabase's poolers, PgBouncer's own


class Profile(enum.StrEnum):
    """How a connection behaves: a server's own, a pooler's for as long as it is open, or one a transaction."""

    DIRECT = "direct"
    SESSION = "session"
    TRANSACTION = "transaction"


@dataclass(frozen=True)
class DatabaseUrl:
    """Who connects to what; an empty user, database or list of hosts is left to asyncpg, which asks as libpq does."""

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
        elif any(host.endswith(".pooler.supabase.com") for host, _ in self.hosts):
            found = Profile.SESSION
        if self.is_supabase and found is Profile.TRANSACTION and chosen not in {None, found}:
            raise ValueError("port 6543 is Supabase's transaction pooler: take CONNECTION_PROFILE out")
        profile = chosen or found
        if profile is Profile.TRANSACTION and "options" in self.parameters:
            raise ValueError("a transaction pooler does not keep options: set them on the login with ALTER ROLE")
        return profile

    def __str__(self) -> str:
        return ", ".join(f"{host}:{port}" for host, port in self.hosts) or "the local socket"


def parse_url(text: str) -> DatabaseUrl:
    """Read a URL. ValueError says, without a part of the password, what is wrong with it."""
    if (found := FORM.fullmatch(text.strip())) is None:
        raise ValueError(READS)
    if found["scheme"] not in SCHEMES:
        raise ValueError(f"a database URL starts with postgresql://, not with {found['scheme']}://")
    parameters = _parameters(found["query"] or "")
    places = {name: unquote(found[name] or "") for name in ("user", "password", "dbname")} | {"host": found["host"]}
    if twice := sorted(name for name, value in places.items() if value and name in parameters):
        raise ValueError(f"the database URL has its {', '.join(twice)} twice; take one out")
    places |= {name: parameters.pop(name) for name in PLACES if name in parameters}
    hosts = _hosts(places["host"], places.get("port", ""))
    return DatabaseUrl(hosts, places["user"], places["password"], places["dbname"], MappingProxyType(parameters))


def _parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, equals, value in (pair.partition("=") for pair in query.split("&") if pair):
        if not equals:
            raise ValueError(READS)
        if name not in KNOWN:
            raise ValueError(f"the database URL has {name}, which is not supported; take it out")
        # SQLAlchemy writes several hosts as `host=a&host=b`, libpq as `host=a,b`.
        if name in parameters and name != "host":
            raise ValueError(f"the database URL has {name} twice; take one out")
        parameters[name] = ",".join([*filter(None, [parameters.get(name)]), unquote(value)])
    for name, choices in CHOICES.items():
        if parameters.get(name, choices[0]) not in choices:
            raise ValueError(f"{name} in the database URL is one of {', '.join(choices)}")
    if not re.fullmatch(r"[1-9]\d{0,4}", parameters.get("connect_timeout", "1")):
        raise ValueError("connect_timeout in the database URL is a whole number of seconds, from 1 on")
    if "sslkey" in parameters and "sslcert" not in parameters:
        raise ValueError("sslkey in the database URL needs sslcert")
    return parameters


def _hosts(text: str, ports: str) -> tuple[tuple[str, int], ...]:
    if not text:
        return ()
    names = text.split(",")
    given = ports.split(",") if "," in ports else [ports] * len(names)
    if len(given) != len(names):
        raise ValueError("the database URL has another number of ports than of hosts")
    return tuple(_host(unquote(name), port) for name, port in zip(names, given, strict=True))


def _host(text: str, port: str) -> tuple[str, int]:
    found = HOST.fullmatch(text)
    if text.startswith("/"):
        host, number = text, port
    elif found is None or not (found["v6"] or found["name"]) or (found["port"] and port):
        raise ValueError("a host in the database URL reads name, name:5432, [::1]:5432 or, for a socket, %2Fpath")
    else:
        host, number = (found["v6"] or found["name"]).lower(), found["port"] or port
    if not re.fullmatch(r"\d{0,5}", number) or not 0 < int(number or DEFAULT_PORT) <= LAST_PORT:
        raise ValueError(f"a port in the database URL is a number from 1 to {LAST_PORT}")
    return host, int(number or DEFAULT_PORT)


def _is_local(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.startswith("/")
