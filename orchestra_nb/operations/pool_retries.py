"""Has runs of deployments run again where their deployment has them run: they wait in their pool once more.

The run is reopened by a compare-and-set in the store, so of several who try at once one does. Whoever claims it then
runs it as a retry in a shell would: from what was cached or persisted.
"""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.errors import Conflict, InvalidTransition
from orchestra_nb.model.dead_letters import LetterState
from orchestra_nb.model.events import RunReopened
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.operations.dead_letter_decisions import close_dead_letter
from orchestra_nb.operations.resumption_points import Resumption, find_resumption, resumed_by
from orchestra_nb.operations.run_again import (
    check_retry,
    close_letters,
    letter_to_retry,
    retried_by,
    way_without_code,
)
from orchestra_nb.operations.run_waits import why_waiting
from orchestra_nb.operations.runs import find_run, is_suspended

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


def is_of_pool(run: Run) -> bool:
    """Tell whether a run is of a deployment, so that those who serve its pool can run it again."""
    return run.deployment is not None and run.deployment_version is not None


def retry_in_pool(
    store: RunStore, id_or_name: str, *, actor: str, now: datetime, note: str = "", from_step: str | None = None
) -> Run:
    """Have a run of a deployment that ended otherwise than well wait in its pool again, and return it as it waits.

    Parameters
    ----------
    actor, note
        Who retries it, and why, for the run's history.
    from_step
        As :func:`~orchestra_nb.operations.run_again.retry_run`.

    Raises
    ------
    RunNotFound
        There is no such run.
    InvalidTransition
        It has not ended, or ended well.
    InvalidInput
        It has no such cell or task.
    Conflict
        It is of no deployment, it cannot be resumed from there, or somebody else retried it at the same time.
    """
    if from_step is not None:
        run, start = find_resumption(store, id_or_name, from_step)
        check_pool(store, run, from_step)
        return _reopened(store, run, actor, resumed_by(start, actor, note), now, start)
    run = check_pool_retry(store, id_or_name)
    return _reopened(store, run, actor, retried_by(actor, note), now)


def check_pool_retry(store: RunStore, id_or_name: str) -> Run:
    """Return a run that those who serve its pool may run again.

    Raises
    ------
    RunNotFound, InvalidTransition, Conflict
        As :func:`retry_in_pool`.
    """
    run = check_retry(store, id_or_name)
    check_pool(store, run)
    return run


def check_pool(store: RunStore, run: Run, from_step: str | None = None) -> None:
    """Raise a Conflict when a run is of no deployment: it says how it is run again elsewhere, from this step if any."""
    if is_of_pool(run):
        return
    if command := shell_command(store, run, from_step):
        remedy = f"`{command}` does, on the machine where its code is."
    elif run.kind is RunKind.INTERACTIVE:
        remedy = "Its tasks are cells of a notebook: run them again there."
    else:
        remedy = f"What it executed was not kept. {way_without_code(store, run)}"
    raise Conflict(f"Run {run.name} is of no deployment, so no service can run it again. {remedy}")


def shell_command(store: RunStore, run: Run, from_step: str | None = None) -> str:
    """Return the command that runs a run again where its code is; empty where none can.

    Parameters
    ----------
    from_step
        As :func:`~orchestra_nb.operations.run_again.retry_run`.
    """
    from orchestra_nb.store.run_code_store import RunCodeStore

    if run.kind in (RunKind.FLOW, RunKind.TASK):
        code = RunCodeStore(store.database).find(run.run_id)
        is_there = code is not None and not code.missing
    else:
        is_there = run.kind is not RunKind.INTERACTIVE
    options = "" if from_step is None else f" --from {shlex.quote(from_step)}"
    return f"orchestra runs retry {typed_run(run)}{options}" if is_there else ""


def retry_letter_in_pool(store: RunStore, id_: str, *, actor: str, now: datetime, note: str = "") -> Run | None:
    """Have the run that a dead letter tells of wait in its pool again; None where that is no run of a deployment.

    Raises
    ------
    DeadLetterNotFound
        There is none.
    InvalidTransition
        The run was run again since.
    Conflict
        Somebody has decided about it before.
    """
    letter, run = letter_to_retry(store, id_, actor=actor, now=now)
    if letter.task_run_id is not None or not is_of_pool(run):
        return None
    with store.database.together():  # a letter that is decided about, of a run that stays as it is, nobody could retry
        close_dead_letter(store, letter.letter_id, LetterState.RETRIED, actor=actor, now=now, note=note)
        return _reopened(store, run, actor, f"its dead letter was {retried_by(actor, note)}", now)


def resume_in_pool(store: RunStore, id_or_name: str, *, actor: str, now: datetime) -> Run:
    """Have a suspended run of a deployment wait in its pool again, and return it as it waits.

    Raises
    ------
    RunNotFound
        There is no such run.
    InvalidTransition
        It is not suspended.
    Conflict
        It is of no deployment, or somebody else resumed it at the same time.
    """
    run = find_run(store, id_or_name)
    if not is_suspended(run):
        raise InvalidTransition(f"Run {run.name} is not suspended: it is {run.state}.")
    check_pool_resumption(run)
    return _reopened(store, run, actor, f"resumed by {actor}", now)


def check_pool_resumption(run: Run) -> None:
    """Raise a Conflict when a suspended run is of no deployment."""
    if not is_of_pool(run):
        raise Conflict(
            f"Run {run.name} is suspended and of no deployment, so no service can start it. `orchestra runs resume "
            f"{typed_run(run)}` runs it, on the machine where its code is."
        )


def reopen_in_pool(
    store: RunStore, run: Run, *, actor: str, message: str, now: datetime, start: Resumption | None = None
) -> bool:
    """Have a run of a deployment that ended, or is suspended, wait in its pool; False where somebody else was first.

    Parameters
    ----------
    start
        From where it is resumed; None where that was not said.

    Raises
    ------
    DeploymentNotFound
        What its deployment said is not stored any more.
    """
    from orchestra_nb.store.deployment_store import DeploymentStore
    from orchestra_nb.store.work_queue import WorkQueue

    assert run.deployment is not None
    assert run.deployment_version is not None
    spec = DeploymentStore(store.database).version(run.deployment, run.deployment_version).spec
    again = RunReopened(
        run_id=run.run_id,
        at=now,
        epoch=run.epoch + 1,
        driver_id=None,
        actor=actor,
        message=message,
        fresh_from_index=None if start is None else start.fresh_from_index,
        fresh_from_task=None if start is None else start.fresh_from_task,
    )
    with store.database.together():
        if not WorkQueue(store.database).add_again(again, now, run.pool or spec.pool, spec.priority, spec.limits):
            return False
        close_letters(store, run, actor, now)
    return True


def wait_of(store: RunStore, run: Run, now: datetime) -> str:
    """Return what a run waits for that has just been put into its pool; empty where somebody has claimed it since."""
    return why_waiting(store, [msgspec.structs.replace(run, message="")], now).get(run.run_id, "")


def _reopened(
    store: RunStore, run: Run, actor: str, message: str, now: datetime, start: Resumption | None = None
) -> Run:
    if not reopen_in_pool(store, run, actor=actor, message=message, now=now, start=start):
        raise Conflict(f"Run {run.name} is being run again by somebody else.")
    return store.get_run(run.run_id)
