"""Writes `questions.md` from `copier.yml`: run it after a change of the questions."""

from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).parent
PAGE = """\
# The questions

Written by `make_questions.py` from `copier.yml`. Every question has a default, so `--defaults` gives a running project;
`-d name=value` answers one question, `--data-file answers.yml` many.
"""
TYPES = {"str": "text", "yaml": "a YAML list", "bool": "yes or no"}


def questions_page() -> str:
    """The page as it has to be."""
    settings: dict[str, Any] = yaml.safe_load((DOCS.parent / "copier.yml").read_text())
    asked = {name: item for name, item in settings.items() if name[0] != "_" and item.get("when", True) is not False}
    return PAGE + "".join(_section(name, item) for name, item in asked.items())


def _section(name: str, item: dict[str, Any]) -> str:
    question, *more = item["help"].strip().splitlines()
    parts = [f"## `{name}`", question]
    if more:
        parts.append(_block("text", [line.strip() for line in more]))
    if "choices" in item:
        parts.append("| answer | meaning |\n|---|---|\n" + "\n".join(_rows(item)))
    else:
        parts.append(f"Takes {TYPES[item['type']]}.{' [The tables language](tables.md).' if name == 'tables' else ''}")
        parts.append(_default(item["default"]))
    return "\n" + "\n\n".join(parts) + "\n"


def _rows(item: dict[str, Any]) -> list[str]:
    return [
        f"| `{value}`{' (default)' if value == item['default'] else ''} | {label} |"
        for label, value in item["choices"].items()
    ]


def _default(value: Any) -> str:
    return (
        f"Default: `{value}`"
        if isinstance(value, str)
        else "Default:\n\n" + _block("yaml", [f"- {line}" for line in value])
    )


def _block(language: str, lines: list[str]) -> str:
    return "\n".join([f"```{language}", *lines, "```"])


if __name__ == "__main__":
    (DOCS / "questions.md").write_text(questions_page())
