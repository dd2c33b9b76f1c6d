"""How a server of ours is reached over HTTP: its address, and the connections to it.

All calls go through the proxy that the environment names (``HTTPS_PROXY``, ``NO_PROXY``), and trust the certificates
that Python trusts (``SSL_CERT_FILE``).
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from orchestra_nb.errors import InvalidSetting

#: OpenSSL's codes of a certificate that is good, but for another host (X509_V_ERR_HOSTNAME_MISMATCH,
#: …IP_ADDRESS_MISMATCH) or another time (X509_V_ERR_CERT_NOT_YET_VALID, …HAS_EXPIRED).
_OTHER_HOST: Final = (62, 64)
_OTHER_TIME: Final = (9, 10)
_LONGEST_SHOWN: Final = 300
_LOOK_SECONDS: Final = 3.0

_log = logging.getLogger(__name__)
# each lost connection would be a warning of its own
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


def base_address(url: str) -> str:
    """Return the base URL of a server, without a slash at its end.

    Raises
    ------
    InvalidSetting
        The address is none.

    Examples
    --------
    >>> base_address("http://localhost:8888/")
    'http://localhost:8888'
    """
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.username
        parts.port  # noqa: B018  # it may be none
    except ValueError:
        is_one = False
    if not is_one:
        raise InvalidSetting(
            f"{url[:200]!r} is no address of a server. Write https://host:8888/base, without a token in it."
        )
    location = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        _log.warning("The address %s is not encrypted: others on the way can read the token.", location)
    return location


def connections_to(address: str) -> urllib3.PoolManager:
    """Return what makes and keeps the connections to a server."""
    parts = urlsplit(address)
    context = ssl.create_default_context() if parts.scheme == "https" else None
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    if proxy is None:
        return urllib3.PoolManager(maxsize=8, ssl_context=context)
    proxied = urlsplit(proxy)
    headers = None
    if proxied.username:
        headers = urllib3.make_headers(proxy_basic_auth=f"{proxied.username}:{proxied.password or ''}")
    return urllib3.ProxyManager(proxy, maxsize=8, ssl_context=context, proxy_headers=headers)


def distrust_in(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """Return why a certificate is not trusted, where that is what a call failed with."""
    return next((one for one in _causes(error) if isinstance(one, ssl.SSLCertVerificationError)), None)


def unreachable(address: str, error: BaseException) -> str:
    """Return in words why a server cannot be reached, and what to do where its certificate or its scheme is wrong.

    Cost: where the server was there but did not understand, one look of some seconds whether it speaks TLS.
    """
    start = f"The server {address} cannot be reached: "
    distrust = distrust_in(error)
    if distrust is not None:
        return start + _distrusted(distrust)
    parts = urlsplit(address)
    causes = list(_causes(error))
    said = str(error)[:_LONGEST_SHOWN]
    doubtful = (ssl.SSLError, urllib3.exceptions.ReadTimeoutError) if parts.scheme == "https" else (ConnectionError,)
    speaks_tls = _speaks_tls(address) if any(isinstance(one, doubtful) for one in causes) else None
    if parts.scheme == "https" and speaks_tls is False:
        return f"{start}it does not answer by TLS ({said}). If it has no certificate, its address begins with http://."
    if parts.scheme == "http" and speaks_tls:
        return f"{start}it answers by TLS only. Its address begins with https://."
    return start + said


def _distrusted(error: ssl.SSLCertVerificationError) -> str:
    why = error.verify_message.rstrip(".")
    if error.verify_code in _OTHER_HOST:
        return f"its certificate is for another host ({why}). Give the address with the name that the certificate has."
    if error.verify_code in _OTHER_TIME:
        return f"its certificate is not valid now ({why}). It has to be renewed at the server, or this clock is wrong."
    file = os.environ.get("SSL_CERT_FILE", "")
    known = f" Now that is {file}{'' if os.path.isfile(file) else ', which is no file'}." if file else ""
    return (
        f"its certificate is not trusted here ({why}). If you know it, give the certificate of the authority that "
        f"signed it, or itself where it signed itself, as a PEM file in SSL_CERT_FILE.{known}"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised for: also what urllib3 hands on as an argument."""
    pending, seen = [error], set[int]()
    while pending:
        one = pending.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            given = (*one.args, one.__cause__, one.__context__)
            pending += [found for found in given if isinstance(found, BaseException)]


def _speaks_tls(address: str) -> bool | None:
    """Tell whether a server answers a TLS handshake; None where there is no connection to it."""
    parts = urlsplit(address)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is said to it
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        plain = socket.create_connection((parts.hostname or "", port), _LOOK_SECONDS)
    except OSError:
        return None
    with plain:
        try:
            context.wrap_socket(plain, server_hostname=parts.hostname).close()
        except OSError:
            return False
        return True
