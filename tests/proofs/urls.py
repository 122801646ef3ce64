"""What a database URL becomes: the arguments that asyncpg is given for each host, or one sentence."""

import re
import ssl
import string
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import trustme
from cryptography.hazmat.primitives import serialization as keys
from pydantic import ValidationError

from app.database.connection import opener_of
from app.database.errors import DatabaseUnavailableError
from app.database.tls import tls_of
from app.database.url import DatabaseUrl, parse_url
from app.settings import Settings, get_settings
from tests.proofs.url_rows import READ, REFUSED

SECRET = "hunter2"  # noqa: S105
MODES = ("disable", "allow", "prefer")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """libpq's variables of this machine are none of the rows' business."""
    for name in ("PGHOST", "PGPORT", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CA, CERT, KEY and LOCKED, a key with a password."""
    folder = tmp_path_factory.mktemp("certificates")
    ca = trustme.CA()
    made = ca.issue_cert("localhost")
    ca.cert_pem.write_to_path(folder / "CA")
    made.cert_chain_pems[0].write_to_path(folder / "CERT")
    made.private_key_pem.write_to_path(folder / "KEY")
    key = keys.load_pem_private_key(made.private_key_pem.bytes(), None)
    locked = keys.BestAvailableEncryption(SECRET.encode())
    (folder / "LOCKED").write_bytes(key.private_bytes(keys.Encoding.PEM, keys.PrivateFormat.PKCS8, locked))
    return folder


def with_files(url: str, files: Path) -> str:
    return re.sub(r"=(CA|CERT|KEY|LOCKED)\b", rf"={files}/\1", url)


async def given(url: DatabaseUrl, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the arguments of asyncpg for every host, none of which answers."""
    calls: list[dict[str, Any]] = []

    async def refuse(**arguments: Any) -> None:
        calls.append(arguments)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncpg, "connect", refuse)
    with pytest.raises(DatabaseUnavailableError):
        await opener_of(url, settings, url.profile(), "write").open()
    return calls


def kind_of(tls: ssl.SSLContext | str) -> str:
    """Name what a context checks, in the words of sslmode."""
    if isinstance(tls, str):
        return tls
    checked = {(ssl.CERT_NONE, False): "require", (ssl.CERT_REQUIRED, False): "verify-ca"}
    return {**checked, (ssl.CERT_REQUIRED, True): "verify-full"}[tls.verify_mode, tls.check_hostname]


@pytest.mark.parametrize(("text", "expected"), READ, ids=[text for text, _ in READ])
async def test_every_part_reaches_asyncpg(
    text: str, expected: dict[str, str], files: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = parse_url(with_files(text, files))
    calls = await given(url, settings.model_copy(update={"application_name": "app"}), monkeypatch)
    first, brought = calls[0], calls[0]["server_settings"]
    found = {
        "hosts": " ".join(f"{call['host']}:{call['port']}" for call in calls),
        "wanted": " ".join(call["target_session_attrs"] for call in calls),
        **{name: first[name] or "" for name in ("user", "password", "database")},
        "ssl": kind_of(first["ssl"]),
        "timeout": str(first["timeout"]),
        "name": brought["application_name"],
        "options": brought.get("options", ""),
        "profile": url.profile(),
    }
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(("text", "sentence"), REFUSED, ids=[ascii(text) for text, _ in REFUSED])
def test_what_cannot_be_meant_is_one_sentence(text: str, sentence: str, files: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)) as refusal:
        read(with_files(text, files))
    assert type(refusal.value) is ValueError
    assert not re.search(f"{SECRET}|\n", str(refusal.value))


def read(text: str, ca: Path | None = None, *, production: bool = False) -> str:
    """Read a URL as the settings do, and name the kind of its TLS."""
    url = parse_url(text)
    url.profile()
    return kind_of(tls_of(url, ca, production=production))


@pytest.mark.parametrize("end", ["@db/shop", "@db:5432,db/shop?sslmode=require&application_name=x", "@/shop?host=a"])
@pytest.mark.parametrize("mark", [*string.punctuation, *"\r\n\t\0 ä\ufffd", "%0", "%zz", "%ff", "/1", "1/?", "=&"])
def test_a_password_that_is_not_encoded_is_never_shown(mark: str, end: str) -> None:
    for number in ("", "1234"):
        text = f"postgresql://me:{number}{mark}{SECRET}{mark}={SECRET}&{mark}{SECRET}{end}"
        try:
            shown = f"{parse_url(text)} {parse_url(text)!r}"
        except ValueError as error:
            shown = f"{error} {error!r}"
        assert SECRET not in shown


def test_settings_that_are_refused_do_not_show_what_was_given() -> None:
    with pytest.raises(ValidationError) as refusal:
        Settings.model_validate({"database_url": f"mysql://me:{SECRET}@db/shop"})
    assert SECRET not in f"{refusal.value} {refusal.value!r}"


# --- Plain text ---

FAR = ("db", "192.0.2.1", "[2001:db8::1]", "[fe80::1%25lo]", "0.0.0.0", "127.1", "localhost.", "localhost.example.com")  # noqa: S104
NEAR = ("localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "[::1]", "%2Fdb", "")


@pytest.mark.parametrize("mode", ["", *(f"?sslmode={mode}" for mode in MODES)])
@pytest.mark.parametrize("far", FAR)
def test_in_production_no_host_elsewhere_is_spoken_to_in_plain_text(far: str, mode: str) -> None:
    for hosts in (far, f"{far}:5433", f"localhost,{far}", f"{far},127.0.0.1", f"%2Fdb,[::1],{far}"):
        text = f"postgresql://me:{SECRET}@{hosts}/shop{mode}"
        assert read(text) in MODES
        with pytest.raises(ValueError, match=r"^in production nothing goes to .* in plain text: add .*verify-full"):
            read(text, production=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("near", NEAR)
def test_what_stays_on_this_machine_may_be_plain_text(near: str, mode: str) -> None:
    assert read(f"postgresql://{near}/shop?sslmode={mode}", production=True) == mode


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
@pytest.mark.parametrize("host", ["db", "localhost", "localhost,db"])
def test_a_ca_file_is_used_by_every_mode_that_checks(host: str, mode: str, files: Path) -> None:
    kind = "verify-ca" if mode == "require" else mode
    assert read(f"postgresql://{host}/shop?sslmode={mode}", files / "CA", production=True) == kind


def test_with_a_ca_file_a_host_elsewhere_is_verified_by_itself(files: Path) -> None:
    assert read("postgresql://localhost,db/shop", files / "CA", production=True) == "verify-full"
    assert read("postgresql://localhost/shop", files / "CA", production=True) == "prefer"


def test_a_private_ca_needs_no_extension_that_libpq_does_not_ask_for(files: Path) -> None:
    tls = tls_of(parse_url(f"postgresql://db/shop?sslrootcert={files}/CA"), None, production=True)
    assert isinstance(tls, ssl.SSLContext)
    assert not tls.verify_flags & ssl.VERIFY_X509_STRICT
    assert tls.minimum_version >= ssl.TLSVersion.TLSv1_2


# --- What the environment says ---


def test_where_the_url_names_no_host_the_environment_is_checked_like_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db,::1")
    monkeypatch.setenv("PGPORT", "5433")
    url = parse_url("postgresql:///shop")
    assert (url.hosts, str(url)) == ((("db", 5433), ("::1", 5433)), "db:5433, [::1]:5433")
    assert parse_url("postgresql://localhost/shop").hosts == (("localhost", 5432),)
    with pytest.raises(ValueError, match="in production nothing goes to db:5433"):
        read("postgresql:///shop", production=True)


@pytest.mark.parametrize("name", ["DATABASE_URL", "MIGRATION_DATABASE_URL"])
def test_the_start_names_the_setting_that_is_wrong(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/shop")
    monkeypatch.setenv("MIGRATION_DATABASE_URL", "postgresql://localhost/shop")
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv(name, f"postgresql://me:{SECRET}@db/shop")
    get_settings.cache_clear()
    with pytest.raises(SystemExit, match=f"^Set as .*: {name}: in production nothing goes to db:5432") as end:
        get_settings()
    assert SECRET not in str(end.value)
