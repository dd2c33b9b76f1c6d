"""How a server of ours is reached over HTTP: its address, and the connections to it.

All calls go through the proxy that the environment names (``HTTPS_PROXY``, ``NO_PROXY``), and trust the certificates
that Python trusts (``SSL_CERT_FILE``).
"""

from __future__ import annotations

import logging
import ssl
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from orchestra_nb.errors import InvalidSetting

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
