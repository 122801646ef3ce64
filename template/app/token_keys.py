"""The keys of access tokens: what signs them, what verifies them, and by which algorithm alone."""

import base64
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey
PublicKey = EllipticCurvePublicKey | Ed25519PublicKey

SECRET_BYTES = 32
HOW = "`openssl ecparam -name prime256v1 -genkey -noout` makes a private key, `openssl ec -pubout` its public one"
WRONG_KIND = f"neither a P-256 nor an Ed25519 key; {HOW}"


@dataclass(frozen=True)
class VerifyingKey:
    """What verifies tokens; `id` is what they call it by."""

    id: str
    algorithm: str
    key: PublicKey | bytes


@dataclass(frozen=True)
class SigningKey(VerifyingKey):
    """What signs tokens, too."""

    signer: PrivateKey | bytes


def private_key(pem: str) -> SigningKey:
    """Return what signs with a private key. Raises ValueError."""
    try:
        signer = load_pem_private_key(_lines(pem), password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise ValueError(f"not a private key in PEM without a passphrase; {HOW}") from None
    if isinstance(signer, PrivateKey):
        public = _verifying(signer.public_key())
        return SigningKey(public.id, public.algorithm, public.key, signer)
    raise ValueError(WRONG_KIND)


def public_key(pem: str) -> VerifyingKey:
    """Return what verifies with a public key. Raises ValueError."""
    try:
        key = load_pem_public_key(_lines(pem))
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"not a public key in PEM; {HOW}") from None
    if isinstance(key, PublicKey):
        return _verifying(key)
    raise ValueError(WRONG_KIND)


def shared_secret(text: str) -> SigningKey:
    """Return what signs and verifies with a secret. Raises ValueError."""
    secret = text.encode()
    if len(secret) < SECRET_BYTES or "your_" in text:
        raise ValueError(f"shorter than {SECRET_BYTES} bytes, or an example; `openssl rand -base64 48` makes one")
    return SigningKey("secret", "HS256", secret, secret)


def _verifying(key: PublicKey) -> VerifyingKey:
    algorithm = "EdDSA"
    if isinstance(key, EllipticCurvePublicKey):
        if key.curve.name != SECP256R1.name:
            raise ValueError(WRONG_KIND)
        algorithm = "ES256"
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return VerifyingKey(base64.urlsafe_b64encode(digest[:12]).decode(), algorithm, key)


def _lines(pem: str) -> bytes:
    # Not everything that sets an environment variable can set one of several lines.
    return pem.replace("\\n", "\n").encode()
