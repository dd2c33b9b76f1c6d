"""Sends one message by apprise (https://github.com/caronc/apprise), and says nothing of the address it is sent to.

An apprise address holds passwords and tokens, in any of its parts. So what may be seen of it is its scheme and, where
it has one, the host; all else of it is hidden in what comes back, and what apprise and its libraries log meanwhile
goes into no log.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.masking import Mask
from orchestra_nb.model.public_addresses import is_public
from orchestra_nb.model.secret_values import HIDDEN, Secret
from orchestra_nb.services.guarded_calls import GuardedCalls, guarded_calls

if TYPE_CHECKING:
    from apprise import NotifyBase

#: What writes addresses, or parts of them, into the log.
_LOGGERS: Final = ("apprise", "urllib3.connectionpool", "urllib3.util.retry", "requests_oauthlib.oauth1_auth")

#: Services that connect in a thread of their own, where nobody would check it.
_OWN_THREADS: Final = frozenset({"xmpp", "xmpps"})

_LONGEST_REASON: Final = 500

_HOW_TO_ALLOW: Final = (
    "Where that is meant, let messages of the channel go to addresses of the own network: there is a box for it in its "
    "form; in a shell it is --allow-private, by HTTP allow_private."
)


def describe_address(address: Secret, *, may_be_private: bool) -> str:
    """Return what may be seen of an address. Looks up no name; imports apprise.

    Raises
    ------
    InvalidInput
        It is no address of apprise's, or names a host that is not allowed.
    """
    with _heard():
        service = _service_of(address, may_be_private)
    host = _host_of(service)
    if host is None:
        return f"{service.schema}://{HIDDEN}"
    if not may_be_private and (host == "localhost" or (_is_address(host) and not is_public(host.strip("[]")))):
        raise InvalidInput(f"{host} is not an address of the open internet. {_HOW_TO_ALLOW}")
    return f"{service.schema}://{host}{_port_of(service)}/{HIDDEN}"


def send(
    address: Secret, *, title: str, body: str, severity: str, may_be_private: bool, limit_seconds: float
) -> str | None:
    """Send a message; return None when the service took it, else why it did not, without secrets.

    Takes at most ``limit_seconds``, apart from looking up names. From any thread; imports apprise.
    """
    with _heard() as lines:
        try:
            service = _service_of(address, may_be_private)
        except InvalidInput as error:
            return str(error)
        with guarded_calls(may_be_private=may_be_private, limit_seconds=limit_seconds) as calls:
            try:
                is_sent = _notify(service, title, body, severity, limit_seconds)
            except Exception as error:  # whatever a plugin does not expect
                is_sent = False
                lines.append(f"{type(error).__name__}: {error}")
    if is_sent:
        return None
    return _mask(address, service).text(_reason(calls, lines, limit_seconds))[:_LONGEST_REASON]


def _notify(service: NotifyBase, title: str, body: str, severity: str, limit_seconds: float) -> bool:
    from apprise import NotifyFormat, NotifyType

    service.redirects = False
    service.socket_connect_timeout = min(service.socket_connect_timeout, limit_seconds)
    service.socket_read_timeout = min(service.socket_read_timeout, limit_seconds)
    # not through an Apprise object, which would try again by itself and has threads of its own
    return bool(service.notify(title=title, body=body, notify_type=NotifyType(severity), body_format=NotifyFormat.TEXT))


def _reason(calls: GuardedCalls, lines: list[str], limit_seconds: float) -> str:
    reasons = [f"Refused: {'; '.join(calls.refusals)}. {_HOW_TO_ALLOW}"] if calls.refusals else []
    if calls.is_cut:
        reasons.append(f"It took longer than {limit_seconds:g} s.")
    return " ".join([*reasons, *lines]) or "The service did not take it."


def _service_of(address: Secret, may_be_private: bool) -> NotifyBase:
    from apprise import Apprise, AppriseAsset

    asset = AppriseAsset(app_id="Orchestra NB", app_desc="Orchestra NB", http_redirects=False)
    service = Apprise.instantiate(address.get(), asset=asset)
    if service is None:
        raise InvalidInput(
            "This is no address that apprise knows, or its service needs a package that is not installed. "
            "https://github.com/caronc/apprise lists their forms."
        )
    if not may_be_private and service.schema in _OWN_THREADS:
        raise InvalidInput(f"Where {service.schema}:// connects to cannot be checked. {_HOW_TO_ALLOW}")
    return service


def _host_of(service: NotifyBase) -> str | None:
    """Return the host that an address names; None for a service that has none, where a token stands in its place."""
    templates: tuple[str, ...] = service.templates
    host: str = service.host or ""
    is_host = host == "localhost" or "." in host or _is_address(host)
    return host if is_host and any("{host}" in template for template in templates) else None


def _port_of(service: NotifyBase) -> str:
    return f":{service.port}" if isinstance(service.port, int) else ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _mask(address: Secret, service: NotifyBase) -> Mask:
    """Return what hides each part of an address, apart from what may be seen."""
    _, _, rest = address.get().partition("://")
    parts = {address.get(), rest, *re.split(r"[/?&=:@#,;\s]+", rest)}
    parts |= {unquote(part) for part in parts} | {part for part in (service.user, service.password) if part}
    return Mask(parts - {_host_of(service), _port_of(service).removeprefix(":"), ""})


_hearing = threading.local()


@contextlib.contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect the warnings of this thread's apprise, and keep what it and its libraries log out of every log."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if _EAR not in logger.filters:
            logger.addFilter(_EAR)
    lines: list[str] = []
    _hearing.lines = lines
    try:
        yield lines
    finally:
        _hearing.lines = None


class _Ear(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        lines: list[str] | None = getattr(_hearing, "lines", None)
        if lines is None:
            return True
        if record.levelno >= logging.WARNING:
            lines.append(record.getMessage())
        return False


_EAR: Final = _Ear()
