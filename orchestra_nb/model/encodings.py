"""What fingerprints are made of: byte strings that say a plain value's type and content, and where each of them ends.

Each encoding is self-delimiting, so a sequence of them, one after another, can be read in one way only. What is long is
replaced by its hash (XXH3, https://xxhash.com, 128 bits). The same value has the same encoding in every process.
"""

from __future__ import annotations

import math
import struct
import uuid
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import EllipsisType, NoneType, NotImplementedType

import xxhash

#: Returns the encoding of any value.
Encode = Callable[[object], bytes]

#: Text and bytes up to this length stand in an encoding as they are.
_SHORT_BYTES = 48

_NAN = struct.pack("<d", math.nan)


class NotEncodable(Exception):
    """A value, somewhere inside the one that was asked for, has no content that could be hashed.

    Parameters
    ----------
    steps
        How people would write the way to it, from the inside out: each level adds its own.
    """

    def __init__(self, type_name: str, reason: str) -> None:
        super().__init__(type_name, reason)
        self.type_name = type_name
        self.reason = reason
        self.steps: list[str] = []

    def path(self, name: str) -> str:
        """Return the way from the whole value, which is called ``name``, to this one."""
        return name + "".join(reversed(self.steps))


def digest(tag: bytes, parts: Iterable[bytes]) -> bytes:
    """Return the encoding of something that consists of parts, in their order."""
    return b"=" + xxhash.xxh3_128_digest(tag + b":" + b"".join(parts))


def of_buffer(tag: bytes, buffer: bytes | bytearray | memoryview) -> bytes:
    """Return the encoding of raw memory."""
    if len(buffer) <= _SHORT_BYTES and isinstance(buffer, bytes):
        return b"%b%d:%b" % (tag, len(buffer), buffer)
    return b"%b#%b" % (tag, xxhash.xxh3_128_digest(buffer))


def of_text(text: str) -> bytes:
    """Return the encoding of a string, lone surrogates included."""
    return of_buffer(b"s", text.encode("utf-8", "surrogatepass"))


def _of_int(number: int) -> bytes:
    return b"i%x;" % number


def _of_float(number: float) -> bytes:
    # all NaNs are one; -0.0 is not 0.0, since 1 / x tells them apart
    return b"f" + (_NAN if math.isnan(number) else struct.pack("<d", number))


def _of_datetime(value: datetime) -> bytes:
    if value.tzinfo is None:
        return digest(b"datetime", [of_text(value.isoformat()), _of_int(value.fold)])
    zone = getattr(value.tzinfo, "key", None) or value.tzname() or ""
    return digest(b"datetime", [of_text(value.isoformat()), _of_int(value.fold), of_text(str(zone))])


def _of_time(value: time) -> bytes:
    zone = "" if value.tzinfo is None else str(getattr(value.tzinfo, "key", None) or value.tzname() or value.tzinfo)
    return digest(b"time", [of_text(value.isoformat()), _of_int(value.fold), of_text(zone)])


def _of_timezone(value: timezone) -> bytes:
    return digest(b"timezone", [_of_float(value.utcoffset(None).total_seconds()), of_text(value.tzname(None))])


def _of_timedelta(value: timedelta) -> bytes:
    return b"d%x,%x,%x;" % (value.days, value.seconds, value.microseconds)


#: Exact type to what encodes its values. Subclasses are not listed: they may hold more.
SCALARS: dict[type, Callable[..., bytes]] = {
    NoneType: lambda _: b"N",
    bool: lambda value: b"T" if value else b"F",
    int: _of_int,
    float: _of_float,
    complex: lambda value: b"c" + _of_float(value.real) + _of_float(value.imag),
    str: of_text,
    bytes: lambda value: of_buffer(b"b", value),
    EllipsisType: lambda _: b"E",
    NotImplementedType: lambda _: b"I",
    datetime: _of_datetime,
    date: lambda value: b"D%x;" % value.toordinal(),
    time: _of_time,
    timedelta: _of_timedelta,
    timezone: _of_timezone,
    Decimal: lambda value: digest(b"decimal", [of_text(str(value))]),
    uuid.UUID: lambda value: b"u" + value.bytes,
}
