"""The events of one driver on their way: those of a run that was reopened get its epoch.

What emits them counts attempts and states within the epoch and need not know its number.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from orchestra_nb.engine.trace_context import set_trace_finder
from orchestra_nb.model.events import (
    DeadLetterAdded,
    Event,
    EventSink,
    RunCreated,
    RunStateChanged,
    RunSuspended,
    TaskRunCreated,
    TaskRunStateChanged,
)
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.typed_runs import typed_name
from orchestra_nb.operations.run_tracing import RunTracer, find_tracer

#: How many runs' flows are remembered.
_MOST_RUNS = 10_000


class RunSink:
    """An event sink before another one; knows which flow each run of the driver is of. For any thread.

    Parameters
    ----------
    driver_id
        Who answers for runs that were started on a worker: they end with this driver. None where another process does.
    """

    def __init__(self, sink: EventSink, driver_id: str | None = None) -> None:
        self._sink = sink
        self._driver_id = driver_id
        self._epochs: dict[str, int] = {}
        self._flow_names: OrderedDict[str, str] = OrderedDict()
        #: runs of tasks outside of flows, by id to name
        self._task_runs: OrderedDict[str, str] = OrderedDict()
        self._tracer: RunTracer | None = None

    def continue_run(self, run: Run, epoch: int) -> None:
        """Count what is told of a run from now on to this epoch."""
        self._epochs[run.run_id] = epoch
        self._flow_names[run.run_id] = run.flow_name
        self._look_for_tracer()
        if self._tracer is not None:
            self._tracer.add_run(msgspec.structs.replace(run, epoch=epoch))

    def flow_name(self, run_id: str) -> str:
        """Return the flow of a run; empty for one that is not known (any more)."""
        return self._flow_names.get(run_id, "")

    def where_to_look(self, run_id: str) -> str:
        """Say where all about a run is found whose name nobody was told: that of a task outside of flows."""
        name = self._task_runs.get(run_id)
        return f"\nFor more: orchestra runs show {typed_name(name, run_id)}" if name else ""

    def emit(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, RunCreated):
            self._note(event.run)
            if event.run.driver_id is None and self._driver_id is not None:
                event = RunCreated(run=msgspec.structs.replace(event.run, driver_id=self._driver_id))
            self._look_for_tracer()
        if self._tracer is not None:
            self._tracer.take(event)
        self._sink.emit(self._stamped(event) if self._epochs else event)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was emitted is durable."""
        return self._sink.flush(timeout_seconds)

    def close(self) -> None:
        """Flush and let go."""
        self._sink.close()

    def _look_for_tracer(self) -> None:
        """Look, at each run, whether somebody wants spans by now."""
        if self._tracer is None and (tracer := find_tracer()) is not None:
            self._tracer = RunTracer(tracer)
            set_trace_finder(self._tracer.trace_of_run)

    def _note(self, run: Run) -> None:
        self._flow_names[run.run_id] = run.flow_name
        if run.kind is RunKind.TASK:
            self._task_runs[run.run_id] = run.name
        for known in (self._flow_names, self._task_runs):
            if len(known) > _MOST_RUNS:
                known.popitem(last=False)

    def _stamped(self, event: Event) -> Event:
        match event:
            case RunStateChanged() | RunSuspended() | TaskRunStateChanged():
                epoch = self._epochs.get(event.run_id)
                return event if epoch is None else msgspec.structs.replace(event, epoch=epoch)
            case TaskRunCreated(task_run=task_run):
                epoch = self._epochs.get(task_run.run_id)
                return (
                    event if epoch is None else TaskRunCreated(task_run=msgspec.structs.replace(task_run, epoch=epoch))
                )
            case DeadLetterAdded(letter=letter):
                epoch = self._epochs.get(letter.run_id)
                return event if epoch is None else DeadLetterAdded(letter=msgspec.structs.replace(letter, epoch=epoch))
            case _:
                return event
