"""Connection strings, as people write them."""

import pytest

from app.database.url import parse_url


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_every_scheme_means_asyncpg(scheme: str) -> None:
    url = parse_url(f"{scheme}://me:p%40ss%25@db.example.com:5433/shop?sslmode=require")
    assert url.drivername == "postgresql+asyncpg"
    assert (url.username, url.password, url.host, url.port, url.database) == (
        "me",
        "p@ss%",
        "db.example.com",
        5433,
        "shop",
    )
    assert url.query == {"ssl": "require"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "reads postgresql://user:password@host:5432/name"),
        ("db.example.com", "reads postgresql://user:password@host:5432/name"),
        ("mysql://me@db/shop", "starts with postgresql://, not with mysql://"),
        ("postgresql://me@db/shop?sslcert=x&channel_binding=require", "has channel_binding, sslcert"),
    ],
)
def test_what_would_not_reach_the_server_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_url(text)
