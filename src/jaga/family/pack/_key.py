"""The key a household signs its packs with: Ed25519 (RFC 8032).

Who receives a pack knows the key by its fingerprint, compared by another way than the pack itself came: by telephone, or face to face.
"""

from __future__ import annotations

from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from jaga.errors import StoreError, UsageError

__all__ = [
    "Ed25519PrivateKey",
    "fingerprint",
    "is_signed",
    "new_signing_key",
    "public_bytes",
    "public_key_of",
    "public_pem",
    "read_fingerprint",
    "signing_key_from",
    "signing_key_to",
]

# Hex digits of a fingerprint: 128 bits, more than anyone can search for a second key, and still read aloud.
_DIGITS = 32


def new_signing_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def signing_key_to(key: Ed25519PrivateKey) -> bytes:
    """The private key as 32 bytes (RFC 8032, 5.1.5). They are the key itself: keep them encrypted."""
    return key.private_bytes_raw()


def signing_key_from(raw: bytes) -> Ed25519PrivateKey:
    """What `signing_key_to` gave. Raises: StoreError, if that is no key."""
    try:
        return Ed25519PrivateKey.from_private_bytes(raw)
    except ValueError as error:
        raise StoreError("the key that signs evidence packs is damaged") from error


def public_bytes(key: Ed25519PrivateKey | Ed25519PublicKey) -> bytes:
    """The public key as 32 bytes."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return public.public_bytes_raw()


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """The public key in PEM (RFC 8410), which OpenSSL reads."""
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_key_of(pem: bytes) -> Ed25519PublicKey | None:
    """The key in a PEM file of ours; None if there is no Ed25519 key in it."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, Ed25519PublicKey) else None


def is_signed(key: Ed25519PublicKey, signature: bytes, data: bytes) -> bool:
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def fingerprint(public: bytes) -> str:
    """The first 128 bits of SHA-256 over the 32 bytes of a public key, as eight groups of four hex digits."""
    digits = sha256(public).hexdigest()[:_DIGITS]
    return " ".join(digits[at : at + 4] for at in range(0, _DIGITS, 4))


def read_fingerprint(text: str) -> str:
    """A fingerprint as somebody typed it, in the form of `fingerprint`. Raises: UsageError."""
    digits = "".join(text.replace(":", " ").replace("-", " ").split()).lower()
    if len(digits) != _DIGITS or not set(digits) <= set("0123456789abcdef"):
        raise UsageError(
            "is not a fingerprint",
            where=f"--key {text[:80]}",
            remedy="give its 32 digits 0-9 and a-f, with or without gaps",
        )
    return " ".join(digits[at : at + 4] for at in range(0, _DIGITS, 4))
