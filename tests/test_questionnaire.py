"""The questionnaire as a person goes through it, in a terminal."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
import yaml

from combinations import NO_PASSWORDS, NO_SUPABASE, NOBODY_ASKS

ENTER, FINISH, DOWN, CLEAR = "\r", "\x1b\r", "\x1b[B", "\x15"


@pytest.fixture
def terminal(template: Path, tmp_path: Path) -> "Iterator[pexpect.spawn[str]]":
    # Without the first one, the prompts wait for the terminal's answer to where its cursor is.
    environment = os.environ | {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "NO_COLOR": "1"}
    command = ["-m", "copier", "copy", str(template), str(tmp_path / "new")]
    child = pexpect.spawn(sys.executable, command, env=environment, encoding="utf-8", timeout=60, dimensions=(60, 200))
    yield child
    child.close(force=True)


def test_bad_table_line_is_refused_live_and_the_good_one_taken(terminal: "pexpect.spawn[str]", tmp_path: Path) -> None:
    terminal.expect("What is the project called")
    terminal.send(CLEAR + "Tom's Library" + ENTER)
    terminal.expect("Where does the data live")
    terminal.send(DOWN * 2 + ENTER)
    terminal.expect("Which tables")
    # Backspaces, as the prompt starts with the example.
    terminal.send("\x7f" * 2000)
    terminal.send("- Book title:strng(80)")
    terminal.expect("unknown type `strng`")
    terminal.send(FINISH)
    terminal.send("\x7f" * len("strng(80)"))
    terminal.send("str(80):unique pages:int:min(1)" + FINISH)
    # What does not go together is shown with its reason, and passed over.
    terminal.expect("Who signs in, and where")
    terminal.expect_exact(f"({NO_PASSWORDS})")
    terminal.send(DOWN + ENTER)
    terminal.expect("Does PostgreSQL itself keep each user")
    terminal.expect_exact(f"({NOBODY_ASKS})")
    terminal.send(ENTER)
    terminal.expect("How does the schema change")
    terminal.send(DOWN + ENTER)
    terminal.expect("How many connections")
    terminal.send(ENTER)
    terminal.expect(pexpect.EOF)
    terminal.wait()

    assert terminal.exitstatus == 0
    answers = yaml.safe_load((tmp_path / "new" / ".copier-answers.yml").read_text())
    assert {name: answers[name] for name in answers if name[0] != "_"} == {
        "project_name": "Tom's Library",
        "database": "hybrid",
        "tables": ["Book title:str(80):unique pages:int:min(1)"],
        "auth": "none",
        "row_level_security": False,
        "migrations": "manual",
        "migrations_before": "manual",
        "pool_tier": "small",
    }
    assert (tmp_path / "new" / "app" / "models" / "book.py").exists()


def test_supabase_auth_without_supabase_is_shown_with_its_reason(terminal: "pexpect.spawn[str]") -> None:
    terminal.expect("What is the project called")
    terminal.send(ENTER)
    terminal.expect("Where does the data live")
    terminal.send(ENTER)
    terminal.expect("Which tables")
    terminal.send(FINISH)
    terminal.expect("Who signs in, and where")
    terminal.expect_exact(f"({NO_SUPABASE})")
