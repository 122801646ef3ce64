"""The client for what only Supabase's own API can do: there where it is wanted, and nobody signs in with it."""

import sys
from dataclasses import fields
from http.server import BaseHTTPRequestHandler
from importlib.util import find_spec

import pytest
from pydantic import HttpUrl, SecretStr

from app.auth.admin import Admin, open_admin
from app.database.start import StartError
from app.settings import Settings
from tests.signing_in_supabase.key_server import KeyServer, body

KEY = "sb_secret_of-a-project-of-nobody-s"


def settings_with(settings: Settings, url: str, key: str | None = KEY) -> Settings:
    """Return settings with a secret key."""
    secret = SecretStr(key) if key else None
    return settings.model_copy(update={"supabase_url": HttpUrl(url), "supabase_secret_key": secret})


async def test_without_a_key_there_is_none(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "supabase", raising=False)
    async with open_admin(settings_with(settings, "http://127.0.0.1", None)) as admin:
        assert admin is None
    assert "supabase" not in sys.modules


async def test_without_the_extra_the_start_says_what_to_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "supabase", None)
    with pytest.raises(StartError, match="uv sync --extra admin"):
        async with open_admin(settings_with(settings, "http://127.0.0.1")):
            raise AssertionError


@pytest.mark.skipif(find_spec("supabase") is None, reason="this machine has no supabase")
async def test_it_asks_as_the_project_and_signs_nobody_in(settings: Settings) -> None:
    answers = {
        "/auth/v1/admin/users": b'{"users": []}',
        "/storage/v1/bucket": b"[]",
    }
    with KeyServer().serving() as server:
        sent: list[str | None] = []

        def answer(handler: BaseHTTPRequestHandler) -> None:
            sent.append(handler.headers["apikey"])
            body(answers[handler.path.partition("?")[0].rstrip("/")])(handler)

        server.answer = answer
        async with open_admin(settings_with(settings, server.url)) as admin:
            assert admin
            assert server.asked == []
            assert await admin.auth.list_users() == []
            assert await admin.storage.list_buckets() == []
    assert sent == [KEY, KEY]


def test_nothing_that_signs_in_is_within_reach() -> None:
    assert [field.name for field in fields(Admin)] == ["auth", "storage"]
    if find_spec("supabase_auth"):
        from supabase_auth import AsyncGoTrueAdminAPI  # noqa: PLC0415

        ways = {name for name in dir(AsyncGoTrueAdminAPI) if "sign_in" in name or "session" in name}
        assert not ways
