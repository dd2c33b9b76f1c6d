"""Records: they survive the way between processes, and changes apply only along the state graph."""

from __future__ import annotations

import pickle
import secrets
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from orchestra_nb import errors
from orchestra_nb.model.conclusion import conclude
from orchestra_nb.model.durations import parse_duration
from orchestra_nb.model.events import (
    RunCreated,
    RunStateChanged,
    TaskRunStateChanged,
    apply_to_run,
    apply_to_task,
    decode_event,
    encode_event,
)
from orchestra_nb.model.identifiers import new_id, run_name
from orchestra_nb.model.jsonable import from_stored, to_readable, to_stored
from orchestra_nb.model.retries import RetryPolicy, parse_delays
from orchestra_nb.model.runs import ErrorInfo, Run, RunKind, TaskRun
from orchestra_nb.model.states import TERMINAL_STATES, TRANSITIONS, State

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def task(name: str = "load", state: State = State.PENDING) -> TaskRun:
    return TaskRun(task_run_id=f"id-{name}", run_id="run", name=name, state=state, created_at=NOW)


def change(state: State, **fields: object) -> TaskRunStateChanged:
    return TaskRunStateChanged(run_id="run", task_run_id="id-load", state=state, at=NOW, **fields)  # type: ignore[arg-type]


def test_event_survives_its_encoding() -> None:
    run = Run(
        run_id="1", name="calm-fox", flow_name="report", kind=RunKind.NOTEBOOK, state=State.PENDING, created_at=NOW
    )

    assert decode_event(encode_event(RunCreated(run=run))) == RunCreated(run=run)


def test_task_follows_the_state_graph_and_keeps_its_times() -> None:
    running = apply_to_task(task(), change(State.RUNNING, attempt=1, worker="worker 1"))
    later = msgspec.structs.replace(change(State.COMPLETED, attempt=1), at=NOW + timedelta(seconds=3))
    done = apply_to_task(running, later)

    assert (done.state, done.started_at, done.ended_at, done.worker) == (
        State.COMPLETED,
        NOW,
        NOW + timedelta(seconds=3),
        "worker 1",
    )


def test_terminal_state_absorbs_late_changes() -> None:
    done = apply_to_task(task(), change(State.COMPLETED))

    assert apply_to_task(done, change(State.FAILED)) is done


def test_change_of_another_epoch_is_refused() -> None:
    record = task()

    assert apply_to_task(record, change(State.RUNNING, epoch=2)) is record


def test_error_of_an_earlier_attempt_is_gone_when_the_next_one_runs() -> None:
    error = ErrorInfo(type="ValueError", message="no")
    retrying = apply_to_task(task(state=State.RUNNING), change(State.RETRYING, error=error))

    assert retrying.error == error
    assert apply_to_task(retrying, change(State.RUNNING)).error is None


def test_run_ends_once() -> None:
    run = Run(run_id="1", name="n", flow_name="f", kind=RunKind.NOTEBOOK, state=State.RUNNING, created_at=NOW)
    ended = apply_to_run(run, RunStateChanged(run_id="1", state=State.CRASHED, at=NOW, message="kernel died"))

    assert (ended.state, ended.ended_at, ended.message) == (State.CRASHED, NOW, "kernel died")
    assert apply_to_run(ended, RunStateChanged(run_id="1", state=State.COMPLETED, at=NOW)) is ended


def test_no_state_follows_a_terminal_one() -> None:
    assert [TRANSITIONS[state] for state in TERMINAL_STATES] == [frozenset()] * len(TERMINAL_STATES)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param([State.COMPLETED, State.COMPLETED], (State.COMPLETED, ""), id="all well"),
        pytest.param([], (State.COMPLETED, ""), id="no tasks"),
        pytest.param(
            [State.COMPLETED, State.CRASHED],
            (State.FAILED, "Task t1 crashed: why (1 crashed)"),
            id="a crashed child fails the run",
        ),
        pytest.param(
            [State.UPSTREAM_FAILED, State.FAILED],
            (State.FAILED, "Task t1 failed: why (1 upstream failed, 1 failed)"),
            id="the cause is named before what came of it",
        ),
        pytest.param([State.COMPLETED, State.CANCELLED], (State.CANCELLED, "Cancelled: t1"), id="cancelled"),
    ],
)
def test_run_is_concluded_from_its_tasks(states: list[State], expected: tuple[State, str]) -> None:
    tasks = [msgspec.structs.replace(task(f"t{i}", state), message="why") for i, state in enumerate(states)]

    assert conclude(tasks) == expected


def test_last_run_of_a_task_counts() -> None:
    assert conclude([task("load", State.FAILED), task("load", State.COMPLETED)]) == (State.COMPLETED, "")


def test_ids_sort_by_time_and_differ_within_a_millisecond() -> None:
    ids = [new_id(NOW + timedelta(milliseconds=i // 2), secrets.randbits(74)) for i in range(200)]

    assert [item[:12] for item in ids] == sorted(item[:12] for item in ids)
    assert len(set(ids)) == 200
    assert {(len(item), item[12]) for item in ids} == {(32, "7")}


def test_name_belongs_to_its_id() -> None:
    first, second = (new_id(NOW, bits) for bits in (1, 2**40))

    assert run_name(first) == run_name(first) != run_name(second)


@pytest.mark.parametrize("value", [1.5, float("inf"), [float("-inf"), "x"], {"a": {"b": [1, None, True]}}])
def test_parameters_keep_non_finite_floats(value: object) -> None:
    assert from_stored(msgspec.json.decode(msgspec.json.encode(to_stored(value)))) == value


def test_people_read_non_finite_floats_as_words() -> None:
    assert to_readable({"a": [float("nan"), float("inf"), float("-inf"), 1.0]}) == {
        "a": ["NaN", "Infinity", "-Infinity", 1.0]
    }


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("2s", 2.0), ("10m", 600.0), ("1h30m", 5400.0), ("1d", 86400.0), ("7", 7.0)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "2 s", "s", "-2s", "2s3", "1m 2s", "nan"])
def test_wrong_durations_are_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


def test_retry_waits_longer_after_each_failure() -> None:
    delays, exponential = parse_delays("exp:2s:10s")
    policy = RetryPolicy(retries=4, delays_seconds=delays, exponential=exponential)

    assert [policy.delay_seconds(n) for n in (1, 2, 3, 4)] == [2.0, 4.0, 8.0, 10.0]


def test_last_delay_serves_all_later_retries() -> None:
    delays, exponential = parse_delays("1s,5s")
    policy = RetryPolicy(retries=3, delays_seconds=delays, exponential=exponential)

    assert [policy.delay_seconds(n) for n in (1, 2, 3)] == [1.0, 5.0, 5.0]


@pytest.mark.parametrize("name", [name for name in vars(errors) if isinstance(vars(errors)[name], type)])
def test_errors_cross_processes(name: str) -> None:
    error = vars(errors)[name]("what, which, and what to do")

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
