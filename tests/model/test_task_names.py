"""Names of task runs: what the engine puts behind the name of a task is told from what belongs to it."""

from __future__ import annotations

import pytest

from orchestra_nb.model.task_names import without_number


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
