"""Decides what follows a run of a deployment that ended: a retry, another try after a lost process, or a dead letter.

Nothing is tried again after an end that somebody set. A run that completed closes the dead letters of earlier runs of
its deployment that were given the same.

It reads the ends of runs in the order of the store. Each decision is a compare-and-set on the run's epoch, so services
that share a store may all make it.
"""

from __future__ import annotations

import contextlib
import logging
import random
from datetime import datetime
from typing import Final

from orchestra_nb.errors import Conflict, DeadLetterNotFound, DeploymentNotFound, RunNotFound, StoreUnavailable
from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.model.deployments import (
    RETRY_ACTOR,
    AfterRun,
    DeploymentSpec,
    rerun_at,
    retry_at,
    what_follows,
)
from orchestra_nb.model.events import DeadLetterAdded, RunReopened
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import FAILURE_STATES, State
from orchestra_nb.store.dead_letter_store import DeadLetterStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.service_marks import ServiceMarks
from orchestra_nb.store.work_queue import WorkQueue

_MARK: Final = "run follower"
#: How many changes of no end may lie behind the mark before it is moved nevertheless.
_MOST_BEHIND: Final = 1_000

_log = logging.getLogger(__name__)


class RunFollower:
    """Follows the runs of a store to what comes after them. For one thread."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._marks = ServiceMarks(store.database)
        self._queue = WorkQueue(store.database)
        self._deployments = DeploymentStore(store.database)
        self._letters = DeadLetterStore(store.database)

    def step(self, now: datetime) -> None:
        """Decide about all runs that have ended since the last time.

        Raises
        ------
        StoreUnavailable
            The store cannot be read or written; the rest follows at the next call.
        """
        mark = begun = self._marks.begin(_MARK)
        has_followed = False
        while True:
            ends, until = self._marks.ends_since(mark)
            for end in ends:
                has_followed = True
                self._follow_safely(end.run_id, end.epoch, now)
            if until == mark:
                break
            mark = until
        if has_followed or mark - begun > _MOST_BEHIND:  # most changes are no ends: no write for each of them
            self._marks.move(_MARK, mark)

    def _follow_safely(self, run_id: str, epoch: int, now: datetime) -> None:
        try:
            self._follow(run_id, epoch, now)
        except StoreUnavailable:
            raise
        except Exception:  # whatever is wrong with one of them, the others are followed
            _log.exception("What follows run %s cannot be decided; `orchestra runs retry` runs it again", run_id)

    def _follow(self, run_id: str, epoch: int, now: datetime) -> None:
        try:
            run = self._store.get_run(run_id)
        except RunNotFound:
            return
        if run.deployment is None or run.deployment_version is None or run.epoch != epoch:
            return
        if run.state is State.COMPLETED:
            self._resolve(run, now)
        if run.state not in FAILURE_STATES:
            return
        try:
            spec = self._deployments.version(run.deployment, run.deployment_version).spec
        except DeploymentNotFound:
            return
        changes = self._store.state_changes(run_id, with_tasks=False)
        history = [(change.from_state, change.to_state, change.actor) for change in changes]
        follows, (failures, losses, crashes) = what_follows(spec.retry, history)
        if self._deployments.find(run.deployment) is None:  # it was deleted, so nobody wants it run again
            follows = AfterRun.NOTHING
        match follows:
            case AfterRun.RETRY:
                due_at = retry_at(spec.retry, failures, now, random.random())
                self._again(run, spec, due_at, now, f"retry {failures} of {spec.retry.retries}: {run.message}")
            case AfterRun.RERUN:
                due_at = rerun_at(crashes, now, random.random())
                pause = "" if due_at == now else f" {crashes} times, after a pause"
                self._again(run, spec, due_at, now, f"run again, since its process was lost{pause}")
            case AfterRun.NOTHING:
                self._bury(run, max(failures + losses, 1), now)  # one that somebody set has come to none

    def _again(self, run: Run, spec: DeploymentSpec, due_at: datetime, now: datetime, message: str) -> None:
        reopened = RunReopened(
            run_id=run.run_id,
            at=now,
            epoch=run.epoch + 1,
            driver_id=None,
            actor=RETRY_ACTOR,
            message=message,
            before=run.state,  # somebody may set it meanwhile, for good
            fresh_from_index=run.fresh_from_index,  # what somebody wanted anew is not replayed from before
        )
        pool = run.pool or spec.pool  # its deployment may have been moved while it waited
        if self._queue.add_again(reopened, due_at, pool, spec.priority, spec.limits):
            _log.info("Run %s of deployment %s: %s", run.name, run.deployment, message)
            with contextlib.suppress(DeadLetterNotFound, Conflict):
                letter_id = DeadLetter.id_of(run.run_id, None, run.epoch)
                self._letters.close(letter_id, LetterState.RETRIED, RETRY_ACTOR, now)

    def _resolve(self, run: Run, now: datetime) -> None:
        for name in self._letters.resolve(run, RETRY_ACTOR, now, f"a later run completed: {run.name}"):
            _log.info("The dead letter of run %s of %s is resolved: %s completed", name, run.deployment, run.name)

    def _bury(self, run: Run, attempts: int, now: datetime) -> None:
        letter = DeadLetter(
            run_id=run.run_id,
            task_run_id=None,
            epoch=run.epoch,
            name=run.name,
            flow_name=run.flow_name,
            ended_as=run.state,
            attempts=attempts,
            message=run.message,
            created_at=now,
        )
        self._store.apply([DeadLetterAdded(letter=letter)])
        reason = run.message.partition("\n")[0]
        _log.warning("Run %s of deployment %s is %s for good: %s", run.name, run.deployment, run.state, reason)
