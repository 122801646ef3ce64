"""Every combination as it is rendered, before anything of it runs."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from importlib import metadata
from itertools import chain
from pathlib import Path
from shutil import copytree

import copier
import pytest
import yaml
from packaging.requirements import Requirement

from combinations import COMBINATIONS, COVERING, Answers, name_of
from projects import ROOT, Render, commit, files_of, git, lint

# As the templates write it: `{{` without a space is an f-string's.
JINJA = re.compile(r"(?<!\$)\{\{-? |\{%|\{#")
LEFTOVERS = re.compile(r"\b(Undefined|changeme|copier-fastapi-postgres)\b")
PYTHON_CONSTANT = re.compile(r"[:=] *(True|False|None)\b")
MAY_BE_EMPTY = {"__init__.py", "py.typed"}
# Where Copier itself, or the user, reads where the project comes from.
NAMES_THE_TEMPLATE = {".copier-answers.yml", "README.md", "AGENTS.md"}


@pytest.fixture(scope="module", params=COMBINATIONS, ids=name_of)
def answers(request: pytest.FixtureRequest) -> Answers:
    found: Answers = request.param
    return found


@pytest.fixture(scope="module")
def project(answers: Answers, render: Render) -> Path:
    return render(**answers)


def texts(project: Path) -> Iterator[tuple[str, str]]:
    for path in files_of(project):
        yield str(path.relative_to(project)), path.read_text(encoding="utf-8")


def test_nothing_of_the_template_is_left(project: Path) -> None:
    found = {
        name: match.group()
        for name, text in texts(project)
        for match in (JINJA.search(name), JINJA.search(text), LEFTOVERS.search(text))
        if match and not (Path(name).name in NAMES_THE_TEMPLATE and match.group() == ROOT.name)
    }
    assert found == {}


PARSERS: dict[str, Callable[[str], object]] = {
    ".py": lambda text: compile(text, "", "exec"),
    ".toml": tomllib.loads,
    ".json": json.loads,
    ".yml": yaml.safe_load,
    ".yaml": yaml.safe_load,
}


def test_every_file_parses(project: Path) -> None:
    for name, text in texts(project):
        if parse := PARSERS.get(Path(name).suffix):
            parse(text)
            assert Path(name).suffix == ".py" or not PYTHON_CONSTANT.search(text), name


def test_text_is_tidy(project: Path) -> None:
    untidy = {
        name
        for name, text in texts(project)
        if not text.endswith("\n") or text.endswith("\n\n") or re.search(r"[ \t]\n|\n\n\n\n", text) or text[0] == "\n"
        if text or Path(name).name not in MAY_BE_EMPTY
    }
    assert untidy == set()


def test_no_folder_is_empty(project: Path) -> None:
    assert [folder for folder in project.rglob("*") if folder.is_dir() and not any(folder.iterdir())] == []


def test_ruff_has_nothing_to_do(project: Path) -> None:
    lint(project)


def test_mypy_finds_nothing(
    project: Path, answers: Answers, check_types: Callable[[Path], None], progress: Callable[[str], None]
) -> None:
    progress(f"types of {name_of(answers)}")
    check_types(project)


def test_copying_again_changes_nothing(project: Path, tmp_path: Path) -> None:
    again = copytree(project, tmp_path / "again")
    commit(again)
    copier.run_recopy(again, defaults=True, overwrite=True, quiet=True, unsafe=False)
    assert git(again, "status", "--porcelain") == ""


@pytest.mark.parametrize("answers", COVERING, ids=name_of)
def test_rendered_the_same_without_trust(answers: Answers, render: Render, template: Path, tmp_path: Path) -> None:
    copier.run_copy(str(template), tmp_path / "new", data=answers, defaults=True, quiet=True, unsafe=False)
    assert dict(texts(tmp_path / "new")) == dict(texts(render(**answers)))


def needed_by(project: Path) -> list[Requirement]:
    settings = tomllib.loads((project / "pyproject.toml").read_text())
    itself, developing = settings["project"], settings["dependency-groups"]["dev"]
    extras = chain(*itself.get("optional-dependencies", {}).values())
    return [*map(Requirement, [*itself["dependencies"], *developing, *extras])]


def test_project_needs_nothing_that_its_tests_here_would_lack(project: Path) -> None:
    lacking = [
        needed
        for needed in needed_by(project)
        if not needed.specifier.contains(metadata.version(needed.name), prereleases=True)
    ]
    assert lacking == []


def test_no_project_can_be_called_as_what_it_needs(project: Path) -> None:
    packages = re.search(r"PACKAGES = '([^']+)'", (ROOT / "hooks/names.jinja").read_text())
    assert packages
    assert {needed.name for needed in needed_by(project)} <= {*packages[1].split()}


# A word of what was not chosen, and where the answer is one that rules it out.
WORDS: list[tuple[str, Callable[[Answers], bool]]] = [
    ("supabase", lambda answers: answers["database"] == "postgres"),
    ("alembic", lambda answers: answers["migrations"] == "none"),
    ("revision", lambda answers: answers["migrations"] == "none"),
    ("autogenerate", lambda answers: answers["migrations"] != "autogenerate"),
    ("create-schema", lambda answers: answers["migrations"] != "none"),
    ("create_schema", lambda answers: answers["migrations"] != "none"),
    ("owner_id", lambda answers: answers["auth"] == "none"),
    ("jwt", lambda answers: answers["auth"] == "none"),
    ("argon2", lambda answers: answers["auth"] != "password"),
    ("refresh_tokens", lambda answers: answers["auth"] != "password"),
    ("jwks", lambda answers: answers["auth"] != "supabase"),
    ("row_security", lambda answers: not answers["row_level_security"]),
    ("policies", lambda answers: not answers["row_level_security"]),
]

# Where a word may stand nevertheless.
ALLOWED = {
    # Any database URL may be Supabase's, whatever was answered: these tell how it is connected to.
    "supabase": {
        *(f"app/database/{name}.py" for name in ("engine", "row_security/bootstrap", "tls", "url")),
        "dev/probe.py",
        "migrate/sql.py",
        "tests/database/test_connection.py",
    },
    # What Supabase has, whoever signs in.
    "jwt": {"dev/supabase.py"},
    "policies": {"dev/supabase.py"},
    "owner_id": {"app/database/errors.py"},
}


def test_what_was_not_chosen_is_nowhere(project: Path, answers: Answers) -> None:
    ruled_out = [word for word, rules_out in WORDS if rules_out(answers)]
    found = {
        (word, name)
        for name, text in texts(project)
        for word in ruled_out
        if word in name.lower() or word in text.lower()
        if name not in ALLOWED.get(word, ())
    }
    assert found == set()


def test_what_was_chosen_is_there(project: Path, answers: Answers) -> None:
    everything = "\n".join(text.lower() for name, text in texts(project) if name != ".copier-answers.yml")
    assert [word for word, rules_out in WORDS if not rules_out(answers) and word not in everything] == []
