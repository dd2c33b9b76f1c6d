"""The Dask task of a notebook run: starts the run's runner on the worker's machine, and passes on what both sides say.

The runner is a process of its own, forked or started by exec from processes that run no user code: a task beside it
that ends the worker's process ends the run, and cannot repeat it. The Dask task itself holds no slot while it waits
(``secede``), so that the task cells of the notebook, which go to the same cluster, always find one. Its key is run and
epoch: the ledger on the scheduler lets it begin once.

What the runner says goes to the driver, which alone writes the store: its messages, then what has grown of the executed
notebook, and the large values that were recorded before their records. A driver that hears of the end has heard all.

The kernel works in the notebook's own folder where this machine has it, else in a folder of the run's own, which is
deleted with it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from orchestra_nb.engine.event_relay import RUN_SOCKET_VARIABLE
from orchestra_nb.engine.hosting_words import (
    EXECUTED_NOTEBOOK,
    HostReady,
    ResultsPlace,
    RunnerGone,
    decode_to_host,
    encode_word,
)
from orchestra_nb.engine.kernel_environment import CLUSTER_VARIABLE, kernel_environment
from orchestra_nb.engine.mirrored_files import FileSource
from orchestra_nb.engine.notebook_host import NotebookHost, RunnerEnded
from orchestra_nb.engine.shipped_results import RESULTS_VARIABLE, ShippedResults
from orchestra_nb.engine.worker_context import WorkerContext
from orchestra_nb.errors import StopTask
from orchestra_nb.model.attempts import AttemptContext, AttemptResult
from orchestra_nb.model.events import ValueRecorded
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.runner_messages import (
    Finished,
    FromRunner,
    Prepare,
    Reported,
    RunnerSpec,
    runner_socket,
)

#: How often the host looks up from its inbox, for an exception that another thread raises in it, and at the notebook.
_LOOK_UP_SECONDS = 0.2
#: How often the executed notebook is sent, and how much of it a second on the average where it is large.
_SEND_SECONDS = 1.0
_SEND_BYTES_PER_SECOND = 8_000_000
#: How long a host that was stopped waits for its runner; then the runner's sentinel sees to its end alone.
_STOP_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class HostedNotebook:
    """Hosts one runner; implements :class:`~orchestra_nb.model.attempts.AttemptBody`.

    Parameters
    ----------
    is_folder_chosen
        Whether the kernel's folder was asked for, so that another one will not do.
    """

    is_folder_chosen: bool = False

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        """Host the runner until nothing of it is left."""
        from distributed import secede

        assert isinstance(context, WorkerContext)
        started_at = datetime.now(UTC)
        secede()  # type: ignore[no-untyped-call]
        runner = NotebookHost(kernel_environment(os.environ))
        try:
            _Hosting(runner, context, self.is_folder_chosen).run()
        finally:
            context.hear(None)
            runner.let_go()
        outcome = Outcome(
            state=State.COMPLETED,
            started_at=started_at,
            ended_at=datetime.now(UTC),
            worker=context.worker,
            pid=os.getpid(),
        )
        return AttemptResult(outcome)


class _Hosting:
    """One runner on this worker. Belongs to the attempt's thread."""

    def __init__(self, runner: NotebookHost, context: WorkerContext, is_folder_chosen: bool) -> None:
        from orchestra_nb.engine.worker_plugin import current_host

        self._worker = current_host()
        self._worker_name = context.worker
        self._is_folder_chosen = is_folder_chosen
        self._runner = runner
        self._channel = context.open_channel(runner.inbox.put)
        self._socket_path = ""
        self._folder = Path(tempfile.mkdtemp(prefix="orchestra-notebook-", dir=self._worker.folder))
        self._executed = self._folder / "executed.ipynb"
        self._source = FileSource(self._executed, EXECUTED_NOTEBOOK)
        self._next_look = 0.0
        self._results: ShippedResults | None = None
        self._shipped: set[str] = set()
        self._end_by = float("inf")
        self._say(HostReady())

    def run(self) -> None:
        """Pass on everything until the runner is gone."""
        try:
            while True:
                try:
                    end = self._relay()
                    break
                except StopTask:
                    self._let_go()
            self._send_notebook()
            self._say(RunnerGone(end.reason, end.tail))
        finally:
            with contextlib.suppress(OSError):
                os.unlink(self._socket_path)  # left by a runner that was killed
            shutil.rmtree(self._folder, ignore_errors=True)

    def _relay(self) -> RunnerEnded:
        while True:
            try:
                message = self._runner.inbox.get(timeout=_LOOK_UP_SECONDS)
            except queue.Empty:
                message = None
            if isinstance(message, RunnerEnded):
                return message
            if isinstance(message, bytes):
                self._hear(message)
            elif message is not None:
                self._pass_on(message)  # type: ignore[arg-type]
            now = time.monotonic()
            if not self._channel.is_connected:
                self._let_go()
            if now >= self._end_by:
                self._runner.leave()
                return RunnerEnded("it was stopped")
            if now >= self._next_look:
                self._send_notebook()
                size = self._source.size_bytes  # 0 as long as there is none
                self._next_look = now + max(_SEND_SECONDS if size else 0.0, size / _SEND_BYTES_PER_SECOND)

    def _hear(self, word: bytes) -> None:
        match decode_to_host(word):
            case ResultsPlace() as place:
                self._results = ShippedResults.make(self._folder / "results", place)
            case Prepare(spec=spec):
                self._prepare(spec)
            case message:
                self._runner.send(message)

    def _prepare(self, spec: RunnerSpec) -> None:
        folder = self._folder / "work"
        if os.path.isdir(spec.cwd) and os.access(spec.cwd, os.R_OK | os.X_OK):
            folder = Path(spec.cwd)
        elif self._is_folder_chosen:
            text = (
                f"The working folder {spec.cwd} does not exist on the machine of worker {self._worker_name}. Make it "
                "there, or leave it out: then the notebook has a folder of its own."
            )
            self._say(Finished(State.CRASHED, text, datetime.now(UTC)))
            self._runner.let_go()
            return
        else:
            folder.mkdir()
        self._socket_path = str(runner_socket(spec.run_id))
        environ = {
            **spec.environ,
            RUN_SOCKET_VARIABLE: self._socket_path,
            # as it is reached from here
            CLUSTER_VARIABLE: self._worker.scheduler_address,
        }
        if self._results is not None:
            environ[RESULTS_VARIABLE] = str(self._results.folder)
        here = msgspec.structs.replace(
            spec,
            cwd=str(folder),
            environ=environ,
            output_path=str(self._executed),
            recorded_output_path=spec.output_path,
            copy_path="",  # the link to it is on the driver's machine
            socket_path=self._socket_path,
        )
        self._runner.prepare(here)

    def _pass_on(self, message: FromRunner) -> None:
        match message:
            case Finished():
                self._send_notebook()
            case Reported(event=ValueRecorded(value=value)) if value.reference is not None and self._results:
                path = self._results.path_of(value.reference.url)
                if path is not None and path.exists() and value.reference.url not in self._shipped:
                    self._shipped.add(value.reference.url)
                    for change in FileSource(path, value.reference.url).changes():
                        self._say(change)
        self._say(message)

    def _send_notebook(self) -> None:
        for change in self._source.changes():
            self._say(change)

    def _let_go(self) -> None:
        """End the runner: nobody wants it any more."""
        if self._end_by == float("inf"):
            self._end_by = time.monotonic() + _STOP_SECONDS
            self._runner.let_go()

    def _say(self, word: object) -> None:
        self._channel.say(encode_word(word))  # type: ignore[arg-type]
