"""Binds the pending names of a kernel: waits for their task, fetches the values, puts them into the namespace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from orchestra_nb.engine.pending import NOTHING, PendingValue, binding_listeners
from orchestra_nb.engine.submissions import failure_words
from orchestra_nb.errors import (
    TaskCrashed,
    TaskFailed,
    TaskTimedOut,
    TaskWasCancelled,
    UpstreamFailed,
    ValueNotPortable,
)
from orchestra_nb.model.runs import TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.cell_values import PackedGroup, unpack_values
from orchestra_nb.notebooks.names import CellNames

if TYPE_CHECKING:
    from orchestra_nb.engine.flow_runner import FlowRunner

_ERRORS: dict[State, type[TaskFailed]] = {
    State.TIMED_OUT: TaskTimedOut,
    State.CRASHED: TaskCrashed,
    State.CANCELLED: TaskWasCancelled,
    State.UPSTREAM_FAILED: UpstreamFailed,
}


#: Takes the name of a task that failed, and those of the tasks that could not run because of it, in order.
Remedy = Callable[[str, Sequence[str]], str]


class NameBinder:
    """Binds names of one namespace; for the kernel's main thread.

    Parameters
    ----------
    remedy
        Returns what somebody can do who reads a name that has no value, in one or more sentences.
    """

    def __init__(self, namespace: dict[str, object], runner: FlowRunner, remedy: Remedy) -> None:
        self._namespace = namespace
        self._runner = runner
        self._remedy = remedy

    def pending_names(self, names: CellNames) -> tuple[list[str], list[str]]:
        """Return the pending names that a cell reads, and those that it might read where that cannot be told."""
        reads = names.reads | names.mutates
        certain = sorted(name for name in reads if self.is_pending(name))
        if names.opaque is None:
            return certain, []
        return certain, sorted(name for name in self._namespace if self.is_pending(name) and name not in reads)

    def bind(self, names: Sequence[str], perhaps: Sequence[str] = ()) -> None:
        """Wait for the tasks that give these names and put their values into the namespace.

        Names in ``perhaps`` are waited for, too, but stay pending where there is no value: the cell may not read them.

        Raises
        ------
        TaskFailed
            A task ended otherwise than well (or a subclass that says how).
        ValueNotPortable
            The value could not leave its worker.
        """
        wanted: dict[str, list[str]] = {}
        for name in (*names, *perhaps):
            value = self._namespace.get(name)
            if isinstance(value, PendingValue):
                wanted.setdefault(value.task_run_id, []).append(name)
        self._runner.wait(wanted)
        before = self._pending() if binding_listeners else set()
        for task_run_id, task_names in wanted.items():
            try:
                self._bind_from(task_run_id, task_names)
            except (TaskFailed, ValueNotPortable):
                if not set(task_names) <= set(perhaps):
                    raise
        for listener in binding_listeners:
            listener(before - self._pending())

    def _pending(self) -> set[str]:
        return {name for name in list(self._namespace) if self.is_pending(name)}

    def _bind_from(self, task_run_id: str, names: Sequence[str]) -> None:
        task = self._runner.task(task_run_id)
        if task.state is not State.COMPLETED:
            raise _ERRORS.get(task.state, TaskFailed)(f"`{names[0]}` has no value: {self._why_failed(task)}")
        outcome = self._runner.outcome(task_run_id)
        assert outcome is not None
        for name in names:
            if name in outcome.not_portable:
                raise ValueNotPortable(
                    f"`{name}` stays on the worker of task {task.name!r}: {outcome.not_portable[name]} "
                    f"Or run the cell of {task.name!r} in this kernel with --local."
                )
            if name in outcome.deleted:
                self._namespace.pop(name, None)
            elif name not in outcome.values:
                self._restore(name)
        here = [name for name in names if name in outcome.values]
        if not here:
            return
        try:
            result = self._runner.fetch(task_run_id, here)
        except TaskCrashed as error:
            raise TaskCrashed(f"`{here[0]}` has no value: {error}") from None
        groups = [group for group in result.groups if isinstance(group, PackedGroup)]
        # names that share objects with the ones asked for come along, so that they go on sharing them
        companions = [
            name
            for name, info in outcome.values.items()
            if info.group in {outcome.values[item].group for item in here} and self._gives(task_run_id, name)
        ]
        self._namespace.update(unpack_values(groups, {*here, *companions}, self._namespace))

    def _why_failed(self, task: TaskRun) -> str:
        """Return which task failed first, what did not run because of it, and what to do."""
        unrun: list[str] = []
        while task.state is State.UPSTREAM_FAILED:
            upstream = [self._runner.task(task_run_id) for task_run_id in task.upstream]
            bad = [one for one in upstream if one.state.is_terminal and one.state is not State.COMPLETED]
            if not bad:
                break
            unrun.insert(0, task.name)
            task = min(bad, key=lambda one: one.ended_at or one.created_at)
        words = f"task {task.name!r} {failure_words(task).rstrip('.')}"
        if unrun:
            words += f", so {', '.join(repr(name) for name in unrun)} did not run"
        return f"{words}. {self._remedy(task.name, unrun)}"

    def bind_all(self, task_run_id: str) -> None:
        """Bind every name that an ended task gave, also those that nobody could foresee."""
        outcome = self._runner.outcome(task_run_id)
        if outcome is not None:
            for name in outcome.deleted:
                self._namespace.pop(name, None)
            self._bind_from(task_run_id, list(outcome.values))

    def _restore(self, name: str) -> None:
        """Take back what a name held before its task, which took a way that does not bind it."""
        value = self._namespace.pop(name, None)
        if isinstance(value, PendingValue) and value.earlier is not NOTHING:
            self._namespace[name] = value.earlier
            self.bind([name])

    def resolve(self, name: str) -> object:
        """Bind a name and return its value."""
        self.bind([name])
        return self._namespace[name]

    def is_pending(self, name: str) -> bool:
        """Whether a name stands for a value that has not been waited for."""
        return isinstance(self._namespace.get(name), PendingValue)

    def has_ended_badly(self, value: PendingValue) -> bool:
        """Whether the task of a pending value has ended, and will not give it."""
        state = self._runner.task(value.task_run_id).state
        return state.is_terminal and state is not State.COMPLETED

    def _gives(self, task_run_id: str, name: str) -> bool:
        value = self._namespace.get(name)
        return isinstance(value, PendingValue) and value.task_run_id == task_run_id


def error_of(task: TaskRun) -> TaskFailed:
    """Return the error that a task's end is raised as."""
    return _ERRORS.get(task.state, TaskFailed)(f"Task {task.name!r} {failure_words(task)}")
