"""The views of flows that cells call: each stands under its cell once its run has taken longer than a second.

One in which something failed has a view in any case: the failures have no other place under the cell, but for the
exception that it raises (:attr:`~orchestra_nb.engine.drivers.Driver.shows_failures`).

What a view shows is learnt from the events of the run on their way to the store, so it needs neither store nor server.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Final

from orchestra_nb.flow_display import picture_bundle
from orchestra_nb.live_display import LiveDisplay, LiveView, Publish
from orchestra_nb.model.events import (
    Event,
    RunCreated,
    RunStateChanged,
    RunSuspended,
    TaskRunCreated,
    TaskRunStateChanged,
    apply_to_run,
)
from orchestra_nb.model.run_picture import RunPicture
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State

#: A run that ends well within it leaves no view: there was nothing to look at.
QUIET_SECONDS: Final = 1.0

#: The least seconds between two updates of one view; a large picture is made more rarely.
_UPDATE_SECONDS = 0.2
#: Of the time of this process at most this part is spent on making pictures.
_SHARE = 0.05
#: Seconds between two looks whether anybody still uses the views of runs that have ended.
_LOOK_SECONDS = 30.0
#: The views of so many ended runs are kept; those of older ones become static.
_MOST_ENDED = 20

_log = logging.getLogger(__name__)


class _FlowView:
    """One run that is or may be shown."""

    def __init__(self, run: Run) -> None:
        self.picture = RunPicture(run)
        #: where its display belongs: to the cell that called it, whichever runs when it is shown
        self.context: Context = copy_context()
        self.created_at = time.monotonic()
        self.display: LiveDisplay | None = None
        #: when it is to be shown, on the clock of ``time.monotonic``; None while nothing has changed
        self.due_at: float | None = self.created_at + QUIET_SECONDS
        self.not_before = 0.0


class FlowViews:
    """The views of the flows that the cells of one kernel call.

    Parameters
    ----------
    publish
        Called in the context of the cell that called the flow.
    parent_run_id
        The notebook run that flows which are called here belong to; None in a kernel that somebody works in.
    make_view
        As :class:`~orchestra_nb.cell_display.CellDisplays` takes it.
    is_live
        Whether what is shown can change; else each run is shown when it has ended.

    Thread safety: :meth:`take` may be called from any thread.
    """

    def __init__(
        self,
        publish: Publish,
        parent_run_id: str | None = None,
        make_view: Callable[[], LiveView] | None = None,
        *,
        is_live: bool = True,
    ) -> None:
        self._publish = publish
        self._parent_run_id = parent_run_id
        self._make_view = make_view
        self._is_live = is_live
        self._changed = threading.Condition()
        self._views: dict[str, _FlowView] = {}
        #: the displays of ended runs whose views are still there, the oldest first
        self._ended: list[LiveDisplay] = []
        #: held while something is sent, so that an older picture never comes after a newer one
        self._sending = threading.Lock()
        self._thread: threading.Thread | None = None

    def take(self, event: Event) -> None:
        """Take an event of a run of this kernel. Cost: microseconds, but for the end of a run that is shown."""
        try:
            self._take(event)
        except Exception:  # what is shown of a run must not be what ends it
            _log.exception("A view of a flow could not be kept up to date.")

    def _take(self, event: Event) -> None:
        match event:
            case TaskRunStateChanged(run_id=run_id):
                if (view := self._views.get(run_id)) is not None:
                    with self._changed:
                        view.picture.change(event)
                        self._mark(view)
            case TaskRunCreated(task_run=task):
                if (view := self._views.get(task.run_id)) is not None:
                    with self._changed:
                        view.picture.add(task)
                        self._mark(view)
            case RunStateChanged(run_id=run_id) | RunSuspended(run_id=run_id):
                if (view := self._views.get(run_id)) is not None:
                    self._run_changed(view, event)
            case RunCreated(run=run):
                if run.kind is RunKind.FLOW and self._is_called_here(run):
                    with self._changed:
                        self._views[run.run_id] = _FlowView(run)
                        self._start()
            case _:
                pass

    def close(self) -> None:
        """Let what is shown stand for itself: the kernel ends."""
        with self._sending:
            for display in self._ended:
                display.close()
            self._ended.clear()

    def _is_called_here(self, run: Run) -> bool:
        """Tell whether a cell called it, and no other flow or task."""
        return run.parent_run_id == self._parent_run_id and run.parent_task_run_id is None

    def _run_changed(self, view: _FlowView, event: RunStateChanged | RunSuspended) -> None:
        run = view.picture.run
        assert run is not None
        change = (
            event
            if isinstance(event, RunStateChanged)
            else RunStateChanged(
                run_id=event.run_id, state=State.PAUSED, at=event.at, epoch=event.epoch, message=event.message
            )
        )
        is_over = change.state.is_terminal or isinstance(event, RunSuspended)
        with self._changed:
            view.picture.run = apply_to_run(run, change)
            if not is_over:
                self._mark(view)
                return
            del self._views[event.run_id]
            self._changed.notify()
        is_slow = time.monotonic() - view.created_at > QUIET_SECONDS
        if view.display is not None or is_slow or view.picture.has_failures:
            self._show(view, event.run_id)
            self._keep(view)

    def _keep(self, view: _FlowView) -> None:
        """Let somebody go on to use the view of a run that has ended."""
        display = view.display
        if display is None or not display.has_view:
            return
        with self._sending:
            self._ended.append(display)
            while len(self._ended) > _MOST_ENDED:
                self._ended.pop(0).close()
        with self._changed:
            self._start()

    # --- showing

    def _mark(self, view: _FlowView) -> None:
        """Have a view shown soon; the lock is held."""
        if view.due_at is None:
            view.due_at = max(time.monotonic(), view.not_before)
            self._changed.notify()

    def _start(self) -> None:
        """Have views shown when they are due; the lock is held."""
        if self._thread is None and self._is_live:
            self._thread = threading.Thread(target=self._pump, name="orchestra-flow-views", daemon=True)
            self._thread.start()
        else:
            self._changed.notify()

    def _pump(self) -> None:
        while True:
            with self._changed:
                if not self._views and not self._ended:
                    self._thread = None
                    return
                dues = [(view.due_at, run_id) for run_id, view in self._views.items() if view.due_at is not None]
                due_at, run_id = min(dues, default=(time.monotonic() + _LOOK_SECONDS, ""))
                left = due_at - time.monotonic()
                if left > 0 and self._changed.wait(min(left, _LOOK_SECONDS)):
                    continue
                view = self._views.get(run_id) if left <= 0 else None
            try:
                if view is not None:
                    self._show(view, run_id)
                self._look()
            except Exception:  # the other views are shown
                _log.exception("A view of a flow could not be shown.")

    def _look(self) -> None:
        with self._sending:
            for display in self._ended:
                display.look()
            self._ended = [display for display in self._ended if display.has_view]

    def _show(self, view: _FlowView, run_id: str) -> None:
        with self._sending:
            begun = time.perf_counter()
            with self._changed:
                view.due_at = None
                picture = view.picture.kept()
            bundle = picture_bundle(picture)
            if view.display is None:
                made = self._make_view() if self._make_view is not None else None
                view.display = LiveDisplay(self._publish, f"orchestra-flow-{run_id}", made)
                view.context.run(view.display.open, bundle)
            else:
                view.context.run(view.display.update, bundle)
            took = time.perf_counter() - begun
            view.not_before = time.monotonic() + max(_UPDATE_SECONDS, took / _SHARE)
