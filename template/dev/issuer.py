"""The issuer of tokens in development, where no Supabase project is configured.

It listens on 127.0.0.1 only, and production takes no SUPABASE_URL without https: the application knows nothing of it.
"""

import os
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from pydantic_settings import BaseSettings, SettingsConfigDict

from dev.supabase_auth import HOST, JWKS, Issuer

KEY = Path(".dev/issuer.pem")
URL = Path(".dev/issuer-url")


class Environment(BaseSettings):
    """What is read here from the environment or `.env`."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    supabase_url: str = ""


@contextmanager
def running_issuer() -> Iterator[None]:
    """Set SUPABASE_URL where it is not configured: to the issuer of a `dev` that runs already, or to one of our own."""
    if Environment().supabase_url:
        yield
    elif running := running_url():
        os.environ["SUPABASE_URL"] = running
        yield
    else:
        issuer = Issuer(free_url(30_000 + zlib.crc32(bytes(KEY.absolute())) % 10_000), key_of(KEY))
        os.environ["SUPABASE_URL"] = issuer.url
        with issuer.serving(), _published(issuer.url):
            yield


@contextmanager
def _published(url: str) -> Iterator[None]:
    URL.write_text(url)
    try:
        yield
    finally:
        URL.unlink(missing_ok=True)


def running_url() -> str | None:
    """Return where a `dev` of this project serves its key at the moment."""
    try:
        url = URL.read_text()
        answer = httpx.get(url + JWKS, timeout=1, trust_env=False)
        return url if answer.json() == {"keys": [Issuer(url, key_of(KEY)).public_key]} else None
    except (OSError, ValueError, httpx.HTTPError):
        return None


def free_url(preferred: int = 0) -> str:
    """Return an address that is free; tokens live longer where it is the same at each start."""
    for port in (preferred, 0):
        with suppress(OSError), socket.create_server((HOST, port)) as probe:
            return f"http://{HOST}:{probe.getsockname()[1]}"
    raise OSError(f"{HOST} has no free port.")


def key_of(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the private key in this file, which is made on first use and can only be read by this account."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(pem)
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} is no key of ours: remove it.")
    return key
