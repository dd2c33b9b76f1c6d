"""Settings as people may see them: what in them may be secret is hidden."""

from __future__ import annotations

import re
from typing import Final

from orchestra_nb.model.secret_values import HIDDEN

#: ``//user:password@``, up to the last at sign before the host: passwords are often written unquoted.
_PASSWORD: Final = re.compile(r"(?<=://)(?P<user>[^/?#:@]*):[^/?#]*@")
#: ``?sslpassword=…``, ``&token=…``
_SECRET_FIELD: Final = re.compile(
    r"(?i)(?<=[?&])([^=&#]*(?:password|passwd|secret|token|key|credential)[^=&#]*)=[^&#]*"
)
_ADDRESS: Final = re.compile(r"[A-Za-z0-9+.-]+://\S+")


def shown_setting(name: str, value: object) -> str:
    """Return a setting's value without what may be secret in it.

    Examples
    --------
    >>> shown_setting("store_url", "postgresql://ana:open sesame@db/runs?sslpassword=x")
    'postgresql://ana:••••@db/runs?sslpassword=••••'
    >>> shown_setting("cluster", "{class: Mine, password: x}")
    'a class of your own'
    >>> shown_setting("api_token", "orc_1_x")
    '••••'
    >>> shown_setting("cluster_fork", True)
    'true'
    """
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    if name == "api_token":
        return HIDDEN if text else ""
    if name == "cluster" and text != "local" and not _ADDRESS.fullmatch(text):
        return "a class of your own"  # its arguments may be secret
    return _SECRET_FIELD.sub(rf"\1={HIDDEN}", _PASSWORD.sub(rf"\g<user>:{HIDDEN}@", text))


def holds_secret(name: str, value: object) -> bool:
    """Tell whether a setting's value may not be seen as it is."""
    return isinstance(value, str) and shown_setting(name, value) != value
