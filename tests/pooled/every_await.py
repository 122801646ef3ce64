"""A request may be cancelled at any of its awaits, also when a pooler is in between."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from httpx import AsyncClient

from app.settings import Settings
from tests.pooled.fixtures import own_pooler
from tests.pooled.leftovers import end_server_processes
from tests.proofs.every_await import test_a_read_is_answered_or_not, test_a_write_is_stored_as_a_whole_or_not_at_all

__all__ = ["test_a_read_is_answered_or_not", "test_a_write_is_stored_as_a_whole_or_not_at_all"]


@pytest.fixture
async def single(
    client: AsyncClient, settings: Settings, database_url: str, owner: asyncpg.Connection
) -> AsyncIterator[Settings]:
    """Settings of an application with one connection to a pooler with one to the server: no other may leak."""
    await end_server_processes(owner)  # another pooler may have kept those of earlier proofs
    with own_pooler(settings, database_url, size=1) as (_, through):
        yield through.model_copy(update={"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.5})
