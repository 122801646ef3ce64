"""Settings that are missing or wrong end the start with one sentence."""

import pytest

from app.settings import Settings, get_settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """No environment and no `.env` file."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(str(tmp_path))
    get_settings.cache_clear()


def test_a_missing_database_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"DATABASE_URL: Field required"):
        get_settings()


def test_a_wrong_value_is_named_but_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@db/shop")
    monkeypatch.setenv("POOL_SIZE", "many")
    with pytest.raises(SystemExit, match=r"POOL_SIZE: .*integer"):
        get_settings()


def test_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:your_password_here@db/shop")
    assert "your_password_here" not in repr(get_settings())
