"""A text that must not be seen: it hides itself wherever Python would show it."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

#: Stands where a secret was, in outputs, logs and records.
HIDDEN: Final = "••••"
#: ``{SECRET_KEY: name}`` stands for the stored secret of this name where a value of JSON's types is written.
SECRET_KEY: Final = "$secret"

_HIDDEN = "**********"


class Secret:
    """A secret's value. ``str``, ``repr`` and formatting show stars; :meth:`get` gives the text.

    It pickles, so it can be passed to a task; it is no JSON, so it gets into no variable, event or artifact.
    Two secrets are compared in constant time.

    Examples
    --------
    >>> password = Secret("open sesame")
    >>> f"{password}", [password], password.get()
    ('**********', [Secret('**********')], 'open sesame')
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def get(self) -> str:
        """Return the text."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(_bytes(self), _bytes(other))

    def __hash__(self) -> int:
        return hash(("orchestra secret", self._value))

    def __repr__(self) -> str:
        return f"Secret({_HIDDEN!r})"

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, specification: str) -> str:
        return _HIDDEN

    def __iter__(self) -> NoReturn:
        raise TypeError("A secret has no parts to show. Its text is secret.get().")

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (self._value,)


def _bytes(secret: Secret) -> bytes:
    return secret.get().encode("utf-8", "surrogatepass")
