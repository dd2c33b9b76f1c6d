"""How long what has happened is kept, and what was deleted of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

#: So many of the newest changes are kept whatever their age: live views that lag behind go on from them.
KEPT_CHANGES: Final = 20_000

#: So long the answer to a call with a key is given again.
ANSWERS_KEPT: Final = timedelta(hours=24)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Horizon(msgspec.Struct, frozen=True, kw_only=True):
    """What is older may go; None where it is kept for ever.

    Parameters
    ----------
    runs
        Of runs when they ended; of events, artifacts, dead letters and the like when they were made or closed.
    logs
        Of log lines, and of what only says how something was done: drivers, notifications, what automations did.
    results
        Of results in the cache that have no end of their own.
    answers
        Of answers to calls with a key, whatever the settings.
    audit
        Of entries of the audit trail.
    """

    runs: datetime | None
    logs: datetime | None
    results: datetime | None
    answers: datetime | None = None
    audit: datetime | None = None

    @classmethod
    def of(
        cls, now: datetime, *, runs_days: float, logs_days: float, results_days: float, audit_days: float = 0.0
    ) -> Horizon:
        """Return the horizon of settings, where no number above 0 means for ever.

        Examples
        --------
        >>> noon = datetime(2026, 3, 31, 12, tzinfo=UTC)
        >>> Horizon.of(noon, runs_days=30, logs_days=0, results_days=1e9).runs
        datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.timezone.utc)
        """
        runs, logs, results = (_before(now, days) for days in (runs_days, logs_days, results_days))
        audit = _before(now, audit_days)
        return cls(runs=runs, logs=logs, results=results, answers=now - ANSWERS_KEPT, audit=audit)


class Cleaned(msgspec.Struct, frozen=True, kw_only=True):
    """How many of each there were that went, or would go.

    Parameters
    ----------
    changes
        Beside those of the runs.
    files, file_bytes
        Executed notebooks, snapshots and logs of the runs, and values that they returned.
    """

    runs: int = 0
    log_lines: int = 0
    changes: int = 0
    events: int = 0
    artifacts: int = 0
    materializations: int = 0
    dead_letters: int = 0
    notifications: int = 0
    automation_firings: int = 0
    drivers: int = 0
    results: int = 0
    deployment_versions: int = 0
    kept_answers: int = 0
    audit_entries: int = 0
    files: int = 0
    file_bytes: int = 0

    def __add__(self, other: Cleaned) -> Cleaned:
        return Cleaned(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})

    def __bool__(self) -> bool:
        return self != Cleaned()


def _before(now: datetime, days: float) -> datetime | None:
    if not days > 0:
        return None
    try:
        return max(now - timedelta(days=days), _EPOCH)
    except OverflowError:
        return _EPOCH
