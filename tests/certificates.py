"""Certificates made for the tests, and a server that shows one of them."""

import datetime as dt
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

from dev.binaries import choose_account, give
from dev.postgres import THROWAWAY, Server, running_server

# Who may come how: the server's own answer to what the URL asks for.
ACCESS = """
local     all  all                  scram-sha-256
hostssl   all  certified   samehost scram-sha-256 clientcert=verify-full
hostssl   all  only_tls    samehost scram-sha-256
hostnossl all  only_plain  samehost scram-sha-256
host      all  certified,only_tls,only_plain samehost reject
host      all  all         samehost scram-sha-256
"""


def make_certificates(folder: Path) -> None:
    """Write a CA, another one, and certificates with their keys: two for `localhost`, three for clients."""
    ca, other_ca, day = trustme.CA(), trustme.CA(), dt.timedelta(days=1)
    now = dt.datetime.now(dt.UTC)
    ca.cert_pem.write_to_path(folder / "ca.pem")
    other_ca.cert_pem.write_to_path(folder / "other-ca.pem")
    made = {
        "server": ca.issue_cert("localhost"),
        "expired": ca.issue_cert("localhost", not_before=now - 2 * day, not_after=now - day),
        "client": ca.issue_cert("client", common_name="certified"),
        "somebody": ca.issue_cert("client", common_name="somebody"),
        "stranger": other_ca.issue_cert("client", common_name="certified"),
    }
    for name, certificate in made.items():
        certificate.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        certificate.private_key_pem.write_to_path(folder / f"{name}.key")


@contextmanager
def encrypted_server(certificates: Path, name: str) -> Iterator[Server]:
    """A server that shows the certificate of this name, and trusts clients of the same CA."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as made:
        folder = Path(made)
        folder.chmod(0o711)  # Where we are root, the server's account has to get to its files.
        files = {"ssl_cert_file": f"{name}.pem", "ssl_key_file": f"{name}.key", "ssl_ca_file": "ca.pem"}
        for file in files.values():
            (folder / file).write_bytes((certificates / file).read_bytes())
            (folder / file).chmod(0o600)
            give(folder / file, choose_account(folder))
        (folder / "access").write_text(ACCESS)
        paths = {setting: str(folder / file) for setting, file in {**files, "hba_file": "access"}.items()}
        with running_server(folder, settings={**THROWAWAY, **paths, "ssl": "on"}) as server:
            yield server
