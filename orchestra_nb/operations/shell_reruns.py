"""Has runs run again for somebody at a shell: in the pool of their deployment, and in this process otherwise.

Every function takes the open store, so importing this module loads no SQLAlchemy. A server, which has not the code of
runs of no deployment, calls :mod:`.pool_retries` and :mod:`.run_resumption` itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from orchestra_nb.model.runs import Run
from orchestra_nb.operations.pool_retries import is_of_pool, retry_in_pool, retry_letter_in_pool
from orchestra_nb.operations.run_again import UNWATCHED, Watcher, resume_suspended, retry_dead_letter, retry_run
from orchestra_nb.operations.run_resumption import answer_suspended, resume_run
from orchestra_nb.operations.runs import find_run, is_suspended

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


@dataclass(frozen=True, slots=True)
class Rerun:
    """A run that was run again, or goes on.

    Parameters
    ----------
    place
        ``"pool"``: it waits there. ``"here"``: it was run in this process, and is as it ended then. ``"its process"``:
        it had never left it.
    """

    run: Run
    place: Literal["pool", "here", "its process"]


def retry_from_shell(
    store: RunStore,
    id_or_name: str,
    *,
    is_here: bool,
    actor: str,
    now: datetime,
    note: str = "",
    from_step: str | None = None,
    watcher: Watcher = UNWATCHED,
) -> Rerun:
    """Retry a run.

    Parameters
    ----------
    is_here
        Run it in this process, also where it would wait in a pool.
    actor, note, from_step, watcher
        As :func:`~orchestra_nb.operations.run_again.retry_run`.

    Raises
    ------
    RunNotFound, InvalidTransition, InvalidInput, CodeNotFound, Conflict
        As :func:`~orchestra_nb.operations.run_again.retry_run`.
    """
    run = find_run(store, id_or_name)
    if is_of_pool(run) and not is_here:
        return Rerun(retry_in_pool(store, run.run_id, actor=actor, now=now, note=note, from_step=from_step), "pool")
    again = retry_run(store, run.run_id, actor=actor, note=note, from_step=from_step, watcher=watcher)
    return Rerun(again, "here")


def retry_letter_from_shell(
    store: RunStore,
    id_: str,
    *,
    is_here: bool,
    actor: str,
    now: datetime,
    note: str = "",
    watcher: Watcher = UNWATCHED,
) -> Rerun:
    """Retry what a dead letter tells of, once; parameters as :func:`retry_from_shell`.

    Raises
    ------
    DeadLetterNotFound, Conflict, InvalidTransition, CodeNotFound
        As :func:`~orchestra_nb.operations.run_again.retry_dead_letter`.
    """
    if not is_here:
        waiting = retry_letter_in_pool(store, id_, actor=actor, now=now, note=note)
        if waiting is not None:
            return Rerun(waiting, "pool")
    return Rerun(retry_dead_letter(store, id_, actor=actor, now=now, note=note, watcher=watcher), "here")


def resume_from_shell(
    store: RunStore,
    id_or_name: str,
    value: object = None,
    *,
    is_here: bool,
    actor: str,
    now: datetime,
    key: str | None = None,
) -> Rerun:
    """Let a paused run go on, and a suspended one be run again.

    Parameters
    ----------
    value, key
        As :func:`~orchestra_nb.operations.run_resumption.resume_run`.
    is_here
        Run a suspended one in this process, also where it would wait in a pool.

    Raises
    ------
    RunNotFound, InputNotFound, InvalidInput, Conflict
        As :func:`~orchestra_nb.operations.run_resumption.resume_run`.
    CodeNotFound
        It is to be run here, and its code or its parameters are not to be found.
    """
    run = find_run(store, id_or_name)
    if is_suspended(run) and (is_here or not is_of_pool(run)):
        answer_suspended(store, run, value, actor=actor, now=now, key=key)
        return Rerun(resume_suspended(store, run.run_id, actor=actor), "here")
    resumed = resume_run(store, run.run_id, value, actor=actor, now=now, key=key)
    return Rerun(resumed, "pool" if is_suspended(run) else "its process")
