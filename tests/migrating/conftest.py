"""A deployment for each test, on a database of its own."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from app.settings import get_settings
from tests.conftest import new_database
from tests.migrating.deployment import Deployment, environment_of

PROJECT = Path(__file__).parents[2]
BOOTSTRAP = PROJECT / "app/database/row_security/bootstrap.py"


@pytest.fixture
def deployment(maintenance_url: str, tmp_path: Path) -> Iterator[Deployment]:
    """The project, with a database that has had no revision."""
    folder = copytree(PROJECT, tmp_path / "project", ignore=ignore_patterns(".*", "tests"))
    with new_database(maintenance_url) as url:
        get_settings.cache_clear()
        deployment = Deployment(folder, url, environment_of(url))
        if BOOTSTRAP.exists():
            done = deployment.run("app.database.row_security.bootstrap")
            assert done.code == 0, done.said
        yield deployment
    get_settings.cache_clear()
