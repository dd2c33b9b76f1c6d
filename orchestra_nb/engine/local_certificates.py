"""The TLS identity of a local cluster: one self-signed certificate that scheduler, workers and clients share.

Only who can read the private key (a file for this user alone) can connect at all, as with ``Security.temporary()``;
the key is an elliptic one, which takes a millisecond to make instead of a second.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed.security import Security

_COMMON_NAME = "orchestra-nb local cluster"
_VALID_DAYS = 3650


def new_certificate() -> tuple[str, str]:
    """Return a fresh (certificate, private key), both as PEM text."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _COMMON_NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_VALID_DAYS))
        .sign(key, hashes.SHA256())
    )
    key_text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), key_text.decode()


def security_of(certificate: str, key: str) -> Security:
    """Return Dask's security object for all roles with this identity."""
    from distributed.security import Security

    roles = ("client", "scheduler", "worker")
    make_security: Callable[..., Security] = Security
    return make_security(
        require_encryption=True,
        tls_ca_file=certificate,
        **{f"tls_{role}_cert": certificate for role in roles},
        **{f"tls_{role}_key": key for role in roles},
    )
