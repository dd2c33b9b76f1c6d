"""Column types that keep what Python holds exactly: aware times, any text, and JSON values."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC: ``timestamptz`` in PostgreSQL, sortable ISO text in SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: nobody could tell later which zone they meant."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone.")
        try:
            value = value.astimezone(UTC)
        except OverflowError:  # at the begin or the end of all time, by its zone beyond it
            value = value.replace(tzinfo=UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class AnyText(TypeDecorator[str]):
    r"""Text in which what no database takes is written out: NUL as ``\x00``, lone surrogates as ``\udc80``.

    Such characters come from binary output and from undecodable bytes of file names; a message must not be lost
    because of them.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return storable text."""
        return None if value is None else storable_text(value)


class JsonText(TypeDecorator[object]):
    """A value of JSON types, as text.

    Not PostgreSQL's ``jsonb``, which refuses NUL in strings and changes numbers. The standard library's encoder and
    not msgspec's, because it keeps lone surrogates and whole numbers of any size. What JSON does not know is stored
    as its text.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str | None:
        """Return the value as JSON."""
        return None if value is None else json.dumps(value, separators=(",", ":"), default=str)

    def process_result_value(self, value: str | None, dialect: Dialect) -> object:
        """Return the value."""
        return None if value is None else json.loads(value)


class ExactJson(TypeDecorator[object]):
    """A value of JSON's types, None and non-finite floats included, that comes back as it was.

    For values that were checked before (:mod:`orchestra_nb.model.json_values`); others raise ``TypeError``.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str:
        """Return the value as JSON; None is ``null``, which is no NULL."""
        return json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> object:
        """Return the value."""
        return None if value is None else json.loads(value)


def storable_text(text: str) -> str:
    r"""Return ``text`` with the characters written out that a database refuses.

    Examples
    --------
    >>> storable_text("a\0b")
    'a\\x00b'
    """
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text
