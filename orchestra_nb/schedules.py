"""Schedules of deployments: Prefect's module name. ``flow.deploy(schedules=[Cron("0 7 * * 1-5"), Interval("1h")])``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestra_nb.operations.deployment_request import ScheduleRequest


def Cron(
    cron: str, /, timezone: str | None = None, *, parameters: Mapping[str, Any] | None = None, **options: Any
) -> ScheduleRequest:
    """Return a schedule that is due when the clock shows what an expression of five fields names.

    Parameters
    ----------
    timezone
        None for this machine's.
    parameters
        What its runs get in place of the deployment's own.
    options
        ``start``, ``end``, ``exclude``, ``days_off``, ``jitter``, ``catchup``, ``max_late`` and ``active``, as a file
        of deployments has them.

    Examples
    --------
    >>> Cron("0 7 * * 1-5", "Europe/Berlin", parameters={"region": "EU"}).cron
    '0 7 * * 1-5'
    """
    return _schedule(cron=cron, timezone=timezone, parameters=parameters, **options)


def Interval(
    interval: timedelta | str | float, /, timezone: str | None = None, *, parameters: Mapping[str, Any] | None = None,
    anchor_date: datetime | str | None = None, **options: Any,
) -> ScheduleRequest:  # fmt: skip
    """Return a schedule that is due each time that so much time has passed.

    Parameters
    ----------
    interval
        A duration, such as ``"15m"``; or seconds.
    anchor_date
        From where it is counted, and before which nothing is due.
    options
        As in :func:`Cron`.
    """
    start = anchor_date if anchor_date is not None else options.pop("start", None)
    return _schedule(every=interval, timezone=timezone, parameters=parameters, start=start, **options)


def RRule(
    rrule: str, /, timezone: str | None = None, *, parameters: Mapping[str, Any] | None = None, **options: Any
) -> ScheduleRequest:
    """Return a schedule that is due when the clock shows what an iCalendar rule names; options as in :func:`Cron`."""
    return _schedule(rrule=rrule, timezone=timezone, parameters=parameters, **options)


def _schedule(**fields: Any) -> ScheduleRequest:
    from orchestra_nb.operations.python_deployment import schedule_from

    return schedule_from({name: value for name, value in fields.items() if value is not None})


__all__ = ["Cron", "Interval", "RRule"]
