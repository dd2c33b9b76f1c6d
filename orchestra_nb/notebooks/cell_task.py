"""A task cell on its worker: inputs in, the cell run as in a notebook, outputs out, the process as it was before."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.errors import StopTask, TaskFailed, ValueNotPortable
from orchestra_nb.model.attempts import AttemptContext, AttemptResult
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import ErrorInfo, LogLine
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.cell_values import (
    PackedGroup,
    PackResult,
    fingerprint,
    pack_exception,
    pack_values,
    unpack_values,
)
from orchestra_nb.notebooks.edited_modules import modules_of_process
from orchestra_nb.notebooks.inline_figures import InlineFigures
from orchestra_nb.notebooks.kept_results import KeptEntry, KeptResult, ResultKeeper
from orchestra_nb.notebooks.log_capture import LogCapture
from orchestra_nb.notebooks.output_recorder import OutputRecorder
from orchestra_nb.notebooks.process_state import ProcessState
from orchestra_nb.notebooks.shielding import run_shielded
from orchestra_nb.notebooks.stream_capture import StreamCapture
from orchestra_nb.notebooks.user_traceback import describe_error
from orchestra_nb.notebooks.value_unpickler import CLASSES_KEY

if TYPE_CHECKING:
    from orchestra_nb.notebooks.worker_shell import WorkerShell

#: A cell owns its process's streams, folder and environment.
_turn = threading.Lock()
_IDENTIFIER = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class CellTask:
    """An :class:`~orchestra_nb.model.attempts.AttemptBody` that runs one task cell.

    Parameters
    ----------
    source
        The cell without its ``%%task`` line.
    name, label
        The task's name, and its cell in people's words (``"cell [4]"``; empty: the name).
    lines_above
        Lines of the cell above ``source``, so that line numbers are those of the whole cell.
    outputs
        Names whose values the task gives: with ``is_explicit`` each must be bound, else those that are.
    opaque
        Why nobody can tell which names the cell binds; then all that it bound or changed are given, too.
    reads
        The names that the driver saw it read.
    inputs
        Values packed by the driver.
    upstream_names
        Task run id to the names taken from that task's result; they come after ``inputs``, in this order.
    cwd, sys_path, environ
        The notebook's folder, its module path, and its changes to the environment (None: removed).
    keeper
        Keeps its results; None where they are not kept.
    """

    source: str
    name: str
    label: str = ""
    lines_above: int = 1
    outputs: tuple[str, ...] = ()
    is_explicit: bool = False
    opaque: str | None = None
    reads: tuple[str, ...] = ()
    inputs: tuple[PackedGroup, ...] = ()
    upstream_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cwd: str | None = None
    sys_path: tuple[str, ...] = ()
    environ: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    keeper: ResultKeeper | None = None

    @property
    def file_name(self) -> str:
        """The name under which the cell is compiled."""
        return f"<task {self.name}>"

    @property
    def cell(self) -> str:
        """The cell in people's words."""
        return self.label or self.name

    def attempt(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> CellAttempt:
        """Return a new attempt to run the cell."""
        return CellAttempt(self, upstream, context)

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        """Run the cell in this thread and return how it ended.

        Cells of one process take turns.

        Raises
        ------
        StopTask
            The cell was stopped; the process is as it was before.
        """
        # with, since an exception from another thread cannot come between it and the release
        with _turn:
            attempt = self.attempt(upstream, context)
            # twice, since such an exception may end the first before it has begun
            try:
                try:
                    return copy_context().run(attempt.run)
                finally:
                    attempt.leave()
            finally:
                attempt.leave()


class CellFailed(Exception):
    """Ends an attempt as FAILED for a reason that is not an exception of the cell."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class CellAttempt:
    """One run of a cell, with all that has to be undone after it."""

    def __init__(self, task: CellTask, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> None:
        self._task = task
        self._upstream = upstream
        self._context = context
        self._started_at = datetime.now(UTC)
        self._recorder = OutputRecorder(context.show)
        self._streams = StreamCapture(self._recorder)
        self._logs = LogCapture(context.log)
        self._figures = InlineFigures()
        self._state = ProcessState()
        self._restoring = threading.Lock()
        self._has_begun = self._is_restored = False
        self._shell: WorkerShell | None = None
        self._namespace: dict[str, Any] = {}
        self._used_names = frozenset(_IDENTIFIER.findall(task.source))

    def run(self) -> AttemptResult:
        """Run the cell and return how it ended."""
        error: ErrorInfo | None = None
        try:
            self._enter()
            initial = self._take_inputs()
            keeper = self._task.keeper
            entry = None if keeper is None else keeper.entry(initial, self._context)
            if entry is None:
                return self._compute(initial)
            kept = entry.find()
            if kept is not None:
                return self._give_kept(kept)
            with entry.computing():
                return self._keep(entry, self._compute(initial))
        except CellFailed as failure:
            error = ErrorInfo(type=failure.kind, message=str(failure), cell=self._task.cell)
        except (ValueNotPortable, TaskFailed, OSError) as failure:
            error = ErrorInfo(type=type(failure).__name__, message=str(failure)[:2000], cell=self._task.cell)
        run_shielded(self._restore)
        return AttemptResult(self._outcome(State.FAILED, error=error, outputs=self._recorder.finish()))

    def _compute(self, initial: Mapping[str, object]) -> AttemptResult:
        """Run the cell, and put the process back."""
        raised = self._run_cell(initial)
        if raised is not None:
            error, exception = self._describe(raised)
            run_shielded(self._restore)
            outputs = self._recorder.finish()
            return AttemptResult(self._outcome(State.FAILED, error=error, exception=exception, outputs=outputs))
        packed = self._pack_outputs(initial)
        deleted = tuple(name for name in initial if name not in self._namespace)
        run_shielded(self._restore)
        return self._completed(KeptResult(packed, deleted, self._recorder.finish()))

    def _give_kept(self, kept: KeptResult) -> AttemptResult:
        """End as the run did whose result was kept, and show again what that showed."""
        run_shielded(self._restore)
        self._recorder.finish()
        for output in kept.outputs:
            self._context.show(output)
        return self._completed(kept, is_cached=True)

    def _keep(self, entry: KeptEntry, result: AttemptResult) -> AttemptResult:
        outcome = result.outcome
        if outcome.state is not State.COMPLETED:
            return result
        groups = tuple(group for group in result.groups if isinstance(group, PackedGroup))
        packed = PackResult(groups, outcome.values, outcome.not_portable)
        reason = entry.keep(KeptResult(packed, outcome.deleted, outcome.outputs))
        if reason is None:
            return result
        text = f"The result of task {self._task.name!r} is not in the cache: {reason}\n"
        output: dict[str, object] = {"output_type": "stream", "name": "stderr", "text": text}
        self._context.show(output)
        return AttemptResult(msgspec.structs.replace(outcome, outputs=[*outcome.outputs, output]), result.groups)

    def _completed(self, given: KeptResult, is_cached: bool = False) -> AttemptResult:
        packed = given.packed
        outcome = self._outcome(
            State.COMPLETED,
            values=packed.infos,
            not_portable=packed.not_portable,
            deleted=given.deleted,
            outputs=given.outputs,
            is_cached=is_cached,
        )
        return AttemptResult(outcome, packed.groups)

    def _outcome(self, state: State, **fields: Any) -> Outcome:
        return Outcome(
            state=state,
            started_at=self._started_at,
            ended_at=datetime.now(UTC),
            worker=self._context.worker,
            pid=os.getpid(),
            **fields,
        )

    def _enter(self) -> None:
        """Make this process the cell's."""
        from orchestra_nb.notebooks.worker_shell import WorkerShell, refuse_input

        task = self._task
        self._has_begun = True
        self._shell = WorkerShell.of_process()
        for name, value in task.environ.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        sys.path[:] = dict.fromkeys((*task.sys_path, *sys.path))
        self._change_folder()
        modules = modules_of_process()
        modules.take_place()
        modules.forget_edited()
        self._figures.prepare()
        run_shielded(self._streams.start)  # broken off, it would leave open pipes
        self._logs.start()
        refuse_input()
        self._namespace = self._shell.new_module().__dict__

    def _change_folder(self) -> None:
        if self._task.cwd is None:
            return
        try:
            os.chdir(self._task.cwd)
        except OSError as error:
            message = f"The notebook's folder {self._task.cwd} cannot be used on this worker ({error.strerror}); "
            message += f"the cell runs in {os.getcwd()}."
            self._context.log(LogLine(run_id="", at=datetime.now(UTC), message=message, level=30, logger="orchestra"))

    def _take_inputs(self) -> dict[str, object]:
        """Put the inputs into the namespace and return them."""
        values = unpack_values(self._task.inputs, None, self._namespace, self._used_names)
        for task_run_id, names in self._task.upstream_names.items():
            result = self._upstream[task_run_id]
            for name in names:
                if name in result.outcome.not_portable:
                    raise ValueNotPortable(
                        f"`{name}` stayed on the worker of the task that made it: {result.outcome.not_portable[name]}"
                    )
            groups = [group for group in result.groups if isinstance(group, PackedGroup)]
            values.update(unpack_values(groups, names, self._namespace, self._used_names))
            for name in set(names).intersection(result.outcome.deleted):
                values.pop(name, None)
        self._namespace.update(values)
        return values

    def _run_cell(self, initial: Mapping[str, object]) -> BaseException | None:
        """Run the cell and return what it raised; ``SystemExit`` and ``KeyboardInterrupt`` are errors of the cell."""
        assert self._shell is not None
        self._before = {name: id(value) for name, value in self._namespace.items()}
        if self._task.opaque is not None:
            self._prints = {name: fingerprint(value, self._namespace) for name, value in initial.items()}
        task = self._task
        raised = self._shell.run_source(task.source, task.file_name, task.lines_above, self._namespace, self._recorder)
        if isinstance(raised, StopTask):
            raise raised
        self._figures.show_open()
        return raised

    def _pack_outputs(self, initial: Mapping[str, object]) -> PackResult:
        task, namespace = self._task, self._namespace
        missing = [name for name in task.outputs if name not in namespace]
        if missing and task.is_explicit:
            bound = ", ".join(sorted(self._bound_names())) or "nothing"
            raise CellFailed(
                "NameError",
                f"--out names `{missing[0]}`, but the cell did not bind it. It bound: {bound}. "
                f"Bind it in the cell, or take it out of --out.",
            )
        names = [name for name in task.outputs if name in namespace]
        if task.opaque is not None and not task.is_explicit:
            names = list(dict.fromkeys((*names, *self._bound_names(), *self._mutated_names(initial))))
        packed = pack_values({name: namespace[name] for name in names}, namespace, None)
        if task.is_explicit and packed.not_portable:
            name, reason = next(iter(packed.not_portable.items()))
            kind = type(namespace[name]).__name__
            raise CellFailed(
                "ValueNotPortable", f"The result of {task.name}, `{name}` (type {kind}), cannot be stored: {reason}"
            )
        return packed

    def _bound_names(self) -> list[str]:
        """Return the names that hold another object than before the cell, without those of IPython."""
        assert self._shell is not None
        hidden = {*self._shell.user_ns_hidden, "_", "__", "___", "_exit_code", CLASSES_KEY}
        return [
            name
            for name, value in self._namespace.items()
            if name not in hidden
            and not (name.startswith("__") and name.endswith("__"))
            and self._before.get(name) != id(value)
        ]

    def _mutated_names(self, initial: Mapping[str, object]) -> list[str]:
        return [
            name
            for name, value in initial.items()
            if self._namespace.get(name) is value and fingerprint(value, self._namespace) != self._prints[name]
        ]

    def _describe(self, raised: BaseException) -> tuple[ErrorInfo, bytes | None]:
        message: str | None = None
        if isinstance(raised, SystemExit):
            message = f"task called sys.exit({'' if raised.code is None else repr(raised.code)})"
        elif isinstance(raised, KeyboardInterrupt):
            message = "task raised KeyboardInterrupt"
        elif isinstance(raised, NameError) and not isinstance(raised, UnboundLocalError) and raised.name:
            message = f"{raised}. {self._why_undefined(raised.name)}"
        task = self._task
        error = describe_error(raised, task.file_name, task.cell, message, _lines_above_timed(task))
        is_plain = isinstance(raised, Exception)
        return error, pack_exception(raised, self._namespace) if is_plain else None

    def _why_undefined(self, name: str) -> str:
        if name in self._task.reads:
            return f"The cell reads `{name}`, but no cell that ran before has defined it: run the one that does, first."
        return (
            f"If a cell has defined `{name}`, it was not sent along, because this cell's code does not show that it "
            f"needs it: name it with --in, or write it in the cell."
        )

    def leave(self) -> None:
        """Leave this process as it was, whatever arrives in this thread."""
        run_shielded(self._restore)
        if self._has_begun:
            self._state.restore_signals()

    def _restore(self) -> None:
        """Undo, in another thread, what the cell did; once, also when called several times."""
        with self._restoring:
            if not self._has_begun or self._is_restored:
                return
            steps: list[Callable[[], None]] = [
                self._figures.restore,
                modules_of_process().note,
                self._logs.stop,
                self._streams.stop,
                self._state.restore,
                self._leave_shell,
                self._namespace.clear,
            ]
            for step in steps:
                with suppress(Exception):  # one that fails must not keep the others from being done
                    step()
            self._is_restored = True

    def _leave_shell(self) -> None:
        if self._shell is not None:
            self._shell.leave()


def _lines_above_timed(task: CellTask) -> int | None:
    """Return how many lines of the cell stand above what ``%%time`` runs; None if that does not run it."""
    above, magic, _ = task.source.partition("%%time")
    if not magic or above.strip() or task.source.lstrip().startswith("%%timeit"):
        return None
    return task.lines_above + above.count("\n") + 1
