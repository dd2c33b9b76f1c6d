"""Runs a notebook for papermill, which has read it and given it its parameters: on our runner, without a row in the
store.

What papermill is told afterwards is what its own engine tells it: a cell that failed by its outputs, anything else by
the same exceptions. Other than there, the output file says the same truth whatever the end was.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.event_relay import RUN_ID_VARIABLE, RUN_SOCKET_VARIABLE
from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.engine.kernel_environment import CLUSTER_VARIABLE, kernel_environment
from orchestra_nb.engine.notebook_host import NotebookHost
from orchestra_nb.engine.task_keys import NOTEBOOK_VARIABLE
from orchestra_nb.model.events import CellRunChanged, Event
from orchestra_nb.model.questions import Asker
from orchestra_nb.model.runs import CellRun
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.output_notebook import OutputNotebook
from orchestra_nb.notebooks.runner_messages import RunnerSpec, Shown, runner_socket
from orchestra_nb.operations.notebook_attempt import AttemptOutcome, NotebookAttempt, StopAsked
from orchestra_nb.settings import Settings, load_settings

if TYPE_CHECKING:
    from orchestra_nb.operations.run_services import RunServices

#: How often a file that only papermill can write is written while the notebook runs: a fifth of the time at most.
_UPLOAD_SECONDS = 1.0
_UPLOAD_SHARE = 4
#: Options of papermill's own engine that change nothing here: nothing is polled, dropped or left out.
_WITHOUT_EFFECT = frozenset(
    {
        "force_raise_errors",
        "input_path",
        "interrupt_on_timeout",
        "iopub_timeout",
        "ipython_hist_file",
        "nest_asyncio",
        "raise_on_iopub_timeout",
        "record_timing",
        "shell_timeout_interval",
        "shutdown_kernel",
        "startup_timeout",
        "store_widget_state",
    }
)


def run_for_papermill(
    nb: Any,
    kernel_name: str,
    *,
    output_path: str | None = None,
    progress_bar: bool | dict[str, Any] = True,
    log_output: bool = False,
    autosave_cell_every: int = 30,
    stdout_file: Any = None,
    stderr_file: Any = None,
    start_timeout: float = 60,
    execution_timeout: float | None = None,
    timeout: float | None = None,
    allow_errors: bool = False,
    **others: Any,
) -> Any:
    """Run the notebook in this process's folder and environment; return it with what its cells showed.

    Parameters
    ----------
    nb
        An nbformat ``NotebookNode``; it is changed.
    output_path
        Where papermill would save it while it runs; None for nowhere.
    autosave_cell_every
        0 for no saving while a cell runs; any other number makes no difference: saving is cheap.
    execution_timeout, timeout
        How long each cell may take.

    Raises
    ------
    nbclient.exceptions.DeadKernelError
        The kernel died.
    nbclient.exceptions.CellTimeoutError
        A cell took too long.
    jupyter_client.kernelspec.NoSuchKernel, RuntimeError
        There is no such kernel, or it did not start.
    papermill.exceptions.PapermillException
        A task that the notebook started has failed, or the process that ran it all was killed.
    """
    from papermill.log import logger

    for name in sorted(others.keys() - _WITHOUT_EFFECT):
        logger.warning("The engine orchestra has no option %s: it is ignored.", name)
    run = _PapermillRun(
        nb,
        kernel_name,
        output_path,
        _Narrator(nb, progress_bar, log_output, stdout_file, stderr_file),
        load_settings(),
    )
    return run.execute(
        start_timeout_seconds=float(start_timeout),
        cell_timeout_seconds=execution_timeout or timeout or None,
        may_cells_fail=allow_errors,
        is_shown=bool(log_output or stdout_file or stderr_file),
        is_saved_within_cells=autosave_cell_every != 0,
    )


class _Narrator:
    """Tells papermill's user what happens: progress bar, log and files."""

    def __init__(self, nb: Any, progress_bar: Any, log_output: bool, stdout_file: Any, stderr_file: Any) -> None:
        from papermill.engines import NotebookExecutionManager
        from papermill.log import logger

        # papermill's own, for its bar: it writes nothing without a path
        self._bar_owner = NotebookExecutionManager(nb, progress_bar=progress_bar, autosave_cell_every=0)
        self._logger = logger
        self._is_logging = log_output
        self._files = {"stdout": stdout_file, "stderr": stderr_file}
        self._cells = nb.cells
        self._places = [place for place, cell in enumerate(nb.cells) if cell.cell_type == "code"]
        self._running: int | None = None

    def begun(self, kernel_name: str) -> None:
        self._logger.info(f"Executing notebook with kernel: {kernel_name}")

    def cell_changed(self, cell: CellRun) -> None:
        place = self._places[cell.index]
        bar = self._bar_owner.pbar
        if cell.state is State.RUNNING:
            self._running = place
            if self._is_logging:
                self._logger.info(f"Executing Cell {place + 1:-<40}")
            description = self._bar_owner.get_cell_description(self._cells[place])
            if bar and description is not None:
                bar.set_description(f"Executing {description}")
        elif cell.state.is_terminal:
            if self._is_logging and self._running == place:
                self._logger.info(f"Ending Cell {place + 1:-<43}")
            if bar:
                bar.update(place + 1 - bar.n)

    def shown(self, shown: Shown) -> None:
        file = self._files.get(shown.stream)
        if self._is_logging:
            (self._logger.warning if shown.stream == "stderr" else self._logger.info)(shown.text)
        if file is not None:
            file.write(shown.text)
            file.flush()

    def close(self, *, is_complete: bool) -> None:
        if is_complete:
            self._bar_owner.complete_pbar()
        self._bar_owner.cleanup_pbar()


class _PapermillRun:
    """One run, and where its attempt tells what becomes of it. Belongs to one thread."""

    def __init__(
        self, nb: Any, kernel_name: str, output_path: str | None, narrator: _Narrator, settings: Settings
    ) -> None:
        self._nb = nb
        self._kernel_name = kernel_name
        self._output_path = output_path
        self._narrator = narrator
        self._settings = settings
        self._cells: dict[int, CellRun] = {}
        self._has_begun = False
        self._asked = threading.Lock()
        self._services: RunServices | None = None
        #: the file that papermill is to write to where we cannot
        self._uploaded: Path | None = None
        self._next_upload_at = 0.0

    def execute(self, **options: Any) -> Any:
        """Run it; to be called once. The options are those of the runner."""
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: self._narrator.close(is_complete=False))
            own_path = self._own_path()
            if own_path is None:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="orchestra-papermill-"))
                self._uploaded = Path(folder, "output.ipynb")
            spec = self._spec(own_path or Path(folder, "output.ipynb"), **options)
            try:
                self._check_kernel(spec)
                problem = self._run(spec)
                if problem is not None:
                    raise problem
            except BaseException:  # where all goes well papermill writes the last version
                self._upload()
                raise
            self._narrator.close(is_complete=True)
            return self._take_result(Path(spec.output_path))

    def _spec(self, path: Path, **options: Any) -> RunnerSpec:
        run_id = fresh_id(datetime.now(UTC))
        socket_path = str(runner_socket(run_id))
        metadata = self._nb.metadata.papermill
        name = Path(str(metadata.get("input_path") or "notebook")).stem
        return RunnerSpec(
            run_id=run_id,
            run_name=name,
            flow_name=name,
            kernel_name=self._kernel_name,
            cwd=os.getcwd(),
            environ={
                RUN_ID_VARIABLE: run_id,
                RUN_SOCKET_VARIABLE: socket_path,
                CLUSTER_VARIABLE: self._settings.cluster,
                NOTEBOOK_VARIABLE: name,
            },
            notebook_json=json.dumps(self._nb),
            parameters_json="{}",
            input_path="",
            output_path=str(path),
            socket_path=socket_path,
            papermill_json=json.dumps(
                {key: value for key, value in metadata.items() if key not in ("start_time", "end_time", "duration")}
                | {"exception": None}
            ),
            **options,
        )

    def _own_path(self) -> Path | None:
        """Return the output's path where the runner can write it: a plain file in a folder that can be written."""
        from papermill.iorw import LocalHandler, papermill_io

        if not isinstance(self._output_path, str):
            return None
        handler = papermill_io.get_handler(self._output_path)
        if not isinstance(handler, LocalHandler):
            return None
        before = handler.cwd(None)  # what relative paths are relative to: it is told only when it is set
        handler.cwd(before)
        path = Path(os.path.realpath(Path(before or os.getcwd(), self._output_path)))
        if not path.parent.is_dir():
            raise FileNotFoundError(f"output folder {path.parent} doesn't exist.")
        is_ours = path.is_file() or not path.exists()
        return path if is_ours and os.access(path.parent, os.W_OK) else None

    def _check_kernel(self, spec: RunnerSpec) -> None:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

        try:
            KernelSpecManager().get_kernel_spec(self._kernel_name)
        except NoSuchKernel:
            output = OutputNotebook(json.loads(spec.notebook_json), Path(spec.output_path), lambda position: [])
            now = datetime.now(UTC)
            output.begin(now, parameters={}, input_path="", run={}, papermill=json.loads(spec.papermill_json))
            output.finish(now, State.CRASHED, f"There is no kernel {self._kernel_name!r} here.", None)
            output.save(is_last=True)
            raise

    def _run(self, spec: RunnerSpec) -> BaseException | None:
        """Run the cells; return what is to be raised."""
        is_single = "papermill.cli" in sys.modules
        attempt = NotebookAttempt(NotebookHost(kernel_environment(os.environ), is_single=is_single))
        with contextlib.closing(attempt):
            attempt.prepare(spec)
            attempt.begin()
            outcome = attempt.follow(self)
            if outcome.lost is None:
                attempt.await_kernel()
        return attempt.interrupt or self._problem(outcome)

    # --- what the attempt tells

    def began(self, at: datetime) -> None:
        self._has_begun = True
        self._narrator.begun(self._kernel_name)

    def take(self, event: Event) -> None:
        if isinstance(event, CellRunChanged):
            cell = event.cell
            self._cells[cell.index] = cell
            self._narrator.cell_changed(cell)
            if cell.state.is_terminal:
                self._upload_now_and_then()

    def show(self, shown: Shown) -> None:
        self._narrator.shown(shown)

    def stopping(self, asked: StopAsked) -> None:
        """Do nothing: papermill's user is told by the exception."""

    def flush(self, timeout_seconds: float) -> bool:
        """Return True: nothing is stored."""
        return True

    def answer_encoded(self, question: bytes, asker: Asker) -> bytes:
        """Answer what the notebook's code asks, such as a variable: from the store, without a row for this run."""
        from orchestra_nb.operations.opening import open_store
        from orchestra_nb.operations.run_services import RunServices

        with self._asked:
            if self._services is None:
                self._services = RunServices(lambda: open_store(self._settings), settings=self._settings)
        return self._services.answer_encoded(question, asker)

    def attempt_ended(self, task_run_id: str) -> None:
        """Give back the slots of a task."""
        with self._asked:
            services = self._services
        if services is not None:
            services.attempt_ended(task_run_id)

    def _problem(self, outcome: AttemptOutcome) -> BaseException | None:
        """Return the exception that papermill's own engine would raise; None where the notebook itself tells it."""
        from nbclient.exceptions import CellTimeoutError, DeadKernelError
        from papermill.exceptions import PapermillException

        problem: BaseException
        finished = outcome.finished
        if finished.state is State.COMPLETED:
            return None
        if any(cell.state is State.TIMED_OUT for cell in self._cells.values()):
            problem = CellTimeoutError(finished.message)
        elif outcome.lost is not None:
            problem = PapermillException(f"{finished.message} {outcome.lost.tail}".rstrip())
        elif finished.state is State.FAILED and finished.error is not None:
            return None
        elif finished.state is State.CRASHED:
            problem = DeadKernelError(finished.message) if self._has_begun else RuntimeError(finished.message)
        else:
            problem = PapermillException(finished.message)
        return problem

    def _take_result(self, path: Path) -> Any:
        """Return papermill's notebook as the runner has left it."""
        from nbformat import v4

        executed = v4.reads(path.read_text(encoding="utf-8"))  # type: ignore[no-untyped-call]
        self._nb.cells = executed.cells
        self._nb.metadata = executed.metadata
        return self._nb

    def _upload_now_and_then(self) -> None:
        began = time.monotonic()
        if began >= self._next_upload_at:
            self._upload()
            ended = time.monotonic()
            self._next_upload_at = ended + max(_UPLOAD_SECONDS, _UPLOAD_SHARE * (ended - began))

    def _upload(self) -> None:
        """Have papermill write the file where only it can: an object store, a service."""
        from papermill.iorw import papermill_io

        if self._uploaded is not None and self._output_path is not None and self._uploaded.exists():
            papermill_io.write(self._uploaded.read_text(encoding="utf-8"), self._output_path)
