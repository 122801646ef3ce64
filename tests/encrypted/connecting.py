"""Connecting as the application and as Alembic do, and what came of it in two words."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database.engine import create_engine, create_migration_engine
from app.database.errors import DatabaseUnavailableError
from app.settings import Settings

LOGINS = ("certified", "only_tls", "only_plain")
PASSWORD = "your_password_here"  # noqa: S105
ENCRYPTED = sa.text("SELECT CASE WHEN ssl THEN 'TLS' ELSE 'plain' END FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
CERTIFICATE_ERRORS = {10: "expired", 19: "unknown CA", 20: "unknown CA", 62: "wrong name", 64: "wrong name"}


@dataclass(frozen=True)
class Way:
    """The servers, and the files that URLs name."""

    settings: Settings
    servers: dict[str, sa.URL]
    certificates: Path

    def url(self, servers: str, parameters: str, *, host: str = "localhost", user: str | None = None) -> SecretStr:
        """Return a URL of one server or more, whose last one lets us in; `@` stands for the folder of certificates."""
        ports = [self.servers[name].port for name in servers.split()]
        last = self.servers[servers.rsplit(maxsplit=1)[-1]]
        login = f"{user}:{PASSWORD}" if user else f"{last.username}:{quote(last.password or '', safe='')}"
        hosts = ",".join(f"{host}:{port}" for port in ports)
        query = parameters.replace("@", f"{self.certificates}/")
        return SecretStr(f"postgresql://{login}@{hosts}/{last.database}?{query}")

    def set(self, url: SecretStr, ca: str | None = None, **changes: object) -> Settings:
        """Return settings with this URL and DATABASE_CA_FILE."""
        file = self.certificates / ca if ca else None
        changed = {"database_url": url, "migration_database_url": None, "database_ca_file": file, **changes}
        return self.settings.model_copy(update=changed)

    async def outcome(self, url: SecretStr, ca: str | None = None) -> str:
        """Connect with both engines, which have to agree, and return what came of it."""
        settings = self.set(url, ca)
        found = {await _outcome(settings, read) for read in (create_engine, create_migration_engine)}
        assert len(found) == 1, found
        return found.pop()


async def _outcome(settings: Settings, create: Callable[[Settings], AsyncEngine]) -> str:
    try:
        engine = create(settings)
    except ValueError:
        return "refused"
    try:
        async with engine.connect() as connection:
            return str(await connection.scalar(ENCRYPTED))
    except DatabaseUnavailableError as error:
        return kind_of(error.__cause__)
    except DBAPIError as error:
        return kind_of(error.driver_exception)
    finally:
        await engine.dispose()


def kind_of(error: BaseException | None) -> str:
    """Name what went wrong."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CERTIFICATE_ERRORS[error.verify_code]
    if isinstance(error, ssl.SSLError | ConnectionResetError | asyncpg.ConnectionDoesNotExistError):
        return "cut off"  # in TLS 1.3 the server refuses a certificate when we already believe to be connected
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return "not let in"
    if type(error) is ConnectionError and "rejected SSL upgrade" in str(error):
        return "no TLS"
    return type(error).__name__
