"""TLS as `sslmode` means it, against servers that have it: Debian's PostgreSQL 15, as the wheel has no OpenSSL."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from shutil import copytree

import pytest

from certificates import encrypted_server, make_certificates
from dev.postgres import Server
from mutants import TLS_MUTANTS, Mutant
from projects import DEBIAN, ROOT, Render, run, run_suite
from test_proofs import with_proofs

FILES = "--override-ini=python_files=*.py"
PROOFS = "tests/encrypted"


@pytest.fixture(scope="module")
def project(render: Render) -> Path:
    project = with_proofs(render(auth="none"))
    copytree(ROOT / PROOFS, project / PROOFS)
    return project


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
    closing = run_suite(project, environment.pop("TEST_DATABASE_URL"), FILES, PROOFS, **environment)
    progress(f"TLS, {closing}")


@pytest.mark.parametrize("mutant", TLS_MUTANTS, ids=lambda mutant: mutant.name)
def test_mistake_is_noticed(mutant: Mutant, project: Path, servers: dict[str, str], tmp_path: Path) -> None:
    copy = copytree(project, tmp_path / "copy")
    mutant.apply(copy)
    command = (sys.executable, "-m", "pytest", "--quiet", "--no-header", "--exitfirst", "--tb=no", FILES)
    output = run(copy, *command, mutant.noticed_by, check=False, **servers)
    assert re.search(r"^1 failed\b(?!.*\berror)", output.splitlines()[-1]), f"{mutant} survives:\n{output}"
