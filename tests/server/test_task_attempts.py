"""``GET /runs/{run}/task-attempts``: when each attempt of a task began and ended."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from example_runs import NOON, run_of, task_of

from orchestra_nb.model.events import Event, RunCreated, TaskRunCreated, TaskRunStateChanged
from orchestra_nb.model.states import State

RUN = run_of(1, name="calm-fox", state=State.RUNNING)
ONCE, TWICE = task_of(RUN, "once"), task_of(RUN, "twice", max_attempts=3)


def became(task, state: State, seconds: int, attempt: int, message: str = "") -> Event:
    at = NOON + timedelta(seconds=seconds)
    return TaskRunStateChanged(
        run_id=RUN.run_id, task_run_id=task.task_run_id, state=state, at=at, attempt=attempt, message=message
    )


async def attempts_of(jp_fetch, run: str) -> list[tuple[object, ...]]:
    response = await jp_fetch("orchestra", "api", "v1", "runs", run, "task-attempts")
    return [
        (one["task_run_id"], one["number"], one["state"], one["started_at"], one["ended_at"], one["message"])
        for one in json.loads(response.body)["attempts"]
    ]


def moment(seconds: int) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


async def test_each_attempt_of_a_task_that_was_retried_has_its_times(jp_fetch, store) -> None:
    store.apply([RunCreated(run=RUN), *(TaskRunCreated(task_run=task) for task in (ONCE, TWICE))])
    store.apply([became(ONCE, State.RUNNING, 1, 1), became(TWICE, State.RUNNING, 1, 1)])
    store.apply([became(ONCE, State.COMPLETED, 2, 1), became(TWICE, State.RETRYING, 3, 1, "attempt 1 failed")])
    store.apply([became(TWICE, State.RUNNING, 8, 2)])

    running = await attempts_of(jp_fetch, "calm-fox")
    store.apply([became(TWICE, State.COMPLETED, 9, 2)])
    ended = await attempts_of(jp_fetch, RUN.run_id)

    first = (TWICE.task_run_id, 1, "RETRYING", moment(1), moment(3), "attempt 1 failed")
    assert running == [first, (TWICE.task_run_id, 2, "RUNNING", moment(8), None, "")]
    assert ended == [first, (TWICE.task_run_id, 2, "COMPLETED", moment(8), moment(9), "")]


async def test_what_comes_between_a_beginning_and_its_end_is_of_the_same_attempt(jp_fetch, store) -> None:
    store.apply([RunCreated(run=RUN), TaskRunCreated(task_run=TWICE)])
    store.apply([became(TWICE, State.RUNNING, 1, 1), became(TWICE, State.RETRYING, 2, 1)])
    store.apply([became(TWICE, State.RUNNING, 3, 2), became(TWICE, State.CANCELLING, 4, 2)])
    store.apply([became(TWICE, State.CANCELLED, 5, 2)])

    found = await attempts_of(jp_fetch, "calm-fox")

    assert [one[1:5] for one in found] == [
        (1, "RETRYING", moment(1), moment(2)),
        (2, "CANCELLED", moment(3), moment(5)),
    ]


async def test_the_attempts_of_many_tasks_come_page_by_page(jp_fetch, store) -> None:
    tasks = [task_of(RUN, f"t{number}", max_attempts=2) for number in range(5)]
    store.apply([RunCreated(run=RUN), *(TaskRunCreated(task_run=task) for task in (ONCE, *tasks))])
    for task in tasks[::-1]:
        store.apply([became(task, State.RUNNING, 1, 1), became(task, State.RETRYING, 2, 1)])
        store.apply([became(task, State.RUNNING, 3, 2)])
    seen: list[list[tuple[str, int]]] = []
    following: str | None = ""

    while following is not None:
        params = {"limit": 2} | ({"after": following} if following else {})
        response = await jp_fetch("orchestra", "api", "v1", "runs", "calm-fox", "task-attempts", params=params)
        page = json.loads(response.body)
        seen.append([(one["task_run_id"], one["number"]) for one in page["attempts"]])
        following = page["next"]

    ids = sorted(task.task_run_id for task in tasks)
    assert [len(page) for page in seen] == [4, 4, 2]
    assert [one for page in seen for one in page] == [(id_, number) for id_ in ids for number in (1, 2)]


@pytest.mark.parametrize("known", [True, False])
async def test_a_run_without_retries_has_none_and_an_unknown_one_is_not_found(jp_fetch, store, known: bool) -> None:
    store.apply([RunCreated(run=RUN), TaskRunCreated(task_run=ONCE)])

    if known:
        assert await attempts_of(jp_fetch, "calm-fox") == []
    else:
        with pytest.raises(Exception, match="404"):
            await attempts_of(jp_fetch, "no-such")
