"""Names of task runs: what the engine puts behind the name of a task is told from what belongs to it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestra_nb.model.runs import TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.model.task_names import task_of, told_names, without_number


def task_run(name: str, task_name: str | None = None) -> TaskRun:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    return TaskRun(task_run_id=name, run_id="1", name=name, state=State.PENDING, created_at=now, task_name=task_name)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("load-0", "load"),
        ("load-117", "load"),
        ("load-2024-0", "load-2024"),
        ("load", "load"),
        ("load-", "load-"),
        ("load-v2", "load-v2"),
        ("load2", "load2"),
        ("-1", ""),
    ],
)
def test_only_the_number_at_the_end_is_taken_from_a_name(name: str, found: str) -> None:
    assert without_number(name) == found


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["load-0", "load-1", "total-0"], ["load", "total"]),
        (["report-2024", "report-2025"], ["report-2024", "report-2025"]),
        (["load-1", "load-0", "load-7"], ["load"]),
        (["load-2024-0", "load-2024-1"], ["load-2024"]),
        (["whole", "whole-2"], ["whole", "whole-2"]),
        ([], []),
    ],
)
def test_runs_without_a_first_one_stand_for_themselves(names: list[str], told: list[str]) -> None:
    assert told_names(task_run(name) for name in names) == told


def test_runs_that_know_their_task_are_known_by_that() -> None:
    runs = [task_run("load-0"), task_run("report-2024", "load_year"), task_run("report-0", "load_year")]

    assert told_names(runs) == ["load", "load_year"]
    assert [task_of(run) for run in runs] == ["load", "load_year", "load_year"]
