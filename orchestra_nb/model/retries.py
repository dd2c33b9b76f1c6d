"""When a failed attempt is followed by another one, and after what delay."""

from __future__ import annotations

import msgspec

from orchestra_nb.model.durations import parse_duration


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How often and after what delay an attempt is repeated.

    Parameters
    ----------
    retries
        Further attempts after the first.
    delays_seconds
        Delay before each retry; the last one is used for all that follow. Empty: no delay.
    exponential
        ``(first, limit)`` in seconds: the delay doubles from ``first`` up to ``limit``; replaces ``delays_seconds``.
    infrastructure_retries
        Attempts lost to a dead process or machine that are repeated without counting as a retry.
    jitter_factor
        Each delay is made longer by up to this part of it, by chance, so that many tasks do not retry at one time.
    """

    retries: int = 0
    delays_seconds: tuple[float, ...] = ()
    exponential: tuple[float, float] | None = None
    infrastructure_retries: int = 1
    jitter_factor: float = 0.0

    def delay_seconds(self, failures: int, chance: float = 0.0) -> float:
        """Return the delay after this many failed attempts (from 1).

        Parameters
        ----------
        chance
            Between 0 and 1, drawn by the caller.
        """
        return self._plain_delay_seconds(failures) * (1.0 + self.jitter_factor * chance)

    def _plain_delay_seconds(self, failures: int) -> float:
        if self.exponential is not None:
            first, limit = self.exponential
            return min(limit, first * 2.0 ** (failures - 1))
        if not self.delays_seconds:
            return 0.0
        return self.delays_seconds[min(failures, len(self.delays_seconds)) - 1]


def parse_delays(text: str) -> tuple[tuple[float, ...], tuple[float, float] | None]:
    """Read ``2s``, ``2s,10s`` or ``exp:2s:60s`` as (delays, exponential) of a :class:`RetryPolicy`.

    Raises
    ------
    ValueError
        The text has another form.

    Examples
    --------
    >>> parse_delays("2s,10s")
    ((2.0, 10.0), None)
    >>> parse_delays("exp:2s:1m")
    ((), (2.0, 60.0))
    """
    if text.startswith("exp:"):
        parts = text.split(":")
        if len(parts) != 3:
            raise ValueError(f"{text!r} is no back-off. Write exp:FIRST:LIMIT, such as exp:2s:60s.")
        return (), (parse_duration(parts[1]), parse_duration(parts[2]))
    return tuple(parse_duration(part) for part in text.split(",")), None
