"""Access tokens: what nobody is let in with, and what a route demands of one."""

import time
import uuid
from collections.abc import Callable
from typing import Annotated, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from fastapi import APIRouter, FastAPI
from httpx import AsyncClient

from app.auth import IdentityDep, require_scope
from app.auth.tokens import AUDIENCE, ISSUER, TYPE, BadTokenError, Verifier
from app.database.identity import Identity
from app.database.session import Sessions
from app.token_keys import private_key, public_key, shared_secret
from dev.users import new_private_key
from tests.contract.test_access import ask
from tests.support import ADA, BOB, PRIVATE_KEY, VERIFIER, headers_of

router = APIRouter()
KEY = private_key(PRIVATE_KEY)
OTHER = private_key(new_private_key())
NOW = int(time.time())
RIGHT = {"iss": ISSUER, "aud": AUDIENCE, "sub": str(uuid.uuid4()), "iat": NOW, "exp": NOW + 900, "scope": ""}


def token(
    key: Any = KEY.signer, algorithm: str = KEY.algorithm, typ: str = TYPE, without: str = "", **claims: Any
) -> str:
    """Return a token that differs from a right one in what is given."""
    content = {name: value for name, value in {**RIGHT, **claims}.items() if name != without}
    return jwt.encode(content, key, algorithm, {"typ": typ, "kid": KEY.id})


HOSTILE = {
    "nothing": "",
    "another key": token(OTHER.signer),
    "no signature": token(None, "none"),
    "a shared secret": token("x" * 32, "HS256"),
    "another kind": token(typ="JWT"),
    "another issuer": token(iss="https://example.com"),
    "another audience": token(aud="other"),
    "several audiences": token(aud=[AUDIENCE, "other"]),
    "expired": token(exp=NOW - 10),
    "from the future": token(iat=NOW + 60),
    "no user": token(sub="ada"),
    **{f"without {claim}": token(without=claim) for claim in RIGHT},
}


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    """What verifies tokens of the tests' key."""
    return Verifier(KEY, {KEY.id: KEY}, lifetime=900)


async def test_a_right_token_says_who_it_is_for(verifier: Verifier) -> None:
    assert await verifier.identity_of(verifier.issue(ADA)) == ADA
    assert str((await verifier.identity_of(token())).user_id) == RIGHT["sub"]


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_token_is_refused(verifier: Verifier, hostile: str) -> None:
    with pytest.raises(BadTokenError):
        await verifier.identity_of(hostile)


async def test_a_key_that_was_replaced_still_verifies_while_it_is_listed() -> None:
    assert await Verifier(OTHER, {OTHER.id: OTHER, KEY.id: KEY}, 900).identity_of(VERIFIER.issue(ADA)) == ADA
    with pytest.raises(BadTokenError):
        await Verifier(OTHER, {OTHER.id: OTHER}, 900).identity_of(VERIFIER.issue(ADA))


async def test_every_kind_of_key_signs_and_verifies() -> None:
    edwards = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for key in (private_key(edwards), private_key(new_private_key()), shared_secret("a secret of the tests " * 2)):
        verifier = Verifier(key, {key.id: key}, 900)
        assert await verifier.identity_of(verifier.issue(ADA)) == ADA


def test_a_public_key_is_called_as_its_private_one() -> None:
    assert not isinstance(KEY.key, bytes)
    pem = KEY.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert public_key(pem).id == public_key(pem.replace("\n", "\\n")).id == KEY.id


@pytest.mark.parametrize("read", [private_key, public_key, shared_secret])
@pytest.mark.parametrize("text", ["", "secret", "your_secret_here" * 4])
def test_what_is_no_key_is_refused(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match="openssl"):
        read(text)


@router.get("/reports")
async def read(_reader: Annotated[Identity, require_scope("reports:read")], identity: IdentityDep) -> str:
    return str(identity.user_id)


@pytest.fixture(scope="module")
def guarded(app: FastAPI, running: tuple[AsyncClient, Sessions]) -> AsyncClient:
    """A client of the application, with a route that demands a scope, and takes who asks twice."""
    app.include_router(router)
    return running[0]


async def test_without_a_valid_token_one_is_asked_to_sign_in(guarded: AsyncClient) -> None:
    bad = await guarded.get("/reports", headers={"Authorization": f"Bearer {HOSTILE['expired']}"})
    assert (bad.status_code, bad.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
    none = await ask(guarded, None, "GET", "/reports")
    assert (none.status_code, none.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_a_route_that_demands_a_scope_names_it(guarded: AsyncClient) -> None:
    refused = await guarded.get("/reports", headers=headers_of(BOB))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert refused.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="reports:read"'


async def test_a_token_is_verified_once_a_request(guarded: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    identity_of = Verifier.identity_of

    async def count(self: Verifier, given: str) -> Identity:
        verified.append(given)
        return await identity_of(self, given)

    monkeypatch.setattr(Verifier, "identity_of", count)
    reader = Identity(ADA.role, ADA.user_id, frozenset({"reports:read"}))
    assert (await guarded.get("/reports", headers=headers_of(reader))).json() == str(ADA.user_id)
    assert len(verified) == 1
