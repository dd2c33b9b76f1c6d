"""Ends what an attempt has started and not ended itself: its worker died, or its code was stopped too hard to say so.

Flows, notebooks and tasks that are started within a task are driven by its attempt, and told of through it. When the
attempt is gone, nobody else is there to end them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from orchestra_nb.model.events import Event
from orchestra_nb.model.open_runs import OpenRuns
from orchestra_nb.model.states import State


class AttemptChildren:
    """What attempts have started and not ended. Belongs to one thread.

    Parameters
    ----------
    emit
        Called with each event that ends something.
    """

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        #: attempt key to what is open
        self._open: dict[str, OpenRuns] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._open

    def attempt_of(self, run_id: str) -> str | None:
        """Return the attempt that has started a run which has not ended; None where none has."""
        return next((key for key, found in self._open.items() if run_id in found), None)

    def note(self, key: str, events: Iterable[Event]) -> None:
        """Take what an attempt told of its children."""
        found = self._open.setdefault(key, OpenRuns())
        for event in events:
            found.note(event)
        if not found:
            del self._open[key]

    def attempt_ended(self, key: str, task_name: str, state: State, reason: str, at: datetime) -> None:
        """End what the attempt left open; for one of which something is.

        Parameters
        ----------
        state
            How the attempt itself ended.
        reason
            Why it was lost, in people's words; empty for one that ended by itself.
        """
        end = state if state in (State.CANCELLED, State.TIMED_OUT) else State.CRASHED
        message = f"The task {task_name!r} that ran it {f'was lost: {reason}' if reason else 'ended before it did'}."
        for event in self._open.pop(key).end(end, message, at):
            self._emit(event)
