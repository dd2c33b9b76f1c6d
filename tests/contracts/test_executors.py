"""The contract of an executor, held by every implementation on every kind of cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import dask
import distributed  # noqa: F401  # its configuration goes with whatever was set before it was there
import pytest

from orchestra_nb.engine.dask_executor import DaskExecutor
from orchestra_nb.engine.executors import (
    AttemptAsked,
    AttemptBegan,
    AttemptEmitted,
    AttemptEnded,
    AttemptLost,
    AttemptRequest,
    AttemptShowed,
    Executor,
)
from orchestra_nb.engine.thread_executor import ThreadExecutor
from orchestra_nb.errors import Conflict, TaskCrashed
from orchestra_nb.model.events import RunOutputWritten
from orchestra_nb.model.states import State
from tests.engine import attempt_bodies as bodies
from tests.engine.attempt_bodies import Body, TwoValues, value_of
from tests.engine.call_bodies import as_call
from tests.engine.executor_probe import ExecutorProbe

CLUSTERS: dict[str, str | Mapping[str, object]] = {
    "local cluster": "local",
    "cluster class": {
        "class": "distributed.LocalCluster",
        "n_workers": 1,
        "threads_per_worker": 1,
        "dashboard_address": ":0",
    },
}


#: What only processes can do: be ended by force, hold copies, have names, and wait for values of other workers.
needs_processes = pytest.mark.parametrize(
    "executor_probe", list(CLUSTERS.values()), ids=list(CLUSTERS), indirect=True, scope="module"
)


@pytest.fixture(scope="module", params=[*CLUSTERS.values(), None], ids=[*CLUSTERS, "threads"])
def executor_probe(request: pytest.FixtureRequest) -> Iterator[ExecutorProbe]:
    executor: Executor
    if request.param is None:
        executor = ThreadExecutor(max_workers=2)
    else:
        executor = DaskExecutor(request.param, workers=2, idle_seconds=30)
    # 15 s after a worker died, LocalCluster looks whether it is back, and gives its place up where the next one has
    # just died too: these tests kill more often than that
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"}):
        yield ExecutorProbe(executor).open()
        executor.close()


@pytest.fixture(params=[lambda body: body, as_call], ids=["bodies", "calls"])
def probe(executor_probe: ExecutorProbe, request: pytest.FixtureRequest) -> ExecutorProbe:
    """Return a probe that starts bodies as they are, or as calls that may share chunks."""
    executor_probe.convert = request.param
    return executor_probe


def test_an_attempt_begins_once_and_ends_once(probe: ExecutorProbe) -> None:
    key = probe.start(Body(bodies.add, (1, 2)))

    ended = probe.end_of(key)

    assert isinstance(ended, AttemptEnded)
    assert ended.outcome.state is State.COMPLETED
    assert [type(event) for event in probe.events_of(key)] == [AttemptBegan, AttemptEnded]
    assert value_of(probe.executor.fetch(key, ["value"])) == 3


def test_the_worker_that_began_it_is_the_one_in_its_outcome(probe: ExecutorProbe) -> None:
    key = probe.start(Body(bodies.add))

    ended = probe.end_of(key)

    assert isinstance(ended, AttemptEnded)
    assert ended.outcome.worker == probe.wait_until_begun(key).worker != ""


def test_a_key_is_started_once_only(probe: ExecutorProbe, tmp_path: Path) -> None:
    count = tmp_path / "count"
    key = probe.start(Body(bodies.add, (), count))
    request = AttemptRequest(
        key=key, run_id="run", task_run_id="t", name="n", attempt=1, body=Body(bodies.add, (), count)
    )

    with pytest.raises(Conflict, match="started before"):
        probe.executor.start(request)
    probe.end_of(key)

    assert count.read_bytes() == b"x"


def test_a_downstream_attempt_gets_a_small_value(probe: ExecutorProbe) -> None:
    first = probe.start(Body(bodies.add, (1, 2)))
    probe.end_of(first)

    second = probe.start(Body(bodies.add, (10,)), upstream={"first": (first, ["value"])})

    probe.end_of(second)
    assert value_of(probe.executor.fetch(second, ["value"])) == 13


def test_a_downstream_attempt_gets_only_the_groups_that_it_needs(probe: ExecutorProbe) -> None:
    first = probe.start(TwoValues(3_000_000))
    probe.end_of(first)

    second = probe.start(Body(lambda value: value), upstream={"first": (first, ["value"])})
    third = probe.start(Body(lambda value: value), upstream={"first": (first, None)})

    probe.end_of(second)
    probe.end_of(third)
    assert value_of(probe.executor.fetch(second, ["value"])) == "small"
    assert value_of(probe.executor.fetch(third, ["value"])) == "small"


def test_fetch_returns_the_groups_of_the_names_and_none_for_the_others(probe: ExecutorProbe) -> None:
    key = probe.start(TwoValues(3_000_000))
    ended = probe.end_of(key)

    small = probe.executor.fetch(key, ["value"], 30)
    large = probe.executor.fetch(key, ["large"], 30)

    assert isinstance(ended, AttemptEnded)
    assert (value_of(small), small.groups[1]) == ("small", None)
    assert (len(bytes(str(value_of(large, "large")), "ascii")) > 3_000_000, large.groups[0]) == (True, None)
    assert small.outcome == ended.outcome


def test_values_can_be_fetched_while_all_workers_are_busy(probe: ExecutorProbe, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    done = probe.start(TwoValues(3_000_000))
    probe.end_of(done)
    busy = [probe.start(Body(bodies.wait_for, (gate,))) for _ in range(4)]
    probe.wait_until_begun(busy[0])

    assert value_of(probe.executor.fetch(done, ["value"], 30)) == "small"

    gate.touch()
    for key in busy:
        probe.end_of(key)


def test_released_values_are_gone(probe: ExecutorProbe) -> None:
    key = probe.start(Body(bodies.add))
    probe.end_of(key)

    probe.executor.release(key)
    probe.run(Body(bodies.add))  # the release has been taken when a later attempt has ended

    with pytest.raises(TaskCrashed, match="let go"):
        probe.executor.fetch(key, ["value"])


def test_what_is_shown_comes_while_the_attempt_runs_and_in_order(probe: ExecutorProbe, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    key = probe.start(bodies.Showing(100, gate))
    probe.wait_for_shown(key, "99\n")

    gate.touch()
    probe.end_of(key)

    shown = [event for event in probe.events_of(key) if isinstance(event, AttemptShowed)]
    assert [output["text"] for event in shown for output in event.outputs] == [f"{index}\n" for index in range(100)]


def test_what_is_told_of_children_comes_in_order_and_before_the_end(probe: ExecutorProbe) -> None:
    key = probe.start(bodies.Telling(30))

    probe.end_of(key)

    texts: list[object] = []
    for event in probe.events_of(key):
        if isinstance(event, AttemptShowed):
            texts += [output["text"] for output in event.outputs]
        elif isinstance(event, AttemptEmitted):
            texts += [emitted.output_path for emitted in event.events if isinstance(emitted, RunOutputWritten)]
    assert texts == [text for index in range(30) for text in (f"{index}\n", f"{index}")] + ["end\n"]
    assert isinstance(probe.events_of(key)[-1], AttemptEnded)


def test_a_question_is_answered_after_what_was_shown_before(probe: ExecutorProbe) -> None:
    key = probe.start(bodies.Asking((b"first?", b"second?"), 300))

    first = probe.wait_until_asked(key)
    probe.executor.answer(key, first.number, b"one")
    second = probe.wait_for_event(key, lambda event: isinstance(event, AttemptAsked) and event.number != first.number)
    assert isinstance(second, AttemptAsked)
    probe.executor.answer(key, second.number, b"two")

    probe.end_of(key)
    assert (first.question, second.question) == (b"first?", b"second?")
    assert value_of(probe.executor.fetch(key, ["value"])) == [b"one", b"two"]
    kinds = [type(event) for event in probe.events_of(key)]
    assert kinds == [AttemptBegan, AttemptShowed, AttemptAsked, AttemptAsked, AttemptEnded]


def test_a_question_without_an_answer_is_a_timeout(probe: ExecutorProbe) -> None:
    key = probe.start(bodies.Asking((b"first?",), 0.1))

    probe.end_of(key)

    assert value_of(probe.executor.fetch(key, ["value"])) == ["TimeoutError: The driver gave no answer in 0.1 s."]
    probe.executor.answer(key, probe.wait_until_asked(key).number, b"late")  # nothing


def test_a_stop_gets_through_a_waiting_question(probe: ExecutorProbe) -> None:
    key = probe.start(bodies.Asking((b"first?",), 300))
    probe.wait_until_asked(key)

    probe.executor.stop(key, "CANCELLED", 60)

    ended = probe.end_of(key)
    assert isinstance(ended, AttemptEnded)
    assert ended.outcome.state is State.CANCELLED


@needs_processes
def test_an_attempt_runs_on_the_worker_that_it_names(probe: ExecutorProbe) -> None:
    first = probe.start(Body(bodies.add))
    probe.end_of(first)
    worker = probe.wait_until_begun(first).worker

    keys = [probe.start(Body(bodies.add), workers=(worker,)) for _ in range(6)]

    for key in keys:
        probe.end_of(key)
    assert {probe.wait_until_begun(key).worker for key in keys} == {worker}


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (bodies.raise_error, "ValueError", "oh"),
        (bodies.raise_error, "KeyboardInterrupt", "oh"),
        (bodies.raise_error, "RecursionError", "oh"),
    ],
    ids=["ValueError", "KeyboardInterrupt", "RecursionError"],
)
def test_an_error_of_user_code_is_an_outcome(
    probe: ExecutorProbe, tmp_path: Path, error: object, kind: str, message: str
) -> None:
    count = tmp_path / "count"

    ended = probe.run(Body(bodies.raise_error, (kind,), count))

    assert isinstance(ended, AttemptEnded)
    assert ended.outcome.error is not None
    assert (ended.outcome.state, ended.outcome.error.type, ended.outcome.error.message) == (State.FAILED, kind, message)
    assert count.read_bytes() == b"x"


@pytest.mark.parametrize(("code", "words"), [(3, "task called sys.exit(3)"), (0, "task called sys.exit(0)")])
def test_sys_exit_is_a_failure_and_runs_once(probe: ExecutorProbe, tmp_path: Path, code: int, words: str) -> None:
    count = tmp_path / "count"

    ended = probe.run(Body(bodies.raise_system_exit, (code,), count))

    assert isinstance(ended, AttemptEnded)
    assert ended.outcome.error is not None
    assert (ended.outcome.state, ended.outcome.error.message) == (State.FAILED, words)
    assert count.read_bytes() == b"x"


@needs_processes
def test_a_result_that_cannot_be_pickled_is_a_failure_and_runs_once(probe: ExecutorProbe, tmp_path: Path) -> None:
    count = tmp_path / "count"

    ended = probe.run(bodies.LockInResult(count))

    assert isinstance(ended, AttemptEnded)
    assert ended.outcome.error is not None
    assert ended.outcome.state is State.FAILED
    assert "cannot be stored" in ended.outcome.error.message
    assert "lock" in ended.outcome.error.message
    assert count.read_bytes() == b"x"


@needs_processes
def test_a_dead_process_loses_its_attempt_once(probe: ExecutorProbe, tmp_path: Path) -> None:
    count = tmp_path / "count"
    key = probe.start(Body(bodies.exit_hard, (3,), count))

    lost = probe.end_of(key)

    assert isinstance(lost, AttemptLost)
    assert (lost.begun, lost.state) == (True, "CRASHED")
    assert probe.run(Body(bodies.add)).key != key  # the cluster works on, and Dask did not run the first again
    assert count.read_bytes() == b"x"
    assert [type(event) for event in probe.events_of(key)] == [AttemptBegan, AttemptLost]


def test_a_stopped_attempt_ends_in_the_state_asked_for(probe: ExecutorProbe, tmp_path: Path) -> None:
    key = probe.start(Body(bodies.wait_for, (tmp_path / "never",)))
    probe.wait_until_begun(key)

    probe.executor.stop(key, "CANCELLED", 20)

    ended = probe.end_of(key)
    assert isinstance(ended, AttemptEnded)
    assert (ended.outcome.state, ended.outcome.error) == (State.CANCELLED, None)


def test_an_attempt_stopped_before_it_begins_never_runs(probe: ExecutorProbe, tmp_path: Path) -> None:
    gate, count = tmp_path / "gate", tmp_path / "count"
    busy = [probe.start(Body(bodies.wait_for, (gate,))) for _ in range(2)]
    probe.wait_until_begun(busy[0])
    waiting = [probe.start(Body(bodies.add, (), count)) for _ in range(4)]

    probe.executor.stop(waiting[3], "CANCELLED", 1)

    lost = probe.end_of(waiting[3])
    assert lost == AttemptLost(key=waiting[3], begun=False, state="CANCELLED", reason="stopped before it began")
    gate.touch()
    for key in [*busy, *waiting[:3]]:
        probe.end_of(key)
    assert count.read_bytes() == b"xxx"


def test_a_timeout_ends_python_code_softly(probe: ExecutorProbe, tmp_path: Path) -> None:
    ended = probe.run(Body(bodies.wait_for, (tmp_path / "never",)), timeout_seconds=0.2)

    assert isinstance(ended, AttemptEnded)
    assert ended.outcome.state is State.TIMED_OUT


@needs_processes
def test_a_timeout_ends_code_that_never_comes_back(probe: ExecutorProbe) -> None:
    lost = probe.run(Body(bodies.hold_the_gil), timeout_seconds=0.3)

    assert isinstance(lost, AttemptLost)
    assert (lost.begun, lost.state) == (True, "TIMED_OUT")
    assert "longer than 0.3 s" in lost.reason
    assert isinstance(probe.run(Body(bodies.add)), AttemptEnded)


@needs_processes
def test_a_stopped_attempt_that_does_not_give_way_is_ended_by_force(probe: ExecutorProbe, tmp_path: Path) -> None:
    key = probe.start(Body(bodies.be_deaf, (tmp_path / "begun", bodies.hold_the_gil)))
    probe.wait_until_begun(key)
    bodies.wait_for(tmp_path / "begun")  # before, a stop would be followed

    probe.executor.stop(key, "CANCELLED", 0.3)

    lost = probe.end_of(key)
    assert isinstance(lost, AttemptLost)
    assert (lost.begun, lost.state) == (True, "CANCELLED")
    assert isinstance(probe.run(Body(bodies.add)), AttemptEnded)
