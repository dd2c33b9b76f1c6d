"""Has a run go on that was answered before it was suspended: while the tasks that it had left open were ended."""

from __future__ import annotations

from orchestra_nb.errors import DeploymentNotFound
from orchestra_nb.model.events import RunReopened, RunSuspended
from orchestra_nb.model.runs import Run
from orchestra_nb.store.database import Database
from orchestra_nb.store.dead_letter_store import DeadLetterStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_input_store import RunInputStore
from orchestra_nb.store.work_queue import WorkQueue


def go_on_where_answered(database: Database, event: RunSuspended, run: Run) -> None:
    """Have a run that has suspended itself wait in the pool of its deployment if all its questions are answered.

    Whoever answers a suspended run has it go on; this is for who was faster, in the transaction that suspends it. What
    somebody else has suspended stays so, as does a run of no deployment, or of a version that is not stored any more.
    """
    if event.actor or run.deployment is None or run.deployment_version is None:
        return
    questions = RunInputStore(database).of_run(run.run_id)
    answers = [(one.answered_at, one.answered_by or "") for one in questions if one.answered_at is not None]
    if not answers or len(answers) < len(questions):
        return
    try:
        spec = DeploymentStore(database).version(run.deployment, run.deployment_version).spec
    except DeploymentNotFound:
        return
    _, actor = max(answers)
    words = f"resumed by {actor}"
    again = RunReopened(run_id=run.run_id, at=event.at, epoch=run.epoch + 1, driver_id=None, actor=actor, message=words)
    if WorkQueue(database).add_again(again, event.at, run.pool or spec.pool, spec.priority, spec.limits):
        DeadLetterStore(database).close_retried(run.run_id, run.epoch, actor, event.at, "its run was retried")
