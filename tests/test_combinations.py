"""`copier.yml` and `combinations.py` say the same about which answers go together."""

from itertools import combinations
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import copier
import pytest
import yaml

from combinations import COMBINATIONS, COVERING, POOL_TIERS, QUESTIONS, Answers, every, is_valid, name_of
from projects import ROOT, Render

UNKNOWN = "something-else"
TABLES = {"tables": ["Note title:str(80)"]}
WITH_UNKNOWN = [*every({question: (*values, UNKNOWN) for question, values in QUESTIONS.items()})]


@pytest.fixture(scope="module")
def small_template(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Path:
    """The same questions, for a single file: what is refused does not depend on the rest."""
    folder = tmp_path_factory.mktemp("questions")
    copy(template / "copier.yml", folder)
    copytree(template / "hooks", folder / "hooks")
    (folder / "template").mkdir()
    (folder / "template" / "answers.yml.jinja").write_text("{{ _copier_answers | to_nice_yaml }}")
    return folder


def test_both_offer_the_same_values(questions: dict[str, dict[str, Any]]) -> None:
    offered = {name: tuple(item["choices"].values()) for name, item in questions.items() if "choices" in item}
    assert offered == QUESTIONS


@pytest.mark.parametrize("answers", WITH_UNKNOWN, ids=name_of)
def test_copier_takes_what_is_valid_and_refuses_what_is_not(
    answers: Answers, small_template: Path, tmp_path: Path
) -> None:
    if is_valid(answers):
        copier.run_copy(str(small_template), tmp_path / "new", data=answers | TABLES, defaults=True, quiet=True)
        recorded = yaml.safe_load((tmp_path / "new" / "answers.yml").read_text())
        assert {name: recorded[name] for name in answers} == answers
    else:
        with pytest.raises(ValueError, match=rf"Invalid choice for '\w+': '{UNKNOWN}' is not in"):
            copier.run_copy(str(small_template), tmp_path / "new", data=answers | TABLES, defaults=True, quiet=True)
        assert not (tmp_path / "new").exists()


def test_defaults_are_valid(questions: dict[str, dict[str, Any]]) -> None:
    assert is_valid({name: questions[name]["default"] for name in QUESTIONS})


def test_there_are_27_combinations_and_9_cover_all_pairs() -> None:
    assert len(COMBINATIONS) == 27
    assert len(COVERING) == 9
    pairs = [{pair for row in rows for pair in combinations(row.items(), 2)} for rows in (COMBINATIONS, COVERING)]
    assert pairs[0] == pairs[1]


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


def test_workflow_runs_every_combination() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    matrix = workflow["jobs"]["combination"]["strategy"]["matrix"]
    assert {question: tuple(values) for question, values in matrix.items()} == QUESTIONS


def test_render_refuses_an_answer_that_nobody_asked_for(render: Render) -> None:
    with pytest.raises(TypeError, match="does not ask for databas, has_supabase"):
        render(databas="postgres", has_supabase=True)


def test_render_raises_what_went_wrong(render: Render) -> None:
    with pytest.raises(ValueError, match="Invalid choice for 'database'"):
        render(database=UNKNOWN)
