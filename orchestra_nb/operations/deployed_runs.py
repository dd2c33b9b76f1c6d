"""Drives the claimed runs of deployments: notebooks in this process's name, flows in a process of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Final

import msgspec

from orchestra_nb.errors import InvalidInput, NotFound, StoreUnavailable
from orchestra_nb.model.deployments import DeploymentVersion, FlowTarget, NotebookTarget
from orchestra_nb.model.events import RunStateChanged
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.operations.notebook_request import NotebookRequest, attempts_folder
from orchestra_nb.operations.run_home import StoreHome
from orchestra_nb.operations.run_notebook import NotebookDriver
from orchestra_nb.operations.run_snapshot import keep_deployed, request_again
from orchestra_nb.settings import Settings
from orchestra_nb.store.deployment_store import DeploymentStore

#: Why runs end that go on when their service does.
SHUT_DOWN: Final = "The service that ran it was shut down"
#: What a run gets to end by itself then.
_GRACE_SECONDS: Final = 2.0
_FLUSH_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.1
_LAST_CHARACTERS: Final = 1_000


class DeployedRuns:
    """Implements :class:`~orchestra_nb.services.run_dispatcher.RunStarter`.

    Parameters
    ----------
    home
        Of the process that claims runs.
    """

    def __init__(self, home: StoreHome, settings: Settings) -> None:
        self._home = home
        self._settings = settings
        self._deployments = DeploymentStore(home.store.database)
        self._lock = threading.Lock()
        self._stops: dict[tuple[str, int], Callable[[], None]] = {}
        #: also runs that are being started just now
        self._stopped: set[tuple[str, int]] = set()

    def drive(self, run: Run) -> None:
        """Run it from its begin to its end.

        Raises
        ------
        OrchestraError
            It cannot be run, and nothing of it ran.
        """
        assert run.deployment is not None
        assert run.deployment_version is not None
        version = self._deployments.version(run.deployment, run.deployment_version)
        if isinstance(version.spec.target, NotebookTarget):
            self._drive_notebook(run, version, version.spec.target)
        else:
            self._drive_flow(run, version, version.spec.target)

    def stop(self, run: Run) -> None:
        """Have a run end as CRASHED, since its service ends: the next one runs it again, where it may."""
        key = (run.run_id, run.epoch)
        with self._lock:
            self._stopped.add(key)
            stop = self._stops.get(key)
        if stop is not None:
            stop()

    def fail(self, run: Run, reason: str) -> None:
        """Record that a claimed run could not be driven."""
        self._end(run, State.CRASHED, reason)

    @contextlib.contextmanager
    def _stoppable(self, run: Run, stop: Callable[[], None]) -> Iterator[None]:
        """Have ``stop`` called when the run is to end within the block, or was to end before."""
        key = (run.run_id, run.epoch)
        with self._lock:
            self._stops[key] = stop
            is_stopped = key in self._stopped
        try:
            if is_stopped:
                stop()
            yield
        finally:
            with self._lock:
                del self._stops[key]
                self._stopped.discard(key)

    def _end(self, run: Run, state: State, message: str) -> None:
        now = datetime.now(UTC)
        self._home.emit(
            RunStateChanged(run_id=run.run_id, state=state, at=now, epoch=run.epoch, message=message, actor="service")
        )
        self._home.flush(_FLUSH_SECONDS)

    def _drive_notebook(self, run: Run, version: DeploymentVersion, target: NotebookTarget) -> None:
        assert version.notebook is not None
        asked = NotebookRequest(
            path=target.path,
            run_id=run.run_id,
            cwd=target.cwd,
            kernel_name=target.kernel_name,
            output_path=target.output_path or "-",
            is_cached=target.is_cached,
            timeout_seconds=version.spec.timeout_seconds,
            start_timeout_seconds=target.start_timeout_seconds,
            cell_timeout_seconds=target.cell_timeout_seconds,
        )
        keep_deployed(run, version.notebook, asked)
        request = msgspec.structs.replace(request_again(run), epoch=run.epoch)
        driver = NotebookDriver(request, kind="service", home=self._home, claimed=run, settings=self._settings)
        stop = partial(driver.stop, SHUT_DOWN, "shutdown", _GRACE_SECONDS, State.CRASHED)
        try:
            with self._stoppable(run, stop):
                driver.execute()
        except (InvalidInput, NotFound) as error:  # a kernel that was removed, a folder that is gone
            self._end(run, State.FAILED, str(error))

    def _pass_on(self, run: Run, process: subprocess.Popen[bytes], actor: str) -> None:
        """Ask the process of a flow to cancel it, as soon as it has taken the run over."""

        def wait_and_ask() -> None:
            while process.poll() is None:
                with contextlib.suppress(StoreUnavailable):  # it is asked again soon
                    if self._home.store.get_run(run.run_id).driver_id != self._home.driver_id:
                        self._home.store.request_cancel(run.run_id, None, actor, datetime.now(UTC))
                        return
                time.sleep(_LOOK_SECONDS)

        threading.Thread(target=wait_and_ask, name="orchestra-cancel", daemon=True).start()

    def _drive_flow(self, run: Run, version: DeploymentVersion, target: FlowTarget) -> None:
        log_path = attempts_folder() / f"{run.run_id}.{run.epoch}.log"
        environ = {**os.environ, "ORCHESTRA_STORE_URL": self._settings.resolved_store_url}
        if run.cluster:
            environ["ORCHESTRA_CLUSTER"] = run.cluster
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "orchestra_nb.operations.deployed_flow"),
                    *(run.run_id, self._home.driver_id or ""),
                ],
                cwd=target.working_folder if os.path.isdir(target.working_folder) else None,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._home.watch(run.run_id, lambda task_run_id, actor: self._pass_on(run, process, actor))
        try:
            with self._stoppable(run, partial(_end_process, process)):
                process.wait()
        finally:
            self._home.forget(run.run_id)
        now = self._home.store.get_run(run.run_id)
        if now.epoch == run.epoch and now.driver_id == self._home.driver_id and not now.state.is_terminal:
            text = log_path.read_text(encoding="utf-8", errors="replace").strip()[-_LAST_CHARACTERS:]
            how = signal.Signals(-process.returncode).name if process.returncode < 0 else f"exit {process.returncode}"
            self._end(run, State.CRASHED, f"The process of the flow ended before it began ({how}). {text}".rstrip())
        elif log_path.stat().st_size == 0:
            log_path.unlink()


def _end_process(process: subprocess.Popen[bytes]) -> None:
    """Have a process end: killed after the grace, since user code may do what it likes with a SIGTERM."""
    process.terminate()
    killer = threading.Timer(_GRACE_SECONDS, process.kill)
    killer.daemon = True
    killer.start()
