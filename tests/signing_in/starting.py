"""Keys: there is no default; one that is wrong is refused in one sentence; `dev` makes its own."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.database.start import StartError
from app.main import create_app
from app.settings import Settings, get_settings
from dev import users
from tests.support import started


def openssl(*arguments: str, given: str | None = None) -> str:
    return subprocess.run(["openssl", *arguments], input=given, text=True, capture_output=True, check=True).stdout  # noqa: S607


P256 = openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout")
PUBLIC = openssl("ec", "-pubout", given=P256)
ED25519 = openssl("genpkey", "-algorithm", "ed25519")
ED_PUBLIC = openssl("pkey", "-pubout", given=ED25519)
GOOD = {
    "lines": ({"TOKEN_PRIVATE_KEY": P256}, "ES256"),
    "one line": ({"TOKEN_PRIVATE_KEY": P256.replace("\n", "\\n")}, "ES256"),
    "PKCS 8": ({"TOKEN_PRIVATE_KEY": openssl("pkcs8", "-topk8", "-nocrypt", given=P256)}, "ES256"),
    "Ed25519": ({"TOKEN_PRIVATE_KEY": ED25519}, "EdDSA"),
    "secret": ({"TOKEN_SECRET": "x" * 32}, "HS256"),
    "older keys": ({"TOKEN_SECRET": "x" * 32, "TOKEN_PUBLIC_KEYS": json.dumps([PUBLIC, ED_PUBLIC])}, "HS256"),
    "empty": ({"TOKEN_PRIVATE_KEY": "", "TOKEN_SECRET": "x" * 32}, "HS256"),
}
BAD = {
    "both": ({"TOKEN_PRIVATE_KEY": P256, "TOKEN_SECRET": "x" * 32}, "TOKEN_SECRET: there is a TOKEN_PRIVATE_KEY too"),
    "short": ({"TOKEN_SECRET": "x" * 31}, "TOKEN_SECRET: shorter than 32 bytes"),
    "garbage": ({"TOKEN_PRIVATE_KEY": "x"}, "TOKEN_PRIVATE_KEY: not a private key in PEM"),
    "public": ({"TOKEN_PRIVATE_KEY": PUBLIC}, "TOKEN_PRIVATE_KEY: not a private key in PEM"),
    "P-384": (
        {"TOKEN_PRIVATE_KEY": openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout")},
        "TOKEN_PRIVATE_KEY: neither a P-256 nor an Ed25519 key",
    ),
    "RSA": ({"TOKEN_PRIVATE_KEY": openssl("genrsa", "2048")}, "TOKEN_PRIVATE_KEY: neither a P-256 nor an Ed25519"),
    "passphrase": (
        {"TOKEN_PRIVATE_KEY": openssl("genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:x")},
        "TOKEN_PRIVATE_KEY: not a private key in PEM without a passphrase",
    ),
    "private, published": (
        {"TOKEN_SECRET": "x" * 32, "TOKEN_PUBLIC_KEYS": json.dumps([P256])},
        "TOKEN_PUBLIC_KEYS: not a public key in PEM",
    ),
    "lifetime": ({"ACCESS_TOKEN_LIFETIME": "0"}, "ACCESS_TOKEN_LIFETIME: "),
}


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/app")
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize(("given", "algorithm"), GOOD.values(), ids=GOOD)
def test_a_key_says_its_algorithm(given: dict[str, str], algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings.model_validate({})
    assert settings.signing_key is not None
    assert settings.signing_key.algorithm == algorithm
    assert [text for text in (P256, ED25519, "x" * 32) if text.strip() in repr(settings)] == []


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize(("given", "said"), BAD.values(), ids=BAD)
def test_a_wrong_one_is_one_sentence(given: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        get_settings()
    assert said in str(ended.value)
    assert [value for value in given.values() if len(value) > 1 and value in str(ended.value)] == []


@pytest.mark.parametrize("environment", ["production", "development"])
async def test_without_a_key_it_does_not_start(settings: Settings, environment: str) -> None:
    keyless = settings.model_copy(update={"token_private_key": None, "environment": environment})
    with pytest.raises(StartError, match="set TOKEN_PRIVATE_KEY or TOKEN_SECRET"):
        async with started(create_app(keyless)):
            pass


@pytest.mark.usefixtures("nothing_set")
def test_what_only_changes_the_database_needs_no_key() -> None:
    assert Settings.model_validate({}).signing_key is None


# --- Development ---


@pytest.mark.usefixtures("nothing_set")
def test_dev_makes_a_key_once_that_only_we_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    old = os.umask(0)
    try:
        users.set_signing_key()
    finally:
        os.umask(old)
    made = os.environ["TOKEN_PRIVATE_KEY"]
    assert stat.S_IMODE(Path(".dev/signing_key.pem").stat().st_mode) == 0o600
    del os.environ["TOKEN_PRIVATE_KEY"]
    users.set_signing_key()
    assert os.environ["TOKEN_PRIVATE_KEY"] == made
    assert [path.name for path in Path(".dev").iterdir()] == ["signing_key.pem"]


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize("name", ["TOKEN_PRIVATE_KEY", "TOKEN_SECRET"])
def test_dev_leaves_a_configured_key_alone(name: str) -> None:
    Path(".env").write_text(f"{name}=configured\n")
    users.set_signing_key()
    assert "TOKEN_PRIVATE_KEY" not in os.environ
    assert not Path(".dev").exists()


@pytest.mark.usefixtures("nothing_set")
def test_two_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    code = "import os; from dev.users import *; set_signing_key(); print(os.environ['TOKEN_PRIVATE_KEY'])"
    environment = {"PYTHONPATH": str(Path(users.__file__).parents[1])}
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=tmp_path, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in processes:
        assert b"PRIVATE KEY" in process.communicate()[0]
    assert len(list((tmp_path / ".dev").iterdir())) == 1
