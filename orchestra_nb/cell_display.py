"""Keeps what is shown under each task cell up to date, at most ten times a second.

Under a task cell stand two displays, both addressed by display id, so that every front end and every headless runner
can follow them after the cell itself has returned: the line of the task, and what the task showed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from orchestra_nb.engine.executors import ClusterChanged
from orchestra_nb.live_display import LiveDisplay, LiveView, OutputsView, Publish
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import LogLine, TaskRun
from orchestra_nb.notebooks.shown_outputs import ShownOutputs
from orchestra_nb.run_display import outputs_bundle, task_bundle

#: Seconds between two updates of one display.
UPDATE_SECONDS = 0.1
#: Seconds between two looks whether anybody still uses the views of what has ended.
_LOOK_SECONDS = 30.0


class CellDisplays:
    """The displays of all task cells of one kernel; a :class:`FlowListener`.

    Parameters
    ----------
    on_change
        Called, in the flow runner's thread, after each change of a task; for whoever shows all of them.
    make_view
        Makes the live view of a task or a flow where the front end needs one; None where it does not.
    make_outputs_view
        Makes the view of what a task showed where the front end needs one; None where it does not.
    """

    def __init__(
        self,
        publish: Publish,
        on_change: Callable[[TaskRun], None] = lambda task: None,
        make_view: Callable[[], LiveView] | None = None,
        make_outputs_view: Callable[[], OutputsView] | None = None,
    ) -> None:
        self._publish = publish
        self._on_change = on_change
        self._make_view = make_view
        self._make_outputs_view = make_outputs_view
        self._lock = threading.Lock()
        self._cluster = ""
        self._tasks: dict[str, TaskRun] = {}
        self._outputs: dict[str, ShownOutputs] = {}
        #: the displays that stand under cells, by task run id
        self._lines: dict[str, LiveDisplay] = {}
        #: id of a task run that is a retry to the one whose displays it has
        self._places: dict[str, str] = {}
        #: the views that nothing can take the place of, by the task run whose displays they are in: a retry has them
        self._lasting: dict[str, LiveView] = {}
        self._outputs_views: dict[str, OutputsView] = {}
        #: name of a task to the task run whose displays it has now: a run of its cell gives up those of the run before
        self._newest: dict[str, str] = {}
        #: the places that were given up, whose views are closed when nothing happens there any more
        self._given_up: set[str] = set()
        self._dirty_lines: set[str] = set()
        self._dirty_outputs: set[str] = set()
        self._extra: dict[str, tuple[LiveDisplay, Callable[[], Mapping[str, object]]]] = {}
        self._dirty_extra: set[str] = set()
        self._wake = threading.Event()
        #: held while changes are sent, so that an older one never comes after a newer one
        self._sending = threading.Lock()
        self._thread: threading.Thread | None = None

    def open(self, task: TaskRun, in_place_of: str | None = None) -> None:
        """Show the line of a task, and keep a place for what it shows.

        Parameters
        ----------
        in_place_of
            The task run that it is a retry of: it takes the displays of that one. None: it gets displays of its own,
            under the cell that is running now.
        """
        with self._lock:
            task = self._tasks.setdefault(task.task_run_id, task)
            if in_place_of is not None:
                self._places[task.task_run_id] = self._places.get(in_place_of, in_place_of)
            elif self._make_view is not None:
                self._take_newest(task)
            place = self._places.get(task.task_run_id, task.task_run_id)
            line = LiveDisplay(self._publish, f"orchestra-{place}", self._view_in(place, task))
            outputs = self._outputs.get(task.task_run_id)
            first = outputs.merged() if outputs is not None else []
            cluster = self._cluster
        if in_place_of is None:
            line.open(task_bundle(task, cluster))
        else:
            line.replace(task_bundle(task, cluster))
        self._publish_outputs(task.task_run_id, first, update=in_place_of is not None)
        with self._lock:  # only now: an update that overtook its display would be lost
            self._lines[task.task_run_id] = line
            if task.task_run_id in self._dirty_lines | self._dirty_outputs:
                self._wake.set()

    def _take_newest(self, task: TaskRun) -> None:
        """Give up the place that a task had before; the lock is held."""
        before = self._newest.get(task.name)
        self._newest[task.name] = task.task_run_id
        if before in self._lasting or before in self._outputs_views:
            self._given_up.add(before)
            self._start()
            self._wake.set()

    def _view_in(self, place: str, task: TaskRun) -> LiveView | None:
        """Return the view for the line of a task; the lock is held."""
        if self._make_view is None or task.state.is_terminal:
            return None
        view = self._lasting.get(place) or self._make_view()
        if view.is_lasting:
            self._lasting[place] = view
        return view

    def show_again(self, task: TaskRun, outcome: Outcome | None) -> None:
        """Show the line of a task once more, with what it showed, under the cell that is running now."""
        with self._lock:
            shown = self._outputs.get(task.task_run_id)
            cluster = self._cluster
        outputs = outcome.outputs if outcome is not None else shown.merged() if shown is not None else []
        place = self._places.get(task.task_run_id, task.task_run_id)
        self._publish((task_bundle(task, cluster), {}), f"orchestra-{place}", update=False)
        if outputs:
            self._publish(outputs_bundle(outputs), self._outputs_id(task.task_run_id), update=False)

    def open_extra(self, display_id: str, bundle: Callable[[], Mapping[str, object]]) -> None:
        """Show another display that depends on all tasks; it is made anew after each change."""
        display = LiveDisplay(self._publish, display_id, self._make_view() if self._make_view is not None else None)
        with self._sending:
            display.open(bundle())
            with self._lock:
                self._extra[display_id] = display, bundle
                if display.has_view:
                    self._start()

    def renew_extra(self) -> None:
        """Make the other displays anew: something that they show has changed."""
        with self._lock:
            if self._extra:
                self._mark(self._dirty_extra, next(iter(self._extra)))

    def close(self) -> None:
        """Let what is shown stand for itself: the kernel ends."""
        self._send_changes()
        with self._sending:
            with self._lock:
                displays = [*self._lines.values(), *(display for display, _ in self._extra.values())]
            for display in displays:
                display.close()

    # --- told by the flow runner

    def task_changed(self, task_run: TaskRun) -> None:
        """A task run has a new state."""
        with self._lock:
            self._tasks[task_run.task_run_id] = task_run
            self._mark(self._dirty_lines, task_run.task_run_id)
        self._on_change(task_run)

    def task_showed(self, task_run_id: str, outputs: Sequence[Mapping[str, object]]) -> None:
        """A task showed something."""
        with self._lock:
            shown = self._outputs.setdefault(task_run_id, ShownOutputs())
            for output in outputs:
                shown.add(output)
            self._mark(self._dirty_outputs, task_run_id)

    def task_logged(self, task_run: TaskRun, lines: Sequence[LogLine]) -> None:
        """Do nothing: the log of the run has them."""

    def task_ended(self, task_run: TaskRun, outcome: Outcome | None) -> None:
        """A task run ended: its last word is said even if pieces of it were lost on the way."""
        with self._lock:
            self._tasks[task_run.task_run_id] = task_run
            if outcome is not None:
                shown = self._outputs[task_run.task_run_id] = ShownOutputs()
                for output in outcome.outputs:
                    shown.add(output)
                self._mark(self._dirty_outputs, task_run.task_run_id)
            self._mark(self._dirty_lines, task_run.task_run_id)
        self._on_change(task_run)

    def cluster_changed(self, change: ClusterChanged) -> None:
        """The cluster is starting, ready or lost: pending lines say so."""
        with self._lock:
            self._cluster = change.detail if change.status != "ready" else ""
            for task_run_id, task in self._tasks.items():
                if not task.state.is_terminal:
                    self._mark(self._dirty_lines, task_run_id)

    def flush(self, timeout_seconds: float) -> None:
        """Send all changes so far, in this thread."""
        self._send_changes()

    # --- the pump

    def _mark(self, dirty: set[str], key: str) -> None:
        """Note a change; the lock is held."""
        dirty.add(key)
        self._dirty_extra.update(self._extra)
        self._start()
        self._wake.set()

    def _start(self) -> None:
        """Have changes sent; the lock is held."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._pump, name="orchestra-displays", daemon=True)
            self._thread.start()

    def _pump(self) -> None:
        pause = threading.Event()
        while True:
            self._wake.wait(_LOOK_SECONDS if any(display.has_view for display, _ in self._extras()) else None)
            if self._wake.is_set():
                self._wake.clear()
                self._send_changes()
                pause.wait(UPDATE_SECONDS)
            else:
                with self._sending:
                    for display, _ in self._extras():
                        display.look()

    def _extras(self) -> list[tuple[LiveDisplay, Callable[[], Mapping[str, object]]]]:
        with self._lock:
            return list(self._extra.values())

    def _send_changes(self) -> None:
        with self._sending:
            with self._lock:
                lines = [(self._lines[key], self._tasks[key]) for key in self._dirty_lines & self._lines.keys()]
                outputs = {key: self._outputs[key].merged() for key in self._dirty_outputs & self._lines.keys()}
                extra = [self._extra[key] for key in self._dirty_extra]
                self._dirty_lines -= self._lines.keys()
                self._dirty_outputs -= self._lines.keys()
                self._dirty_extra.clear()
                cluster = self._cluster
            for key, shown in outputs.items():  # before the line that says that the task has ended
                self._publish_outputs(key, shown, update=True)
            for line, task in lines:
                show = line.end if task.state.is_terminal else line.update
                show(task_bundle(task, cluster))
            for display, bundle in extra:
                display.update(bundle())
            with self._lock:
                self._forget_ended()
                closed = self._take_closed()
            for view in closed:
                view.close()

    def _forget_ended(self) -> None:
        """Drop what has been shown for good; the lock is held."""
        for key in [key for key in self._lines if self._tasks[key].state.is_terminal]:
            if key not in self._dirty_lines and key not in self._dirty_outputs:
                del self._lines[key]
                self._outputs.pop(key, None)
                del self._tasks[key]

    def _take_closed(self) -> list[LiveView | OutputsView]:
        """Return the views of places that were given up and in which nothing happens any more; the lock is held."""
        if not self._given_up:
            return []
        done = self._given_up - {self._places.get(key, key) for key in self._lines}
        self._given_up -= done
        self._places = {key: place for key, place in self._places.items() if place not in done}
        found = [views.pop(place, None) for place in done for views in (self._lasting, self._outputs_views)]
        return [view for view in found if view is not None]

    def _publish_outputs(self, task_run_id: str, outputs: Sequence[Mapping[str, object]], *, update: bool) -> None:
        data, metadata = outputs_bundle(outputs)
        if self._make_outputs_view is not None:
            place = self._places.get(task_run_id, task_run_id)
            view = self._outputs_views.get(place)
            if view is None:
                view = self._outputs_views[place] = self._make_outputs_view()
            view.update(outputs)
            data = {**data, **view.bundle()}
        self._publish((data, metadata), self._outputs_id(task_run_id), update=update)

    def _outputs_id(self, task_run_id: str) -> str:
        return f"orchestra-{self._places.get(task_run_id, task_run_id)}-outputs"
