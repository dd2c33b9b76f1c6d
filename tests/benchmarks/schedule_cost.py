"""What the next fire time of a cron expression costs, beside cronsim alone."""

from __future__ import annotations

from tests.benchmarks.measurement import Measurement, alternate, run_python, summarise

_COMMON = """
import statistics, time
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo
zone = ZoneInfo("Europe/Berlin")
expressions = ["* * * * *", "*/15 * * * *", "30 2 * * *", "0 9 * * 1-5", "0 0 1 * *", "5 4 * * SUN", "0 */6 * * *"]
begin = datetime(2026, 1, 1, tzinfo=timezone.utc)
times = [begin + timedelta(hours=53 * n, minutes=7 * n) for n in range(200)]
taken = []
def measure(find):
    for expression in expressions:
        find(expression, begin)
        for after in times:
            start = time.perf_counter()
            find(expression, after)
            taken.append((time.perf_counter() - start) * 1e6)
    print(statistics.median(taken))
"""
_OURS = (
    _COMMON
    + """
from orchestra_nb.model.schedules import CronSchedule, next_occurrence
schedules = {expression: CronSchedule(expression=expression, timezone="Europe/Berlin") for expression in expressions}
measure(lambda expression, after: next_occurrence(schedules[expression], zone, after))
"""
)
_CRONSIM = (
    _COMMON
    + """
from cronsim import CronSim
measure(lambda expression, after: next(CronSim(expression, after.astimezone(zone))))
"""
)


def measure(environ: dict[str, str], repeats: int) -> list[Measurement]:
    """Return one row: the median over seven expressions and 200 instants of a year, in a zone whose clocks change."""
    ours, cronsim = alternate(
        lambda: float(run_python(_OURS, environ)), lambda: float(run_python(_CRONSIM, environ)), repeats
    )
    bound = "at most 200 µs"
    return [summarise("next fire time, cron", "cronsim, parsing each time", ours, cronsim, bound=bound, unit="µs")]
