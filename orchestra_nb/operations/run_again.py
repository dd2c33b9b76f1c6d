"""Runs a run again in the same run, where this is called: a retry, or a suspended run that is resumed.

The run is reopened by a compare-and-set in the store, so of several who try at once one runs it. Whatever can be
missing is looked for before: a run that cannot be run again stays as it is.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from orchestra_nb.errors import CodeNotFound, Conflict, InvalidTransition
from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.model.events import RunReopened
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.secret_values import HIDDEN, SECRET_KEY
from orchestra_nb.model.states import REOPENABLE_STATES, State
from orchestra_nb.model.sweeps import COMBINATION_TAG
from orchestra_nb.model.typed_runs import typed_run
from orchestra_nb.operations.dead_letter_decisions import close_dead_letter, show_dead_letter
from orchestra_nb.operations.resumption_points import Resumption, find_resumption, resumed_by
from orchestra_nb.operations.runs import find_run, is_suspended

if TYPE_CHECKING:
    from orchestra_nb.engine.notebook_cluster import NotebookCluster
    from orchestra_nb.model.events import Event
    from orchestra_nb.store.run_store import RunStore

#: How long the end of a retry waits for what happened to be durable.
_FLUSH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who looks on while a notebook runs again.

    Parameters
    ----------
    on_event
        Called with everything that happens.
    stopped_by
        Given ``stop(message, actor)``, returns what has it called as long as it is entered, such as by Ctrl-C.
    """

    on_event: Callable[[Event], None] | None = None
    stopped_by: Callable[[Callable[[str, str], None]], AbstractContextManager[object]] = nullcontext


UNWATCHED: Final = Watcher()


def retry_run(
    store: RunStore,
    id_or_name: str,
    *,
    actor: str,
    note: str = "",
    from_step: str | None = None,
    watcher: Watcher = UNWATCHED,
) -> Run:
    """Run a run again that ended otherwise than well, and return it as it ended then.

    Parameters
    ----------
    actor, note
        Who retries it, and why, for the run's history.
    from_step
        The cell of its notebook, by id or number, that runs and all below it, or the task of its flow, by name, that
        runs and all that depends on it, whatever was kept of them: of a run that ended well, too. None for what failed
        and was not kept.
    watcher
        Who looks on, if it is a notebook.

    Raises
    ------
    RunNotFound
        There is no such run.
    InvalidTransition
        It has not ended, or ended well.
    InvalidInput
        It has no such cell or task.
    CodeNotFound
        Its code or its parameters are not to be found; the message says what is missing.
    Conflict
        Somebody else retried it at the same time, or it cannot be resumed from there.
    """
    if from_step is not None:
        run, start = find_resumption(store, id_or_name, from_step)
        return _run_again(store, run, actor, resumed_by(start, actor, note), lambda: None, watcher, start)
    run = check_retry(store, id_or_name)
    message = retried_by(actor, note)
    if run.kind is RunKind.SWEEP:
        from orchestra_nb.operations.sweep_retry import retry_sweep

        return retry_sweep(store, run, actor=actor, message=message).run
    return _run_again(store, run, actor, message, lambda: None, watcher)


def retried_by(actor: str, note: str) -> str:
    """Return what the history of a run says of a retry."""
    return f"retried by {actor}{f': {note}' if note else ''}"


def check_retry(store: RunStore, id_or_name: str) -> Run:
    """Return a run that may be retried.

    Raises
    ------
    RunNotFound, InvalidTransition
        As :func:`retry_run`.
    """
    run = find_run(store, id_or_name)
    if run.state not in REOPENABLE_STATES:
        raise InvalidTransition(_why_not(run))
    return run


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


def retry_dead_letter(
    store: RunStore, id_: str, *, actor: str, now: datetime, note: str = "", watcher: Watcher = UNWATCHED
) -> Run:
    """Run what a dead letter tells of again, once, and return the run as it ended then.

    A run is run again in the same run. A task is run alone, with its arguments, in a run of its own.

    Raises
    ------
    DeadLetterNotFound
        There is none.
    Conflict
        Somebody has decided about it before.
    InvalidTransition, CodeNotFound
        As :func:`retry_run`; the letter stays open then.
    """
    letter, run = letter_to_retry(store, id_, actor=actor, now=now)
    if letter.task_run_id is not None and not _is_of_whole_run(store, run, letter.task_run_id):
        return _run_task_again(store, letter, actor, note)
    return _run_again(
        store,
        run,
        actor,
        f"its dead letter was {retried_by(actor, note)}",
        lambda: _close(store, letter, actor, note),
        watcher,
    )


def letter_to_retry(store: RunStore, id_: str, *, actor: str, now: datetime) -> tuple[DeadLetter, Run]:
    """Return a dead letter that nobody has decided about, and its run.

    Raises
    ------
    DeadLetterNotFound, Conflict, InvalidTransition
        As :func:`retry_dead_letter`.
    """
    letter = show_dead_letter(store, id_)
    if letter.state is not LetterState.OPEN:
        close_dead_letter(store, letter.letter_id, LetterState.RETRIED, actor=actor, now=now)  # says who decided
    run = find_run(store, letter.run_id)
    is_task_alone = letter.task_run_id is not None and not _is_of_whole_run(store, run, letter.task_run_id)
    if not is_task_alone and (run.state not in REOPENABLE_STATES or run.epoch != letter.epoch):
        raise InvalidTransition(
            f"Run {run.name} was run again since (epoch {run.epoch}, {run.state}). Discard this dead letter."
        )
    return letter, run


def _is_of_whole_run(store: RunStore, run: Run, task_run_id: str) -> bool:
    """Tell whether a task is what a run outside of flows was made for, so that its dead letter is the run's."""
    from orchestra_nb.engine.task_codes import CALLED, SUBMITTED
    from orchestra_nb.store.run_code_store import RunCodeStore

    codes = RunCodeStore(store.database)
    if run.kind is not RunKind.TASK or (code := codes.find(run.run_id)) is None:
        return False
    # a task that one called here calls has code of its own
    return code.call == SUBMITTED or (code.call == CALLED and codes.find(task_run_id) is None)


def _run_task_again(store: RunStore, letter: DeadLetter, actor: str, note: str) -> Run:
    """Run a task alone that failed for good."""
    from orchestra_nb.engine.drivers import set_driver
    from orchestra_nb.engine.run_codes import load_code
    from orchestra_nb.engine.task_codes import call_task
    from orchestra_nb.operations.script_driver import ScriptDriver
    from orchestra_nb.store.run_code_store import RunCodeStore

    assert letter.task_run_id is not None
    remedy = f"Run it again with its run: `orchestra runs retry {typed_run(find_run(store, letter.run_id))}`."
    code = RunCodeStore(store.database).find(letter.task_run_id)
    if code is None:
        raise CodeNotFound(f"Task {letter.name} cannot be run alone: what it executed was not recorded. {remedy}")
    try:
        task, parameters = load_code(code)
    except CodeNotFound as error:
        raise CodeNotFound(f"Task {letter.name} cannot be run alone. {error} {remedy}") from error
    _close(store, letter, actor, note)  # before it begins: of two who try, one does
    driver = ScriptDriver("shell")
    set_driver(driver)
    try:
        run_id = call_task(task, parameters, code.call)
        driver.sink.flush(_FLUSH_SECONDS)
    finally:
        set_driver(None)
        driver.close()
    assert run_id is not None
    return store.get_run(run_id)


def _run_again(
    store: RunStore,
    run: Run,
    actor: str,
    message: str,
    before_start: Callable[[], object],
    watcher: Watcher = UNWATCHED,
    start: Resumption | None = None,
) -> Run:
    from orchestra_nb.engine.drivers import set_driver
    from orchestra_nb.engine.reruns import continuing
    from orchestra_nb.engine.run_codes import call_flow, load_code
    from orchestra_nb.engine.task_codes import call_task
    from orchestra_nb.operations.script_driver import ScriptDriver
    from orchestra_nb.store.run_code_store import RunCodeStore

    if run.kind is RunKind.NOTEBOOK:
        index = None if start is None else start.fresh_from_index
        return _run_notebook_again(store, run, actor, message, before_start, watcher, index)
    if run.kind is RunKind.INTERACTIVE:
        raise CodeNotFound(f"Run {run.name} cannot be run again in place. {way_of_notebook(store, run)}")
    code = RunCodeStore(store.database).find(run.run_id)
    if code is None:
        raise CodeNotFound(
            f"Run {run.name} cannot be run again: what it executed was not recorded. {way_without_code(store, run)}"
        )
    owner, parameters = load_code(code)
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
            fresh_from_task=None if start is None else start.fresh_from_task,
        )
        if not driver.reopen(store, run, reopened):
            raise Conflict(f"Run {run.name} is being run again by somebody else.")
        close_letters(store, run, actor, reopened.at)
        set_driver(driver)
        again = msgspec.structs.replace(store.get_run(run.run_id), state=State.PENDING)
        with continuing(again):
            if code.call:
                call_task(owner, parameters, code.call)
            else:
                call_flow(owner, parameters)
        driver.sink.flush(_FLUSH_SECONDS)
    finally:
        set_driver(None)
        driver.close()
    return store.get_run(run.run_id)


def _run_notebook_again(
    store: RunStore,
    run: Run,
    actor: str,
    message: str,
    before_start: Callable[[], object],
    watcher: Watcher,
    fresh_from_index: int | None = None,
) -> Run:
    """Run the notebook of a run again, as it was, and return the run as it ended then."""
    from orchestra_nb.operations.run_notebook import NotebookDriver
    from orchestra_nb.operations.run_snapshot import request_again

    try:
        request = request_again(run, fresh_from_index)
    except CodeNotFound as error:
        raise CodeNotFound(
            f"Run {run.name} cannot be run again in place. {error} {way_of_notebook(store, run)}"
        ) from error
    with _cluster_of_sweep(run) as cluster:
        before_start()
        reopened = RunReopened(
            run_id=run.run_id,
            at=datetime.now(UTC),
            epoch=run.epoch + 1,
            driver_id="",
            actor=actor,
            message=message,
            fresh_from_index=fresh_from_index,
        )
        driver = NotebookDriver(request, kind="shell", reopened=reopened, on_event=watcher.on_event, cluster=cluster)
        with watcher.stopped_by(driver.stop):
            driver.execute()
    close_letters(store, run, actor, datetime.now(UTC))
    return store.get_run(run.run_id)


@contextmanager
def _cluster_of_sweep(run: Run) -> Iterator[NotebookCluster | None]:
    """Give the cluster whose workers ran the notebook, as one of a sweep; None where that was here.

    Raises
    ------
    ClusterUnavailable
        It cannot be reached.
    """
    from orchestra_nb.engine.clusters import parse_cluster

    if COMBINATION_TAG not in run.tags or parse_cluster(run.cluster or "local").kind == "local":
        yield None
        return
    from orchestra_nb.engine.notebook_cluster import NotebookCluster

    with closing(NotebookCluster(str(run.cluster))) as cluster:
        cluster.slots()
        yield cluster


def way_of_notebook(store: RunStore, run: Run) -> str:
    """Return how the code of a notebook is run again."""
    from orchestra_nb.store.leases import Leases

    if run.kind is RunKind.NOTEBOOK:
        return f"It ran a whole notebook: run that again with `{notebook_command(run)}`."
    notebook = shlex.quote(run.notebook_path or run.flow_name)
    driver = Leases(store.database).find_driver(run.driver_id) if run.driver_id is not None else None
    if driver is None or driver.ended_at is not None:
        return (
            f"Its tasks were cells of {notebook} in a kernel that has gone, and what they read was in that kernel's "
            "memory. Open the notebook and run its cells from the top."
        )
    return f"Its tasks are cells of {notebook}, whose kernel (pid {driver.pid}) lives: run the cells again there."


def notebook_command(run: Run) -> str:
    """Return the command that runs the notebook of a run as it is now, with the parameters that the run had."""
    words = (shlex.quote(run.notebook_path or run.flow_name), *(_flag_of(*item) for item in run.parameters.items()))
    return f"orchestra run {' '.join(words)}"


def _flag_of(name: str, value: object) -> str:
    """Return what gives a parameter its recorded value on a command line."""
    if isinstance(value, dict) and set(value) == {SECRET_KEY}:
        return f"--secret {shlex.quote(name)} {shlex.quote(str(value[SECRET_KEY]))}"
    if value == HIDDEN:
        return f"--secret {shlex.quote(name)} -"
    plain = to_readable(value)
    text = json.dumps(plain, ensure_ascii=False) if isinstance(plain, dict | list) else str(plain)
    return f"-p {shlex.quote(name)} {shlex.quote(text)}"


def way_without_code(store: RunStore, run: Run) -> str:
    """Return how a flow or a task is run again whose code was not kept."""
    if run.parent_run_id is None:
        return "Start a new run."
    caller = store.get_run(run.parent_run_id)
    if caller.kind in (RunKind.NOTEBOOK, RunKind.INTERACTIVE):
        return f"It is a subflow; run {caller.name} called it. {way_of_notebook(store, caller)}"
    return f"It is a subflow: run the one that called it again with `orchestra runs retry {typed_run(caller)}`."


def _close(store: RunStore, letter: DeadLetter, actor: str, note: str) -> None:
    close_dead_letter(store, letter.letter_id, LetterState.RETRIED, actor=actor, now=datetime.now(UTC), note=note)


def close_letters(store: RunStore, run: Run, actor: str, now: datetime) -> None:
    """Close what is open of the run's earlier epochs: it is being retried."""
    from orchestra_nb.store.dead_letter_store import DeadLetterStore

    DeadLetterStore(store.database).close_retried(run.run_id, run.epoch, actor, now, "its run was retried")


def _why_not(run: Run) -> str:
    if is_suspended(run):
        return f"Run {run.name} is suspended. Let it go on with `orchestra runs resume {typed_run(run)}`."
    if run.state is State.PAUSED:
        return f"Run {run.name} is paused. Let it go on with `orchestra runs resume {typed_run(run)}`."
    if not run.state.is_terminal:
        return f"Run {run.name} is {run.state}: it can be retried when it has ended. `orchestra runs cancel` ends it."
    return f"Run {run.name} is {run.state}: there is nothing to retry. Start a new run."
