"""Drives the claimed runs of deployments: notebooks in this process's name, flows in a process of their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from orchestra_nb.errors import InvalidInput, NotFound, StoreUnavailable
from orchestra_nb.model.deployments import DeploymentVersion, FlowTarget, NotebookTarget
from orchestra_nb.model.events import RunStateChanged
from orchestra_nb.model.runs import Run
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.states import State
from orchestra_nb.operations.notebook_request import NotebookRequest, attempts_folder
from orchestra_nb.operations.run_home import StoreHome
from orchestra_nb.operations.run_notebook import NotebookDriver
from orchestra_nb.operations.run_snapshot import keep_deployed, request_again
from orchestra_nb.services.process_watch import ProcessEnd
from orchestra_nb.services.work_source import ClaimedRun
from orchestra_nb.settings import Settings

#: Why runs end that go on when their service does.
SHUT_DOWN: Final = "The service that ran it was shut down"
#: What a run gets to end by itself then.
_GRACE_SECONDS: Final = 2.0
_FLUSH_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.1
_PAUSE_SECONDS: Final = 1.0
_LAST_CHARACTERS: Final = 1_000


class DeployedRuns:
    """Implements :class:`~orchestra_nb.services.work_source.RunStarter` for local pools.

    Parameters
    ----------
    home
        Of the process that claims runs.
    find_secret
        Returns a secret that a run's parameters name; None for those of the store of these settings.
    """

    def __init__(
        self, home: StoreHome, settings: Settings, find_secret: Callable[[Run, str], Secret] | None = None
    ) -> None:
        self._find_secret = find_secret
        self._home = home
        self._settings = settings
        self._lock = threading.Lock()
        self._stops: dict[tuple[str, int], Callable[[], None]] = {}
        #: also runs that are being started just now
        self._stopped: set[tuple[str, int]] = set()

    def drive(self, claimed: ClaimedRun) -> None:
        """Run it from its begin to its end.

        Raises
        ------
        OrchestraError
            It cannot be run, and nothing of it ran.
        """
        run, version = claimed.run, claimed.version
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
        request = msgspec.structs.replace(request_again(run, run.fresh_from_index), epoch=run.epoch)
        driver = NotebookDriver(
            request,
            kind="service",
            home=self._home,
            claimed=run,
            settings=self._settings,
            find_secret=None if self._find_secret is None else partial(self._find_secret, run),
        )
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
                is_late = self._begins_late(run, process)
                process.wait()
        finally:
            self._home.forget(run.run_id)
        now = self._home.store.get_run(run.run_id)
        if now.epoch == run.epoch and now.driver_id == self._home.driver_id and not now.state.is_terminal:
            self._end(run, State.CRASHED, self._why_not_begun(process, log_path, is_late))
        elif log_path.stat().st_size == 0:
            log_path.unlink()

    def _begins_late(self, run: Run, process: subprocess.Popen[bytes]) -> bool:
        """Wait until the process of a flow has ended or begun; True where it did not in time, and is told to end."""
        seconds = self._settings.flow_start_seconds
        while True:
            try:
                process.wait(seconds)
                return False
            except subprocess.TimeoutExpired:
                pass
            try:
                if self._home.store.get_run(run.run_id).driver_id != self._home.driver_id:
                    return False
            except StoreUnavailable:  # then it cannot begin either
                seconds = _PAUSE_SECONDS
            else:
                _end_process(process)
                return True

    def _why_not_begun(self, process: subprocess.Popen[bytes], log_path: Path, is_late: bool) -> str:
        code = process.returncode
        how = str(ProcessEnd(signal=-code) if code < 0 else ProcessEnd(exit_code=code))
        if is_late:
            how = f"it took longer than {self._settings.flow_start_seconds:g} s (the setting flow_start_seconds)"
        lines = log_path.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip()[:_LAST_CHARACTERS] for line in reversed(lines) if line.strip()), "")
        more = f" Its last words: {last} More is in {log_path}." if last else ""
        return f"The process of the flow ended before it began: {how}.{more}"


def _end_process(process: subprocess.Popen[bytes]) -> None:
    """Have a process end: killed after the grace, since user code may do what it likes with a SIGTERM."""
    process.terminate()
    killer = threading.Timer(_GRACE_SECONDS, process.kill)
    killer.daemon = True
    killer.start()
