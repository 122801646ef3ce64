"""The operations page names logs, answers, settings and checks as the project has them."""

import re

import pytest

from projects import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
FILES = [path for folder in ("app", "dev", "migrate") for path in (ROOT / "template" / folder).rglob("*")]
SOURCES = "\n".join(path.read_text() for path in FILES if re.search(r"\.(py|jinja)($|\{)", path.name))
SETTINGS = (ROOT / "template" / "app" / "settings.py.jinja").read_text()
CODES = re.findall(r'Failure\(HTTPStatus\.\w+, "(\w+)"', SOURCES)
# But the first block, which shows the form of a line.
LOGGED = [line for block in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)[1:] for line in block.splitlines()]


@pytest.mark.parametrize("line", LOGGED)
def test_the_service_logs_that_line(line: str) -> None:
    code, separator, _ = re.split(r"(: |, SQLSTATE )", f"{line}: ", maxsplit=1)
    if code in CODES:
        assert f'"%s{separator}%' in SOURCES
    else:
        assert [part for part in line.split("…") if part.strip() not in SOURCES] == []


def test_clients_get_those_codes() -> None:
    named = set(re.findall(r"^\| 5\d\d `(\w+)`", PAGE, re.MULTILINE))
    assert named
    assert named <= set(CODES)


def test_there_are_such_settings() -> None:
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+|WORKERS)\b", PAGE))
    assert named
    assert {name for name in named if f"\n    {name.lower()}: " not in SETTINGS} == set()


def test_doctor_has_such_lines() -> None:
    named = set(re.findall(r"\*Doctor: (\w+)", PAGE))
    assert named
    assert {name for name in named if not re.search(rf'\(\s*"{name}"', SOURCES)} == set()
