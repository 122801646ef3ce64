"""The tests notice mistakes: each change of `mutants.py` makes one of them fail."""

from pathlib import Path

import pytest

from mutants import MUTANTS, Mutant
from noticing import Notices, compiled
from projects import Render, with_proofs


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    return compiled(with_proofs(render(auth="none"), "proofs"))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mistake_is_noticed(mutant: Mutant, project: Path, assert_noticed: Notices) -> None:
    assert_noticed(mutant, project)
