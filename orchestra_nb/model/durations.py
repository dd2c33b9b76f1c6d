"""Durations as people type them: ``"500ms"``, ``"2s"``, ``"10m"``, ``"1h30m"``, ``"90"`` (seconds); and as they read
them.

What is read has one notation everywhere, on pages, in cells, in a terminal and in static HTML.
"""

from __future__ import annotations

import math
import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SHOWN_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration(text: str) -> float:
    """Return the duration in seconds.

    Raises
    ------
    ValueError
        ``text`` is no duration; the message shows the form.

    Examples
    --------
    >>> parse_duration("1h30m")
    5400.0
    >>> parse_duration("2.5")
    2.5
    """
    text = text.strip()
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration. Write a number with a unit: 500ms, 2s, 10m, 1h30m.")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def write_duration(seconds: float) -> str:
    """Return the text that :func:`parse_duration` reads as this duration.

    Examples
    --------
    >>> write_duration(5400), write_duration(2.5), write_duration(0.25), write_duration(0)
    ('1h30m', '2.5s', '0.25s', '0s')
    """
    if seconds != int(seconds):
        return f"{seconds:.9f}".rstrip("0") + "s"
    parts, rest = "", int(seconds)
    for unit in ("d", "h", "m", "s"):
        number, rest = divmod(rest, int(_UNITS[unit]))
        parts += f"{number}{unit}" if number else ""
    return parts or "0s"


def format_duration(seconds: float) -> str:
    """Return a duration for people, in its two largest units: ``"0.4 s"``, ``"42 s"``, ``"1 min 4 s"``.

    These are the symbols of the units in all languages. ``labextension/src/drawing/durations.ts`` writes the same; both
    are tested against ``labextension/tests/durations.json``.
    """
    tenths = math.floor(max(0.0, seconds) * 10)
    return f"{tenths // 10}.{tenths % 10} s" if tenths < 100 else format_elapsed(seconds)


def format_elapsed(seconds: float) -> str:
    """Return the duration of something that goes on, which is shown each second: as others, in whole seconds."""
    rest = math.floor(max(0.0, seconds))
    larger = next((place for place, (_, length) in enumerate(_SHOWN_UNITS) if rest >= length), None)
    if larger is None:
        return "0 s"
    parts = []
    for symbol, length in _SHOWN_UNITS[larger : larger + 2]:
        number, rest = divmod(rest, length)
        if number:
            parts.append(f"{number} {symbol}")
    return " ".join(parts)
