"""Values without parts: read from JSON, from text on a command line or from real objects, and written as Python.

Dates and times are ISO 8601, as JSON Schema's formats have them; a duration may also be written as ``1h30m``.
"""

from __future__ import annotations

import json
import math
import os
import re
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import PurePath
from typing import Any, Final, cast

from orchestra_nb.model.durations import parse_duration
from orchestra_nb.notebooks.parameter_types import Kind

#: Texts that mean these values, as in papermill, wherever nothing is declared.
CONSTANTS: Final[dict[str, bool | None]] = {"True": True, "False": False, "None": None}
_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_NONES: Final = frozenset({"None", "null"})
#: JSON has no word for these: :mod:`orchestra_nb.model.jsonable` writes them so.
_NON_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_DURATION: Final = re.compile(
    r"(?P<sign>[-+]?)P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:[.,]\d+)?)S)?)?"
)
_CLOCK: Final = re.compile(
    r"(?P<sign>-?)(?:(?P<days>\d+) days?,? )?(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d(?:\.\d+)?)"
)
#: A day as it should be written, whether or not the calendar has it.
_WRITTEN_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d(?!\d)", re.ASCII)
#: How a class is written where the notebook has no name for it.
_CLASSES: Final = {
    Kind.DATE: '__import__("datetime").date',
    Kind.DATETIME: '__import__("datetime").datetime',
    Kind.TIME: '__import__("datetime").time',
    Kind.TIMEDELTA: '__import__("datetime").timedelta',
    Kind.DECIMAL: '__import__("decimal").Decimal',
    Kind.PATH: '__import__("pathlib").Path',
    Kind.UUID: '__import__("uuid").UUID',
}


class NotOfKind(Exception):
    """A value is none of this kind; the text says what is wrong or how one is written, and may be empty."""


def resolve_type(text: str) -> object:
    """Return the value that ``-p NAME text`` means where nothing is declared: as papermill reads it.

    Examples
    --------
    >>> resolve_type("3"), resolve_type("1e3"), resolve_type("true"), resolve_type("None")
    (3, 1000.0, 'true', None)
    """
    if text in CONSTANTS:
        return CONSTANTS[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def unwrapped(value: object) -> object:
    """Return a number of NumPy's, or a pandas timestamp, as Python's own; anything else as it is."""
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return cast("Any", value).item()
    if isinstance(value, datetime) and hasattr(value, "to_pydatetime") and not getattr(value, "nanosecond", 0):
        return cast("Any", value).to_pydatetime()
    return value


def kind_of(value: object) -> Kind | None:
    """Return the kind of a real object; None for one that has parts or is of another class."""
    if value is None:
        return Kind.NONE
    for classes, kind in _KINDS:
        if isinstance(value, classes):
            return kind
    return None


_KINDS: Final[tuple[tuple[type, Kind], ...]] = (
    (bool, Kind.BOOL),
    (int, Kind.INT),
    (float, Kind.FLOAT),
    (str, Kind.STR),
    (datetime, Kind.DATETIME),
    (date, Kind.DATE),
    (time, Kind.TIME),
    (timedelta, Kind.TIMEDELTA),
    (Decimal, Kind.DECIMAL),
    (PurePath, Kind.PATH),
    (uuid.UUID, Kind.UUID),
)


def read_scalar(kind: Kind, value: object, *, is_text: bool = False) -> object:
    """Return a value as this kind has it.

    Parameters
    ----------
    is_text
        It was written on a command line, where a number is text, too.

    Raises
    ------
    NotOfKind
        It is none.
    """
    value = unwrapped(value)
    if is_text and isinstance(value, str):
        return _read_text(kind, value)
    return _READERS[kind](value)


def recorded_scalar(value: object) -> object:
    """Return a value as JSON has it: what :func:`read_scalar` reads again. Non-finite floats stay floats."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _iso_duration(value)
    return str(value)


def plain_source(value: object) -> str:
    """Return the text of a value of JSON's types in Python."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value!r}")'
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)}: {plain_source(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(plain_source, value)) + "]"
    return repr(value)


def quoted(text: str) -> str:
    """Return a text as Python writes it, in double quotes where that needs no more marks."""
    return json.dumps(text, ensure_ascii=False) if text.isprintable() and "\\" not in text else repr(text)


def scalar_source(kind: Kind, value: object, spelled: str = "") -> str:
    """Return the text that makes a value of a kind that JSON does not have.

    Parameters
    ----------
    spelled
        How the notebook names the class; empty where it has no name for it.
    """
    name = spelled or _CLASSES[kind]
    if isinstance(value, datetime):
        return _datetime_source(name, value)
    if isinstance(value, date):
        return f"{name}({value.year}, {value.month}, {value.day})"
    if isinstance(value, time):
        return f"{name}.fromisoformat({quoted(value.isoformat())})"
    if isinstance(value, timedelta):
        parts = (("days", value.days), ("seconds", value.seconds), ("microseconds", value.microseconds))
        return f"{name}({', '.join(f'{unit}={count}' for unit, count in parts if count)})"
    return f"{name}({quoted(str(value))})"


def _datetime_source(name: str, value: datetime) -> str:
    key = getattr(value.tzinfo, "key", None)
    if key is None:
        return f"{name}.fromisoformat({quoted(value.isoformat())})"
    zone = f'__import__("zoneinfo").ZoneInfo({quoted(key)})'
    fold = ", fold=1" if value.fold else ""
    return f"{name}.fromisoformat({quoted(value.replace(tzinfo=None).isoformat())}).replace(tzinfo={zone}{fold})"


def _read_text(kind: Kind, text: str) -> object:
    if kind is Kind.STR:
        return text
    text = text.strip()
    if kind is Kind.NONE:
        if text in _NONES:
            return None
        raise NotOfKind
    if kind is Kind.BOOL:
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise NotOfKind("write true or false")
    if kind in (Kind.INT, Kind.FLOAT):
        try:
            number = int(text) if kind is Kind.INT else float(text)
        except ValueError:
            raise NotOfKind from None
        if isinstance(number, float) and math.isinf(number) and "inf" not in text.lower():
            raise NotOfKind("it is too large for a float")
        return number
    if kind is Kind.TIMEDELTA:
        return _timedelta(text)
    return _READERS[kind](text)


def _exactly(*classes: type) -> Callable[[object], object]:
    def read(value: object) -> object:
        if isinstance(value, classes) and (bool in classes or not isinstance(value, bool)):
            return value
        raise NotOfKind

    return read


def _int(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    raise NotOfKind


def _float(value: object) -> object:
    if isinstance(value, str) and value in _NON_FINITE:
        return _NON_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotOfKind
    try:
        number = float(value)
    except OverflowError:
        raise NotOfKind("it is too large for a float") from None
    if isinstance(value, int) and number != value:
        raise NotOfKind("a float cannot hold it exactly")
    return number


def _date(value: object) -> object:
    if isinstance(value, datetime) and value.timetz() != time():
        raise NotOfKind("it has a time of day")
    if isinstance(value, date):
        return value.date() if isinstance(value, datetime) else value
    return _from_iso(date.fromisoformat, value, "write it as 2026-03-29")


def _datetime(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001  # as naive as it was given
    if isinstance(value, datetime):
        return value
    return _from_iso(datetime.fromisoformat, value, "write it as 2026-03-29T08:30 or 2026-03-29T08:30:00+02:00")


def _time(value: object) -> object:
    return value if isinstance(value, time) else _from_iso(time.fromisoformat, value, "write it as 08:30 or 08:30:15")


def _from_iso(parse: Callable[[str], object], value: object, form: str) -> object:
    try:
        return parse(value.strip()) if isinstance(value, str) else parse(None)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        is_no_day = isinstance(value, str) and _is_on_no_calendar(value.strip())
        raise NotOfKind("there is no such day" if is_no_day else form) from None


def _is_on_no_calendar(text: str) -> bool:
    """Return whether a day, with or without a time, is written as it should be and does not exist."""
    day = _WRITTEN_DAY.match(text)
    if day is None:
        return False
    try:
        date.fromisoformat(day[0])
    except ValueError:
        return True
    return False


def _timedelta(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return timedelta(seconds=value)
        if isinstance(value, str):
            return _parsed_duration(value.strip())
    except (ValueError, OverflowError):
        pass
    raise NotOfKind("write it as PT1H30M, 1:30:00, 1h30m or as seconds")


def _parsed_duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text) if len(text) > 1 else None
    found = found or _CLOCK.fullmatch(text)
    if found is None or not any(part for name, part in found.groupdict().items() if name != "sign"):
        return timedelta(seconds=parse_duration(text))
    parts = {unit: _count(count) for unit, count in found.groupdict().items() if unit != "sign" and count}
    whole = timedelta(**parts)
    return -whole if found["sign"] == "-" else whole


def _count(text: str) -> int | float:
    return float(text.replace(",", ".")) if not text.isdigit() else int(text)


def _iso_duration(value: timedelta) -> str:
    sign, value = ("-", -value) if value < timedelta() else ("", value)
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f"{value.microseconds:06}".rstrip("0")
    exact = f"{seconds}.{fraction}" if fraction else str(seconds)
    clock = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes) + f"{exact}S" * (exact != "0")
    days = f"{value.days}D" * bool(value.days)
    return f"{sign}P{days}{'T' * bool(clock)}{clock}" if days or clock else "PT0S"


def _decimal(value: object) -> object:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise NotOfKind
    try:
        return Decimal(value.strip() if isinstance(value, str) else repr(value))
    except InvalidOperation:
        raise NotOfKind from None


def _path(value: object) -> object:
    if isinstance(value, PurePath):
        return value
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        raise NotOfKind
    if "\0" in text:
        raise NotOfKind("a path has no NUL")
    return text  # as it was written: PurePath would drop a trailing slash only to have the notebook's Path do so


def _uuid(value: object) -> object:
    if isinstance(value, uuid.UUID):
        return value
    try:
        return uuid.UUID(value) if isinstance(value, str) else uuid.UUID(None)
    except (ValueError, TypeError):
        raise NotOfKind("write it as 12345678-1234-5678-1234-567812345678") from None


_READERS: Final[dict[Kind, Callable[[object], object]]] = {
    Kind.NONE: _exactly(type(None)),
    Kind.BOOL: _exactly(bool),
    Kind.INT: _int,
    Kind.FLOAT: _float,
    Kind.STR: lambda value: str(_exactly(str)(value)),
    Kind.DATE: _date,
    Kind.DATETIME: _datetime,
    Kind.TIME: _time,
    Kind.TIMEDELTA: _timedelta,
    Kind.DECIMAL: _decimal,
    Kind.PATH: _path,
    Kind.UUID: _uuid,
}
