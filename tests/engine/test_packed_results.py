"""A packed result comes back as it was, and is small."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from orchestra_nb.engine.packed_results import pack_result, unpack_result
from orchestra_nb.engine.returned_values import PackedReturn, info_of, pack_return
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


LARGE = b"x" * 100_000


def returned(value: object, outcome: Outcome = DONE, **fields: object) -> AttemptResult:
    """Return the result of a function that returned a value."""
    packed = pack_return(value)
    return AttemptResult(msgspec.structs.replace(outcome, values=info_of(value, packed), **fields), (packed,))


@pytest.mark.parametrize(
    "result",
    [
        AttemptResult(DONE),
        leave(DONE, {"value": 3, "other": [1, 2]}),
        AttemptResult(FULL, (b"a", None)),
        returned(3),
        returned([1, 2], is_cached=True, may_retry=False),
        returned(3, worker="\udc80"),
        returned(3, FULL),
        returned(3, outputs=[{"output_type": "stream"}]),
        AttemptResult(DONE, (PackedReturn(b"data", (LARGE,), (True,)),)),
        AttemptResult(DONE, (None,)),
    ],
    ids=[
        "nothing",
        "two values",
        "all fields",
        "returned",
        "returned from a cache",
        "name that is no text",
        "returned and failed",
        "returned and shown",
        "large buffer",
        "value elsewhere",
    ],
)
def test_a_packed_result_comes_back_as_it_was(result: AttemptResult) -> None:
    assert unpack_result(pack_result(result)) == result


def test_a_small_value_takes_little_more_than_itself() -> None:
    assert len(pack_result(leave(DONE, {"value": 3}))) < 150
    assert len(pack_result(returned(3))) < 60


def test_a_group_that_cannot_be_pickled_is_said() -> None:
    with pytest.raises(TypeError, match="pickle"):
        pack_result(AttemptResult(DONE, ((number for number in range(3)),)))
