"""Passwords whose hashes take no time, unless a proof is about them."""

import pytest
from argon2 import PasswordHasher

from app.auth import accounts

HASHER = accounts.HASHER


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "HASHER", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch, cheap: None) -> None:
    monkeypatch.setattr(accounts, "HASHER", HASHER)
