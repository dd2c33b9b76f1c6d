"""States as a user's code sees them."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from orchestra_nb.engine.run_states import PREFECT_NAMES, model_state_of, state_of, state_of_returned
from orchestra_nb.errors import TaskCrashed, TaskFailed, TaskTimedOut, TaskWasCancelled, UpstreamFailed
from orchestra_nb.model import states as model
from orchestra_nb.states import (
    Cancelled,
    Completed,
    Crashed,
    Failed,
    Pending,
    Running,
    State,
    get_state_exception,
    raise_state_exception,
)

OK = state_of(model.State.COMPLETED, data=1)
BAD = state_of(model.State.FAILED, data=ValueError("bad"))


@pytest.mark.parametrize("ours", list(model.State))
def test_each_state_of_ours_has_a_name_in_prefects_words_and_comes_back(ours: model.State) -> None:
    state = state_of(ours)

    assert (state.type, state.name) == PREFECT_NAMES[ours]
    assert model_state_of(state) is ours
    assert state.is_final() is ours.is_terminal


@pytest.mark.parametrize(
    ("returned", "kind", "message"),
    [
        (None, "COMPLETED", None),
        (3, "COMPLETED", None),
        ([], "COMPLETED", None),
        ({"a": BAD}, "COMPLETED", None),
        (("bar", BAD), "COMPLETED", None),
        (OK, "COMPLETED", "All states completed."),
        (BAD, "FAILED", "1/1 states failed."),
        ([OK, OK], "COMPLETED", "All states completed."),
        ((OK, BAD), "FAILED", "1/2 states failed."),
        ({OK, BAD}, "FAILED", "1/2 states failed."),
        (Completed(message="fine", name="Skipped"), "COMPLETED", "fine"),
        (Failed("on purpose"), "FAILED", "on purpose"),
        (Cancelled("stop"), "CANCELLED", "stop"),
    ],
    ids=["nothing", "value", "empty", "in a dict", "with other values", "good", "bad", "all good", "a bad one",
         "set", "manual and named", "manual failure", "manual cancellation"],
)  # fmt: skip
def test_final_state_by_what_was_returned(returned: object, kind: str, message: str | None) -> None:
    state = state_of_returned(returned)

    assert (state.type.value, state.message) == (kind, message)


def test_states_of_several_tasks_are_what_the_flow_gives() -> None:
    assert state_of_returned([OK, OK]).result() == [OK, OK]
    assert state_of_returned((OK, BAD)).result(raise_on_failure=False) == (OK, BAD)
    with pytest.raises(ValueError, match="bad"):
        state_of_returned((OK, BAD)).result()


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (state_of(model.State.FAILED, "m"), TaskFailed),
        (state_of(model.State.TIMED_OUT, "m"), TaskTimedOut),
        (state_of(model.State.CRASHED, "m"), TaskCrashed),
        (state_of(model.State.CANCELLED, "m"), TaskWasCancelled),
        (state_of(model.State.UPSTREAM_FAILED, "m"), UpstreamFailed),
        (Crashed("m"), TaskCrashed),
        (Failed(data="m"), TaskFailed),
        (Failed(data=[OK, Failed("m")]), TaskFailed),
    ],
    ids=["failed", "timed out", "crashed", "cancelled", "upstream", "manual crash", "text as data", "states as data"],
)
def test_a_state_that_is_no_success_raises_its_own_exception(state: State[Any], error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        state.result()

    assert str(raised.value) == "m"
    assert type(get_state_exception(state)) is error
    with pytest.raises(error):
        raise_state_exception(state)


def test_result_of_what_has_not_ended_is_refused() -> None:
    for state in (Pending(), Running()):
        with pytest.raises(RuntimeError, match=f"The run is {state.name}"):
            state.result(raise_on_failure=False)


def test_the_value_of_a_state_is_loaded_once_when_it_is_asked_for() -> None:
    loads: list[int] = []
    state = state_of(model.State.COMPLETED, load=lambda: loads.append(1) or "value")

    assert (loads, state.result(), state.result(), loads) == ([1], "value", "value", [1])


def test_a_state_survives_a_pickle() -> None:
    state = pickle.loads(pickle.dumps(Failed("m", data=ValueError("x"))))

    assert (state, type(state.data)) == (Failed("m"), ValueError)


def test_made_states_are_equal_by_their_words_and_states_of_runs_by_themselves() -> None:
    assert Completed(message="a") == Completed(message="a") != Completed(message="b")
    assert state_of(model.State.COMPLETED) != state_of(model.State.COMPLETED)
    assert len({OK, state_of(model.State.COMPLETED, data=1)}) == 2
