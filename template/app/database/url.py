"""A connection string as people write it, as a URL for SQLAlchemy and asyncpg."""

import sqlalchemy as sa

SCHEMES = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})


def parse_url(text: str) -> sa.URL:
    """Return the URL; ValueError says what is no PostgreSQL URL, or has a parameter that would not reach the server."""
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):  # the latter would show a part of the password
        form = "a database URL reads postgresql://user:password@host:5432/name, a password percent-encoded"
        raise ValueError(form) from None
    if url.drivername not in SCHEMES:
        raise ValueError(f"a database URL starts with postgresql://, not with {url.drivername}://")
    if unknown := sorted(url.query.keys() - {"sslmode", "host"}):
        raise ValueError(f"the database URL has {', '.join(unknown)}, which is not supported; take it out")
    query = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    # On SQLAlchemy 2.1 the bare scheme means psycopg.
    return url.set(drivername="postgresql+asyncpg", query=query)
