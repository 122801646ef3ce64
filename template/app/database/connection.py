"""How one connection is opened: host by host, encrypted, with the limits that its profile lets it carry."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from app.database.errors import DatabaseUnavailableError
from app.database.guards import SwallowedDatabaseError
from app.database.tls import tls_of
from app.database.url import DatabaseUrl, Profile
from app.settings import Settings

UNREACHABLE = (
    OSError,  # TLS too
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.InternalServerError,  # as some poolers refuse one client too many
    asyncpg.PostgresConnectionError,
    asyncpg.TargetServerAttributeNotMatched,
)
# A connection that is read-only by our own wish would pass for a host that cannot write.
TO_READ = {"read-write": "primary", "read-only": "standby"}


class HonestConnection(asyncpg.Connection):
    """A connection on which a BEGIN has begun, and a COMMIT has committed, or both fail."""

    limits = ""
    """Statements sent together with each BEGIN: they cost no round trip."""

    async def execute(self, query: str, *arguments: Any, **options: Any) -> str:
        """Run a statement; asyncpg begins and ends transactions by this, too."""
        if query.startswith("BEGIN"):
            try:
                return str(await super().execute(f"{query};{self.limits}", *arguments, **options))
            except BaseException:
                self.terminate()  # asyncpg takes it for begun, and the next request would get a SAVEPOINT
                raise
        done = str(await super().execute(query, *arguments, **options))
        if query.startswith("COMMIT") and done == "ROLLBACK":  # PostgreSQL's answer where a statement has failed
            raise SwallowedDatabaseError
        return done


@dataclass(frozen=True)
class Opener:
    """Opens connections to the first host that answers and has the wanted attributes."""

    url: DatabaseUrl
    tls: ssl.SSLContext | str
    profile: Profile
    timeout: float
    name: str
    limits: Mapping[str, str]

    @property
    def arguments(self) -> dict[str, Any]:
        """What SQLAlchemy connects with."""
        arguments: dict[str, Any] = {"async_creator_fn": self.open, "connection_class": HonestConnection}
        if self.profile is Profile.TRANSACTION:
            # The next transaction may run on another connection of the server: nothing is left there to be found again.
            kind = type("LimitedConnection", (HonestConnection,), {"limits": set_all(self.limits, "SET LOCAL")})
            arguments |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0, "connection_class": kind}
        return arguments

    async def open(self, **arguments: Any) -> asyncpg.Connection:
        """Open a connection. Raises DatabaseUnavailableError when no host will have us."""
        wanted = self.url.parameters.get("target_session_attrs", "any")
        if "default_transaction_read_only" in self.limits:
            wanted = TO_READ.get(wanted, wanted)
        failure: Exception | None = None
        # Host by host and not all at once, as asyncpg would: each has the whole timeout, so a silent one is passed by.
        for attribute in ("standby", "any") if wanted == "prefer-standby" else (wanted,):
            for host, port in self.url.hosts:
                try:
                    return await self._open(host=host, port=port, target_session_attrs=attribute, **arguments)
                except UNREACHABLE as error:
                    failure = error
        raise DatabaseUnavailableError from failure

    async def _open(self, **arguments: Any) -> asyncpg.Connection:
        connection = await asyncpg.connect(
            user=self.url.user or None,
            password=self.url.password or None,
            database=self.url.database or None,
            ssl=self.tls,
            direct_tls=False,  # whatever PGSSLNEGOTIATION says
            timeout=self.timeout,
            server_settings=self._startup(),
            **arguments,
        )
        if self.profile is Profile.SESSION:
            await _set_up(connection, set_all(self.limits, "SET"))
        return connection

    def _startup(self) -> dict[str, str]:
        # Poolers refuse connections that bring more than their name.
        brought = self.limits if self.profile is Profile.DIRECT else {}
        options = {name: value for name, value in self.url.parameters.items() if name == "options"}
        return {"application_name": self.name, **brought, **options}


def opener_of(url: DatabaseUrl, settings: Settings, profile: Profile, role: str, **limits: str) -> Opener:
    """Return what opens connections; `role` stands behind the application's name in the server's activity view."""
    return Opener(
        url=url,
        tls=tls_of(url, settings.database_ca_file, production=settings.environment == "production"),
        profile=profile,
        timeout=float(url.parameters.get("connect_timeout", settings.connect_timeout)),
        name=f"{url.parameters.get('application_name', settings.application_name)}:{role}",
        limits=limits,
    )


async def _set_up(connection: asyncpg.Connection, statements: str) -> None:
    try:
        await connection.execute(statements)
    except BaseException:
        connection.terminate()  # nobody else knows of it yet
        raise


def set_all(limits: Mapping[str, str], command: str) -> str:
    """Return the statements that set parameters of the server: SET for a connection, SET LOCAL for a transaction."""
    return "".join(f"{command} {name} = '{value}';" for name, value in limits.items())
