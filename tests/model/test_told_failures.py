"""Which failure a message is about, against the table that its twin in the browser is tested against, too."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.model.runs import ErrorInfo, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.model.told_failures import errors_of, is_told, without_told

TABLE = Path(__file__).parent.parent.parent / "labextension" / "tests" / "toldFailures.json"


@pytest.mark.parametrize("row", json.loads(TABLE.read_text(encoding="utf-8")), ids=lambda row: str(row["case"]))
def test_a_message_is_about_an_error_that_it_quotes(row: dict[str, str | bool]) -> None:
    now = datetime.now(UTC)
    error = ErrorInfo(type=str(row["type"]), message=str(row["error"]))
    task = TaskRun(
        task_run_id=fresh_id(now), run_id=fresh_id(now), name="clean", state=State.FAILED, created_at=now, error=error
    )

    told = errors_of([task])

    assert is_told(str(row["message"]), told) == row["told"]
    assert (without_told(f"clean failed: {row['message']}", told) != f"clean failed: {row['message']}") == row["told"]
