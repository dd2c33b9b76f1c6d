"""Hides secrets in texts and records: what a run shows and tells must not have them.

A secret is found as it is, and as it looks in a Python literal, in JSON, in HTML, in a URL and in Base64; of one with
several lines each longer line counts for itself, since logs are read line by line. One of fewer than four characters is
not looked for: it would be found in every other word.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote, quote_plus

import msgspec

from orchestra_nb.model.secret_values import HIDDEN

#: Shorter secrets, and lines of secrets, are not looked for.
SHORTEST: Final = 4

#: Messages, log lines and traces are cut at some thousand characters.
_LONG_CHARACTERS: Final = 1_000

T = TypeVar("T", bound=msgspec.Struct)


class Mask:
    """Hides some secrets. Immutable, so for any thread; without secrets it gives back what it is given.

    Examples
    --------
    >>> Mask(["hunter2"]).text("pw=hunter2;")
    'pw=••••;'
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._forms))) if self._forms else None

    def __bool__(self) -> bool:
        return self._pattern is not None

    def text(self, text: str) -> str:
        """Return a text without the secrets."""
        if self._pattern is None:
            return text
        masked = self._pattern.sub(HIDDEN, text)
        return self._without_begun(masked) if len(text) >= _LONG_CHARACTERS else masked

    def _without_begun(self, text: str) -> str:
        """Return a long text without the beginning of a secret at its end: such texts are cut, and anywhere."""
        for form in self._forms:
            for length in range(len(form) - 1, SHORTEST - 1, -1):
                if text.endswith(form[:length]):
                    return text[:-length] + HIDDEN
        return text

    def value(self, value: Any) -> Any:
        """Return a value of JSON's types without the secrets, those in keys included."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, tuple):
            return tuple(self.value(item) for item in value)
        return value

    def record(self, record: T) -> T:
        """Return a record without the secrets."""
        if self._pattern is None:
            return record
        plain = msgspec.to_builtins(record, builtin_types=(bytes,))
        masked = self.value(plain)
        return record if masked == plain else msgspec.convert(masked, type(record))


def _forms(secret: str) -> Iterator[str]:
    lines = secret.splitlines()
    for text in (secret, *(lines if len(lines) > 1 else ())):
        if len(text.strip()) < SHORTEST:
            continue
        yield text
        yield text.strip()
        yield repr(text)[1:-1]
        yield repr(f'"{text}')[2:-1]  # of a longer text, in which both kinds of quotes are
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield html.escape(text)
        yield html.escape(text, quote=False)
        encoded = text.encode("utf-8", "surrogatepass")
        yield quote(encoded, safe="")
        yield quote_plus(encoded)
        yield base64.b64encode(encoded).decode()
