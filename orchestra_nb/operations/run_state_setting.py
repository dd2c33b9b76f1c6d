"""Sets the state of a run by hand: of one that has ended, or that nothing drives any more.

The state is changed by a compare-and-set on epoch and state, so what somebody else does at the same time is not lost.
It stands in the run's history with who did it and why; automations and notifications follow as from any other end, but
nothing is run: no retry of a deployment.

The function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from orchestra_nb.errors import Conflict, InvalidInput, InvalidTransition
from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.model.deployments import count_ends
from orchestra_nb.model.events import DeadLetterAdded, RunStateSet
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import FAILURE_STATES, SETTABLE_STATES, State, is_by_hand, may_follow
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.operations.runs import find_run, is_suspended, waits_in_queue

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore, StateChange


def set_run_state(store: RunStore, id_or_name: str, state: str, *, actor: str, now: datetime, note: str = "") -> Run:
    """Set the state of a run that has ended, is suspended, or whose process has gone, and return the run.

    Its open dead letters, and those of its tasks, are closed when it is COMPLETED now; it has an open one when it has
    failed now, and had not before. The state is final: no retry of its deployment follows.

    Parameters
    ----------
    state
        One of :data:`~orchestra_nb.model.states.SETTABLE_STATES`, in any case.
    note
        Why, for the run's history.

    Raises
    ------
    RunNotFound
        There is no such run.
    InvalidInput
        Nobody can set this state.
    InvalidTransition
        The run stands so already, waits to be started, or a process that lives drives it; the message says what to do.
    Conflict
        Its state has changed meanwhile.
    """
    from orchestra_nb.store.dead_letter_store import DeadLetterStore

    wanted = _settable(state)
    run = find_run(store, id_or_name)
    _check(store, run, wanted, now)
    message = f"set to {wanted} by {actor}{f': {note}' if note else ''}"
    event = RunStateSet(
        run_id=run.run_id, at=now, epoch=run.epoch, before=run.state, state=wanted, actor=actor, message=message
    )
    letters = DeadLetterStore(store.database)
    with store.database.together():
        if not store.apply([event])[0]:
            raise Conflict(f"Run {run.name} is {run.state} no longer. Look at it again before you set its state.")
        if wanted is State.COMPLETED:
            letters.close_of_run(run.run_id, run.epoch, LetterState.RESOLVED, actor, now, f"its run was {message}")
        elif wanted in FAILURE_STATES and run.state not in FAILURE_STATES:
            failed = store.get_run(run.run_id)
            history = store.state_changes(run.run_id, with_tasks=False)
            if _has_letters(run):
                store.apply([DeadLetterAdded(letter=_letter_of(store, failed, history, now))])
            letters.reopen(failed, [change.at for change in history if _has_closed_letters(change, failed)])
    return store.get_run(run.run_id)


def _has_letters(run: Run) -> bool:
    """Tell whether a run that fails becomes a dead letter."""
    return run.deployment is not None or (run.kind in (RunKind.FLOW, RunKind.TASK) and run.parent_run_id is None)


def _has_closed_letters(change: StateChange, run: Run) -> bool:
    return change.epoch == run.epoch and change.to_state is State.COMPLETED and is_by_hand(change.actor)


def _letter_of(store: RunStore, run: Run, history: Sequence[StateChange], now: datetime) -> DeadLetter:
    from orchestra_nb.store.run_code_store import RunCodeStore

    ends = count_ends((change.from_state, change.to_state, change.actor) for change in history)
    code = RunCodeStore(store.database).find(run.run_id)
    return DeadLetter(
        run_id=run.run_id,
        epoch=run.epoch,
        name=run.name,
        flow_name=run.flow_name,
        ended_as=run.state,
        attempts=max(ends.failures + ends.losses, 1),
        message=run.message,
        inputs=dict.fromkeys(run.parameters),
        code=None if code is None else code.entrypoint,
        created_at=now,
    )


def _settable(word: str) -> State:
    wanted = next((state for state in SETTABLE_STATES if state == word.strip().upper()), None)
    if wanted is None:
        states = ", ".join(SETTABLE_STATES)
        raise InvalidInput(f"{word[:40]!r} is no state that can be set. There are: {states}.", {"/state": f"{states}?"})
    return wanted


def _check(store: RunStore, run: Run, wanted: State, now: datetime) -> None:
    from orchestra_nb.services.recovery import has_ended
    from orchestra_nb.store.leases import Leases

    if run.state is wanted:
        raise InvalidTransition(f"Run {run.name} is {wanted} already.")
    if run.state.is_terminal:
        return
    if waits_in_queue(run):
        raise InvalidTransition(
            f"Run {run.name} waits to be started: end it with `orchestra runs cancel {typed_run(run)}`, and set its "
            "state then."
        )
    driver = Leases(store.database).find_driver(run.driver_id) if run.driver_id is not None else None
    if not is_suspended(run) and driver is not None and not has_ended(driver, now):
        raise InvalidTransition(
            f"Run {run.name} is {run.state}, and a process drives it (pid {driver.pid} on {driver.host}), which "
            f"would go on. End it with `orchestra runs cancel {typed_run(run)}`, and set its state then."
        )
    if not may_follow(run.state, wanted):
        raise InvalidTransition(f"A run that is {run.state} cannot become {wanted}.")
