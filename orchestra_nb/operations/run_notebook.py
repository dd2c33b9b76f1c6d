"""Runs a notebook from top to bottom in a kernel of its own, and writes what becomes of it to the store.

The calling process is the run's driver: it alone writes the store. The order of the start hides one thing behind the
other: the runner's process loads while the notebook is read and checked, the kernel boots while the store is opened,
and the first cell runs when both are done and the run is committed.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import msgspec

from orchestra_nb.engine.notebook_host import NotebookHost, RunnerEnded
from orchestra_nb.model.conclusion import conclude
from orchestra_nb.model.events import (
    CellRunChanged,
    Event,
    LogsWritten,
    RunOutputWritten,
    RunStateChanged,
    TaskRunStateChanged,
)
from orchestra_nb.model.identifiers import new_id
from orchestra_nb.model.masking import Mask
from orchestra_nb.model.questions import Asker
from orchestra_nb.model.runs import CellRun, ErrorInfo, LogLine, Run, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.output_notebook import close_abandoned
from orchestra_nb.notebooks.runner_messages import (
    Answered,
    AttemptEnded,
    Began,
    Begin,
    CancelTask,
    Finished,
    Flushed,
    FlushWanted,
    FromRunner,
    QuestionAsked,
    Reported,
    Shown,
    Stop,
)
from orchestra_nb.operations.notebook_request import NotebookRequest, PreparedRun, kernel_environment, prepare
from orchestra_nb.operations.run_output import RunOutput
from orchestra_nb.operations.run_record import RunRecord
from orchestra_nb.settings import Settings, load_settings

if TYPE_CHECKING:
    from orchestra_nb.notebooks.ahead_plan import AheadPlan
    from orchestra_nb.store.run_store import CancelRequest

#: What a kernel gets to end its cell after an interrupt.
GRACE_SECONDS = 5.0
#: What the runner gets beyond that to write the output notebook and end its kernel, before all is ended by force.
_EXTRA_SECONDS = 10.0
#: What a kernel gets to end in good order after its last cell.
_SHUTDOWN_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that has ended: its records as the store has them. ``run.output_path`` is the executed notebook."""

    run: Run
    cells: tuple[CellRun, ...]
    tasks: tuple[TaskRun, ...]


@dataclass(frozen=True, slots=True)
class _StopAsked:
    message: str
    actor: str
    grace_seconds: float


@dataclass(frozen=True, slots=True)
class _TimeIsUp:
    """What was to end by itself has not."""


_Message = FromRunner | RunnerEnded | _StopAsked | _TimeIsUp | Flushed | Answered | CancelTask


def new_run_id() -> str:
    """Return an id for a new run."""
    return new_id(datetime.now(UTC), secrets.randbits(74))


def run_notebook(
    path: str | Path,
    *,
    parameters: Mapping[str, object] | None = None,
    output_path: str | Path | None = None,
    cwd: str | Path | None = None,
    kernel_name: str | None = None,
    cluster: str | None = None,
    is_strict: bool = True,
    is_parallel: bool = False,
    on_event: Callable[[Event], None] | None = None,
    settings: Settings | None = None,
) -> RunResult:
    """Run a notebook and return what became of it; a run that failed is a result, too.

    Parameters
    ----------
    output_path, cwd, kernel_name, cluster, is_strict, is_parallel
        As in :class:`~orchestra_nb.operations.notebook_request.NotebookRequest`.
    on_event
        Called in this thread with everything that happens, after it was given to the store.

    Raises
    ------
    NotebookNotFound, InvalidInput
        The request cannot be met, and nothing ran.
    StoreUnavailable
        The run cannot be recorded.
    """
    request = NotebookRequest(
        path=str(path),
        run_id=new_run_id(),
        parameters=dict(parameters or {}),
        output_path=None if output_path is None else str(output_path),
        cwd=None if cwd is None else str(cwd),
        kernel_name=kernel_name,
        cluster=cluster,
        is_strict=is_strict,
        is_parallel=is_parallel,
    )
    return NotebookDriver(request, on_event=on_event, settings=settings).execute()


class NotebookDriver:
    """Drives one notebook run. :meth:`execute` belongs to one thread; :meth:`stop` may be called from anywhere.

    Its runner's process is started with the object, so that it is ready when the notebook has been read.

    Parameters
    ----------
    kind
        What the calling process is: ``"shell"`` or ``"script"``.
    on_shown
        Called in the thread of :meth:`execute` with what cells show, where the request asks for it.
    """

    def __init__(
        self,
        request: NotebookRequest,
        *,
        kind: str = "script",
        on_event: Callable[[Event], None] | None = None,
        on_shown: Callable[[Shown], None] = lambda shown: None,
        settings: Settings | None = None,
    ) -> None:
        self._request = request
        self._on_shown = on_shown
        self._kind = kind
        self._settings = settings or load_settings()
        self._on_event = on_event or (lambda event: None)
        self._host = NotebookHost(kernel_environment(os.environ), is_single=kind == "shell")
        self._stop: _StopAsked | None = None
        self._timer: threading.Timer | None = None

    def stop(self, message: str, actor: str, grace_seconds: float = GRACE_SECONDS) -> None:
        """Have the run end as CANCELLED; a second time: at once. Safe in a signal handler."""
        self._host.inbox.put(_StopAsked(message, actor, grace_seconds))

    def execute(self) -> RunResult:
        """Run the notebook; raises as :func:`run_notebook`. To be called once."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._host.close)
            stack.callback(self._stop_timer)
            prepared = prepare(self._request, self._settings, datetime.now(UTC))
            stack.callback(_remove, prepared.spec.socket_path)  # left by a runner that was killed
            self._host.prepare(prepared.spec)
            record = RunRecord(prepared.run, self._settings, self._kind, self._on_event, self._cancel_asked)
            stack.callback(record.close)
            self._host.send(Begin(self._plan_ahead(prepared)))
            output = RunOutput(Path(prepared.spec.output_path), prepared.copy_path)
            self._end(prepared, record, output, self._follow(record, output))
            cells = tuple(cell for _, cell in sorted(record.cells.items()))
            return RunResult(record.run, cells, tuple(record.tasks.values()))

    def _plan_ahead(self, prepared: PreparedRun) -> AheadPlan | None:
        """Return which cells go ahead, where that was asked for; made while the kernel boots."""
        if not self._request.is_parallel:
            return None
        from orchestra_nb.operations.parallel_plan import plan_run

        return plan_run(prepared, self._settings)

    def _follow(self, record: RunRecord, output: RunOutput) -> Finished | RunnerEnded:
        """Record what the runner tells and pass on what is asked of it, until it has told the end, or is gone."""
        while True:
            message: _Message = self._host.inbox.get()  # type: ignore[assignment]  # whatever was put into it
            match message:
                case Reported(event):
                    output.link()
                    record.emit(event)
                case Began(at):
                    record.emit(RunStateChanged(run_id=record.run.run_id, state=State.RUNNING, at=at))
                case FlushWanted(token, seconds):
                    self._flush(record, token, seconds)
                case QuestionAsked():
                    self._answer(record, message)
                case AttemptEnded(task_run_id):
                    self._in_thread("orchestra-slots", lambda: record.services.attempt_ended(task_run_id))
                case Shown():
                    self._on_shown(message)
                case Flushed() | Answered() | CancelTask():
                    self._host.send(message)
                case _StopAsked():
                    self._take_stop(record, message)
                case _TimeIsUp():
                    self._host.let_go()
                case Finished() | RunnerEnded():
                    return message
                case _:
                    assert_never(message)

    def _end(self, prepared: PreparedRun, record: RunRecord, output: RunOutput, end: Finished | RunnerEnded) -> None:
        """Record how the run ended, then wait until nothing of it is left."""
        if isinstance(end, RunnerEnded):
            finished = self._take_loss(prepared, record, end)
        else:
            finished = end
        _end_tasks(record, finished.state, finished.at)
        state, message = finished.state, finished.message
        if state is State.COMPLETED:  # tasks that could not be awaited have ended only now
            state, message = conclude(list(record.tasks.values()))
            message = message or finished.message
        _keep_output(output, record)
        actor = self._stop.actor if self._stop is not None and state is State.CANCELLED else "driver"
        record.conclude(
            RunStateChanged(run_id=record.run.run_id, state=state, at=finished.at, message=message, actor=actor)
        )
        self._start_timer(_SHUTDOWN_SECONDS)
        while not isinstance(end, RunnerEnded):
            end = self._await_runner(end)

    def _await_runner(self, end: Finished) -> Finished | RunnerEnded:
        """Take one message of those that come after the end."""
        message = self._host.inbox.get()
        if isinstance(message, _TimeIsUp | _StopAsked):
            self._host.let_go()
        return message if isinstance(message, RunnerEnded) else end

    def _take_stop(self, record: RunRecord, asked: _StopAsked) -> None:
        is_second = self._stop is not None
        grace = 0.0 if is_second else asked.grace_seconds
        if not is_second:
            self._stop = asked
            record.emit(
                RunStateChanged(
                    run_id=record.run.run_id,
                    state=State.CANCELLING,
                    at=datetime.now(UTC),
                    message=asked.message,
                    actor=asked.actor,
                )
            )
        self._host.send(Stop(asked.message, grace))
        self._start_timer(grace + _EXTRA_SECONDS)

    def _take_loss(self, prepared: PreparedRun, record: RunRecord, end: RunnerEnded) -> Finished:
        """Say what the runner could not say any more: it was killed."""
        now = datetime.now(UTC)
        run_id = record.run.run_id
        if end.tail:
            tail = Mask(prepared.spec.secrets).text(end.tail)[-2_000:]
            line = LogLine(run_id=run_id, at=now, message=tail, level=40, logger="orchestra")
            record.emit(LogsWritten(lines=(line,)))
        if self._stop is not None:
            state, message = State.CANCELLED, self._stop.message
        else:
            state, message = State.CRASHED, f"The process that ran the notebook ended ({end.reason}). Run it again."
        for cell in list(record.cells.values()):
            if cell.state is State.RUNNING:
                error = ErrorInfo(type="RunnerDied", message=message, cell=f"cell {cell.index + 1}")
                record.emit(CellRunChanged(cell=msgspec.structs.replace(cell, state=state, ended_at=now, error=error)))
        source = json.loads(prepared.spec.notebook_json)
        close_abandoned(Path(prepared.spec.output_path), now, state, message, source)
        return Finished(state, message, now)

    def _flush(self, record: RunRecord, token: int, seconds: float) -> None:
        """Wait for the store in a thread, so that nothing else waits, and have the answer sent by ours."""
        self._in_thread("orchestra-flush", lambda: self._host.inbox.put(Flushed(token, record.flush(seconds))))

    def _answer(self, record: RunRecord, asked: QuestionAsked) -> None:
        """Answer a question of the run's code from the store, in a thread like a flush."""
        asker = Asker(run_id=asked.run_id, task_run_id=asked.task_run_id)

        def answer() -> None:
            self._host.inbox.put(Answered(asked.token, record.services.answer_encoded(asked.question, asker)))

        self._in_thread("orchestra-answer", answer)

    def _in_thread(self, name: str, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name=name, daemon=True).start()

    def _cancel_asked(self, request: CancelRequest) -> None:
        if request.task_run_id is None:
            self.stop(f"Cancelled by {request.actor}", request.actor)
        else:
            self._host.inbox.put(CancelTask(request.task_run_id, request.actor))

    def _start_timer(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = threading.Timer(seconds, self._host.inbox.put, [_TimeIsUp()])
        self._timer.daemon = True
        self._timer.start()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _end_tasks(record: RunRecord, state: State, at: datetime) -> None:
    """End the tasks that had not ended when their kernel did: nobody drives them any more."""
    for task in list(record.tasks.values()):
        if task.state.is_terminal:
            continue
        is_lost = state is not State.CANCELLED and task.state in (State.RUNNING, State.CANCELLING)
        why = "the run was cancelled" if state is State.CANCELLED else "the kernel that drove it ended"
        record.emit(
            TaskRunStateChanged(
                run_id=task.run_id,
                task_run_id=task.task_run_id,
                state=State.CRASHED if is_lost else State.CANCELLED,
                at=at,
                epoch=task.epoch,
                attempt=task.attempt,
                message=why,
            )
        )


def _keep_output(output: RunOutput, record: RunRecord) -> None:
    """Put the executed notebook where it was asked for; where that fails the attempt's own file is the output."""
    if not output.path.exists():
        return
    try:
        output.keep()
    except OSError as error:
        text = f"The output could not be copied: {error}. It is {output.path}."
        line = LogLine(run_id=record.run.run_id, at=datetime.now(UTC), message=text, level=40, logger="orchestra")
        record.emit(LogsWritten(lines=(line,)))
    record.emit(RunOutputWritten(run_id=record.run.run_id, output_path=str(output.path)))


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
