"""Serves work pools: claims their runs from wherever they wait, and has them driven, until it is told to end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from orchestra_nb.model.counted import counted
from orchestra_nb.services.run_dispatcher import RunDispatcher
from orchestra_nb.services.supervisor import ServiceLoop, Supervisor
from orchestra_nb.services.work_source import RunStarter, WorkSource

#: What runs get to end by themselves when their worker is told to end.
_GRACE_SECONDS: Final = 10.0
#: So often it looks whether it is to end.
_LOOK_SECONDS: Final = 0.1
#: So often it tells when its loops last took a step.
_TELL_SECONDS: Final = 2.0

#: Told the name of each loop, and when it last took a step: None before the first.
OnSteps: TypeAlias = Callable[[Mapping[str, datetime | None]], None]

_log = logging.getLogger(__name__)


class Worker:
    """Serves pools, in the threads of its loops.

    Parameters
    ----------
    room
        How many runs go on at a time.
    stop
        Set, by anybody, to have it claim nothing more and end.
    hurry
        Set, too, to have what goes on end at once, not in ten seconds.
    tell
        As :class:`~orchestra_nb.services.supervisor.ServiceLoop` takes it.
    tells_runs
        As :class:`~orchestra_nb.services.run_dispatcher.RunDispatcher` takes it.
    """

    def __init__(
        self,
        source: WorkSource,
        starter: RunStarter,
        *,
        pools: Sequence[str],
        room: int,
        stop: threading.Event,
        hurry: threading.Event,
        tell: Callable[[str, str], None] = lambda name, problem: None,
        tells_runs: bool = False,
    ) -> None:
        self._source = source
        self._stop = stop
        self._hurry = hurry
        self._tell = tell
        self._is_over = threading.Event()
        self._dispatcher = RunDispatcher(source, starter, pools=pools, room=room, wake=self.wake, tells_runs=tells_runs)
        self._loop = ServiceLoop("run dispatcher", self._dispatch, tell)

    def wake(self) -> None:
        """Have it look for runs now. From any thread."""
        self._loop.wake()

    def run(
        self,
        on_ready: Callable[[], None] = lambda: None,
        *,
        beside: Sequence[ServiceLoop] = (),
        on_stop: Callable[[], None] = lambda: None,
        on_steps: OnSteps = lambda steps: None,
    ) -> bool:
        """Serve until ``stop`` is set; False where others took this worker for dead before.

        Parameters
        ----------
        beside
            Loops that run as long.
        on_stop
            Called when all of them are about to end.
        on_steps
            Told every two seconds when each loop last took a step.
        """
        loops = (self._loop, *beside)
        with Supervisor(self._source, loops, self._tell):
            on_ready()
            told_at = time.monotonic()
            # not in ``stop.wait``: the handler of a signal, in this thread, sets it, and could find its lock taken
            while not (self._stop.is_set() or self._is_over.is_set()):
                time.sleep(_LOOK_SECONDS)
                if time.monotonic() - told_at >= _TELL_SECONDS:
                    told_at = time.monotonic()
                    on_steps({loop.name: loop.stepped_at for loop in loops})
            on_stop()
        if self._dispatcher.active and not self._is_over.is_set():
            runs = counted(self._dispatcher.active, "run")
            _log.warning("The service ends. Still going on, for %g s at most: %s.", _GRACE_SECONDS, runs)
        is_hurried = self._hurry.is_set() or self._is_over.is_set()
        self._dispatcher.close(0.0 if is_hurried else _GRACE_SECONDS, self._hurry)
        return self._stop.is_set()

    def _dispatch(self, now: datetime) -> datetime | None:
        is_alive = self._source.is_alive()
        if self._stop.is_set():  # this thread may see it before the one that waits for it
            return None
        if not is_alive:
            self._is_over.set()
            return None
        return self._dispatcher.step(now)
