"""Connection strings, as people write them."""

import pytest

from app.database.tls import tls_of
from app.database.url import Profile, parse_url


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_a_url_is_read_as_libpq_reads_it(scheme: str) -> None:
    url = parse_url(f"{scheme}://me:p%40ss%25@db.example.com:5433,[::1]/shop?sslmode=require")
    assert (url.user, url.password, url.database) == ("me", "p@ss%", "shop")
    assert url.hosts == (("db.example.com", 5433), ("::1", 5432))
    assert url.parameters == {"sslmode": "require"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "reads postgresql://user:password@host:5432/name"),
        ("db.example.com", "reads postgresql://user:password@host:5432/name"),
        ("mysql://me@db/shop", "starts with postgresql://, not with mysql://"),
        ("postgresql://me@db/shop?channel_binding=require", "has channel_binding, which is not supported"),
    ],
)
def test_what_would_not_reach_the_server_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_url(text)


@pytest.mark.parametrize(
    ("host", "profile"),
    [
        ("127.0.0.1:5432", Profile.DIRECT),
        ("db.your-project-ref.supabase.co:5432", Profile.DIRECT),
        ("aws-0-eu-west-1.pooler.supabase.com:5432", Profile.SESSION),
        ("aws-0-eu-west-1.pooler.supabase.com:6543", Profile.TRANSACTION),
        ("db.example.com:6432", Profile.TRANSACTION),
    ],
)
def test_host_and_port_tell_how_a_connection_behaves(host: str, profile: Profile) -> None:
    assert parse_url(f"postgresql://me@{host}/shop").profile() is profile


@pytest.mark.parametrize("host", ["db.example.com", "db.your-project-ref.supabase.co"])
def test_nothing_leaves_the_machine_in_plain_text(host: str) -> None:
    with pytest.raises(ValueError, match="set DATABASE_CA_FILE"):
        tls_of(parse_url(f"postgresql://me@{host}/shop?sslmode=prefer"), None, production=True)
