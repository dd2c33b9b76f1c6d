"""For whom something is put into words: the language of the reader for whom this thread does something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

ENGLISH: Final = "en"

_reading: ContextVar[str] = ContextVar("orchestra_reading_language", default=ENGLISH)


def reading_language() -> str:
    """Return the language of the reader, as a BCP 47 tag; English where nobody has said."""
    return _reading.get()


@contextmanager
def read_in(language: str) -> Iterator[None]:
    """Do what is in the block for a reader of this language."""
    token = _reading.set(language)
    try:
        yield
    finally:
        _reading.reset(token)
