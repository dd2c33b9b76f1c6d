"""Orchestra's figures among those of Jupyter Server's own ``/metrics``, in the way of the ``prometheus_client``.

A scrape runs on the server's event loop, and a store may be locked: so a scrape waits a moment at most for a reading in
a thread, shows what was read last, and says how old that is. Names: https://prometheus.io/docs/practices/naming.
"""

from __future__ import annotations

import concurrent.futures
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from orchestra_nb.errors import OrchestraError
from orchestra_nb.operations.store_watching import StoreWatch, Subject, Watched

if TYPE_CHECKING:
    from orchestra_nb.model.histograms import Histogram
    from orchestra_nb.server.service_keeper import ServiceKeeper
    from orchestra_nb.store.run_store import RunStore

#: What was read is shown again for so long.
_FRESH_SECONDS: Final = 5.0
#: A scrape waits for a reading no longer than that.
_WAIT_SECONDS: Final = 0.5
#: What is older is not shown: it says nothing any more.
_STALE_SECONDS: Final = 60.0

_OF_RUNS: Final = ("flow", "deployment")

_log = logging.getLogger(__name__)


class FiguresCollector:
    """A collector for Prometheus. Its methods may be called from any thread.

    Parameters
    ----------
    read
        Calls a function with the open store and the time, in this thread; None where there is no store yet. Raises
        OrchestraError where it cannot be read.
    keeper
        Who keeps the services of this server.
    """

    def __init__(
        self,
        read: Callable[[Callable[[RunStore, datetime], Watched]], Watched | None],
        keeper: ServiceKeeper,
    ) -> None:
        self._read = read
        self._keeper = keeper
        self._watch = StoreWatch()
        self._lock = threading.Lock()
        self._threads = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="orchestra-figures")
        self._reading: concurrent.futures.Future[None] | None = None
        self._watched: Watched | None = None
        self._read_at = -math.inf
        self._is_up: bool | None = None
        self._is_closed = False
        self._is_registered = False

    def register(self) -> None:
        """Be among the figures of this process from now on."""
        REGISTRY.register(self)
        self._is_registered = True

    def forget(self) -> None:
        """Have the next scrape read the store, however lately it was read."""
        self._read_at = -math.inf

    def close(self) -> None:
        """Be no longer among them, if it was, and wait for a reading that goes on. May be called twice."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        if self._is_registered:
            REGISTRY.unregister(self)
        self._threads.shutdown(wait=True)

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering reads nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the figures: none of a store that was not there, or could not be read for long."""
        self._refresh()
        is_up, watched, age = self._is_up, self._watched, time.monotonic() - self._read_at
        yield from _own_services(self._keeper)
        if is_up is None:
            return
        yield GaugeMetricFamily("orchestra_store_up", "Whether the store could be read.", value=float(is_up))
        if watched is not None and age <= _STALE_SECONDS:
            yield GaugeMetricFamily("orchestra_figures_age_seconds", "How old these figures are.", value=age)
            yield from _figures_of(watched)

    def _refresh(self) -> None:
        with self._lock:
            if self._is_closed or time.monotonic() - self._read_at < _FRESH_SECONDS:
                return
            if self._reading is None or self._reading.done():
                self._reading = self._threads.submit(self._read_now)
            reading = self._reading
        concurrent.futures.wait([reading], _WAIT_SECONDS)

    def _read_now(self) -> None:
        try:
            watched = self._read(lambda store, now: self._watch.read(store, now))
        except OrchestraError:
            self._is_up = False
            return
        except Exception:  # a scrape would not say it
            _log.exception("The figures for Prometheus cannot be read.")
            self._is_up = False
            return
        if watched is not None:
            self._watched, self._read_at, self._is_up = watched, time.monotonic(), True


def _own_services(keeper: ServiceKeeper) -> Iterator[Metric]:
    state = keeper.state
    if state != "off":
        yield GaugeMetricFamily(
            "orchestra_own_service_up", "Whether the service process of this server is up.", value=float(state == "up")
        )
    steps = GaugeMetricFamily(
        "orchestra_service_last_step_timestamp_seconds",
        "When a loop of this server's service process last ended a step well.",
        labels=["service"],
    )
    for name, at in keeper.last_steps.items():
        if at is not None:
            steps.add_metric([name], at)
    yield steps


def _figures_of(watched: Watched) -> Iterator[Metric]:
    now, state = watched.at, watched.state
    active = GaugeMetricFamily(
        "orchestra_runs_open", "Runs that have not ended, by state.", labels=["state", *_OF_RUNS]
    )
    for (subject, word), count in watched.open_runs.items():
        active.add_metric([word.value, *subject], count)
    yield active
    ended = CounterMetricFamily(
        "orchestra_runs", "Runs that ended since this server began to count.", labels=["state", *_OF_RUNS]
    )
    for (subject, word), count in watched.ended.items():
        ended.add_metric([word.value, *subject], count)
    yield ended
    yield _histogram("orchestra_run_duration_seconds", "How long runs took that ended.", watched.durations)
    yield _histogram("orchestra_run_lateness_seconds", "How long after they were due runs began.", watched.latenesses)

    pools = sorted(watched.queues.items())
    waiting = GaugeMetricFamily("orchestra_queue_runs", "Runs that wait to be started.", labels=["pool"])
    due = GaugeMetricFamily("orchestra_queue_due_runs", "Runs that are due and wait.", labels=["pool"])
    oldest = GaugeMetricFamily(
        "orchestra_queue_oldest_wait_seconds", "For how long the first of them has been due.", labels=["pool"]
    )
    for pool, queue in pools:
        waiting.add_metric([pool], queue.waiting)
        due.add_metric([pool], queue.due)
        oldest.add_metric([pool], _seconds(queue.oldest_due_at, now))
    yield from (waiting, due, oldest)

    living = [service for service in watched.services if service.is_up]
    yield GaugeMetricFamily("orchestra_services_up", "Services of the store that were heard of.", value=len(living))
    problems = GaugeMetricFamily(
        "orchestra_service_problems", "Services in which a loop waits since something is wrong.", labels=["service"]
    )
    for name in sorted({name for service in living for name in service.problems}):
        problems.add_metric([name], sum(name in service.problems for service in living))
    yield problems
    behind = GaugeMetricFamily(
        "orchestra_service_changes_behind", "Changes of the store that a service has to look at.", labels=["service"]
    )
    for name, count in sorted(state.changes_behind.items()):
        behind.add_metric([name], count)
    yield behind

    yield GaugeMetricFamily(
        "orchestra_notifications_waiting", "Notifications that are to be sent.", value=state.waiting_notifications
    )
    yield GaugeMetricFamily(
        "orchestra_notifications_oldest_wait_seconds",
        "For how long the first of them has waited.",
        value=_seconds(state.oldest_notification_at, now),
    )
    letters = GaugeMetricFamily("orchestra_dead_letters", "Dead letters that nobody decided about.", labels=["kind"])
    for kind, count in state.dead_letters.items():
        letters.add_metric([kind], count)
    yield letters


def _histogram(name: str, text: str, histograms: Mapping[Subject, Histogram]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=_OF_RUNS)
    for subject, histogram in histograms.items():
        buckets = [("+Inf" if bound == float("inf") else str(bound), count) for bound, count in histogram.buckets]
        family.add_metric(list(subject), buckets, histogram.sum)
    return family


def _seconds(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
