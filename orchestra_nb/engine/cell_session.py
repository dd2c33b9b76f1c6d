"""The task cells of one kernel: what each takes and gives, and which task gives which name.

A task cell is analysed, its inputs are packed as they are at this moment or taken from the tasks that will give them,
and it is handed to the flow runner. The names that it binds become pending in the kernel's namespace; binding them is
:mod:`orchestra_nb.engine.name_binder`'s.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

from orchestra_nb.engine.driver_environment import EnvironmentChanges, environment_of_driver
from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.engine.name_binder import NameBinder, Remedy
from orchestra_nb.engine.pending import NOTHING, PendingValue
from orchestra_nb.engine.submissions import Submission
from orchestra_nb.errors import (
    InvalidTaskLine,
    TaskNotFound,
    ValueNotPortable,
)
from orchestra_nb.model.events import TaskRunStateChanged
from orchestra_nb.model.machine_messages import TaskPlan
from orchestra_nb.model.runs import TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.cell_task import CellTask
from orchestra_nb.notebooks.cell_values import PackedGroup, pack_values
from orchestra_nb.notebooks.names import CellNames, analyse_cell
from orchestra_nb.notebooks.task_line import TaskLine

if TYPE_CHECKING:
    from orchestra_nb.engine.flow_runner import FlowRunner

#: Names that IPython itself keeps in the namespace: every worker has its own.
_SHELL_NAMES = frozenset(
    {"In", "Out", "get_ipython", "exit", "quit", "open", "display", "_", "__", "___", "_ih", "_oh", "_dh"}
)

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOrigin:
    """Where a task cell stands: ``label`` in people's words (``"cell [4]"``), ``cell_id`` if the front end told it."""

    label: str
    cell_id: str | None = None


@dataclass(slots=True)
class _Plan:
    """What a task cell takes and gives, before it is submitted."""

    names: CellNames
    upstream: dict[str, list[str]] = field(default_factory=dict)
    inputs: dict[str, object] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    #: what each name that it reads held
    taken: dict[str, object] = field(default_factory=dict)

    def take(self, name: str, value: object) -> None:
        """Take an input: a value, or one that a task will give (before it, the one that stays if it does not)."""
        if not isinstance(value, PendingValue):
            self.inputs[name] = value
            return
        if value.earlier is not NOTHING:
            self.take(name, value.earlier)
        self.upstream.setdefault(value.task_run_id, []).append(name)


class CellSession:
    """The tasks of one notebook kernel.

    Parameters
    ----------
    namespace
        The kernel's user namespace; pending names are put into it.
    open_run
        Returns the id of the run that a new task belongs to, opening one if none is open.
    remedy
        What somebody can do where a name has no value (:class:`~orchestra_nb.engine.name_binder.NameBinder`).

    Thread safety: all methods are for the kernel's main thread, but ``cancel``, ``tasks`` and ``edges``.
    """

    def __init__(
        self, namespace: dict[str, object], runner: FlowRunner, open_run: Callable[[], str], remedy: Remedy
    ) -> None:
        self.namespace = self._namespace = namespace
        self._runner = runner
        self._open_run = open_run
        self.binder = NameBinder(namespace, runner, remedy)
        self._lock = threading.Lock()
        #: task name to the id of its newest run, in order of first submission
        self._newest: dict[str, str] = {}
        #: cell id to the execution of it that began tasks last, and the newest run of each: a loop may begin many
        self._in_cell: dict[str, tuple[str, dict[str, str]]] = {}
        #: ids of the task runs whose values may still be on the cluster
        self._holding: set[str] = set()
        #: task run id to why nobody can tell beforehand what it gives
        self._opaque: dict[str, str] = {}
        self._environment_changes = EnvironmentChanges()

    # --- submitting

    def submit(self, line: TaskLine, origin: CellOrigin, name: str) -> TaskRun:
        """Submit a task cell and return its record at once; the names that it gives become pending.

        Raises
        ------
        SyntaxError
            The cell does not parse; nothing was submitted.
        InvalidTaskLine
            ``--in``, ``--out`` or ``--after`` name what does not exist.
        ValueNotPortable
            An input cannot be sent to a worker; the message names it and the remedy. Nothing was submitted.
        """
        # not before the first cell: the extension loads faster
        from orchestra_nb.engine.cell_body import cell_body
        from orchestra_nb.engine.cell_cache import CellCache

        plan = self._plan(line, name, origin)
        after_tasks = [self.task(other).task_run_id for other in line.after]
        upstream = tuple(dict.fromkeys((*plan.upstream, *after_tasks)))
        opaque = plan.names.opaque if line.outputs is None else None
        body = CellTask(
            source=line.body,
            name=name,
            label=origin.label,
            outputs=plan.outputs,
            is_explicit=line.outputs is not None,
            reads=tuple(sorted(plan.names.reads)),
            opaque=opaque,
            inputs=self._pack(plan, line, name),
            upstream_names={upstream: tuple(names) for upstream, names in plan.upstream.items()},
            cwd=os.getcwd(),
            sys_path=tuple(sys.path),
            environ=self._environment_changes.now(),
            keeper=CellCache.of(line, name, plan.names.opaque),
        )
        earlier = self._earlier_run(name, origin)
        task = self._new_task_run(line, origin, name, upstream, earlier)
        if opaque is not None:
            self._opaque[task.task_run_id] = opaque
        self._runner.submit(
            Submission(
                task_run=task,
                plan=TaskPlan(
                    task_run_id=task.task_run_id,
                    run_id=task.run_id,
                    name=name,
                    upstream=upstream,
                    # the same cell twice runs in order, as it would without us
                    after=earlier,
                    retry=line.retry,
                ),
                body=cell_body(body, task),
                needs=plan.upstream,
                earlier=earlier,
                timeout_seconds=line.timeout_seconds,
                environment=environment_of_driver(),
            )
        )
        self._register(name, task.task_run_id, origin)
        self._holding.add(task.task_run_id)
        self._make_pending(task.task_run_id, name, plan, keeps_deleted=line.outputs is not None)
        self._release_unneeded()
        return task

    def record_local(self, line: TaskLine, origin: CellOrigin, name: str) -> TaskRun:
        """Note a task that this kernel runs itself, RUNNING from now on (see :meth:`announce_local`)."""
        task = self._new_task_run(line, origin, name, ())
        self._runner.record(task)
        self._register(name, task.task_run_id, origin)
        self.announce_local(
            TaskRunStateChanged(
                run_id=task.run_id,
                task_run_id=task.task_run_id,
                state=State.RUNNING,
                at=datetime.now(UTC),
                attempt=1,
                worker="this kernel",
            )
        )
        return self._runner.task(task.task_run_id)

    def announce_local(self, change: TaskRunStateChanged) -> None:
        """Pass on a change of a task that this kernel runs itself."""
        self._runner.announce(change)

    def _new_task_run(
        self, line: TaskLine, origin: CellOrigin, name: str, upstream: tuple[str, ...], earlier: tuple[str, ...] = ()
    ) -> TaskRun:
        now = datetime.now(UTC)
        return TaskRun(
            task_run_id=fresh_id(now),
            run_id=self._open_run(),
            name=name,
            state=State.PENDING,
            created_at=now,
            max_attempts=1 + line.retry.retries,
            upstream=upstream,
            cell_id=origin.cell_id,
            tags=line.tags,
            message=self._runner.waiting_words((*upstream, *earlier), earlier),
        )

    def _earlier_run(self, name: str, origin: CellOrigin) -> tuple[str, ...]:
        with self._lock:
            earlier = self._newest.get(name) or self._in_cell.get(origin.cell_id or "", ("", {}))[1].get(name)
            return (earlier,) if earlier is not None else ()

    def _plan(self, line: TaskLine, name: str, origin: CellOrigin) -> _Plan:
        names = analyse_cell(line.body, self._namespace)
        plan = _Plan(names)
        if line.inputs is not None:
            unknown = [item for item in line.inputs if item not in self._namespace]
            if unknown:
                raise InvalidTaskLine(
                    f"--in of task {name!r}: no variable {unknown[0]!r}. Run the cell that makes it first."
                )
            reads: Collection[str] = line.inputs
        else:
            reads = names.reads
        extras: set[str] = set()
        if names.opaque is not None and line.inputs is None:
            # what it reads cannot be known: it gets all that there is and that can travel
            extras = {key for key in self._namespace if not key.startswith("_")} - set(reads)
        for read in sorted({*reads, *extras}):
            if read not in self._namespace or is_of_shell(read, self._namespace[read]):
                continue
            value = self._before_failure(self._namespace[read], name, origin)
            if isinstance(value, PendingValue) and read in extras and self.binder.has_ended_badly(value):
                continue
            plan.taken[read] = value
            plan.take(read, value)
        if line.outputs is not None:
            plan.outputs = line.outputs
        else:
            changed = {item for item in names.mutates if item in plan.inputs or self.binder.is_pending(item)}
            kept = {item for item in changed if not isinstance(plan.inputs.get(item), ModuleType)}
            plan.outputs = tuple(sorted(names.defines | kept))
        return plan

    def _pack(self, plan: _Plan, line: TaskLine, name: str) -> tuple[PackedGroup, ...]:
        packed = pack_values(plan.inputs, self._namespace, frozenset(_WORD.findall(line.body)))
        for variable, reason in packed.not_portable.items():
            if variable not in (line.inputs or plan.names.reads):
                continue  # sent along in case the cell looks it up by a name that nobody can see
            raise ValueNotPortable(
                f"Task {name!r} reads `{variable}`, which cannot be sent to a worker: {reason} "
                f"Or run the cell in this kernel with --local."
            )
        return packed.groups

    def _register(self, name: str, task_run_id: str, origin: CellOrigin) -> None:
        """Note a task's run; a cell that was renamed gives up its earlier name."""
        with self._lock:
            if origin.cell_id is not None:
                execution, runs = self._in_cell.get(origin.cell_id, ("", {}))
                if execution != origin.label:
                    for earlier in runs.keys() - {name}:
                        if self._newest.get(earlier) == runs[earlier]:
                            self._forget(self._newest.pop(earlier))
                self._in_cell[origin.cell_id] = (origin.label, {**runs, name: task_run_id})
            superseded = self._newest.get(name)
            self._newest[name] = task_run_id
            if superseded is not None:
                self._forget(superseded)

    def _forget(self, task_run_id: str) -> None:
        """Let go of what a task run showed that no name leads to any more; while its values are held, it stays."""
        if task_run_id not in self._holding and self._runner.task(task_run_id).state.is_terminal:
            self._runner.forget_outcome(task_run_id)

    def _make_pending(self, task_run_id: str, name: str, plan: _Plan, keeps_deleted: bool) -> None:
        """Make the outputs pending; so are names that the cell deletes, since a cell that fails deletes nothing."""
        deleted = set() if keeps_deleted else {item for item in plan.names.deletes if item in self._namespace}
        for output in {*plan.outputs, *deleted}:
            may_stay = output in plan.names.conditional or output not in plan.outputs
            stays = may_stay and output in self._namespace
            self._namespace[output] = PendingValue(
                output,
                task_run_id,
                lambda: f"a value of task {name!r}, {_state_words(self._runner.task(task_run_id))}",
                partial(self.binder.resolve, output),
                earlier=plan.taken.get(output, self._namespace[output]) if stays else NOTHING,
                before=plan.taken.get(output, NOTHING),
                kind=plan.names.kinds.get(output),
            )

    def opaque_reason(self, task_run_id: str) -> str | None:
        """Return why nobody can tell beforehand which names a task gives; None where it is known."""
        return self._opaque.get(task_run_id)

    def _before_failure(self, value: object, name: str, origin: CellOrigin) -> object:
        """Return what a task takes that runs once more: if it changes its own input and failed, the input as it was."""
        while isinstance(value, PendingValue) and value.before is not NOTHING and self.binder.has_ended_badly(value):
            task = self._runner.task(value.task_run_id)
            if task.name != name and (origin.cell_id is None or task.cell_id != origin.cell_id):
                break
            value = value.before
        return value

    def _release_unneeded(self) -> None:
        """Let go of values on the cluster that no name and no waiting task can ask for any more."""
        for name, value in list(self._namespace.items()):
            if isinstance(value, PendingValue):
                outcome = self._runner.outcome(value.task_run_id)
                if outcome is not None and name in outcome.deleted:
                    del self._namespace[name]
                elif outcome is not None and name in outcome.values:
                    value.earlier = value.before = NOTHING  # they will not be asked for again
        needed = {item.task_run_id for value in self._namespace.values() for item in _chain(value)}
        for task in self._runner.open_tasks():
            needed.update(task.upstream)
        newest = set(self._newest.values())
        for task_run_id in self._holding - needed:
            if self._runner.task(task_run_id).state.is_terminal:
                self._runner.release(task_run_id)
                self._holding.discard(task_run_id)
                if task_run_id not in newest:
                    self._runner.forget_outcome(task_run_id)

    # --- looking and waiting

    def task(self, name: str) -> TaskRun:
        """Return the newest run of the task with this name.

        Raises
        ------
        TaskNotFound
            This kernel has run no such task; the message lists those that it has.
        """
        with self._lock:
            if name not in self._newest:
                known = ", ".join(self._newest) or "none so far"
                raise TaskNotFound(f"No task {name!r} has run in this kernel. Its tasks are: {known}.")
            return self._runner.task(self._newest[name])

    def tasks(self) -> list[TaskRun]:
        """Return the newest run of each task, in the order in which the tasks first ran."""
        with self._lock:
            return [self._runner.task(task_run_id) for task_run_id in self._newest.values()]

    def edges(self) -> list[tuple[str, str]]:
        """Return (upstream, downstream) ids among :meth:`tasks`."""
        tasks = self.tasks()
        newest = {task.name: task.task_run_id for task in tasks}
        return [
            (newest[self._runner.task(upstream).name], task.task_run_id)
            for task in tasks
            for upstream in task.upstream
            if self._runner.task(upstream).name in newest
        ]

    def wait(self, task_run_ids: Collection[str] | None = None, timeout_seconds: float | None = None) -> bool:
        """Wait until these tasks (None: all) have ended; False when the time was not enough."""
        if task_run_ids is None:
            task_run_ids = [task.task_run_id for task in self._runner.open_tasks()]
        return self._runner.wait(task_run_ids, timeout_seconds)

    def cancel(self, task_run_ids: Collection[str] | None, reason: str, actor: str = "user") -> int:
        """Ask to cancel these tasks (None: all); return how many had not ended."""
        open_ids = [task.task_run_id for task in self._runner.open_tasks()]
        asked = [item for item in open_ids if task_run_ids is None or item in task_run_ids]
        if asked:
            self._runner.cancel(asked, reason, actor)
        return len(asked)


def _chain(value: object) -> Iterator[PendingValue]:
    """Return the pending values that a name may still be asked for, the newest first."""
    values = [value]
    while values:
        value = values.pop()
        if isinstance(value, PendingValue):
            yield value
            values += [value.before, value.earlier]


def is_of_shell(name: str, value: object) -> bool:
    """Whether this is what IPython itself put under the name; a user may have another thing there (``open``)."""
    if name not in ("display", "open"):
        return name in _SHELL_NAMES
    return str(getattr(value, "__module__", "")).startswith("IPython")


def _state_words(task: TaskRun) -> str:
    return task.state.value.lower().replace("_", " ")
