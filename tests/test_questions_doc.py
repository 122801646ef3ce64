"""`docs/questions.md` says what `copier.yml` asks."""

import runpy
from pathlib import Path

from projects import ROOT


def test_page_is_current() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_questions.py"))
    page: str = made["questions_page"]()
    assert Path(ROOT, "docs", "questions.md").read_text() == page, "run `python docs/make_questions.py`"
