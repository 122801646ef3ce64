"""TLS as `sslmode` means it, against servers that have it: Debian's PostgreSQL 15, as the wheel has no OpenSSL."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from certificates import encrypted_server, make_certificates
from dev.postgres import Server
from mutants import TLS_MUTANTS, Mutant
from noticing import Notices, compiled
from projects import DEBIAN, PROOFS_TOO, Render, run_suite, with_proofs


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    return compiled(with_proofs(render(auth="none"), "proofs", "encrypted"))


@pytest.fixture(scope="module")
def servers(postgres_15: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment variables that lead to the servers and the certificates."""
    certificates = tmp_path_factory.mktemp("certificates")
    make_certificates(certificates)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSTGRES_BIN", str(DEBIAN))
        good, expired = (stack.enter_context(encrypted_server(certificates, name)) for name in ("server", "expired"))
        yield {
            "CERTIFICATES": str(certificates),
            "TEST_DATABASE_URL": good.url(),
            "EXPIRED_URL": expired.url(),
            "PLAIN_URL": postgres_15.url(),
        }


def test_every_mode_does_what_it_says(project: Path, servers: dict[str, str], progress: Callable[[str], None]) -> None:
    environment = {**servers}
    closing = run_suite(project, environment.pop("TEST_DATABASE_URL"), PROOFS_TOO, "tests/encrypted", **environment)
    progress(f"TLS, {closing}")


@pytest.mark.parametrize("mutant", TLS_MUTANTS, ids=lambda mutant: mutant.name)
def test_mistake_is_noticed(mutant: Mutant, project: Path, servers: dict[str, str], assert_noticed: Notices) -> None:
    assert_noticed(mutant, project, **servers)
