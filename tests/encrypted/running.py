"""The running application and Alembic's command, when a certificate is not, or no longer, what it should be."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.database.start import StartError
from tests.encrypted.connecting import ENCRYPTED, Way
from tests.proofs.service import assert_problem, serving

PROJECT = Path(__file__).parents[2]
VERIFIED = "sslmode=verify-full"
UNTRUSTED = "certificate verify failed: (self-signed certificate in|unable to get local issuer)"


@pytest.mark.parametrize(
    ("server", "host", "ca", "reason"),
    [
        ("good", "localhost", "other-ca.pem", UNTRUSTED),
        ("good", "localhost", None, UNTRUSTED),
        ("good", "127.0.0.1", "ca.pem", "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        ("expired", "localhost", "ca.pem", "certificate has expired"),
        ("plain", "localhost", "ca.pem", "rejected SSL upgrade"),
    ],
)
async def test_the_start_is_refused_in_one_sentence(
    server: str, host: str, ca: str | None, reason: str, way: Way
) -> None:
    settings = way.set(way.url(server, VERIFIED, host=host), ca, environment="production", start_timeout=0)
    with pytest.raises(StartError) as refusal:
        async with serving(settings):
            pass
    port = way.servers[server].port
    assert re.fullmatch(rf"No connection to {host}:{port}: .*{reason}.*\. `uv run doctor` .*", str(refusal.value))


async def test_in_production_it_serves_over_tls(way: Way) -> None:
    settings = way.set(way.url("good", VERIFIED), "ca.pem", environment="production")
    async with serving(settings) as service, service.sessions.write() as session:
        assert await session.scalar(ENCRYPTED) == "TLS"


class Switch:
    """Listens on a port of its own, and passes everything on to one server or another."""

    port: int

    def __init__(self, target: int) -> None:
        self.target = target
        self.open: set[asyncio.StreamWriter] = set()

    async def connect(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        answers, questions = await asyncio.open_connection("127.0.0.1", self.target)
        self.open |= {target, questions}
        await asyncio.gather(_pass_on(source, questions), _pass_on(answers, target))

    def turn(self, target: int) -> None:
        """Cut every connection; later ones go to another server."""
        self.target = target
        for writer in self.open:
            writer.transport.abort()
        self.open.clear()


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            target.write(data)
    except ConnectionError:
        return
    target.close()


@asynccontextmanager
async def switch(target: int) -> AsyncIterator[Switch]:
    """Run a switch."""
    made = Switch(target)
    async with await asyncio.start_server(made.connect, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


@pytest.mark.parametrize("other", ["expired", "plain"])
async def test_a_server_that_loses_its_certificate_is_not_spoken_to(other: str, way: Way) -> None:
    good, bad = way.servers["good"].port, way.servers[other].port
    assert good is not None
    assert bad is not None
    async with switch(good) as between:
        url = way.url("good", VERIFIED).get_secret_value().replace(f":{good}/", f":{between.port}/")
        async with serving(way.set(SecretStr(url), "ca.pem", environment="production")) as service:
            between.turn(bad)
            for path in ("/writes", "/reads", "/writes", "/reads"):
                assert_problem(await service.post(path), 503, "database_unavailable")
            between.turn(good)


@pytest.mark.parametrize(("ca", "said"), [("ca.pem", ""), ("other-ca.pem", UNTRUSTED)])
def test_alembic_connects_over_tls_or_not_at_all(ca: str, said: str, way: Way) -> None:
    environment = {
        "DATABASE_URL": "postgresql://localhost:1/nothing",
        "MIGRATION_DATABASE_URL": way.url("good", VERIFIED).get_secret_value(),
        "DATABASE_CA_FILE": str(way.certificates / ca),
        "ENVIRONMENT": "production",
        "CONFIRM_MIGRATION": str(way.servers["good"].database),
    }
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    done = subprocess.run(
        command, cwd=PROJECT, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) is (said == "")
    assert re.search(said, done.stderr)
    assert str(way.servers["good"].password) not in done.stderr
