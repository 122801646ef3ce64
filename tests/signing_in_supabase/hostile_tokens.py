"""Tokens that somebody could come up with: none of them lets anybody in, and none is more than a 401."""

import base64
import datetime as dt
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from app.auth.jwks import KeyStore
from app.auth.tokens import MOST_CHARACTERS, BadTokenError, Verifier
from dev.supabase_auth import Issuer
from tests.signing_in_supabase.key_server import KeyServer, keys
from tests.support import ADA

SECRET = "the-legacy-secret-of-a-project-that-is-old"  # noqa: S105
ISSUER = Issuer("https://your-project-ref.supabase.co")
ISS = "https://your-project-ref.supabase.co/auth/v1"
KID = ISSUER.public_key["kid"]
WEAK = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it has to be refused
P384 = ec.generate_private_key(ec.SECP384R1())
NOW = dt.datetime.now(dt.UTC)
GOOD: dict[str, Any] = jwt.decode(ISSUER.token(ADA), options={"verify_signature": False})
PEM = ISSUER.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
DER = ISSUER.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def encoded(part: object) -> str:
    """Return a part of a token."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(header: object, payload: object = GOOD, signature: bytes = b"\0" * 64) -> str:
    """Return a token whose signature is made up."""
    return f"{encoded(header)}.{encoded(payload)}.{encoded(signature)}"


def with_secret(secret: bytes, **header: str) -> str:
    """Return a token that is signed with a secret, as PyJWT itself would refuse to."""
    signing = f"{encoded({'alg': 'HS256', 'typ': 'JWT', **header})}.{encoded(GOOD)}"
    return f"{signing}.{encoded(hmac.digest(secret, signing.encode(), 'sha256'))}"


def signed(payload: object, **header: Any) -> str:
    """Return a token with the right signature for whatever it says."""
    signing = f"{encoded({'alg': 'ES256', 'kid': KID, **header})}.{encoded(payload)}"
    signature = jwt.algorithms.ECAlgorithm(hashes.SHA256, ec.SECP256R1).sign(signing.encode(), ISSUER.key)
    return f"{signing}.{encoded(signature)}"


def weakly_signed() -> str:
    """Return a token signed with an RSA key that is too short."""
    signing = f"{encoded({'alg': 'RS256', 'kid': 'weak'})}.{encoded(GOOD)}"
    return f"{signing}.{encoded(RSAAlgorithm(hashes.SHA256).sign(signing.encode(), WEAK))}"


def saying(**claims: object) -> str:
    """Return a token that is signed well and says something else."""
    return signed(GOOD | claims)


HEADER = {"alg": "ES256", "kid": KID}
TOKENS = {
    # Not a token.
    "nothing": "",
    "two parts": "a.b",
    "four parts": f"{ISSUER.token(ADA)}.x",
    "not ASCII": "\N{SNOWMAN}.b.c",
    "too long": saying(padding="x" * MOST_CHARACTERS),
    "a deep header": forged(b"[" * 5000),
    "a deep payload": forged(HEADER, b"[" * 5000),
    "a header that is no object": forged([]),
    "a payload that is no object": signed([GOOD]),
    "a payload that is no JSON": signed(b"\xff"),
    # A signature that is none, or of something else.
    "no signature": ISSUER.token(ADA).rpartition(".")[0] + ".",
    "a signature of zeros": forged(HEADER),
    "a changed payload": ISSUER.token(ADA).replace(".ey", ".ez", 1),
    "algorithm none": jwt.encode(GOOD, "", "none", {"kid": KID}),
    "algorithm None": forged({"alg": "None", "kid": KID}, signature=b""),
    "algorithm missing": forged({"kid": KID}),
    "algorithm list": forged({"alg": ["ES256"], "kid": KID}),
    "algorithm null": forged({"alg": None, "kid": KID}),
    "another algorithm": jwt.encode(GOOD, P384, "ES384", {"kid": KID}),
    "RSA with a key that is none": forged({"alg": "RS256", "kid": KID}),
    "a weak RSA key": weakly_signed(),
    # A secret that is none.
    "the public key as secret, PEM": with_secret(PEM, kid=KID),
    "the public key as secret, DER": with_secret(DER, kid=KID),
    "the public key as secret, JSON": with_secret(json.dumps(ISSUER.public_key).encode(), kid=KID),
    "a secret from the key list": with_secret(b"secret" * 6, kid="secret"),
    "an empty secret": with_secret(b""),
    "another secret": with_secret(b"x" * 32),
    "the secret with another algorithm": jwt.encode(GOOD, SECRET * 2, "HS512"),
    # A key that the token brings along, or no key.
    "key of another": Issuer(ISSUER.url).token(ADA),
    "key in the header": jwt.encode(GOOD, Issuer("").key, "ES256", {"kid": KID, "jwk": ISSUER.public_key}),
    "key by address": jwt.encode(GOOD, Issuer("").key, "ES256", {"jku": "https://example.com", "kid": KID}),
    "no key named": signed(GOOD, kid=None),
    "a list of keys named": signed(GOOD, kid=[KID]),
    "a path as key": signed(GOOD, kid="../../dev/null"),
    "a critical extension": signed(GOOD, crit=["exp"]),
    "a detached payload": signed(GOOD, b64=False, crit=["b64"]),
    # The wrong time, place or person.
    "expired": saying(exp=NOW.timestamp() - 6),
    "never expires": saying(exp=float("inf")),
    "expires at no time": saying(exp="tomorrow"),
    "not yet issued": saying(iat=NOW.timestamp() + 600),
    "issued at no time": saying(iat="yesterday"),
    "not yet valid": saying(nbf=NOW.timestamp() + 600),
    "of another project": saying(iss="https://another.supabase.co/auth/v1"),
    "of something like our project": saying(iss=f"{ISS}/"),
    "of two issuers": saying(iss=[ISS]),
    "for another audience": saying(aud="anon"),
    "for no audience": saying(aud=[]),
    "for half an audience": saying(aud={"authenticated": True}),
    "an API key": saying(role="service_role", sub=None),
    **{f"role {role}": saying(role=role) for role in ("anon", "service_role", "postgres", "none", "Authenticated", "")},
    "a list of roles": saying(role=["authenticated"]),
    "no person": saying(sub=""),
    "a number of a person": saying(sub=1),
    "a person with SQL": saying(sub=f"{ADA.user_id}' OR true --"),
    **{f"without {claim}": signed({**GOOD, claim: None}) for claim in ("aud", "exp", "iat", "iss", "role", "sub")},
}


@pytest.fixture(scope="module")
async def verifier() -> AsyncIterator[Verifier]:
    """What verifies tokens with the keys of a project, and of other kinds."""
    weak = {**RSAAlgorithm.to_jwk(WEAK.public_key(), as_dict=True), "kid": "weak"}
    secret = {"kty": "oct", "kid": "secret", "alg": "HS256", "k": encoded(b"secret" * 6)}
    with KeyServer(answer=keys(ISSUER.public_key, weak, secret)).serving() as server:
        async with httpx.AsyncClient() as client:
            yield Verifier(ISS, KeyStore(server.url, client))


@pytest.mark.parametrize("secret", [None, SECRET], ids=["without the legacy secret", "with it"])
@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
async def test_it_lets_nobody_in(verifier: Verifier, token: str, secret: str | None) -> None:
    with pytest.raises(BadTokenError):
        await Verifier(verifier.issuer, verifier.keys, secret).identity_of(token)


async def test_the_same_with_nothing_wrong_lets_in(verifier: Verifier) -> None:
    for token in (ISSUER.token(ADA), signed(GOOD), saying(aud=["authenticated"]), saying(exp=NOW.timestamp() + 60)):
        assert await verifier.identity_of(token) == ADA


async def test_the_legacy_secret_is_good_only_where_it_is_set(verifier: Verifier) -> None:
    token = with_secret(SECRET.encode())
    assert await Verifier(ISS, verifier.keys, SECRET).identity_of(token) == ADA
    with pytest.raises(BadTokenError):
        await verifier.identity_of(token)


def test_what_is_secret_is_not_shown() -> None:
    assert SECRET not in repr(Verifier(ISS, KeyStore(ISS, httpx.AsyncClient()), SECRET))
