"""Attempts in the caller's own thread, and who cancels them when."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from orchestra_nb.engine.direct_call import DirectCall
from orchestra_nb.model.attempts import AttemptResult
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.state_machine import TaskPlan
from orchestra_nb.model.states import State


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
@pytest.mark.parametrize(
    ("cancel_at", "attempts", "states"),
    [
        (None, [], [State.CANCELLING, State.CANCELLED]),
        (State.RETRYING, [1], [State.RUNNING, State.RETRYING, State.CANCELLED]),
        (State.RUNNING, [1], [State.RUNNING, State.CANCELLING, State.CANCELLED]),
    ],
    ids=["before", "before the second attempt", "while it runs"],
)
def test_no_attempt_begins_after_a_cancel(
    cancel_at: State | None, attempts: list[int], states: list[State], is_async: bool
) -> None:
    seen: list[tuple[State, str]] = []
    begun: list[int] = []

    def announce(change: object) -> None:
        seen.append((change.state, change.message))  # type: ignore[attr-defined]
        if change.state is cancel_at:  # type: ignore[attr-defined]
            call.cancel("early")

    def fail(number: int) -> AttemptResult:
        begun.append(number)
        now = datetime.now(UTC)
        return AttemptResult(Outcome(state=State.FAILED, started_at=now, ended_at=now))

    async def fail_later(number: int) -> AttemptResult:
        return fail(number)

    plan = TaskPlan(task_run_id="task", run_id="run", name="fail", retry=RetryPolicy(retries=1))
    call = DirectCall(plan, announce)
    if cancel_at is None:
        call.cancel("early")

    if is_async:
        asyncio.run(call.run_async(fail_later))
    else:
        call.run(fail)

    assert begun == attempts
    assert [state for state, _ in seen] == states
    assert seen[-1] == (State.CANCELLED, "early")
