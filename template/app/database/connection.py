"""How one connection is opened: host by host, encrypted, with the limits that its profile lets it carry."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from app.database.errors import DatabaseUnavailableError
from app.database.tls import tls_of
from app.database.url import DatabaseUrl, Profile
from app.settings import Settings

UNREACHABLE = (
    OSError,  # TLS too
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.TargetServerAttributeNotMatched,
)
NO_CACHES = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}


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
        """What SQLAlchemy connects with. Behind a transaction pooler the next statement may run on another server."""
        return {"async_creator_fn": self.open, **(NO_CACHES if self.profile is Profile.TRANSACTION else {})}

    async def open(self, **arguments: Any) -> asyncpg.Connection:
        """Open a connection. Raises DatabaseUnavailableError when no host will have us."""
        wanted = self.url.parameters.get("target_session_attrs", "any")
        failure: Exception | None = None
        # Host by host and not all at once, as asyncpg would: each has the whole timeout, so a silent one is passed by.
        for attribute in ("standby", "any") if wanted == "prefer-standby" else (wanted,):
            for host, port in self.url.hosts or ((None, None),):
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
            timeout=self.timeout,
            server_settings=self._startup(),
            **arguments,
        )
        if self.profile is Profile.SESSION:
            await connection.execute(set_all(self.limits, local=False))
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


def set_all(limits: Mapping[str, str], *, local: bool) -> str:
    """Return the statement that sets parameters of the server: for the transaction, or else for the connection."""
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', {local})" for name, value in limits.items())
