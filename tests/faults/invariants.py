"""What must hold after each fault: the invariants I1 and I3 to I8 of the design, as far as a store and a machine tell.

``assert_invariants`` reads the store; ``nothing_is_left`` looks for what a run may have left on this machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import psutil
import sqlalchemy as sa

from orchestra_nb.model.runs import Run, TaskRun
from orchestra_nb.model.states import REOPENABLE_STATES, State, may_follow
from orchestra_nb.services.process_watch import is_alive
from orchestra_nb.store.code_tables import held_slots
from orchestra_nb.store.database import open_database
from orchestra_nb.store.leases import Leases
from orchestra_nb.store.run_store import RunStore, StateChange
from tests.patience import PATIENCE_SECONDS

#: How often an attempt that was lost to its infrastructure is repeated, where a test sets nothing else.
INFRASTRUCTURE_BUDGET = 1


def assert_invariants(store: RunStore, run_id: str, infrastructure_budget: int = INFRASTRUCTURE_BUDGET) -> None:
    """Assert that a run and its tasks ended once, along the state graph, with words that say why, and for good."""
    run, tasks, changes = store.get_run(run_id), store.task_runs(run_id), store.state_changes(run_id)
    _assert_ended_once(store, run, tasks, changes)
    _assert_path(changes)
    _assert_attempts(tasks, changes, infrastructure_budget)
    _assert_words(run, tasks)
    _assert_no_slot_held(store, tasks)
    _assert_durable(store, run, tasks, changes)


def nothing_is_left(pids: Iterable[int], folders: Iterable[Path] = ()) -> None:
    """Wait until none of these processes is alive and none of these folders there (I5)."""
    left: list[object] = [*pids, *folders]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left:
        left = [item for item in left if (item.exists() if isinstance(item, Path) else is_running(item))]
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.02)


def is_running(pid: object) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return psutil.Process(int(str(pid))).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _assert_ended_once(store: RunStore, run: Run, tasks: list[TaskRun], changes: list[StateChange]) -> None:
    """I1, for this run and for what dead drivers have left."""
    assert run.state.is_terminal
    for task in tasks:
        assert task.state.is_terminal, f"{task.name} is {task.state} in a run that is {run.state}"
    for subject, epoch in {(change.task_run_id, change.epoch) for change in changes}:
        path = [change for change in changes if (change.task_run_id, change.epoch) == (subject, epoch)]
        ends = sum(change.to_state.is_terminal for change in path)
        # one that was suspended has no end of its own
        assert ends == 1 or (ends == 0 and path[-1].to_state is State.PAUSED), path
    leases = Leases(store.database)
    for driver in leases.drivers_without_end():
        if driver.lease_until < datetime.now(UTC) and not is_alive(driver.pid, driver.process_started_at):
            assert leases.unfinished_runs_of(driver.driver_id) == []


def _assert_path(changes: list[StateChange]) -> None:
    """I7."""
    assert [change.sequence for change in changes] == sorted({change.sequence for change in changes})
    for subject in {change.task_run_id for change in changes}:
        path = [change for change in changes if change.task_run_id == subject]
        for change in path:
            assert change.from_state is None or _is_edge(change), change
        for before, after in pairwise(path):
            assert after.from_state in (before.to_state, None)
            assert after.epoch >= before.epoch


def _is_edge(change: StateChange) -> bool:
    """Tell whether a step is one of the state graph, or opens the next epoch from a state that allows it."""
    assert change.from_state is not None
    if change.to_state is State.SCHEDULED and change.epoch > 1:
        return change.from_state in REOPENABLE_STATES | {State.PAUSED}
    return may_follow(change.from_state, change.to_state)


def _assert_attempts(tasks: list[TaskRun], changes: list[StateChange], infrastructure_budget: int) -> None:
    """I4: what the infrastructure cost is counted apart."""
    for task in tasks:
        assert task.attempt <= task.max_attempts + infrastructure_budget, task
        mine = [change for change in changes if change.task_run_id == task.task_run_id and change.epoch == task.epoch]
        lost = [
            change for change in mine if change.to_state is State.RETRYING and "infrastructure budget" in change.message
        ]
        assert len(lost) <= infrastructure_budget
        assert task.attempt - len(lost) <= task.max_attempts


def _assert_words(run: Run, tasks: list[TaskRun]) -> None:
    """I6: the cause, and for what was not the user's code also the task and the attempt."""
    for record in (run, *tasks):
        assert len(record.message) <= 2000
        assert record.message or record.state is State.COMPLETED, f"{record.name} does not say why it is {record.state}"
    for task in tasks:
        if task.state is State.CRASHED and task.attempt:
            assert f"attempt {task.attempt}" in task.message
            assert task.name in task.message
        if task.state is State.FAILED:
            assert task.error is not None
            # a state that user code returned speaks for itself
            assert task.error.type in task.message or task.message == task.error.message


def _assert_no_slot_held(store: RunStore, tasks: list[TaskRun]) -> None:
    """I5: an ended task holds no slot; one whose driver died at most until its lease runs out."""
    slots = held_slots
    ended = [task.task_run_id for task in tasks]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        is_held = sa.and_(slots.c.task_run_id.in_(ended), slots.c.until > datetime.now(UTC))
        with store.database.connect() as connection:
            held = connection.execute(sa.select(slots).where(is_held)).all()
        if not held:
            return
        assert time.monotonic() < deadline, held
        time.sleep(0.05)


def _assert_durable(store: RunStore, run: Run, tasks: list[TaskRun], changes: list[StateChange]) -> None:
    """I3 and I8: another process that opens the store finds the same, in a sound file."""
    database = open_database(store.database.url, may_create=False)
    try:
        reopened = RunStore(database)
        assert reopened.get_run(run.run_id) == run
        assert reopened.task_runs(run.run_id) == tasks
        assert reopened.state_changes(run.run_id) == changes
        if database.path is not None:
            with database.connect() as connection:
                assert connection.execute(sa.text("PRAGMA integrity_check")).scalar_one() == "ok"
    finally:
        database.close()
