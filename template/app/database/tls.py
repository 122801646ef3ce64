"""How a connection is encrypted, and whom it trusts: `sslmode` and its files, as libpq means them."""

import ssl
from pathlib import Path

from app.database.url import FILES, DatabaseUrl

UNVERIFIED = ("disable", "allow", "prefer")
"""Modes in which plain text may be the outcome."""


def tls_of(url: DatabaseUrl, ca_file: Path | None, *, production: bool) -> ssl.SSLContext | str:
    """Return what asyncpg takes as `ssl`.

    Without `sslmode`, a host elsewhere is verified as far as there is a CA to do it with; Supabase's always is.

    Raises:
        ValueError: what the URL asks for is unsafe or cannot be done; the message says what to do.
    """
    own = url.parameters.get("sslrootcert")
    trusted = own or (str(ca_file) if ca_file else None)
    mode = url.parameters.get("sslmode") or ("verify-full" if own or (ca_file and not url.is_local) else "prefer")
    if url.is_supabase:
        mode = _verified(mode, trusted)
    if mode in UNVERIFIED:
        return _plain(mode, url, production)
    if (mode == "verify-ca" and trusted is None) or (mode != "verify-full" and trusted == "system"):
        raise ValueError(f"sslmode={mode} needs a CA of your own: set DATABASE_CA_FILE, or use sslmode=verify-full")
    return _context(mode, trusted, url)


def _verified(mode: str, trusted: str | None) -> str:
    if mode == "disable":
        raise ValueError("Supabase is reached through the Internet: take sslmode=disable out of its database URL")
    if trusted is None:
        raise ValueError(
            "Supabase's certificate is signed by a CA of its own: download it in the dashboard, under "
            "Database Settings, SSL Configuration, and set DATABASE_CA_FILE to its path"
        )
    return "verify-full"


def _plain(mode: str, url: DatabaseUrl, production: bool) -> str:
    if files := sorted(set(FILES) & url.parameters.keys()):
        raise ValueError(f"{', '.join(files)} in the database URL needs sslmode=verify-full")
    if production and not url.is_local:
        raise ValueError(
            f"in production nothing goes to {url} in plain text: add ?sslmode=verify-full to the database URL, "
            "and set DATABASE_CA_FILE where the server's CA is not a public one"
        )
    return mode


def _context(mode: str, trusted: str | None, url: DatabaseUrl) -> ssl.SSLContext:
    what = trusted
    try:
        context = ssl.create_default_context(cafile=None if trusted == "system" else trusted)
        if certificate := url.parameters.get("sslcert"):
            what = f"{certificate}, or its sslkey without a password,"
            context.load_cert_chain(certificate, url.parameters.get("sslkey"), password="")  # None would ask a terminal
    except OSError as error:  # there is no such file, or it holds something else
        raise ValueError(f"{what} cannot be read as a PEM file ({error.strerror or error})") from None
    # libpq does not ask for it either, and private CAs often lack what it demands.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = mode == "verify-full"
    if mode == "require" and trusted is None:
        context.verify_mode = ssl.CERT_NONE
    return context
