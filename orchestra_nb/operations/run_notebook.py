"""Runs a notebook from top to bottom in a kernel of its own, and writes what becomes of it to the store.

The calling process is the run's driver: it alone writes the store. The runner stands beside it, or on a worker of a
cluster (:mod:`orchestra_nb.engine.hosted_notebook`): it says the same in both places. The order of the start hides one
thing behind the other: the runner's process loads while the notebook is read and checked, the kernel boots while the
store is opened, and the first cell runs when both are done and the run is committed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.engine.notebook_host import NotebookHost, RunnerEnded
from orchestra_nb.errors import StopTask
from orchestra_nb.model.conclusion import conclude
from orchestra_nb.model.events import (
    CellRunChanged,
    Event,
    LogsWritten,
    RunOutputWritten,
    RunReopened,
    RunStateChanged,
    TaskRunStateChanged,
)
from orchestra_nb.model.masking import Mask
from orchestra_nb.model.questions import Asker
from orchestra_nb.model.recorded_values import RecordedValue
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
    KernelGone,
    QuestionAsked,
    Reported,
    Shown,
    Stop,
)
from orchestra_nb.operations.notebook_request import NotebookRequest, PreparedRun, kernel_environment, prepare
from orchestra_nb.operations.run_home import RunHome, StoreHome
from orchestra_nb.operations.run_output import RunOutput
from orchestra_nb.operations.run_record import RunRecord
from orchestra_nb.operations.run_snapshot import keep_snapshot
from orchestra_nb.settings import Settings, load_settings

if TYPE_CHECKING:
    from orchestra_nb.engine.notebook_cluster import NotebookCluster
    from orchestra_nb.engine.remote_notebook_host import RemoteNotebookHost
    from orchestra_nb.notebooks.ahead_plan import AheadPlan

#: What a kernel gets to end its cell after an interrupt.
GRACE_SECONDS = 5.0
#: What the runner gets beyond that to write the output notebook and end its kernel, before all is ended by force.
_EXTRA_SECONDS = 10.0
#: What a kernel gets to end in good order after its last cell.
_SHUTDOWN_SECONDS = 8.0
#: How often a driver looks up from its inbox: an exception that another thread raises in it comes only then.
_LOOK_UP_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that has ended: its records as the store has them. ``run.output_path`` is the executed notebook."""

    run: Run
    cells: tuple[CellRun, ...]
    tasks: tuple[TaskRun, ...]
    records: tuple[RecordedValue, ...] = ()

    @property
    def values(self) -> Any:
        """What the notebook returned: a mapping of name to value, each loaded when it is asked for."""
        from orchestra_nb.engine.returned_by_notebook import ReturnedValues

        return ReturnedValues(self.records, of=f"run {self.run.name}")

    def read_value(self, name: str) -> Any:
        """Return one value that the notebook returned.

        Raises
        ------
        KeyError
            It returned none of this name.
        ResultNotFound, ResultNotTrusted
            What was stored is gone, or was altered.
        """
        return self.values[name]


@dataclass(frozen=True, slots=True)
class _StopAsked:
    message: str
    actor: str
    grace_seconds: float
    #: how the run ends then: CANCELLED, or TIMED_OUT
    state: State = State.CANCELLED


@dataclass(frozen=True, slots=True)
class _TimeIsUp:
    """What was to end by itself has not."""


_Message = FromRunner | RunnerEnded | _StopAsked | _TimeIsUp | Flushed | Answered | CancelTask


def new_run_id() -> str:
    """Return an id for a new run."""
    return fresh_id(datetime.now(UTC))


def run_notebook(
    path: str | Path,
    *,
    parameters: Mapping[str, object] | None = None,
    output_path: str | Path | None = None,
    cwd: str | Path | None = None,
    kernel_name: str | None = None,
    cluster: str | None = None,
    is_strict: bool = True,
    is_cached: bool = False,
    is_refreshed: bool = False,
    is_parallel: bool = False,
    on_event: Callable[[Event], None] | None = None,
    settings: Settings | None = None,
) -> RunResult:
    """Run a notebook and return what became of it; a run that failed is a result, too.

    Parameters
    ----------
    output_path, cwd, kernel_name, cluster, is_strict, is_cached, is_refreshed, is_parallel
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
        is_cached=is_cached or is_refreshed,
        is_refreshed=is_refreshed,
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
    reopened
        How the run is opened again that the request is of; None for a new one.
    on_shown
        Called in the thread of :meth:`execute` with what cells show, where the request asks for it.
    home
        Where the records go; None for the store, opened for this run alone.
    cluster
        Whose workers run the notebook; None for a runner beside this process.
    """

    def __init__(
        self,
        request: NotebookRequest,
        *,
        kind: str = "script",
        on_event: Callable[[Event], None] | None = None,
        on_shown: Callable[[Shown], None] = lambda shown: None,
        settings: Settings | None = None,
        reopened: RunReopened | None = None,
        home: RunHome | None = None,
        cluster: NotebookCluster | None = None,
    ) -> None:
        self._request = request
        self._reopened = reopened
        self._on_shown = on_shown
        self._kind = kind
        self._settings = settings or load_settings()
        self._on_event = on_event or (lambda event: None)
        self._home = home
        self._host: NotebookHost | RemoteNotebookHost
        if cluster is not None:
            name, is_chosen = request.flow_name or Path(request.path).stem, request.cwd is not None
            self._host = cluster.host(request.run_id, request.epoch, name, is_folder_chosen=is_chosen)
        else:  # in a home that is another's, more notebooks follow
            self._host = NotebookHost(kernel_environment(os.environ), is_single=kind == "shell" and home is None)
        self._is_kernel_gone = False
        self._stop: _StopAsked | None = None
        self._timer: threading.Timer | None = None
        self._deadline: threading.Timer | None = None
        #: what interrupted the thread of :meth:`execute`; raised again when the run has ended
        self._interrupt: BaseException | None = None

    def stop(self, message: str, actor: str, grace_seconds: float = GRACE_SECONDS) -> None:
        """Have the run end as CANCELLED; a second time: at once. Safe in a signal handler."""
        self._host.inbox.put(_StopAsked(message, actor, grace_seconds))

    def execute(self) -> RunResult:
        """Run the notebook; raises as :func:`run_notebook`. To be called once.

        An exception from outside, such as Ctrl-C, stops the run, and is raised when it has ended.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: self._host.leave() if self._is_kernel_gone else self._host.close())
            stack.callback(self._stop_timer)
            prepared = prepare(self._request, self._settings, datetime.now(UTC))
            stack.callback(_remove, prepared.spec.socket_path)  # left by a runner that was killed
            self._host.prepare(prepared.spec)
            if self._home is None:
                self._home = own = StoreHome(self._settings, self._kind)
                stack.callback(own.close)
            record = RunRecord(self._run_of(prepared), self._home, self._on_event, self._cancel_asked, self._reopened)
            stack.callback(record.close)
            self._keep_snapshot(prepared, record)
            self._host.send(Begin(self._plan_ahead(prepared, record)))
            output = RunOutput(Path(prepared.spec.output_path), prepared.copy_path)
            self._end(prepared, record, output, self._follow_to_the_end(record, output))
            cells = tuple(cell for _, cell in sorted(record.cells.items()))
            result = RunResult(record.run, cells, tuple(record.tasks.values()), tuple(record.values.values()))
        if self._interrupt is not None:
            raise self._interrupt
        return result

    def _follow_to_the_end(self, record: RunRecord, output: RunOutput) -> Finished | RunnerEnded:
        """Follow the run; whatever interrupts this thread stops it, a second time at once."""
        while True:
            try:
                return self._follow(record, output)
            except (KeyboardInterrupt, StopTask) as error:
                self._interrupt = error
                self.stop("Interrupted", "user")

    def _run_of(self, prepared: PreparedRun) -> Run:
        if self._reopened is None:
            return prepared.run
        return msgspec.structs.replace(prepared.run, epoch=self._reopened.epoch)

    def _keep_snapshot(self, prepared: PreparedRun, record: RunRecord) -> None:
        spec = prepared.spec
        try:
            keep_snapshot(
                self._request, cwd=spec.cwd, kernel_name=spec.kernel_name, output_path=str(prepared.copy_path)
            )
        except OSError as error:
            self._log(record, f"This run cannot be retried: its notebook could not be kept: {error}", logging.WARNING)

    def _log(self, record: RunRecord, text: str, level: int = logging.INFO) -> None:
        line = LogLine(run_id=record.run.run_id, at=datetime.now(UTC), message=text, level=level, logger="orchestra")
        record.emit(LogsWritten(lines=(line,)))

    def _plan_ahead(self, prepared: PreparedRun, record: RunRecord) -> AheadPlan | None:
        """Return which cells go ahead, where that was asked for; made while the kernel boots."""
        if not self._request.is_parallel:
            return None
        if prepared.spec.secrets:
            self._log(record, "--parallel: ran in order: what holds a secret is not sent to workers")
            return None
        from orchestra_nb.operations.parallel_plan import plan_run

        try:
            return plan_run(prepared, self._settings)
        except Exception as error:  # a notebook of a form that nobody expected runs in order
            self._log(
                record, f"--parallel: ran in order: the plan failed: {type(error).__name__}: {error}", logging.ERROR
            )
            return None

    def _follow(self, record: RunRecord, output: RunOutput) -> Finished | RunnerEnded:
        """Record what the runner tells and pass on what is asked of it, until it has told the end, or is gone."""
        while True:
            try:
                message: _Message = self._host.inbox.get(timeout=_LOOK_UP_SECONDS)  # type: ignore[assignment]
            except queue.Empty:
                continue
            match message:
                case Reported(event):
                    output.link()
                    record.emit(event)
                case Began(at):
                    record.emit(RunStateChanged(run_id=record.run.run_id, state=State.RUNNING, at=at))
                    self._start_deadline()
                case FlushWanted(token, seconds):
                    self._flush(record, token, seconds)
                case QuestionAsked():
                    self._answer(record, message)
                case AttemptEnded(task_run_id):
                    self._in_thread("orchestra-slots", lambda: record.home.attempt_ended(task_run_id))
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
                case KernelGone():
                    pass  # comes after the end
                case _:
                    assert_never(message)

    def _end(
        self, prepared: PreparedRun, record: RunRecord, output: RunOutput, outcome: Finished | RunnerEnded
    ) -> None:
        """Record how the run ended, then wait until nothing of its kernel is left."""
        if isinstance(outcome, RunnerEnded):
            finished = self._take_loss(prepared, record, outcome)
        else:
            finished = outcome
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
        end: Finished | KernelGone | RunnerEnded = outcome
        while not isinstance(end, RunnerEnded | KernelGone):
            end = self._await_runner(end)
        self._is_kernel_gone = isinstance(end, KernelGone)

    def _await_runner(self, end: Finished) -> Finished | KernelGone | RunnerEnded:
        """Take one message of those that come after the end."""
        message = self._host.inbox.get()
        if isinstance(message, _TimeIsUp | _StopAsked):
            self._host.let_go()
        return message if isinstance(message, RunnerEnded | KernelGone) else end

    def _take_stop(self, record: RunRecord, asked: _StopAsked) -> None:
        is_second = self._stop is not None
        grace = 0.0 if is_second else asked.grace_seconds
        if not is_second:
            self._stop = asked
        if not is_second and asked.state is State.CANCELLED:
            record.emit(
                RunStateChanged(
                    run_id=record.run.run_id,
                    state=State.CANCELLING,
                    at=datetime.now(UTC),
                    message=asked.message,
                    actor=asked.actor,
                )
            )
        self._host.send(Stop(asked.message, grace, asked.state))
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
            state, message = self._stop.state, self._stop.message
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
            self._host.inbox.put(Answered(asked.token, record.home.answer_encoded(asked.question, asker)))

        self._in_thread("orchestra-answer", answer)

    def _in_thread(self, name: str, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name=name, daemon=True).start()

    def _cancel_asked(self, task_run_id: str | None, actor: str) -> None:
        if task_run_id is None:
            self.stop(f"Cancelled by {actor}", actor)
        else:
            self._host.inbox.put(CancelTask(task_run_id, actor))

    def _start_deadline(self) -> None:
        seconds = self._request.timeout_seconds
        if seconds is not None:
            asked = _StopAsked(f"Ran longer than {seconds:g} s", "driver", GRACE_SECONDS, State.TIMED_OUT)
            self._deadline = threading.Timer(seconds, self._host.inbox.put, [asked])
            self._deadline.daemon = True
            self._deadline.start()

    def _start_timer(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = threading.Timer(seconds, self._host.inbox.put, [_TimeIsUp()])
        self._timer.daemon = True
        self._timer.start()

    def _stop_timer(self) -> None:
        for timer in (self._timer, self._deadline):
            if timer is not None:
                timer.cancel()


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
