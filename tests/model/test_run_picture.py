"""What is kept of a run in a notebook: small whatever its size, failures first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestra_nb.model.events import TaskRunStateChanged
from orchestra_nb.model.run_picture import (
    MOST_GROUPS,
    MOST_OF_GROUP,
    MOST_TASKS,
    KeptPicture,
    RunPicture,
)
from orchestra_nb.model.runs import ErrorInfo, TaskRun
from orchestra_nb.model.states import State

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def task(number: int, name: str, state: State = State.PENDING, **fields: object) -> TaskRun:
    return TaskRun(task_run_id=f"{number:032x}", run_id="run", name=name, state=state, created_at=NOW, **fields)  # type: ignore[arg-type]


def change(number: int, state: State, **fields: object) -> TaskRunStateChanged:
    at = NOW + timedelta(seconds=number)
    return TaskRunStateChanged(run_id="run", task_run_id=f"{number:032x}", state=state, at=at, **fields)  # type: ignore[arg-type]


def shape(picture: KeptPicture) -> list[tuple[str, dict[str, int], list[str]]]:
    names = {group.group_id: group.name for group in picture.groups}
    return [(group.name, dict(group.counts), [names[item] for item in group.upstream]) for group in picture.groups]


def written(picture: KeptPicture) -> list[TaskRun]:
    return [task for group in picture.groups for task in group.tasks]


def test_mapped_tasks_are_one_group_and_what_needs_all_of_them_comes_after_it() -> None:
    load = task(0, "load-0", State.COMPLETED)
    mapped = [task(n, f"inc-{n}", State.COMPLETED, upstream=(load.task_run_id,)) for n in range(1, 101)]
    total = task(200, "total-0", State.RUNNING, upstream=tuple(one.task_run_id for one in mapped))

    picture = RunPicture.of(None, [load, *mapped, total]).kept()

    assert shape(picture) == [
        ("load-0", {"COMPLETED": 1}, []),
        ("inc", {"COMPLETED": 100}, ["load-0"]),
        ("total-0", {"RUNNING": 1}, ["inc"]),
    ]
    inc = picture.groups[1]
    assert (len(inc.tasks), inc.omitted) == (MOST_OF_GROUP, {"COMPLETED": 100 - MOST_OF_GROUP})
    assert all(one.upstream == () for one in written(picture))


def test_a_cell_is_a_group_of_its_own_and_edges_are_taken_where_they_are_given() -> None:
    cells = [task(n, "load", State.COMPLETED, cell_id=f"c{n}", upstream=("of an earlier run",)) for n in (1, 2)]

    picture = RunPicture.of(None, cells, [(cells[0].task_run_id, cells[1].task_run_id)]).kept()

    assert shape(picture) == [("load", {"COMPLETED": 1}, []), ("load", {"COMPLETED": 1}, ["load"])]


def test_what_failed_itself_takes_the_place_of_what_could_not_run_however_late() -> None:
    picture = RunPicture(None)
    for number in range(100):
        picture.add(task(number, f"inc-{number}"))
    for number in range(90):
        picture.change(change(number, State.UPSTREAM_FAILED))
    for number in range(90, 93):
        picture.change(change(number, State.RUNNING, attempt=1))
        picture.change(change(number, State.FAILED))

    (group,) = picture.kept().groups

    assert [one.name for one in group.tasks if one.state is State.FAILED] == ["inc-90", "inc-91", "inc-92"]
    assert group.omitted == {"UPSTREAM_FAILED": 90 - (MOST_OF_GROUP - 3), "PENDING": 7}


def test_the_picture_follows_changes_and_failures_take_the_place_of_others() -> None:
    picture = RunPicture(None)
    for number in range(1000):
        picture.add(task(number, f"inc-{number}"))
    for number in range(1000):
        picture.change(change(number, State.RUNNING, attempt=1))
        if number % 100 == 99:
            picture.change(change(number, State.FAILED, error=ErrorInfo(type="ValueError", message=str(number))))
        elif number < 900:
            picture.change(change(number, State.COMPLETED))

    kept = picture.kept()

    (group,) = kept.groups
    assert group.counts == {"FAILED": 10, "RUNNING": 99, "COMPLETED": 891}
    assert (group.state, group.size, kept.is_live) == ("FAILED", 1000, True)
    assert [one.name for one in group.tasks if one.state is State.FAILED] == [f"inc-{n}" for n in range(99, 1000, 100)]
    assert group.tasks[0].name == "inc-0"
    assert [one.state for one in group.tasks].count(State.RUNNING) == MOST_OF_GROUP - 11


def test_a_failure_is_written_out_also_where_the_tasks_had_ended_before() -> None:
    states = {number: State.FAILED if number == 30 else State.COMPLETED for number in range(60)}

    picture = RunPicture.of(None, [task(number, f"load-{number}", state) for number, state in states.items()]).kept()

    (group,) = picture.groups
    assert [one.name for one in group.tasks if one.state is State.FAILED] == ["load-30"]
    assert (len(group.tasks), group.omitted) == (MOST_OF_GROUP, {"COMPLETED": 60 - MOST_OF_GROUP})


def test_a_change_that_comes_late_or_twice_or_of_an_unknown_task_changes_nothing() -> None:
    picture = RunPicture.of(None, [task(number, f"a-{number}") for number in range(MOST_OF_GROUP + 1)])

    for number in (0, MOST_OF_GROUP):  # one that is written out, and one that is counted
        for state in (State.COMPLETED, State.RUNNING, State.COMPLETED):
            picture.change(change(number, state))
    picture.change(change(1000, State.FAILED))

    assert picture.kept().counts == {"PENDING": MOST_OF_GROUP - 1, "COMPLETED": 2}


@pytest.mark.parametrize("is_chain", [True, False], ids=["a chain", "names of their own"])
def test_groups_beyond_the_bound_are_counted_and_those_that_failed_are_not_lost(is_chain: bool) -> None:
    tasks = []
    for number in range(3000):
        upstream = (tasks[-1].task_run_id,) if is_chain and tasks else ()
        state = State.FAILED if number == 2500 else State.COMPLETED
        tasks.append(task(number, f"inc-{number}" if is_chain else f"task {number} x", state, upstream=upstream))

    kept = RunPicture.of(None, tasks).kept()

    assert len(kept.groups) == MOST_GROUPS
    assert kept.groups[-1].tasks[0].state is State.FAILED
    assert dict(kept.rest) == {"COMPLETED": 3000 - MOST_GROUPS}
    assert kept.counts == {"COMPLETED": 2999, "FAILED": 1}
    known = {group.group_id for group in kept.groups}
    assert all(item in known for group in kept.groups for item in group.upstream)


def test_at_most_so_many_tasks_are_written_out_the_gravest_first() -> None:
    tasks = [
        task(100 * group + number, f"step{chr(97 + group)}-{number}", State.FAILED if group == 49 else State.COMPLETED)
        for group in range(50)
        for number in range(60)
    ]

    kept = RunPicture.of(None, tasks).kept()

    assert len(written(kept)) == MOST_TASKS
    assert len(kept.groups[49].tasks) == MOST_OF_GROUP
    assert kept.counts == {"COMPLETED": 49 * 60, "FAILED": 60}


def test_a_cached_result_is_counted_as_such() -> None:
    picture = RunPicture.of(None, [task(1, "a-0", State.COMPLETED, is_cached=True), task(2, "a-1", State.COMPLETED)])

    assert picture.kept().counts == {"CACHED": 1, "COMPLETED": 1}
    assert not picture.kept().is_live
