"""Time zones by name, and this machine's own.

Zones come from the time-zone database of the system, else from the package ``tzdata``. This machine's zone is what the
C library takes: the variable ``TZ``, else ``/etc/localtime``, else UTC.
"""

from __future__ import annotations

import difflib
import os
import zoneinfo
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from orchestra_nb.errors import InvalidSchedule

_HOST_ZONE_FILES = (Path("/etc/localtime"), Path("/etc/timezone"))
#: Where a path into the database continues with the zone's name; macOS has a folder of its own.
_DATABASES = ("/zoneinfo/", "/zoneinfo.default/")
#: Files of the database that are no places.
_NO_PLACES = frozenset({"localtime", "posixrules", "Factory"})
#: As much of a name is repeated in a message.
_MAX_SHOWN = 60


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone.

    Raises
    ------
    InvalidSchedule
        The database has no zone of this name; the message names the nearest ones.
    """
    try:
        if name in _NO_PLACES:
            raise ValueError(name)
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        shown = name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}…"
        raise InvalidSchedule(f"There is no time zone {shown!r}. {_hint(name)}") from None


def machine_zone(environ: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Return the name of this machine's time zone, and where it stands.

    Raises
    ------
    InvalidSchedule
        It has no name of the database.
    """
    variable = (os.environ if environ is None else environ).get("TZ", "").removeprefix(":")
    if variable:
        name = _name_in_path(variable) if variable.startswith("/") else variable
        return _checked(name or "", "TZ", variable), "TZ"
    link, text = _HOST_ZONE_FILES
    if (name := _name_in_path(os.path.realpath(link))) is not None:
        return _checked(name, str(link), name), str(link)
    if link.exists() and text.is_file():
        name = text.read_text(encoding="utf-8", errors="replace").strip()
        return _checked(name, str(text), name), str(text)
    if link.exists():
        raise InvalidSchedule(f"{link} does not tell the name of this machine's time zone. Give one with --timezone.")
    return "UTC", f"there is no {link}"


def here(at: datetime) -> datetime:
    """Return a time as the clock of this machine shows it, for people."""
    return at.astimezone(_zone_here(os.environ.get("TZ")))


@lru_cache(maxsize=4)  # a tenth of a millisecond each, and logs have many lines
def _zone_here(variable: str | None) -> ZoneInfo | None:
    try:
        return zone_of(machine_zone()[0])
    except InvalidSchedule:  # the C library knows the offset, if not the name
        return None


def zone_here() -> str:
    """Return what the zone of :func:`here` is called in the heading of a list."""
    try:
        return machine_zone()[0]
    except InvalidSchedule:
        return str(datetime.now().astimezone().tzname())


def time_text(at: datetime) -> str:
    """Return a time as the clock of this machine shows it, with its zone: ``2026-03-01 13:00:00 CET``."""
    return f"{here(at):%Y-%m-%d %H:%M:%S %Z}"


def _checked(name: str, place: str, text: str) -> str:
    try:
        return zone_of(name).key
    except InvalidSchedule:
        raise InvalidSchedule(
            f"{place} says {text!r}, which is no name of the time-zone database. Give one with --timezone."
        ) from None


def _name_in_path(path: str) -> str | None:
    for folder in _DATABASES:
        _, found, name = path.partition(folder)
        if found:
            return name
    return None


def _hint(name: str) -> str:
    """Return the names that may have been meant: of another case, of a city, or spelt alike."""
    names = sorted(zoneinfo.available_timezones() - _NO_PLACES)
    wanted = name.strip().replace(" ", "_").lower()
    folded = {known.lower(): known for known in names}
    near = [folded[wanted]] if wanted in folded else []
    near += [known for known in names if wanted and known.lower().rpartition("/")[2] == wanted.rpartition("/")[2]]
    near += [folded[match] for match in difflib.get_close_matches(wanted, folded, n=3, cutoff=0.75)]
    found = list(dict.fromkeys(near))[:3]
    if not found:
        return "Write a name of the time-zone database, such as Europe/Berlin, America/New_York or UTC."
    return f"Did you mean {' or '.join(found)}?"
