"""Access tokens that somebody has forged, altered or kept: nobody is let in, and nothing fails but the request."""

import base64
import hashlib
import hmac
import json
import secrets
import time
import uuid
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from httpx import AsyncClient

from app.auth.tokens import AUDIENCE, ISSUER, TYPE, BadTokenError, Verifier
from app.database.identity import Role
from app.token_keys import SigningKey, private_key, shared_secret
from dev.users import new_private_key
from tests.support import PRIVATE_KEY

KEY, OTHER = private_key(PRIVATE_KEY), private_key(new_private_key())
NOW = int(time.time())
USER = "00000000-0000-7000-8000-0000000000ad"
RIGHT = {"iss": ISSUER, "aud": AUDIENCE, "sub": USER, "iat": NOW, "exp": NOW + 900, "scope": "products:write"}
HEADER = {"typ": TYPE, "kid": KEY.id, "alg": KEY.algorithm}


def encoded(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(key: SigningKey = KEY, header: dict[str, Any] | None = None, without: str = "", **claims: Any) -> str:
    content = {name: value for name, value in {**RIGHT, **claims}.items() if name != without}
    return signed(json.dumps(content).encode(), key, header)


def signed(content: bytes, key: SigningKey = KEY, header: dict[str, Any] | None = None) -> str:
    return jwt.PyJWS().encode(content, key.signer, key.algorithm, {"typ": TYPE, "kid": KEY.id, **(header or {})})


def unsigned(header: Any = HEADER, claims: Any = RIGHT, signature: bytes = b"") -> str:
    return ".".join((encoded(header), encoded(claims), encoded(signature)))


def with_hmac(secret: bytes, **header: Any) -> str:
    content = f"{encoded({**HEADER, 'alg': 'HS256', **header})}.{encoded(RIGHT)}"
    return f"{content}.{encoded(hmac.digest(secret, content.encode(), 'sha256'))}"


def altered(part: int, content: Any) -> str:
    parts = token().split(".")
    parts[part] = encoded(content)
    return ".".join(parts)


def public_pem() -> bytes:
    assert isinstance(KEY.key, ec.EllipticCurvePublicKey)
    return KEY.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_der() -> bytes:
    assert isinstance(KEY.key, ec.EllipticCurvePublicKey)
    return KEY.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def own_jwk() -> dict[str, Any]:
    return json.loads(jwt.algorithms.ECAlgorithm.to_jwk(OTHER.key))


DEEP = b"[" * 100_000
HOSTILE = {
    # No token at all.
    "empty": "",
    "blank": " ",
    "one part": "abc",
    "two parts": "abc.def",
    "four parts": f"{token()}.{encoded(b'')}",
    "five parts, as if encrypted": ".".join([encoded(HEADER)] * 5),
    "not base64": "!!!.???.***",
    "not ASCII": "ü" * 30,
    "NUL bytes": "\0.\0.\0",
    "header is no object": unsigned([]),
    "header is null": unsigned(None),
    "header is nested for ever": unsigned(DEEP),
    "claims are nested for ever": unsigned(claims=DEEP),
    "claims are no object": signed(b"[]"),
    "claims are no JSON": signed(b"{"),
    # Signatures.
    "algorithm none": unsigned({**HEADER, "alg": "none"}),
    "algorithm nOnE": unsigned({**HEADER, "alg": "nOnE"}),
    "no algorithm": unsigned({"typ": TYPE, "kid": KEY.id}),
    "algorithm is a list": unsigned({**HEADER, "alg": ["ES256"]}),
    "no signature": unsigned(),
    "signature of zeroes": unsigned(signature=bytes(64)),
    "signature of ones": unsigned(signature=b"\xff" * 64),
    "random signature": unsigned(signature=secrets.token_bytes(64)),
    "half a signature": token()[:-40],
    "longer signature": f"{token()}AAAA",
    "another key": token(OTHER),
    "another key, by its own name": token(OTHER, {"kid": OTHER.id}),
    "a key that it brings along": token(OTHER, {"jwk": own_jwk()}),
    "a key that it points to": token(OTHER, {"jku": "http://127.0.0.1:1/jwks.json", "x5u": "http://127.0.0.1:1/"}),
    "HMAC with the public key in PEM": with_hmac(public_pem()),
    "HMAC with the public key in DER": with_hmac(public_der()),
    "HMAC with nothing": with_hmac(b""),
    "HMAC by the name of the secret": with_hmac(b"x" * 32, kid="secret"),
    "unknown key": token(header={"kid": "other"}),
    "key from a file": token(header={"kid": "../../../../dev/null"}),
    "key from SQL": token(header={"kid": "' UNION SELECT 'x"}),
    "no key": unsigned({"typ": TYPE, "alg": "ES256"}),
    "key is a number": unsigned({**HEADER, "kid": 1}),
    "key is a list": unsigned({**HEADER, "kid": [KEY.id]}),
    "an extension that nobody knows": token(header={"crit": ["x"], "x": 1}),
    "detached": unsigned({**HEADER, "b64": False, "crit": ["b64"]}, b""),
    # Altered.
    "another user": altered(1, {**RIGHT, "sub": str(uuid.uuid4())}),
    "more scopes": altered(1, {**RIGHT, "scope": "products:write categories:write"}),
    "another header": altered(0, {**HEADER, "x": 1}),
    # Signed by us, for something else.
    "another kind": token(header={"typ": "JWT"}),
    "an ID token": token(header={"typ": "id+jwt"}),
    "no kind": token(header={"typ": None}),
    "another issuer": token(iss="https://example.com"),
    "issuer is a list": token(iss=[ISSUER]),
    "another audience": token(aud="other"),
    "several audiences": token(aud=[AUDIENCE, "other"]),
    "audience is part of it": token(aud=AUDIENCE[:-1]),
    # Times.
    "expired": token(exp=NOW - 6),
    "expired for ever": token(exp=0),
    "expires at no time": token(exp="never"),
    "issued in the future": token(iat=NOW + 120),
    "issued at no time": token(iat="now"),
    "not valid yet": token(nbf=NOW + 120),
    # Who.
    "no UUID": token(sub="ada"),
    "empty user": token(sub=""),
    "user is a number": token(sub=1),
    "user is null": token(sub=None),
    "user is SQL": token(sub="' OR true --"),
    "scope is a list": token(scope=["products:write"]),
    "scope is a number": token(scope=1),
    **{f"without {claim}": token(without=claim) for claim in RIGHT},
}


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    return Verifier(KEY, {KEY.id: KEY}, lifetime=900)


async def test_the_token_that_they_were_made_of_is_right(verifier: Verifier) -> None:
    identity = await verifier.identity_of(token())
    assert (identity.role, str(identity.user_id)) == (Role.AUTHENTICATED, USER)
    assert identity.scopes == {"products:write"}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_token_is_refused(verifier: Verifier, hostile: str) -> None:
    with pytest.raises(BadTokenError):
        await verifier.identity_of(hostile)


@pytest.mark.parametrize("hostile", [text for text in HOSTILE.values() if text.isascii() and text.isprintable()])
async def test_over_http_it_is_401_and_says_nothing(client: AsyncClient, hostile: str) -> None:
    answer = await client.get("/auth/me", headers={"Authorization": f"Bearer {hostile}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert not hostile.strip() or len(hostile) < 10 or hostile not in answer.text


@pytest.mark.parametrize("header", ["", "Bearer", "Basic YTpi", "bearer", "Token x", "Bearer  "])
async def test_without_a_bearer_token_it_is_401(client: AsyncClient, header: str) -> None:
    answer = await client.get("/auth/me", headers={"Authorization": header})
    assert answer.status_code == 401


async def test_no_random_change_of_a_token_is_let_in(verifier: Verifier) -> None:
    right = token()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.="
    for place in range(len(right)):
        for letter in secrets.SystemRandom().sample(letters, 4):
            changed = right[:place] + letter + right[place + 1 :]
            if changed != right:
                with pytest.raises(BadTokenError):
                    await verifier.identity_of(changed)


@pytest.mark.parametrize("leeway", [(-4, True), (-6, False)])
async def test_clocks_may_differ_by_five_seconds(verifier: Verifier, leeway: tuple[int, bool]) -> None:
    seconds, good = leeway
    late = token(exp=int(time.time()) + seconds)
    if good:
        await verifier.identity_of(late)
    else:
        with pytest.raises(BadTokenError):
            await verifier.identity_of(late)


def ed25519() -> SigningKey:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private_key(pem.decode())


@pytest.mark.parametrize("key", [KEY, ed25519(), shared_secret("x" * 32)], ids=["P-256", "Ed25519", "HS256"])
async def test_each_kind_of_key_verifies_what_it_signed_and_nothing_else(key: SigningKey) -> None:
    verifier = Verifier(key, {key.id: key}, lifetime=900)
    own = token(key, {"kid": key.id})
    await verifier.identity_of(own)
    for other in (KEY, ed25519(), shared_secret("y" * 32), shared_secret("x" * 33)):
        if other is not key:
            with pytest.raises(BadTokenError):
                await verifier.identity_of(token(other, {"kid": key.id}))


async def test_the_kind_of_a_key_decides_and_never_the_token() -> None:
    """With a secret configured as well, a token cannot choose to be verified by the public key as a secret."""
    secret = shared_secret("x" * 32)
    verifier = Verifier(secret, {secret.id: secret, KEY.id: KEY}, lifetime=900)
    await verifier.identity_of(token(secret, {"kid": secret.id}))
    await verifier.identity_of(token())
    for hostile in (token(secret, {"kid": KEY.id}), token(KEY, {"kid": secret.id}), with_hmac(public_pem())):
        with pytest.raises(BadTokenError):
            await verifier.identity_of(hostile)


async def test_what_a_token_is_called_by_tells_nothing_of_a_secret() -> None:
    secret = shared_secret("x" * 32)
    assert hashlib.sha256(b"x" * 32).hexdigest() not in secret.id
    assert secret.id == "secret"
