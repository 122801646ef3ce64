"""`copier.yml` and `combinations.py` say the same about which answers go together."""

import re
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import copier
import pytest
import yaml

from combinations import (
    DATABASES,
    NOBODY_ASKS,
    POOL_TIERS,
    QUESTIONS,
    Answers,
    defaults,
    every,
    name_of,
    refusal,
    rotated,
)
from projects import Render

UNKNOWN = "something-else"
NOTE = "Note title:str(80)"
# The pool tier in turn: no other answer depends on it, and each way that is taken is rendered as a whole elsewhere.
EVERY = rotated([*every({name: values for name, values in QUESTIONS.items() if name != "pool_tier"})])


@pytest.fixture(scope="module")
def small_template(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Path:
    """The same questions, for a single file: what is refused does not depend on the rest."""
    folder = tmp_path_factory.mktemp("questions")
    copy(template / "copier.yml", folder)
    copytree(template / "hooks", folder / "hooks")
    (folder / "template").mkdir()
    (folder / "template" / "answers.yml.jinja").write_text("{{ _copier_answers | to_nice_yaml }}")
    return folder


def answered(template: Path, folder: Path, answers: dict[str, Any], *tables: str) -> Answers:
    """What a project records that is made with these answers on the command line."""
    data = answers | {"tables": tables or [NOTE]}
    copier.run_copy(str(template), folder, data=data, defaults=True, quiet=True)
    recorded = yaml.safe_load((folder / "answers.yml").read_text())
    return {name: recorded[name] for name in QUESTIONS}


def values_of(question: dict[str, Any]) -> tuple[str | bool, ...]:
    """What can be chosen, of choices with and without a validator."""
    choices = question["choices"].values()
    return tuple(choice["value"] if isinstance(choice, dict) else choice for choice in choices)


def test_both_offer_the_same_values(questions: dict[str, dict[str, Any]]) -> None:
    assert {name: values_of(item) for name, item in questions.items() if "choices" in item} == QUESTIONS


@pytest.mark.parametrize("answers", EVERY, ids=name_of)
def test_copier_takes_what_is_valid_and_refuses_what_is_not(
    answers: Answers, small_template: Path, tmp_path: Path
) -> None:
    if refused := refusal(answers):
        question, reason = refused
        with pytest.raises(ValueError, match=re.escape(f"Invalid choice for '{question}': {reason}") + "$"):
            answered(small_template, tmp_path / "new", answers)
        assert not (tmp_path / "new").exists()
    else:
        assert answered(small_template, tmp_path / "new", answers) == answers


@pytest.mark.parametrize("question", [name for name, values in QUESTIONS.items() if True not in values])
def test_an_answer_that_nobody_offers_is_refused(question: str, small_template: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"Invalid choice for '{question}': '{UNKNOWN}' is not in"):
        answered(small_template, tmp_path / "new", {question: UNKNOWN})
    assert not (tmp_path / "new").exists()


def test_what_is_neither_yes_nor_no_is_the_safe_one(small_template: Path, tmp_path: Path) -> None:
    """Copier takes any other text for a yes."""
    assert answered(small_template, tmp_path / "new", {"row_level_security": UNKNOWN})["row_level_security"] is True
    with pytest.raises(ValueError, match=NOBODY_ASKS):
        answered(small_template, tmp_path / "newer", {"auth": "none", "row_level_security": UNKNOWN})


@pytest.mark.parametrize("database", DATABASES)
def test_who_chooses_nothing_else_is_safe(database: str, small_template: Path, tmp_path: Path) -> None:
    assert answered(small_template, tmp_path / "new", {"database": database}) == defaults(database)
    assert refusal(defaults(database)) is None


def test_without_sign_in_nothing_more_has_to_be_answered(small_template: Path, tmp_path: Path) -> None:
    recorded = answered(small_template, tmp_path / "new", {"auth": "none"})
    assert recorded == defaults("postgres") | {"auth": "none", "row_level_security": False}


@pytest.mark.parametrize(
    ("database", "auth", "taken"),
    [
        ("postgres", "none", True),
        ("postgres", "password", False),
        ("supabase", "supabase", True),
        ("hybrid", "supabase", False),
    ],
)
def test_a_table_is_refused_where_users_are_a_table_of_the_service(
    database: str, auth: str, taken: bool, small_template: Path, tmp_path: Path
) -> None:
    answers = {"database": database, "auth": auth}
    if taken:
        assert answered(small_template, tmp_path / "new", answers, "User name:str(80)")["auth"] == auth
    else:
        with pytest.raises(ValueError, match="'auth': the table `User` would meet the service's own; rename it"):
            answered(small_template, tmp_path / "new", answers, "User name:str(80)")


@pytest.mark.parametrize(("tier", "connections"), POOL_TIERS.items(), ids=list(POOL_TIERS))
def test_pool_tier_means_these_connections(tier: str, connections: tuple[int, int], render: Render) -> None:
    settings = (render(pool_tier=tier) / "app/settings.py").read_text()
    assert [f"pool_size: PositiveInt = {connections[0]}\n", f"max_overflow: NonNegativeInt = {connections[1]}\n"] == [
        line.strip() + "\n"
        for line in settings.splitlines()
        if line.strip().startswith(("pool_size:", "max_overflow:"))
    ]


def test_every_question_has_help_and_default(questions: dict[str, dict[str, Any]]) -> None:
    assert [name for name, item in questions.items() if not item.get("help") or "default" not in item] == []


def test_render_refuses_an_answer_that_nobody_asked_for(render: Render) -> None:
    with pytest.raises(TypeError, match="does not ask for databas, has_supabase"):
        render(databas="postgres", has_supabase=True)


def test_render_raises_what_went_wrong(render: Render) -> None:
    with pytest.raises(ValueError, match="Invalid choice for 'database'"):
        render(database=UNKNOWN)
