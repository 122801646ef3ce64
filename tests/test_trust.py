"""Nobody has to trust the template: it runs no code, and plain Copier is enough."""

import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from shutil import copytree

import pytest
import yaml

from projects import MISSING, ROOT, commit, git, run

NEEDS_TRUST = ("_tasks", "_migrations", "_jinja_extensions")


def test_nothing_in_the_settings_needs_trust() -> None:
    settings = yaml.safe_load((ROOT / "copier.yml").read_text())
    assert [name for name in NEEDS_TRUST if name in settings] == []


def test_copy_and_update_work_with_nothing_but_copier(template: Path, tmp_path: Path) -> None:
    uv = shutil.which("uv") or pytest.skip(f"{MISSING}uv")
    run(tmp_path, uv, "venv", "--quiet", f"--python={sys.executable}", "plain")
    pinned = [f"copier=={version('copier')}", f"--constraints={ROOT / 'constraints.txt'}", "--python=plain"]
    run(tmp_path, uv, "pip", "install", "--quiet", *pinned)
    copier = tmp_path / "plain" / "bin" / "copier"
    released = copytree(template, tmp_path / "template")
    commit(released)
    git(released, "tag", "v1.0.0")

    run(tmp_path, copier, "copy", "--defaults", "--quiet", released, "shop")
    commit(tmp_path / "shop")
    run(tmp_path / "shop", copier, "update", "--defaults", "--quiet", "-d", "pool_tier=large")

    changed = [line.split()[-1] for line in git(tmp_path / "shop", "status", "--porcelain").splitlines()]
    assert {".copier-answers.yml", "app/settings.py"} <= {*changed}
