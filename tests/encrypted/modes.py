"""`sslmode` against servers with a good certificate, an expired one and none: encrypted, plain, or which refusal."""

import pytest

from tests.encrypted.connecting import Way

MATRIX = """
server  | host      | sslmode     | no CA      | right CA   | wrong CA
good    | localhost |             | TLS        | TLS        | TLS
good    | localhost | disable     | plain      | plain      | plain
good    | localhost | allow       | plain      | plain      | plain
good    | localhost | prefer      | TLS        | TLS        | TLS
good    | localhost | require     | TLS        | TLS        | unknown CA
good    | localhost | verify-ca   | refused    | TLS        | unknown CA
good    | localhost | verify-full | unknown CA | TLS        | unknown CA
good    | 127.0.0.1 | require     | TLS        | TLS        | unknown CA
good    | 127.0.0.1 | verify-ca   | refused    | TLS        | unknown CA
good    | 127.0.0.1 | verify-full | unknown CA | wrong name | unknown CA
expired | localhost | disable     | plain      | plain      | plain
expired | localhost | allow       | plain      | plain      | plain
expired | localhost | prefer      | TLS        | TLS        | TLS
expired | localhost | require     | TLS        | expired    | unknown CA
expired | localhost | verify-ca   | refused    | expired    | unknown CA
expired | localhost | verify-full | unknown CA | expired    | unknown CA
plain   | localhost |             | plain      | plain      | plain
plain   | localhost | disable     | plain      | plain      | plain
plain   | localhost | allow       | plain      | plain      | plain
plain   | localhost | prefer      | plain      | plain      | plain
plain   | localhost | require     | no TLS     | no TLS     | no TLS
plain   | localhost | verify-ca   | refused    | no TLS     | no TLS
plain   | localhost | verify-full | no TLS     | no TLS     | no TLS
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in MATRIX.strip().splitlines()[1:]]
FILES = (None, "ca.pem", "other-ca.pem")


@pytest.mark.parametrize("row", ROWS, ids=["-".join(row[:3]) for row in ROWS])
async def test_a_mode_does_what_it_says(row: list[str], way: Way) -> None:
    server, host, mode, *expected = row
    url = way.url(server, f"sslmode={mode}" if mode else "", host=host)
    assert [await way.outcome(url, ca) for ca in FILES] == expected


@pytest.mark.parametrize(
    ("parameters", "ca", "expected"),
    [
        ("sslrootcert=@ca.pem", None, "TLS"),
        ("sslrootcert=@ca.pem", "other-ca.pem", "TLS"),
        ("sslrootcert=@other-ca.pem", "ca.pem", "unknown CA"),
        ("sslrootcert=@other-ca.pem&sslmode=require", "ca.pem", "unknown CA"),
        ("sslrootcert=@ca.pem&sslmode=verify-ca", None, "TLS"),
        ("sslrootcert=@ca.pem&sslmode=prefer", None, "refused"),
        ("sslrootcert=system", "ca.pem", "unknown CA"),
        ("sslrootcert=system&sslmode=require", "ca.pem", "refused"),
        ("sslrootcert=system&sslmode=verify-ca", "ca.pem", "refused"),
    ],
)
async def test_the_ca_of_the_url_comes_first(parameters: str, ca: str | None, expected: str, way: Way) -> None:
    assert await way.outcome(way.url("good", parameters), ca) == expected
    if expected == "TLS" and "verify-ca" not in parameters:
        assert await way.outcome(way.url("good", parameters, host="127.0.0.1"), ca) == "wrong name"


@pytest.mark.parametrize("parameters", ["sslrootcert=system", "sslmode=verify-full"])
async def test_the_cas_of_the_system_are_trusted(parameters: str, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(way.certificates / "ca.pem"))
    assert await way.outcome(way.url("good", parameters)) == "TLS"
    assert await way.outcome(way.url("good", parameters, host="127.0.0.1")) == "wrong name"
    assert await way.outcome(way.url("plain", parameters)) == "no TLS"


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_of_several_hosts_none_is_spoken_to_in_plain_text(mode: str, way: Way) -> None:
    assert await way.outcome(way.url("plain expired good", f"sslmode={mode}"), "ca.pem") == "TLS"
    assert await way.outcome(way.url("expired plain", f"sslmode={mode}"), "ca.pem") == "no TLS"


@pytest.mark.usefixtures("logins")
@pytest.mark.parametrize(
    ("user", "mode", "expected"),
    [
        ("only_tls", "disable", "not let in"),
        ("only_tls", "allow", "TLS"),
        ("only_tls", "prefer", "TLS"),
        ("only_tls", "require", "TLS"),
        ("only_plain", "allow", "plain"),
        ("only_plain", "prefer", "plain"),
        ("only_plain", "require", "not let in"),
        ("only_plain", "verify-full", "not let in"),
    ],
)
async def test_the_server_may_insist_as_well(user: str, mode: str, expected: str, way: Way) -> None:
    ca = None if mode in {"disable", "allow", "prefer"} else "ca.pem"
    assert await way.outcome(way.url("good", f"sslmode={mode}", user=user), ca) == expected


@pytest.mark.usefixtures("logins")
@pytest.mark.parametrize(
    ("certificate", "expected"),
    [
        ("&sslcert=@client.pem&sslkey=@client.key", "TLS"),
        ("", "not let in"),
        ("&sslcert=@somebody.pem&sslkey=@somebody.key", "not let in"),
        ("&sslcert=@client.pem&sslkey=@somebody.key", "refused"),
        ("&sslcert=@client.pem", "refused"),
        ("&sslcert=@missing.pem&sslkey=@client.key", "refused"),
    ],
)
@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_a_client_shows_its_certificate(mode: str, certificate: str, expected: str, way: Way) -> None:
    url = way.url("good", f"sslmode={mode}&sslrootcert=@ca.pem{certificate}", user="certified")
    assert await way.outcome(url) == expected


@pytest.mark.usefixtures("logins")
async def test_a_clients_certificate_of_another_ca_is_not_accepted(way: Way) -> None:
    shown = "sslmode=verify-full&sslrootcert=@ca.pem&sslcert=@stranger.pem&sslkey=@stranger.key"
    assert await way.outcome(way.url("good", shown, user="certified")) == "cut off"
