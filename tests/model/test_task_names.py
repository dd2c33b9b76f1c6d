"""Names of task runs: what the engine puts behind the name of a task is told from what belongs to it."""

from __future__ import annotations

import pytest

from orchestra_nb.model.task_names import told_names, without_number


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
    assert told_names(names) == told
