"""Drives claimed runs as containers of Docker and jobs of Kubernetes, by the commands ``docker`` and ``kubectl``.

What runs there takes the run over from the worker, and is its driver from then on: it goes on when the worker ends.
"""

from __future__ import annotations

import contextlib
import threading
from datetime import UTC, datetime
from typing import Final

from orchestra_nb.errors import NotFound, StoreUnavailable
from orchestra_nb.model.events import RunStateChanged
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.operations.deployed_runs import SHUT_DOWN
from orchestra_nb.operations.job_templates import render_job
from orchestra_nb.operations.notebook_request import attempts_folder
from orchestra_nb.operations.run_home import StoreHome
from orchestra_nb.operations.submitted_jobs import ClusterJob, ContainerJob, SubmittedJob
from orchestra_nb.services.recovery import end_driver
from orchestra_nb.services.work_source import ClaimedRun
from orchestra_nb.settings import Settings
from orchestra_nb.store.leases import Leases

_FLUSH_SECONDS: Final = 60.0


class ContainerRuns:
    """Drives runs of pools of the kinds docker and kubernetes. Any thread may drive, or stop, a run.

    Parameters
    ----------
    home
        Of the process that claims runs.
    """

    def __init__(self, home: StoreHome, settings: Settings) -> None:
        self._home = home
        self._settings = settings
        self._lock = threading.Lock()
        self._jobs: dict[tuple[str, int], SubmittedJob] = {}

    def drive(self, claimed: ClaimedRun) -> None:
        """Submit a run's job, and wait for its end.

        Raises
        ------
        InvalidInput
            Its job cannot be used, or the command that submits it is not on this machine.
        """
        run = claimed.run
        rendered = render_job(
            claimed.pool,
            claimed.version.spec.job_variables,
            run,
            self._home.driver_id or "",
            self._settings.resolved_store_url,
        )
        log_path = attempts_folder() / f"{run.run_id}.{run.epoch}.log"
        job: SubmittedJob = (
            ContainerJob(rendered, log_path) if rendered.manifest is None else ClusterJob(rendered, log_path)
        )
        key = (run.run_id, run.epoch)
        with self._lock:
            self._jobs[key] = job
        self._home.watch(run.run_id, lambda task_run_id, actor: self._cancel(run, job, actor))
        try:
            job.submit()
            while not (job.is_left.is_set() or job.has_ended() or (job.is_out_of_reach and self._needs_no_proof(run))):
                job.is_left.wait(job.look_seconds)
        finally:
            self._home.forget(run.run_id)
            with self._lock:
                del self._jobs[key]
        if not job.is_left.is_set():
            self._conclude(run, job)

    def stop(self, run: Run) -> None:
        """Take back a job whose run has not begun; one that has is left alone, and ends by itself."""
        with self._lock:
            job = self._jobs.get((run.run_id, run.epoch))
        if job is None:
            return
        if self._is_waiting(run):
            job.why_stopped = (State.CRASHED, SHUT_DOWN)
            job.stop()
        else:
            job.is_left.set()

    def _cancel(self, run: Run, job: SubmittedJob, actor: str) -> None:
        if self._is_waiting(run):
            job.why_stopped = (State.CANCELLED, f"Cancelled by {actor} before it began")
            job.stop()
        else:  # whoever has it now hears it by itself
            self._home.store.request_cancel(run.run_id, None, actor, datetime.now(UTC))

    def _is_waiting(self, run: Run) -> bool:
        """Tell whether the job has not taken its run over."""
        with contextlib.suppress(StoreUnavailable, NotFound):
            now = self._home.store.get_run(run.run_id)
            return now.epoch == run.epoch and now.driver_id == self._home.driver_id
        return False

    def _needs_no_proof(self, run: Run) -> bool:
        """Tell whether a run is over, or can be: a job takes over none that has been ended before it began."""
        with contextlib.suppress(StoreUnavailable, NotFound):
            now = self._home.store.get_run(run.run_id)
            return self._is_over(now, run) or now.driver_id == self._home.driver_id
        return False

    def _is_over(self, now: Run, run: Run) -> bool:
        return now.epoch != run.epoch or now.state.is_terminal or now.driver_id is None

    def _conclude(self, run: Run, job: SubmittedJob) -> None:
        """End a run that its job has not ended."""
        now = self._home.store.get_run(run.run_id)
        if now.driver_id is None or self._is_over(now, run):
            job.forget()
            return
        at = datetime.now(UTC)
        if now.driver_id == self._home.driver_id:
            state, message = job.why_stopped or (State.CRASHED, f"{job.what} ended before the run began: {job.why()}")
            self._home.emit(
                RunStateChanged(
                    run_id=run.run_id, state=state, at=at, epoch=run.epoch, message=message, actor="service"
                )
            )
            self._home.flush(_FLUSH_SECONDS)
            return
        if job.is_out_of_reach:  # it began just now, and is judged by its lease
            return
        driver = Leases(self._home.store.database).find_driver(now.driver_id)
        if driver is not None:
            end_driver(self._home.store, driver, f"{job.what} ended: {job.why()}", at)
