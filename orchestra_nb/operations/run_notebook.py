"""Runs a notebook from top to bottom in a kernel of its own, and writes what becomes of it to the store.

The calling process is the run's driver: it alone writes the store. The runner stands beside it, or on a worker of a
cluster (:mod:`orchestra_nb.engine.hosted_notebook`): it says the same in both places. The order of the start hides one
thing behind the other: the runner's process loads while the notebook is read and checked, the kernel boots while the
store is opened, and the first cell runs when both are done and the run is committed.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.engine.kernel_environment import kernel_environment
from orchestra_nb.engine.notebook_host import NotebookHost
from orchestra_nb.model.conclusion import conclude
from orchestra_nb.model.events import Event, RunOutputWritten, RunReopened, RunStateChanged
from orchestra_nb.model.masking import Mask
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.runs import CellRun, Run, TaskRun
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.run_output import RunOutput
from orchestra_nb.notebooks.runner_messages import Shown
from orchestra_nb.operations.notebook_attempt import GRACE_SECONDS, AttemptOutcome, NotebookAttempt, StopAsked
from orchestra_nb.operations.notebook_request import NotebookRequest, PreparedRun, prepare
from orchestra_nb.operations.run_home import RunHome, StoreHome
from orchestra_nb.operations.run_lines import run_line
from orchestra_nb.operations.run_record import RunRecord
from orchestra_nb.operations.run_snapshot import keep_snapshot
from orchestra_nb.settings import Settings, load_settings

if TYPE_CHECKING:
    from orchestra_nb.engine.notebook_cluster import NotebookCluster
    from orchestra_nb.engine.remote_notebook_host import RemoteNotebookHost
    from orchestra_nb.model.ahead_plans import AheadPlan


@dataclass(frozen=True, slots=True, repr=False)
class RunResult:
    """A run that has ended: its records as the store has them. ``run.output_path`` is the executed notebook."""

    run: Run
    cells: tuple[CellRun, ...]
    tasks: tuple[TaskRun, ...]
    records: tuple[RecordedValue, ...] = ()

    def __repr__(self) -> str:
        return f"<{run_line(self.run, self.records)}>"

    @property
    def values(self) -> Any:
        """What the notebook returned: a mapping of name to value, each loaded when it is asked for."""
        from orchestra_nb.engine.returned_by_notebook import ReturnedValues

        return ReturnedValues(self.records, of=f"run {self.run.name}")


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
    claimed
        The run that the request is of, which the home has claimed; None for a new one.
    on_shown
        Called in the thread of :meth:`execute` with what cells show, where the request asks for it.
    home
        Where the records go; None for the store, opened for this run alone.
    cluster
        Whose workers run the notebook; None for a runner beside this process.
    find_secret
        As :func:`~orchestra_nb.operations.notebook_request.prepare` takes it.
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
        claimed: Run | None = None,
        home: RunHome | None = None,
        cluster: NotebookCluster | None = None,
        find_secret: Callable[[str], Secret] | None = None,
    ) -> None:
        self._request = request
        self._find_secret = find_secret
        self._reopened = reopened
        self._claimed = claimed
        self._on_shown = on_shown
        self._kind = kind
        self._settings = settings or load_settings()
        self._on_event = on_event or (lambda event: None)
        self._home = home
        host: NotebookHost | RemoteNotebookHost
        if cluster is not None:
            name = request.flow_name or Path(request.path).stem
            host = cluster.host(request.run_id, request.epoch, name, is_folder_chosen=request.is_folder_chosen)
        else:  # in a home that is another's, more notebooks follow
            host = NotebookHost(kernel_environment(os.environ), is_single=kind == "shell" and home is None)
        self._attempt = NotebookAttempt(host)

    def stop(
        self, message: str, actor: str, grace_seconds: float = GRACE_SECONDS, state: State = State.CANCELLED
    ) -> None:
        """Have the run end in this state; a second time: at once. Safe in a signal handler."""
        self._attempt.stop(StopAsked(message, actor, grace_seconds, state))

    def execute(self) -> RunResult:
        """Run the notebook; raises as :func:`run_notebook`. To be called once.

        An exception from outside, such as Ctrl-C, stops the run, and is raised when it has ended.
        """
        attempt = self._attempt
        with contextlib.ExitStack() as stack:
            stack.callback(attempt.close)
            prepared = prepare(self._request, self._settings, datetime.now(UTC), find_secret=self._find_secret)
            attempt.prepare(prepared.spec)
            own = None
            if self._home is None:
                self._home = own = StoreHome(self._settings, self._kind)
                stack.callback(own.close)
            record = RunRecord(
                self._run_of(prepared),
                self._home,
                self._on_event,
                self._cancel_asked,
                self._reopened,
                is_claimed=self._claimed is not None,
            )
            stack.push(record)
            with attempt.stopped_by_interrupts():
                record.announce()
                self._keep_snapshot(prepared, record)
                attempt.begin(self._plan_ahead(prepared))
            if attempt.interrupt is not None and not record.is_announced:
                raise attempt.interrupt
            output = RunOutput(Path(prepared.spec.output_path), prepared.copy_path)
            home = _RecordedAttempt(record, output, self._on_shown)
            outcome = attempt.follow(home, timeout_seconds=self._request.timeout_seconds)
            while not record.run.state.is_terminal:
                with attempt.stopped_by_interrupts():
                    self._conclude(prepared, record, output, outcome)
                    break
            if own is not None:
                with attempt.stopped_by_interrupts():
                    own.close()  # while the kernel ends
            if outcome.lost is None:
                attempt.await_kernel()
            cells = tuple(cell for _, cell in sorted(record.cells.items()))
            result = RunResult(record.run, cells, tuple(record.tasks.values()), tuple(record.values.values()))
            if attempt.interrupt is not None:
                raise attempt.interrupt
        return result

    def _run_of(self, prepared: PreparedRun) -> Run:
        if self._claimed is not None:
            return self._claimed
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
            record.log(f"This run cannot be retried: its notebook could not be kept: {error}", logging.WARNING)

    def _plan_ahead(self, prepared: PreparedRun) -> AheadPlan | None:
        """Return which cells go ahead, or why none does, where that was asked for; made while the kernel boots."""
        if not self._request.is_parallel:
            return None
        from orchestra_nb.model.ahead_plans import AheadPlan
        from orchestra_nb.operations.parallel_plan import plan_run

        if prepared.spec.secrets:
            return AheadPlan(cells=(), why="what holds a secret is not sent to workers")
        try:
            return plan_run(prepared, self._settings)
        except Exception as error:  # a notebook of a form that nobody expected runs in order
            return AheadPlan(cells=(), why=f"the plan failed: {type(error).__name__}: {error}")

    def _conclude(self, prepared: PreparedRun, record: RunRecord, output: RunOutput, outcome: AttemptOutcome) -> None:
        """Record how the run ended."""
        finished, stopped = outcome.finished, self._attempt.stopped
        state, message = finished.state, finished.message
        if outcome.lost is not None and outcome.lost.tail:
            record.log(Mask(prepared.spec.secrets).text(outcome.lost.tail)[-2_000:], logging.ERROR)
        if outcome.lost is not None:
            why = message
        else:
            why = "the run was cancelled" if state is State.CANCELLED else "the kernel that drove it ended"
        record.end_open(state, why, finished.at)
        if state is State.COMPLETED:  # tasks that could not be awaited have ended only now
            state, message = conclude(list(record.tasks.values()))
            message = message or finished.message
        _keep_output(output, record)
        actor = stopped.actor if stopped is not None and state is State.CANCELLED else "driver"
        record.conclude(
            RunStateChanged(run_id=record.run.run_id, state=state, at=finished.at, message=message, actor=actor)
        )

    def _cancel_asked(self, task_run_id: str | None, actor: str) -> None:
        if task_run_id is None:
            self.stop(f"Cancelled by {actor}", actor)
        else:
            self._attempt.cancel_task(task_run_id, actor)


class _RecordedAttempt:
    """Has what becomes of an attempt recorded."""

    def __init__(self, record: RunRecord, output: RunOutput, on_shown: Callable[[Shown], None]) -> None:
        self._record = record
        self._output = output
        self.show = on_shown
        self.flush = record.flush
        self.answer_encoded = record.home.answer_encoded
        self.attempt_ended = record.home.attempt_ended

    def began(self, at: datetime) -> None:
        self._record.emit(RunStateChanged(run_id=self._record.run.run_id, state=State.RUNNING, at=at))

    def take(self, event: Event) -> None:
        if self._output.link():  # noted at once: when this process is killed, who clears up must find it
            run_id, path = self._record.run.run_id, str(self._output.user_path)
            self._record.emit(RunOutputWritten(run_id=run_id, output_path=path))
        self._record.emit(event)

    def stopping(self, asked: StopAsked) -> None:
        if asked.state is State.CANCELLED:
            self._record.emit(
                RunStateChanged(
                    run_id=self._record.run.run_id,
                    state=State.CANCELLING,
                    at=datetime.now(UTC),
                    message=asked.message,
                    actor=asked.actor,
                )
            )


def _keep_output(output: RunOutput, record: RunRecord) -> None:
    """Put the executed notebook where it was asked for; where that fails the attempt's own file is the output."""
    if not output.path.exists():
        return
    try:
        output.keep()
    except OSError as error:
        record.log(f"The output could not be copied: {error}. It is {output.path}.", logging.ERROR)
    record.emit(RunOutputWritten(run_id=record.run.run_id, output_path=str(output.path)))
