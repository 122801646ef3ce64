"""The page about migrations quotes messages, settings and commands as projects have them."""

import re

import pytest

from projects import ROOT

PAGE = (ROOT / "docs" / "migrations.md").read_text()
TEMPLATE = ROOT / "template"
FILES = [*(TEMPLATE / "migrate").rglob("*.py*"), TEMPLATE / "app/database/create_schema.py"]
SOURCES = "\n".join(path.read_text() for path in FILES if path.suffix != ".pyc")
SETTINGS = (TEMPLATE / "app" / "settings.py.jinja").read_text()
MESSAGES = re.findall(r"^\| `(.*?)` \|", PAGE, re.MULTILINE)
OPTIONS = set(re.findall(r"--[a-z][a-z-]+", PAGE)) - {"--autogenerate", "--file", "--purge"}


@pytest.mark.parametrize("message", MESSAGES)
def test_there_is_such_a_message(message: str) -> None:
    for part in message.split("…"):
        words = re.escape(part.strip()).replace(r"5\ times", r"\{ATTEMPTS\} times")
        assert re.search(words, SOURCES), part


def test_there_are_such_settings() -> None:
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)\b", PAGE))
    assert {name for name in named if f"\n    {name.lower()}: " not in SETTINGS} == set()
    assert "MIGRATION_LOCK_TIMEOUT" in named


def test_there_are_such_commands() -> None:
    scripts = (TEMPLATE / "pyproject.toml.jinja").read_text()
    named = set(re.findall(r"uv run (?:dev )?([a-z-]+)", PAGE)) - {"alembic"}
    assert {name for name in named if f'\n{name} = "' not in scripts} == set()
    assert named >= {"migrate", "backfill", "create-schema"}


@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_there_is_such_an_option(option: str) -> None:
    assert f'"{option}"' in SOURCES
