"""Durations as people read them, against the table that their twin in the browser is tested against, too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestra_nb.model.durations import format_duration, format_elapsed

TABLE = Path(__file__).parent.parent.parent / "labextension" / "tests" / "durations.json"


@pytest.mark.parametrize("row", json.loads(TABLE.read_text(encoding="utf-8")), ids=lambda row: str(row["seconds"]))
def test_a_duration_has_its_two_largest_units(row: dict[str, float | str]) -> None:
    seconds = float(row["seconds"])

    assert (format_duration(seconds), format_elapsed(seconds)) == (row["duration"], row["elapsed"])
