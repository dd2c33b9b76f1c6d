"""Hides the arguments of a class in what others' code says of its failure: one of them may be a password."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from orchestra_nb.model.masking import SHORTEST, Mask
from orchestra_nb.model.secret_values import HIDDEN, Secret

#: Shorter numbers are counts and sizes, which no one keeps secret and which tell what is wrong.
_FEWEST_DIGITS: Final = 4


class HiddenArguments:
    """Hides texts, and numbers of four digits and more, that are among some arguments, however deep.

    Of an option such as ``--token=hunter2`` what is behind the sign counts for itself, too. A text of fewer than four
    characters is hidden where it is a word.

    Examples
    --------
    >>> hidden = HiddenArguments({"pin": 8051, "options": ["--token=hunter2"], "queue": "gpu"})
    >>> hidden.text("no queue gpu for 'hunter2' (8051), but gpus")
    "no queue •••• for '••••' (••••), but gpus"
    """

    def __init__(self, arguments: Mapping[str, object]) -> None:
        texts = {part for text in _texts(arguments) for part in _parts(text)}
        self._mask = Mask(texts)
        words = sorted((text.strip() for text in texts if len(text.strip()) < SHORTEST), key=len, reverse=True)
        alternatives = "|".join(re.escape(word) for word in words if word)
        self._words = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)") if alternatives else None

    def text(self, text: str) -> str:
        """Return a text without the arguments."""
        hidden = self._mask.text(text)
        return hidden if self._words is None else self._words.sub(HIDDEN, hidden)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes | bytearray):
        yield bytes(value).decode("utf-8", "backslashreplace")
    elif isinstance(value, Secret):
        yield value.get()
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, int | float):
        text = str(value)
        if sum(character.isdigit() for character in text) >= _FEWEST_DIGITS:
            yield text


def _parts(text: str) -> Iterator[str]:
    yield text
    for word in text.split():
        if value := word.partition("=")[2].strip("'\""):
            yield value
