"""Runs a flow run again in the same run, where this is called: a retry, or a suspended run that is resumed.

The run is reopened by a compare-and-set in the store, so of several who try at once one runs it. Whatever can be
missing is looked for before: a run that cannot be run again stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.errors import CodeNotFound, Conflict, InvalidTransition
from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.model.events import RunReopened
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import REOPENABLE_STATES, State
from orchestra_nb.operations.dead_letter_decisions import close_dead_letter, list_dead_letters, show_dead_letter
from orchestra_nb.operations.runs import find_run, is_suspended

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: Kind of run to how it is run again, for those that are no flow of a function.
_OTHER_WAYS = {
    RunKind.NOTEBOOK: "It ran a notebook: run it again with `orchestra run`.",
    RunKind.INTERACTIVE: "Its tasks were cells of an open notebook: run the cells again.",
    RunKind.TASK: "It was a task without a flow: call the task again.",
}


def retry_run(store: RunStore, id_or_name: str, *, actor: str, note: str = "") -> Run:
    """Run a flow run again that ended otherwise than well, and return it as it ended then.

    Parameters
    ----------
    actor, note
        Who retries it, and why, for the run's history.

    Raises
    ------
    RunNotFound
        There is no such run.
    InvalidTransition
        It has not ended, or ended well.
    CodeNotFound
        Its flow or its parameters are not to be found; the message says what is missing.
    Conflict
        Somebody else retried it at the same time.
    """
    run = find_run(store, id_or_name)
    if run.state not in REOPENABLE_STATES:
        raise InvalidTransition(_why_not(run))
    return _run_again(store, run, actor, f"retried by {actor}{f': {note}' if note else ''}", lambda: None)


def resume_suspended(store: RunStore, id_or_name: str, *, actor: str) -> Run:
    """Run a suspended run again from its beginning, and return it as it ended then.

    Raises
    ------
    RunNotFound, CodeNotFound, Conflict
        As :func:`retry_run`.
    InvalidTransition
        It is not suspended.
    """
    run = find_run(store, id_or_name)
    if not is_suspended(run):
        raise InvalidTransition(f"Run {run.name} is not suspended: it is {run.state}.")
    return _run_again(store, run, actor, f"resumed by {actor}", lambda: None)


def retry_dead_letter(store: RunStore, id_: str, *, actor: str, now: datetime, note: str = "") -> Run:
    """Run the flow run of a dead letter again, once, and return it as it ended then.

    Raises
    ------
    DeadLetterNotFound
        There is none.
    Conflict
        Somebody has decided about it before, or it is a task's.
    InvalidTransition, CodeNotFound
        As :func:`retry_run`; the letter stays open then.
    """
    letter = show_dead_letter(store, id_)
    run = find_run(store, letter.run_id)
    if letter.task_run_id is not None:
        raise Conflict(
            f"{letter.name} is a task of run {run.name}: a task is not run again alone. Retry its run with "
            f"`orchestra runs retry {run.name}`, and `orchestra dead-letters discard {letter.letter_id}`."
        )
    if letter.state is not LetterState.OPEN:
        close_dead_letter(store, letter.letter_id, LetterState.RETRIED, actor=actor, now=now)  # says who decided
    if run.state not in REOPENABLE_STATES or run.epoch != letter.epoch:
        raise InvalidTransition(
            f"Run {run.name} was run again since (epoch {run.epoch}, {run.state}). Discard this dead letter."
        )
    return _run_again(
        store,
        run,
        actor,
        f"its dead letter was retried by {actor}{f': {note}' if note else ''}",
        lambda: _close(store, letter, actor, note),
    )


def _run_again(store: RunStore, run: Run, actor: str, message: str, before_start: Callable[[], object]) -> Run:
    from orchestra_nb.engine.drivers import set_driver
    from orchestra_nb.engine.reruns import continuing
    from orchestra_nb.engine.run_codes import call_flow, load_code
    from orchestra_nb.operations.script_driver import ScriptDriver
    from orchestra_nb.store.run_code_store import RunCodeStore

    if run.kind is not RunKind.FLOW:
        raise CodeNotFound(f"Run {run.name} cannot be run again in place. {_OTHER_WAYS[run.kind]}")
    if run.parent_run_id is not None:
        raise CodeNotFound(f"Run {run.name} is a subflow. {_caller_words(store, run.parent_run_id)}")
    code = RunCodeStore(store.database).find(run.run_id)
    if code is None:
        raise CodeNotFound(f"Run {run.name} cannot be run again: what it executed was not recorded. Start a new run.")
    flow, parameters = load_code(code)
    before_start()
    driver = ScriptDriver("shell")
    try:
        reopened = RunReopened(
            run_id=run.run_id,
            at=datetime.now(UTC),
            epoch=run.epoch + 1,
            driver_id=driver.known_driver_id,
            actor=actor,
            message=message,
        )
        if not driver.reopen(store, run, reopened):
            raise Conflict(f"Run {run.name} is being run again by somebody else.")
        _close_letters(store, run, actor)
        set_driver(driver)
        again = msgspec.structs.replace(
            run, epoch=reopened.epoch, driver_id=reopened.driver_id, state=State.PENDING, started_at=None, ended_at=None
        )
        with continuing(again):
            call_flow(flow, parameters)
    finally:
        set_driver(None)
        driver.close()
    return store.get_run(run.run_id)


def _close(store: RunStore, letter: DeadLetter, actor: str, note: str) -> None:
    close_dead_letter(store, letter.letter_id, LetterState.RETRIED, actor=actor, now=datetime.now(UTC), note=note)


def _close_letters(store: RunStore, run: Run, actor: str) -> None:
    """Close what is open of the run's earlier epochs: it is being retried."""
    for letter in list_dead_letters(store, run=run.run_id):
        if letter.epoch <= run.epoch:
            try:
                _close(store, letter, actor, "its run was retried")
            except Conflict:  # somebody decided at the same moment
                continue


def _caller_words(store: RunStore, run_id: str) -> str:
    """Say how the run that called a subflow is run again."""
    caller = store.get_run(run_id)
    if caller.kind is RunKind.FLOW:
        return f"Run the one that called it again: `orchestra runs retry {caller.name}`."
    return f"Run {caller.name} called it. {_OTHER_WAYS[caller.kind]}"


def _why_not(run: Run) -> str:
    if is_suspended(run):
        return f"Run {run.name} is suspended. Let it go on with `orchestra runs resume {run.name}`."
    if run.state is State.PAUSED:
        return f"Run {run.name} is paused. Let it go on with `orchestra runs resume {run.name}`."
    if not run.state.is_terminal:
        return f"Run {run.name} is {run.state}: it can be retried when it has ended. `orchestra runs cancel` ends it."
    return f"Run {run.name} is {run.state}: there is nothing to retry. Start a new run."
