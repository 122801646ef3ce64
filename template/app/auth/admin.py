"""What only Supabase's own API can do: manage users (Auth admin) and files (Storage), with the secret key.

For jobs and other work off the request path, from `request.state["admin"]`; rows are a matter of SQL. It needs the
extra `admin`. Nothing here can sign in: the client would be that user from then on, for everybody.
"""

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from app.database.start import StartError
from app.settings import Settings

if TYPE_CHECKING:
    from storage3 import AsyncStorageClient
    from supabase_auth import AsyncGoTrueAdminAPI

TIMEOUT = 30


@dataclass(frozen=True)
class Admin:
    """A client that may do everything in the Supabase project."""

    auth: "AsyncGoTrueAdminAPI"
    storage: "AsyncStorageClient"


@asynccontextmanager
async def open_admin(settings: Settings) -> AsyncIterator[Admin | None]:
    """Open the client for as long as the context lasts; None without SUPABASE_SECRET_KEY. Raises StartError."""
    if not settings.supabase_secret_key or not settings.supabase_url:
        yield None
        return
    supabase = _import()
    async with httpx.AsyncClient(timeout=TIMEOUT) as client:
        options = supabase.AsyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=client)
        key = settings.supabase_secret_key.get_secret_value()
        opened = await supabase.acreate_client(str(settings.supabase_url), key, options)
        yield Admin(opened.auth.admin, opened.storage)


def _import() -> Any:
    try:
        return importlib.import_module("supabase")
    except ImportError as error:
        raise StartError("SUPABASE_SECRET_KEY is set, but supabase is not installed: uv sync --extra admin") from error
