"""Certificates of an authority of the tests' own, and a proxy that ends TLS before a server, as nginx does."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.patience import PATIENCE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Files: the authority's certificate, and a certificate that it signed, with its key."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path, *, is_expired: bool = False, host: str = "localhost") -> Certificates:
    """Make an authority that nobody trusts, and a certificate by it; that for localhost is for 127.0.0.1, too."""
    folder.mkdir(exist_ok=True)
    end = datetime.now(UTC) + timedelta(days=-1 if is_expired else 1)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the tests")])

    def builder(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number())
            .not_valid_before(end - timedelta(days=30))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
        )

    authority = (
        builder(issuer, authority_key.public_key())
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    if host == "localhost":
        names.append(x509.IPAddress(ip_address("127.0.0.1")))
    certificate = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]), key.public_key())
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    files = Certificates(
        authority=folder / "authority.pem", certificate=folder / "server.pem", key=folder / "server.key"
    )
    files.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key.touch(mode=0o600)
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


class TlsProxy:
    """Ends TLS, and passes each request on over plain HTTP with ``X-Forwarded-Proto``; to be closed.

    A request gets a connection of its own, and a websocket keeps it.
    """

    def __init__(self, port: int, server_port: int, certificates: Certificates) -> None:
        self._server_port = server_port
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificates.certificate, certificates.key)
        self._listener = socket.create_server(("127.0.0.1", port))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(PATIENCE_SECONDS)
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:  # it was closed
                return
            thread = threading.Thread(target=self._serve, args=(caller,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError):  # either side hangs up, or the caller trusts no certificate of ours
            with self._context.wrap_socket(caller, server_side=True) as plain:
                head = b""
                while b"\r\n\r\n" not in head:
                    if not (more := plain.recv(65536)):
                        return
                    head += more
                with socket.create_connection(("127.0.0.1", self._server_port)) as server:
                    server.sendall(_forwarded(head))
                    self._open |= {plain, server}
                    back = threading.Thread(target=_pass_on, args=(server, plain))
                    back.start()
                    _pass_on(plain, server)
                    back.join(PATIENCE_SECONDS)
                    self._open -= {plain, server}


def _forwarded(head: bytes) -> bytes:
    """Return a request as a proxy passes it on."""
    request, _, rest = head.partition(b"\r\n")
    fields, end, body = rest.partition(b"\r\n\r\n")
    kept = fields.split(b"\r\n")
    if not any(field.lower().startswith(b"upgrade:") for field in kept):
        kept = [field for field in kept if not field.lower().startswith(b"connection:")]
        kept.append(b"Connection: close")
    kept += [b"X-Forwarded-Proto: https", b"X-Forwarded-For: 192.0.2.7"]
    return b"\r\n".join([request, *kept]) + end + body


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes until it ends; the other way ends with it."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
