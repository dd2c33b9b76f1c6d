"""What must hold after each fault (the invariants I1, I4, I6, I7, I8 that a store can tell)."""

from __future__ import annotations

from itertools import pairwise

import sqlalchemy as sa

from orchestra_nb.model.states import REOPENABLE_STATES, State, may_follow
from orchestra_nb.store.run_store import RunStore, StateChange

#: 1 + retries + the infrastructure budget of the tests
MAX_ATTEMPTS = 5


def assert_invariants(store: RunStore, run_id: str) -> None:
    """Assert that a run and its tasks ended once, along the state graph, with words that say why."""
    run = store.get_run(run_id)
    assert run.state.is_terminal
    assert len(run.message) <= 2000
    if run.state is not State.COMPLETED:
        assert run.message, "a run that ended otherwise than well says why"
    for task in store.task_runs(run_id):
        assert task.state.is_terminal, f"{task.name} is {task.state} in a run that is {run.state}"
        assert task.attempt <= min(MAX_ATTEMPTS, task.max_attempts + 1)
        if task.state is not State.COMPLETED:
            assert task.message
    changes = store.state_changes(run_id)
    assert [change.sequence for change in changes] == sorted({change.sequence for change in changes})
    for subject in {change.task_run_id for change in changes}:
        path = [change for change in changes if change.task_run_id == subject]
        for change in path:
            assert change.from_state is None or is_edge(change), change
        for before, after in pairwise(path):
            assert after.from_state in (before.to_state, None)
        ends = [change.epoch for change in path if change.to_state.is_terminal]
        assert len(ends) == len(set(ends)), "an epoch has ended twice"
        assert path[-1].to_state.is_terminal
    if store.database.path is not None:
        with store.database.connect() as connection:
            assert connection.execute(sa.text("PRAGMA integrity_check")).scalar_one() == "ok"


def is_edge(change: StateChange) -> bool:
    """Tell whether a step is one of the state graph, or opens the next epoch from a state that allows it."""
    assert change.from_state is not None
    if change.to_state is State.SCHEDULED and change.epoch > 1:
        return change.from_state in REOPENABLE_STATES | {State.PAUSED}
    return may_follow(change.from_state, change.to_state)
