"""A certificate of the household's own, for the home network: no company vouches for it, but nobody on the network can listen.

Browsers ask once whether to trust it; the fingerprint shown in the settings and by `jaga doctor` tells that it is the right one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from jaga.errors import StoreError
from jaga.files import whole_file

__all__ = ["Certificate", "certificate", "ends_at", "read_certificate"]

# The longest that Apple's systems accept of a certificate made by oneself.
_LASTS = timedelta(days=825)
_RENEW_BEFORE = timedelta(days=30)


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate and its key, two PEM files. `fingerprint`: SHA-256 in pairs of hexadecimal digits, as browsers show it."""

    cert: Path
    key: Path
    fingerprint: str
    names: tuple[str, ...]


def certificate(folder: Path, names: Sequence[str], *, now: datetime | None = None) -> Certificate:
    """The certificate in `folder`/tls; made anew when it ends soon or a name is missing.

    `names`: host names and IP addresses under which the pages are asked for. Raises: StoreError.
    """
    now = now or datetime.now(timezone.utc)
    place = folder / "tls"
    cert, key = place / "certificate.pem", place / "key.pem"
    try:
        if cert.exists() and key.exists():
            known = x509.load_pem_x509_certificate(cert.read_bytes())
            if now + _RENEW_BEFORE < known.not_valid_after_utc and set(names) <= _names(known):
                return read_certificate(cert, key)
        place.mkdir(mode=0o700, exist_ok=True)
        private = ec.generate_private_key(ec.SECP256R1())
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        for path, raw in (
            (key, pem),
            (cert, _made(private, names, now).public_bytes(serialization.Encoding.PEM)),
        ):
            with whole_file(path) as file:
                file.write(raw)
        return read_certificate(cert, key)
    except (OSError, ValueError) as error:
        raise StoreError(f"the certificate cannot be read or made: {error}", where=str(place)) from error


def read_certificate(cert: Path, key: Path) -> Certificate:
    """A household's own. Raises: OSError, ValueError if it is none."""
    found = x509.load_pem_x509_certificate(cert.read_bytes())
    digest = sha256(found.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
    shown = ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
    return Certificate(cert=cert, key=key, fingerprint=shown, names=tuple(sorted(_names(found))))


def ends_at(cert: Path) -> datetime:
    """When a certificate ends. Raises: OSError, ValueError."""
    return x509.load_pem_x509_certificate(cert.read_bytes()).not_valid_after_utc


def _made(private: ec.EllipticCurvePrivateKey, names: Sequence[str], now: datetime) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Jaga at home")])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks in a house differ by a little.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _LASTS)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names(known: x509.Certificate) -> set[str]:
    try:
        found = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))}
