"""Runs one notebook with many combinations of parameters: one parent run, and a child run for each combination.

The calling process drives all of them, each in a thread that waits for a runner's process; so one process writes the
store. The runners stand beside it, one a core, or, where a cluster is named that is not the local one, on its workers,
one a slot (:mod:`orchestra_nb.engine.notebook_cluster`). Everything is checked before anything starts.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.acting_user import process_user
from orchestra_nb.engine.clusters import parse_cluster
from orchestra_nb.engine.notebook_placement import available_cores
from orchestra_nb.errors import (
    ClusterUnavailable,
    OrchestraError,
    StopTask,
    StoreUnavailable,
)
from orchestra_nb.model.counted import counted
from orchestra_nb.model.events import (
    Event,
    LogsWritten,
    RunCodeRecorded,
    RunCreated,
    RunOutputWritten,
    RunReopened,
    RunStateChanged,
    apply_to_run,
)
from orchestra_nb.model.identifiers import run_name
from orchestra_nb.model.runs import LogLine, Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.model.sweeps import COMBINATION_TAG, SweepRequest
from orchestra_nb.operations.absolute_paths import absolute_path
from orchestra_nb.operations.notebook_attempt import GRACE_SECONDS
from orchestra_nb.operations.notebook_request import NotebookRequest
from orchestra_nb.operations.run_home import RunHome
from orchestra_nb.operations.run_notebook import NotebookDriver, new_run_id
from orchestra_nb.operations.sweep_request import (
    checked_sweep,
    make_sweep_folder,
    parameters_in_record,
    sweep_code,
    sweep_folder,
)
from orchestra_nb.operations.sweep_result import SweepResult, SweepRow
from orchestra_nb.settings import Settings, load_settings

if TYPE_CHECKING:
    from orchestra_nb.engine.notebook_cluster import NotebookCluster

_LOOK_UP_SECONDS = 0.2
_COMMIT_SECONDS = 60.0
_LABEL_CHARACTERS = 60
#: So many digits of a number stand in the name of a file.
_DIGITS = 6


@dataclass(slots=True)
class _Progress:
    """What the threads of a sweep share; under its lock."""

    waiting: list[int] = field(default_factory=list)
    rows: dict[int, SweepRow] = field(default_factory=dict)
    running: dict[int, NotebookDriver] = field(default_factory=dict)
    stop: tuple[str, str] | None = None
    is_stopped_by_failure: bool = False
    first_failure: str = ""
    #: entered again by a signal handler of the thread that has it
    lock: threading.RLock = field(default_factory=threading.RLock)


class NotebookSweep:
    """Drives one sweep. :meth:`execute` belongs to one thread; :meth:`stop` may be called from anywhere.

    Parameters
    ----------
    home
        Where all the records go. Who made it closes it.
    on_event
        Called with everything that happens to the parent and its children, from several threads, one at a time.
    parent_run_id, parent_task_run_id
        The flow that calls the sweep.

    Raises
    ------
    NotebookNotFound, InvalidInput
        It cannot be run: the notebook, or the first combination that does not fit; nothing ran.
    """

    def __init__(
        self,
        request: SweepRequest,
        home: RunHome,
        *,
        on_event: Callable[[Event], None] | None = None,
        settings: Settings | None = None,
        parent_run_id: str | None = None,
        parent_task_run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self._home = home
        self._settings = settings or load_settings()
        self._tell = on_event or (lambda event: None)
        self._telling = threading.RLock()
        self._parents = parent_run_id, parent_task_run_id
        self._tags = dict(tags or {})
        self._progress = _Progress()
        self._request = checked_sweep(request, self._settings)
        self._cluster: NotebookCluster | None = None

    @property
    def request(self) -> SweepRequest:
        """What is run, with all combinations as they are recorded."""
        return self._request

    def execute(self) -> SweepResult:
        """Run all combinations and return what became of them. To be called once.

        Raises
        ------
        InvalidInput
            The folder for its notebooks cannot be made; nothing ran, and nothing is recorded.
        ClusterUnavailable
            The cluster that is named cannot be reached; so, too.
        StoreUnavailable
            The sweep cannot be recorded, or its end.
        """
        with self._connected():
            return self._execute()

    def _execute(self) -> SweepResult:
        request = self._request
        now = datetime.now(UTC)
        run_id = new_run_id()
        source = absolute_path(request.path)
        run = Run(
            run_id=run_id,
            name=run_name(run_id),
            flow_name=request.flow_name or source.stem,
            kind=RunKind.SWEEP,
            state=State.PENDING,
            created_at=now,
            notebook_path=str(source),
            parameters=parameters_in_record(request),
            cluster=request.cluster or self._settings.cluster,
            tags=self._tags,
            driver_id=self._home.driver_id,
            parent_run_id=self._parents[0],
            parent_task_run_id=self._parents[1],
            owner=process_user(),
        )
        self._folder = sweep_folder(request, run.name)
        is_new = make_sweep_folder(self._folder)
        created = RunCreated(run=run)
        try:
            self._home.create(created)
        except BaseException:
            if is_new:
                self._folder.rmdir()
            raise
        self._told(created)
        self._home.emit(RunCodeRecorded(code=sweep_code(run, request)))
        return self._drive(run, {})

    def execute_again(self, run: Run, done: Mapping[int, SweepRow], reopened: RunReopened) -> SweepResult:
        """Run those combinations of a sweep that are not among ``done``, in the sweep's own run.

        Raises
        ------
        InvalidInput
            The folder for its notebooks cannot be made; the sweep stays as it is.
        ClusterUnavailable
            The cluster that is named cannot be reached; so, too.
        Conflict
            Somebody else has reopened it.
        StoreUnavailable
            Its end cannot be recorded.
        """
        with self._connected():
            return self._execute_again(run, done, reopened)

    def _execute_again(self, run: Run, done: Mapping[int, SweepRow], reopened: RunReopened) -> SweepResult:
        self._folder = sweep_folder(self._request, run.name)
        make_sweep_folder(self._folder)
        self._home.reopen(reopened)
        again = msgspec.structs.replace(
            run,
            epoch=reopened.epoch,
            state=State.SCHEDULED,
            driver_id=reopened.driver_id,
            started_at=None,
            ended_at=None,
        )
        self._told(RunCreated(run=again))
        pending = RunStateChanged(run_id=run.run_id, state=State.PENDING, at=datetime.now(UTC), epoch=again.epoch)
        self._emit(pending)
        return self._drive(apply_to_run(again, pending), done)

    def stop(self, message: str, actor: str, grace_seconds: float = GRACE_SECONDS) -> None:
        """Start nothing more and stop all that runs; a second time: at once. Safe in a signal handler."""
        progress = self._progress
        with progress.lock:
            progress.stop = progress.stop or (message, actor)
            drivers = list(progress.running.values())
        for driver in drivers:
            driver.stop(message, actor, grace_seconds)

    # --- one execution

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        """Hold the connection to the cluster that is named, where it is not the local one."""
        name = self._request.cluster or self._settings.cluster
        if parse_cluster(name).kind == "local":
            yield
            return
        from orchestra_nb.engine.notebook_cluster import NotebookCluster

        with contextlib.closing(NotebookCluster(name)) as self._cluster:
            self._cluster.slots()
            yield

    def _room(self, running: int) -> int:
        """Return how many notebooks may run at once; when the cluster is lost, start nothing more."""
        if self._cluster is None:
            return self._request.limit or available_cores()
        try:
            slots = self._cluster.slots()
        except ClusterUnavailable as error:
            if self._cluster.is_connected:  # it is busy
                return running
            with self._progress.lock:
                self._progress.is_stopped_by_failure = True
                self._progress.first_failure = self._progress.first_failure or str(error)
                # what runs is lost, and about to hear so: a stop might come before, and make it look cancelled
                self._progress.stop = self._progress.stop or (f"Stopped: {error}", "driver")
            return 0
        return self._request.limit or slots

    def _drive(self, run: Run, done: Mapping[int, SweepRow]) -> SweepResult:
        request = self._request
        self._run = run
        self._progress.rows.update(done)
        self._progress.waiting += (index for index in range(len(request.combinations)) if index not in done)
        self._home.watch(run.run_id, lambda task_run_id, actor: self.stop(f"Cancelled by {actor}", actor))
        try:
            self._emit(self._changed(State.RUNNING))
            self._home.emit(RunOutputWritten(run_id=run.run_id, output_path=str(self._folder), epoch=run.epoch))
            self._run = msgspec.structs.replace(self._run, output_path=str(self._folder))
            interrupt = self._run_all()
            self._conclude()
        finally:
            self._home.forget(run.run_id)
        if interrupt is not None:
            raise interrupt
        rows = self._progress.rows
        listed = [
            rows.get(index) or SweepRow(index, parameters, message="not started")
            for index, parameters in enumerate(request.combinations)
        ]
        return SweepResult(self._run, tuple(listed), request.swept)

    def _run_all(self) -> BaseException | None:
        """Run what waits in threads; return what interrupted this one, which stopped the sweep."""
        interrupt: BaseException | None = None
        threads: list[threading.Thread] = []
        while True:
            try:
                while True:
                    threads[:] = [thread for thread in threads if thread.is_alive()]
                    self._add_threads(threads)
                    if not threads:
                        return interrupt
                    threads[0].join(_LOOK_UP_SECONDS)
            except (KeyboardInterrupt, StopTask) as error:
                interrupt = error
                self.stop("Interrupted", "user")

    def _add_threads(self, threads: list[threading.Thread]) -> None:
        """Have so many threads as notebooks may run at once: a cluster may grow."""
        progress = self._progress
        if progress.stop is not None or not progress.waiting:
            return
        room = self._room(len(threads))
        while len(threads) < min(room, len(progress.running) + len(progress.waiting)):
            thread = threading.Thread(target=self._work, name=f"orchestra-sweep-{len(threads)}", daemon=True)
            threads.append(thread)
            thread.start()

    def _work(self) -> None:
        """Run one combination after another."""
        progress = self._progress
        while True:
            with progress.lock:
                if progress.stop is not None or not progress.waiting:
                    return
                index = progress.waiting.pop(0)
            row = self._run_one(index)
            with progress.lock:
                progress.rows[index] = row
                progress.running.pop(index, None)
                is_first = not row.is_completed and progress.stop is None and not progress.first_failure
                if is_first:
                    progress.first_failure = _cause(row)
                must_stop = is_first and self._request.stops_on_failure
                progress.is_stopped_by_failure = progress.is_stopped_by_failure or must_stop
            if must_stop:
                self.stop("Stopped: another run of the sweep failed", "driver", GRACE_SECONDS)

    def _run_one(self, index: int) -> SweepRow:
        parameters = self._request.combinations[index]
        progress = self._progress
        try:
            driver = NotebookDriver(
                self._child(index),
                on_event=self._told,
                settings=self._settings,
                home=self._home,
                cluster=self._cluster,
            )
            with progress.lock:
                progress.running[index] = driver
                stop = progress.stop
            if stop is not None:
                driver.stop(*stop)
            result = driver.execute()
            return SweepRow(index, parameters, result.run, result.records, result.run.message)
        except Exception as error:  # it must not take the other runs along
            if not isinstance(error, OrchestraError):
                self._log(f"Combination {index + 1} could not be run: {type(error).__name__}: {error}")
            return SweepRow(index, parameters, message=f"{type(error).__name__}: {error}")

    def _child(self, index: int) -> NotebookRequest:
        request = self._request
        parameters = request.combinations[index]
        name = f"{index + 1:0{len(str(len(request.combinations)))}d}{_label(parameters, request.swept)}.ipynb"
        return NotebookRequest(
            path=request.path,
            run_id=new_run_id(),
            parameters=dict(parameters),
            output_path=str(self._folder / name),
            cwd=request.cwd,
            kernel_name=request.kernel_name,
            cluster=request.cluster,
            is_strict=request.is_strict,
            flow_name=request.flow_name,
            timeout_seconds=request.timeout_seconds,
            start_timeout_seconds=request.start_timeout_seconds,
            cell_timeout_seconds=request.cell_timeout_seconds,
            report_mode=request.report_mode,
            is_cached=request.is_cached,
            is_refreshed=request.is_refreshed,
            tags={**self._tags, COMBINATION_TAG: str(index)},
            parent_run_id=self._run.run_id,
        )

    def _conclude(self) -> None:
        """Say how the sweep ended, once that is committed."""
        progress = self._progress
        total, done = len(self._request.combinations), len(progress.rows)
        runs = counted(total, "run")
        failed = [row for row in progress.rows.values() if not row.is_completed]
        if done == total and not failed:  # a stop may have come when there was nothing to stop any more
            change = self._changed(State.COMPLETED)
        elif progress.stop is not None and not progress.is_stopped_by_failure:
            message = f"{progress.stop[0]}: {done - len(failed)} of {runs} had completed"
            change = self._changed(State.CANCELLED, message, progress.stop[1])
        else:
            first = progress.first_failure or (_cause(failed[0]) if failed else "what drove the others ended")
            unstarted = f", {total - done} {'was' if total - done == 1 else 'were'} not started" if done < total else ""
            change = self._changed(
                State.FAILED, f"{len(failed)} of {runs} did not complete{unstarted}. First: {first}"[:2000]
            )
        self._home.emit(change)
        if not self._home.flush(_COMMIT_SECONDS) and self._home.must_commit:
            raise StoreUnavailable(
                f"The sweep {self._run.name} ended as {change.state}, but the store could not be written. "
                "Run `orchestra doctor` to see why."
            )
        self._told(change)

    def _changed(self, state: State, message: str = "", actor: str = "driver") -> RunStateChanged:
        """Note a change of the sweep's state; return it to be told."""
        change = RunStateChanged(
            run_id=self._run.run_id,
            state=state,
            at=datetime.now(UTC),
            epoch=self._run.epoch,
            message=message,
            actor=actor,
        )
        self._run = apply_to_run(self._run, change)
        return change

    def _emit(self, event: Event) -> None:
        self._home.emit(event)
        self._told(event)

    def _told(self, event: Event) -> None:
        with self._telling:
            self._tell(event)

    def _log(self, text: str) -> None:
        line = LogLine(run_id=self._run.run_id, at=datetime.now(UTC), message=text, level=40, logger="orchestra")
        self._emit(LogsWritten(lines=(line,)))


def _label(parameters: Mapping[str, object], swept: Collection[str]) -> str:
    """Return the parameters that differ as a part of a file name: ``"_alpha=0.1_beta=2"``."""
    text = "".join(f"_{name}={_shown(parameters[name])}" for name in swept if name in parameters)
    return re.sub(r"[^\w.=+-]+", "-", text)[:_LABEL_CHARACTERS].rstrip("-._")


def _shown(value: object) -> str:
    return f"{value:.{_DIGITS}g}" if isinstance(value, float) else str(value)


def _cause(row: SweepRow) -> str:
    if row.run is None:
        return row.message
    return f"run {row.run.name} {row.run.state}: {row.run.message}" if row.run.message else f"run {row.run.name}"
