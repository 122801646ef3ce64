"""A pooler is known by host and port or by the setting, or else the start says what to set."""

import pytest
from pydantic import SecretStr

from app.database import url
from app.database.engine import limits_of
from app.database.start import StartError
from app.database.url import Profile
from app.settings import Settings
from tests.poolers import Pooler, running_pooler
from tests.proofs.service import serving


@pytest.mark.parametrize(
    ("place", "chosen", "profile"),
    [
        ("db.example.com", None, "direct"),
        ("db.example.com:6432", None, "transaction"),
        ("db.example.com:6543", None, "transaction"),
        ("db.example.com:6432", "session", "session"),
        ("db.example.com:5433", "transaction", "transaction"),
        ("ep-1-pooler.region.example.com", None, "transaction"),
        ("aws-0-region.pooler.supabase.com:5432", None, "session"),
        ("aws-0-region.pooler.supabase.com:6543", None, "transaction"),
    ],
)
def test_the_profile_is_that_of_host_and_port_unless_it_is_set(
    place: str, chosen: Profile | None, profile: str
) -> None:
    assert url.parse_url(f"postgresql://user@{place}/app").profile(chosen and Profile(chosen)) == profile


async def test_a_pooler_is_known_by_its_port(
    settings: Settings, pooler: Pooler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url, "TRANSACTION_PORTS", (pooler.port,))
    async with serving(settings, connection_profile=None) as service:
        assert len(service.pools) == 1


async def test_a_pooler_that_is_not_known_is_refused_at_once(settings: Settings) -> None:
    with pytest.raises(StartError, match="pooler, so set CONNECTION_PROFILE to its mode"):
        async with serving(settings, connection_profile=None):
            pass


@pytest.mark.parametrize(
    ("mode", "profile"),
    [("transaction", Profile.DIRECT), ("transaction", Profile.SESSION), ("session", Profile.DIRECT)],
)
async def test_the_wrong_profile_is_refused_where_a_pooler_drops_limits_without_a_word(
    settings: Settings, database_url: str, mode: str, profile: Profile
) -> None:
    dropped = ", ".join([*limits_of(settings), "jit", "idle_session_timeout", "default_transaction_read_only"])
    with running_pooler(database_url, mode=mode, ignore_startup_parameters=dropped) as pooler:
        url_of_pooler = SecretStr(pooler.through(database_url))
        with pytest.raises(StartError, match=f"set CONNECTION_PROFILE={mode}"):
            async with serving(settings, database_url=url_of_pooler, connection_profile=profile):
                pass
