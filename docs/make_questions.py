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
# What is only known once other questions are answered.
DEPENDS = {
    "auth": """\
Default: `password` where the database is `postgres`, else `supabase`. What does not go with the database is shown with
its reason and cannot be chosen; `-d auth=…` refuses it with the same sentence.""",
    "row_level_security": """\
Default: `true` where somebody signs in. With `none` for `auth` there is nobody to tell apart: only `false` is left.""",
}
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
        parts.extend([DEPENDS[name]] if _depends(item) else [])
    else:
        parts.append(f"Takes {TYPES[item['type']]}.{' [The tables language](tables.md).' if name == 'tables' else ''}")
        parts.append(_default(item["default"]))
    return "\n" + "\n\n".join(parts) + "\n"


def _rows(item: dict[str, Any]) -> list[str]:
    choices = {label: _value(choice) for label, choice in item["choices"].items()}
    default = None if _depends(item) else item["default"]
    return [f"| `{value}`{' (default)' if value == default else ''} | {label} |" for label, value in choices.items()]


def _depends(item: dict[str, Any]) -> bool:
    """Whether its default follows from other answers."""
    return str(item["default"]).startswith("{{")


def _value(choice: Any) -> str:
    """As it is answered; a choice that does not go with every other answer says so in a form of its own."""
    value = choice["value"] if isinstance(choice, dict) else choice
    return str(value).lower() if isinstance(value, bool) else str(value)


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
