"""Points in time, as somebody writes them on the command line, a date, or how long ago; and as lists show them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

from orchestra_nb.time_zones import here

_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"(\d{1,6})\s*(s|m|min|h|d|w)")


def as_time(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """Return the time that an option names, in UTC: the option's callback.

    Parameters
    ----------
    value
        A date or a time in ISO form, local where it names no zone; or how long ago: ``30min``, ``12h``, ``7d``.
    """
    if value is None:
        return None
    try:
        if (ago := _AGO.fullmatch(value.strip())) is not None:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(value.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is no time. Write 2026-01-31, 2026-01-31T08:00, 30min, 12h or 7d.", ctx, param
        ) from None


def next_text(at: datetime | None) -> str:
    """Return when something is due next, in a list whose heading names the zone; a dash for never."""
    return "-" if at is None else f"{here(at):%Y-%m-%d %H:%M}"
