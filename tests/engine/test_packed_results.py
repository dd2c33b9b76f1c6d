"""A packed result comes back as it was, and is small."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from orchestra_nb.engine.packed_results import pack_result, unpack_result
from orchestra_nb.model.attempts import AttemptResult
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.model.states import State
from tests.engine.attempt_bodies import leave

NOW = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
DONE = Outcome(state=State.COMPLETED, started_at=NOW, ended_at=NOW + timedelta(microseconds=1), worker="w", pid=12345)
FULL = msgspec.structs.replace(
    DONE,
    state=State.FAILED,
    error=ErrorInfo(type="ValueError", message="oh", traceback="trace"),
    not_portable={"lock": "cannot be pickled"},
    deleted=("gone",),
    outputs=[{"output_type": "stream", "name": "stdout", "text": "line\n"}],
    exception=b"pickled",
)


@pytest.mark.parametrize(
    "result",
    [AttemptResult(DONE), leave(DONE, {"value": 3, "other": [1, 2]}), AttemptResult(FULL, (b"a", None))],
    ids=["nothing", "two values", "all fields"],
)
def test_a_packed_result_comes_back_as_it_was(result: AttemptResult) -> None:
    assert unpack_result(pack_result(result)) == result


def test_a_small_value_takes_little_more_than_itself() -> None:
    assert len(pack_result(leave(DONE, {"value": 3}))) < 150


def test_a_group_that_cannot_be_pickled_is_said() -> None:
    with pytest.raises(TypeError, match="pickle"):
        pack_result(AttemptResult(DONE, ((number for number in range(3)),)))
