"""Calls in chunks on the local cluster when one of them dies, hangs, is stopped or leaves much: nothing for the others."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cloudpickle
import pytest

from orchestra_nb.engine.call_body import SharedPart
from orchestra_nb.engine.dask_executor import DaskExecutor
from orchestra_nb.engine.executors import (
    AttemptBegan,
    AttemptContext,
    AttemptEnded,
    AttemptLost,
    AttemptShowed,
    ExecutorEvent,
)
from orchestra_nb.errors import TaskCrashed
from orchestra_nb.model.states import State
from tests.engine.attempt_bodies import value_of
from tests.engine.call_bodies import call, share
from tests.engine.executor_probe import ExecutorProbe

cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def probe() -> Iterator[ExecutorProbe]:
    executor = DaskExecutor("local", workers=2, idle_seconds=30)
    yield ExecutorProbe(executor).open()
    executor.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A file to which each call adds a line with its number when its user code runs."""
    path = tmp_path / "log"
    path.touch()
    return path


def act(log: Path, number: int, deed: str = "", argument: object = None) -> int:
    """Note that this call ran, do what is asked, and return the number."""
    with log.open("ab", buffering=0) as file:
        file.write(f"{number}\n".encode())
    if deed == "exit":
        os._exit(int(str(argument)))
    elif deed == "kill":
        os.kill(os.getpid(), int(str(argument)))
        time.sleep(60)
    elif deed in ("wait", "wait and exit"):
        while not Path(str(argument)).exists():
            time.sleep(0.005)
        if deed == "wait and exit":
            os._exit(1)
    elif deed == "block":
        time.sleep(600)
    elif deed == "raise":
        raise ValueError(number)
    return number


def ran(log: Path) -> Counter[int]:
    """Return how often the user code of each call ran."""
    return Counter(int(line) for line in log.read_text().split())


def measured(probe: ExecutorProbe, function: object = act) -> SharedPart:
    """Return a shared part that this driver knows to be short: its calls go in chunks."""
    shared = share(function)  # type: ignore[arg-type]
    for number in range(3):
        assert isinstance(probe.run(call(shared, Path(os.devnull), number)), AttemptEnded)
    return shared


def start_chunk(probe: ExecutorProbe, shared: SharedPart, log: Path, deeds: dict[int, tuple[str, object]]) -> list[str]:
    """Start 20 calls that share a chunk or two; these do something special."""
    return probe.start_many([call(shared, log, number, *deeds.get(number, ("", None))) for number in range(20)])


def end_states_of(ends: Iterable[ExecutorEvent]) -> set[object]:
    """How calls ended; of one that was lost, that it was."""
    return {end.outcome.state if isinstance(end, AttemptEnded) else end for end in ends}


def test_two_thousand_calls_run_once_each(probe: ExecutorProbe, log: Path) -> None:
    shared = share(act)

    keys = probe.start_many([call(shared, log, number) for number in range(2000)])

    ends = [probe.end_of(key) for key in keys]
    assert end_states_of(ends) == {State.COMPLETED}
    assert ran(log) == Counter(range(2000))
    assert [value_of(probe.executor.fetch(key, ["value"])) for key in keys[::100]] == list(range(0, 2000, 100))
    kinds = Counter(tuple(type(event) for event in probe.events_of(key)) for key in keys[::50])
    assert kinds == {(AttemptBegan, AttemptEnded): 40}


@pytest.mark.parametrize(
    ("deed", "argument", "reason", "exit_code"),
    [("exit", 3, "process exited with 3", 3), ("kill", 9, "killed by SIGKILL", None)],
    ids=["os._exit(3)", "SIGKILL"],
)
def test_a_call_that_ends_its_process_takes_no_other_along(
    probe: ExecutorProbe, log: Path, deed: str, argument: int, reason: str, exit_code: int | None
) -> None:
    shared = measured(probe)

    keys = start_chunk(probe, shared, log, {5: (deed, argument)})

    ends = [probe.end_of(key) for key in keys]
    worker = probe.wait_until_begun(keys[5]).worker
    assert ends[5] == AttemptLost(
        key=keys[5], begun=True, state="CRASHED", reason=reason, worker=worker, exit_code=exit_code
    )
    others = [end for number, end in enumerate(ends) if number != 5]
    assert [end for end in others if not isinstance(end, AttemptEnded)] == []
    assert ran(log) == Counter(range(20))


def test_calls_bound_to_a_worker_that_dies_are_not_left_waiting(
    probe: ExecutorProbe, log: Path, tmp_path: Path
) -> None:
    shared = measured(probe)
    ended = probe.run(call(shared, Path(os.devnull), 0))
    assert isinstance(ended, AttemptEnded)

    workers = (ended.outcome.worker,)
    gate = tmp_path / "gate"
    deadly = probe.start(call(shared, log, 0, "wait and exit", gate), workers=workers)
    probe.wait_until_begun(deadly)
    keys = probe.start_many([call(shared, log, number, "", None) for number in range(1, 5)], workers=workers)
    gate.touch()

    ends = [probe.end_of(key) for key in (deadly, *keys)]
    lost = [end for end in ends if isinstance(end, AttemptLost)]
    assert [end.begun for end in lost] == [True, False, False, False, False]
    assert {f"has no worker named {ended.outcome.worker!r}" in end.reason for end in lost[1:]} == {True}
    assert ran(log) == Counter([0])


def test_a_failing_call_is_its_own_failure(probe: ExecutorProbe, log: Path) -> None:
    keys = start_chunk(probe, measured(probe), log, {7: ("raise", None)})

    ends = [probe.end_of(key) for key in keys]

    states = [end.outcome.state for end in ends if isinstance(end, AttemptEnded)]
    assert states == [State.FAILED if number == 7 else State.COMPLETED for number in range(20)]
    assert ran(log) == Counter(range(20))


@pytest.mark.parametrize("deed", ["wait", "block"], ids=["Python code", "blocks in C"])
def test_a_timeout_in_the_middle_ends_that_call_only(
    probe: ExecutorProbe, log: Path, tmp_path: Path, deed: str
) -> None:
    shared = measured(probe)

    keys = probe.start_many(
        [call(shared, log, number, *(("", None), (deed, tmp_path / "never"))[number == 5]) for number in range(20)],
        timeout_seconds=0.4,
    )

    ends = [probe.end_of(key) for key in keys]
    late = ends[5]
    state = late.outcome.state.value if isinstance(late, AttemptEnded) else late.state
    assert (state, type(late)) == ("TIMED_OUT", AttemptEnded if deed == "wait" else AttemptLost)
    assert end_states_of(end for number, end in enumerate(ends) if number != 5) == {State.COMPLETED}
    assert ran(log) == Counter(range(20))


def test_a_slow_call_does_not_hold_up_those_behind_it(probe: ExecutorProbe, log: Path, tmp_path: Path) -> None:
    shared = measured(probe)
    gate = tmp_path / "gate"

    keys = probe.start_many(
        [call(shared, log, number, *(("", None), ("wait", gate))[number == 0]) for number in range(20)]
    )

    for key in keys[1:]:
        assert isinstance(probe.end_of(key), AttemptEnded)
    assert [type(event) for event in probe.events_of(keys[0])] == [AttemptBegan]
    gate.touch()
    assert isinstance(probe.end_of(keys[0]), AttemptEnded)
    assert ran(log) == Counter(range(20))


def test_a_stop_of_all_stops_what_runs_and_what_waits(probe: ExecutorProbe, log: Path, tmp_path: Path) -> None:
    shared = measured(probe)
    keys = probe.start_many([call(shared, log, number, "wait", tmp_path / "never") for number in range(300)])
    probe.wait_until_some_begun(keys, 2)

    for key in keys:
        probe.executor.stop(key, "CANCELLED", 60)

    ends = [probe.end_of(key) for key in keys]
    states = {end.outcome.state.value if isinstance(end, AttemptEnded) else end.state for end in ends}
    assert states == {"CANCELLED"}
    began = [end for end in ends if isinstance(end, AttemptEnded) or end.begun]
    assert set(ran(log).values()) <= {1}
    assert len(ran(log)) <= len(began) <= 4


def test_a_stopped_call_in_the_middle_that_does_not_give_way_is_ended_by_force(probe: ExecutorProbe, log: Path) -> None:
    keys = start_chunk(probe, measured(probe), log, {5: ("block", None)})
    probe.wait_until_begun(keys[5])

    probe.executor.stop(keys[5], "CANCELLED", 0.3)

    ends = [probe.end_of(key) for key in keys]
    stopped = ends[5]
    assert isinstance(stopped, AttemptLost)
    assert (stopped.begun, stopped.state) == (True, "CANCELLED")
    assert "did not give way" in stopped.reason
    assert end_states_of(end for number, end in enumerate(ends) if number != 5) == {State.COMPLETED}
    assert ran(log) == Counter(range(20))


def follow(log: Path, number: int, deed: str, argument: object, *before: object) -> list[object]:
    """Do as :func:`act`; return the numbers of all calls before this one, and its own."""
    if deed == "large":
        act(log, number)
        return [*_numbers(before), number, bytes(int(str(argument)))]
    return [*_numbers(before), act(log, number, deed, argument)]


def _numbers(values: Sequence[object]) -> list[object]:
    return sorted({number for value in values for number in value if isinstance(number, int)})  # type: ignore[attr-defined]


def start_chain(
    probe: ExecutorProbe, shared: SharedPart, log: Path, length: int, deeds: dict[int, tuple[str, object]]
) -> list[str]:
    """Start calls of which each takes the result of the one before."""
    keys: list[str] = []
    for number in range(length):
        body = call(shared, log, number, *deeds.get(number, ("", None)))
        keys.append(probe.start(body, upstream={"before": (keys[-1], ["value"])} if keys else {}))
    return keys


def states_of(probe: ExecutorProbe, keys: Sequence[str]) -> list[str]:
    """Return how each ended; of one that never began "not begun"."""
    ends = [probe.end_of(key) for key in keys]
    return [
        end.outcome.state.value if isinstance(end, AttemptEnded) else end.state if end.begun else "not begun"
        for end in ends
    ]


@pytest.fixture
def following(probe: ExecutorProbe) -> SharedPart:
    """A shared part of which the driver knows that it is short, for chains."""
    shared = share(follow)
    for number in range(3):
        assert isinstance(probe.run(call(shared, Path(os.devnull), number, "", None)), AttemptEnded)
    return shared


def test_a_chain_runs_in_order_once(probe: ExecutorProbe, following: SharedPart, log: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    keys = start_chain(probe, following, log, 200, {0: ("wait", gate)})
    gate.touch()

    assert set(states_of(probe, keys)) == {"COMPLETED"}
    assert log.read_text().split() == [str(number) for number in range(200)]
    assert value_of(probe.executor.fetch(keys[-1], ["value"])) == list(range(200))
    kinds = Counter(tuple(type(event) for event in probe.events_of(key)) for key in keys)
    assert kinds == {(AttemptBegan, AttemptEnded): 200}
    order = [event.key for event in probe.events if isinstance(event, AttemptBegan | AttemptEnded)]
    assert [key for key in order if key in keys] == [key for key in keys for _ in range(2)]


@pytest.mark.parametrize(
    ("deed", "argument", "state"), [("raise", None, "FAILED"), ("exit", 1, "CRASHED"), ("kill", 9, "CRASHED")]
)
def test_what_follows_a_call_that_does_not_complete_never_begins(
    probe: ExecutorProbe, following: SharedPart, log: Path, deed: str, argument: object, state: str
) -> None:
    keys = start_chain(probe, following, log, 30, {7: (deed, argument)})

    assert states_of(probe, keys) == ["COMPLETED"] * 7 + [state] + ["not begun"] * 22
    lost = probe.end_of(keys[8])
    assert isinstance(lost, AttemptLost)
    assert lost.missing == (keys[7],)
    assert ran(log) == Counter(range(8))


def test_a_chain_goes_on_behind_a_large_result(probe: ExecutorProbe, following: SharedPart, log: Path) -> None:
    keys = start_chain(probe, following, log, 10, {3: ("large", 3_000_000), 6: ("large", 3_000_000)})

    assert set(states_of(probe, keys)) == {"COMPLETED"}
    assert ran(log) == Counter(range(10))
    assert value_of(probe.executor.fetch(keys[-1], ["value"])) == list(range(10))


def test_a_waiting_call_that_is_stopped_takes_along_what_follows_it(
    probe: ExecutorProbe, following: SharedPart, log: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    keys = start_chain(probe, following, log, 10, {0: ("wait", gate)})
    probe.wait_until_begun(keys[0])

    probe.executor.stop(keys[5], "CANCELLED", 60)

    end = probe.end_of(keys[5])
    assert isinstance(end, AttemptLost)
    assert (end.begun, end.state) == (False, "CANCELLED")
    gate.touch()
    assert states_of(probe, keys) == ["COMPLETED"] * 5 + ["not begun"] * 5
    assert ran(log) == Counter(range(5))


def test_calls_that_branch_and_join_are_run_in_order(
    probe: ExecutorProbe, following: SharedPart, log: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    first = probe.start(call(following, log, 0, "wait", gate))
    branches = [
        probe.start(call(following, log, number, "", None), upstream={"before": (first, ["value"])})
        for number in range(1, 40)
    ]
    joined = probe.start(
        call(following, log, 40, "", None), upstream={f"up-{key}": (key, ["value"]) for key in branches}
    )
    gate.touch()

    assert set(states_of(probe, [first, *branches, joined])) == {"COMPLETED"}
    assert value_of(probe.executor.fetch(joined, ["value"])) == list(range(41))
    assert ran(log) == Counter(range(41))


def make(_: Path, number: int, size: int = 0) -> bytes:
    return bytes([number % 256]) * size


def test_large_results_stay_on_the_cluster_and_can_be_fetched_and_used(probe: ExecutorProbe) -> None:
    shared = measured(probe, make)
    measure = share(lambda *values: len(values[-1]))
    sizes = [10, 100_000, 20, 3_000_000, 70_000, 30]

    keys = probe.start_many([call(shared, Path(), number, size) for number, size in enumerate(sizes)])

    for key in keys:
        probe.end_of(key)
    fetched = [value_of(probe.executor.fetch(key, ["value"], 60)) for key in keys]
    assert [(value[0], len(value)) for value in fetched] == list(enumerate(sizes))  # type: ignore[index,arg-type]
    users = [probe.start(call(measure), upstream={"up": (key, ["value"])}) for key in keys]
    for user in users:
        probe.end_of(user)
    assert [value_of(probe.executor.fetch(user, ["value"])) for user in users] == sizes


def test_released_large_results_are_gone_from_the_cluster(probe: ExecutorProbe) -> None:
    key = probe.start(call(measured(probe, make), Path(), 1, 1_000_000))
    probe.end_of(key)

    probe.executor.release(key)
    probe.run(call(share(make), Path(), 1))  # the release has been taken when a later attempt has ended

    with pytest.raises(TaskCrashed, match="let go"):
        probe.executor.fetch(key, ["value"])


def test_a_large_result_is_gone_with_its_worker_and_is_not_made_again(probe: ExecutorProbe, log: Path) -> None:
    shared = share(lambda path, number: act(path, number) or b"x" * 1_000_000)
    key = probe.start(call(shared, log, 0))
    end = probe.end_of(key)
    assert isinstance(end, AttemptEnded)

    os.kill(end.outcome.pid, signal.SIGKILL)

    with pytest.raises(TaskCrashed, match="the worker that held them died"):
        while True:  # until the death has come through
            probe.executor.fetch(key, ["value"], 30)
    downstream = probe.run(call(share(len)), upstream={"up": (key, ["value"])})
    assert isinstance(downstream, AttemptLost)
    assert (downstream.begun, downstream.missing) == (False, (key,))
    assert ran(log) == Counter([0])


def test_a_large_result_whose_worker_dies_while_it_is_fetched_is_gone_at_once(probe: ExecutorProbe, log: Path) -> None:
    key = probe.start(call(share(lambda path: act(path, 0) or b"x" * 1_000_000), log))
    end = probe.end_of(key)
    assert isinstance(end, AttemptEnded)
    os.kill(end.outcome.pid, signal.SIGSTOP)

    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(probe.executor.fetch, key, ["value"], 25)  # Dask would look for 30 s
        time.sleep(3)  # it is asked for by way of the scheduler, since its worker does not answer
        assert not fetching.done()
        os.kill(end.outcome.pid, signal.SIGKILL)
        with pytest.raises(TaskCrashed, match="the worker that held them died"):
            fetching.result()


def test_a_large_shared_part_goes_to_the_cluster_once_for_all(probe: ExecutorProbe, log: Path) -> None:
    shared = share(act, ballast=os.urandom(3_000_000))

    keys = probe.start_many([call(shared, log, number) for number in range(50)])

    assert {type(probe.end_of(key)) for key in keys} == {AttemptEnded}
    assert ran(log) == Counter(range(50))


def show_number(context: AttemptContext, number: int) -> int:
    context.show({"output_type": "stream", "name": "stdout", "text": f"{number}\n"})
    return number


def test_each_call_shows_what_is_its_own(probe: ExecutorProbe) -> None:
    shared = share(show_number, takes_context=True)

    keys = probe.start_many([call(shared, number) for number in range(100)])

    for number, key in enumerate(keys):
        probe.end_of(key)
        shown = [event for event in probe.events_of(key) if isinstance(event, AttemptShowed)]
        assert [output["text"] for event in shown for output in event.outputs] == [f"{number}\n"]
