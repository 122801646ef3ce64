"""The command that creates what is missing."""

import asyncio
from collections.abc import Iterator

import pytest

from app.database.base import Base
from app.database.create_schema import main
from app.settings import get_settings
from tests.conftest import execute, new_database
from tests.schema_snapshot import snapshot


@pytest.fixture
def empty(maintenance_url: str) -> Iterator[str]:
    """A database of its own, without a schema."""
    with new_database(maintenance_url) as url:
        get_settings.cache_clear()
        yield url
    get_settings.cache_clear()


def test_it_creates_everything_once(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    main()
    created = asyncio.run(snapshot(empty))
    assert f"Created {', '.join(table.name for table in Base.metadata.sorted_tables)}." in capsys.readouterr().out
    main()
    assert "Every table is there already." in capsys.readouterr().out
    assert asyncio.run(snapshot(empty)) == created


def test_it_creates_only_what_is_missing(empty: str) -> None:
    main()
    complete = asyncio.run(snapshot(empty))
    last = Base.metadata.sorted_tables[-1]
    asyncio.run(execute(empty, f"DROP TABLE {last}"))
    main()
    assert asyncio.run(snapshot(empty)) == complete
