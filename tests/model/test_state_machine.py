"""The state machine: each decision as a sequence of events and what is to be done then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra_nb.model.machine_messages import (
    Announce,
    AttemptFinished,
    AttemptSeenRunning,
    AttemptVanished,
    CancelAsked,
    Command,
    MachineEvent,
    RetryDue,
    StartAttempt,
    StopAttempt,
    TaskPlan,
    TaskSubmitted,
    WakeAt,
)
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.model.state_machine import MAX_UNBEGUN_STARTS, StateMachine
from orchestra_nb.model.states import State, may_follow

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def plan(name: str, *upstream: str, after: tuple[str, ...] = (), **policy: object) -> TaskPlan:
    return TaskPlan(
        task_run_id=name,
        run_id="run",
        name=name,
        upstream=upstream,
        after=after,
        retry=RetryPolicy(**policy),  # type: ignore[arg-type]
    )


def outcome(state: State = State.COMPLETED) -> Outcome:
    error = ErrorInfo(type="ValueError", message="no") if state is State.FAILED else None
    return Outcome(state=state, started_at=NOW, ended_at=NOW, worker="worker 1", error=error)


def play(machine: StateMachine, *events: MachineEvent, now: datetime = NOW) -> list[Command]:
    return [command for event in events for command in machine.handle(event, now)]


def brief(commands: list[Command]) -> list[object]:
    """Commands as short tuples, for comparison."""
    result: list[object] = []
    for command in commands:
        match command:
            case StartAttempt(key=key, attempt=attempt, ahead_of=ahead_of):
                result.append(("start", key, attempt, *([ahead_of] if ahead_of else [])))
            case StopAttempt(key, state):
                result.append(("stop", key, state.value))
            case WakeAt(at, _):
                result.append(("wake", (at - NOW).total_seconds()))
            case Announce(change):
                result.append((change.task_run_id, change.state.value, change.message))
    return result


def test_task_without_upstream_starts_at_once() -> None:
    assert brief(play(StateMachine(), TaskSubmitted(plan("load")))) == [("start", "load:1", 1)]


def test_dependent_task_starts_when_its_upstream_completes() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load")), TaskSubmitted(plan("clean", "load")))

    commands = play(machine, AttemptSeenRunning("load:1", "worker 1", NOW), AttemptFinished("load:1", outcome()))

    assert brief(commands) == [("load", "RUNNING", ""), ("load", "COMPLETED", ""), ("start", "clean:1", 1)]


def test_task_runs_after_one_that_failed_when_it_needs_only_its_end() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load")), TaskSubmitted(plan("again", after=("load",))))

    commands = play(machine, AttemptFinished("load:1", outcome(State.FAILED)))

    assert brief(commands)[-1] == ("start", "again:1", 1)


def test_failure_fails_everything_downstream_and_names_the_cause() -> None:
    machine = StateMachine()
    play(
        machine,
        TaskSubmitted(plan("load")),
        TaskSubmitted(plan("clean", "load")),
        TaskSubmitted(plan("report", "clean")),
    )

    commands = play(machine, AttemptFinished("load:1", outcome(State.FAILED)))

    assert brief(commands) == [
        ("load", "RUNNING", ""),
        ("load", "FAILED", "ValueError: no"),
        ("clean", "UPSTREAM_FAILED", "load failed: ValueError: no"),
        ("report", "UPSTREAM_FAILED", "load failed: ValueError: no"),
    ]


def test_task_submitted_after_its_upstream_failed_never_starts() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load")), AttemptFinished("load:1", outcome(State.FAILED)))

    commands = play(machine, TaskSubmitted(plan("clean", "load")))

    assert brief(commands) == [("clean", "UPSTREAM_FAILED", "load failed: ValueError: no")]


def test_a_chain_is_handed_over_at_once_where_it_may() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("first")), TaskSubmitted(plan("load", "first")))
    assert brief(play(machine, TaskSubmitted(plan("clean", "load"), True))) == []
    assert brief(play(machine, TaskSubmitted(plan("fit", "clean"), True))) == []

    # load could not be handed over before first had completed; those after it go with it
    done = AttemptFinished("first:1", outcome())
    assert brief(play(machine, done))[-3:] == [
        ("start", "load:1", 1),
        ("start", "clean:1", 1, {"load": "load:1"}),
        ("start", "fit:1", 1, {"clean": "clean:1"}),
    ]
    assert brief(play(machine, AttemptFinished("load:1", outcome()))) == [
        ("load", "RUNNING", ""),
        ("load", "COMPLETED", ""),
    ]
    assert brief(play(machine, TaskSubmitted(plan("plot", "fit"), True))) == [
        ("start", "plot:1", 1, {"fit": "fit:1"}),
    ]


def test_what_was_handed_over_waits_again_when_its_upstream_is_repeated() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load", retries=1)), TaskSubmitted(plan("clean", "load"), True))
    failed = play(machine, AttemptFinished("load:1", outcome(State.FAILED)))
    [due] = [command.event for command in failed if isinstance(command, WakeAt)]

    for _ in range(MAX_UNBEGUN_STARTS):  # it counts for nothing, however often
        lost = AttemptVanished("clean:1", False, State.CRASHED, "load did not complete")
        assert brief(play(machine, lost)) == []

    assert brief(play(machine, due)) == [("start", "load:2", 2), ("start", "clean:2", 1, {"load": "load:2"})]


def test_what_was_handed_over_never_starts_when_its_upstream_fails() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load")), TaskSubmitted(plan("clean", "load"), True))

    assert brief(play(machine, AttemptFinished("load:1", outcome(State.FAILED))))[-1] == (
        "clean",
        "UPSTREAM_FAILED",
        "load failed: ValueError: no",
    )
    assert play(machine, AttemptVanished("clean:1", False, State.CRASHED, "load did not complete")) == []


def test_what_was_handed_over_is_stopped_when_it_is_cancelled() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load")), TaskSubmitted(plan("clean", "load"), True))

    assert brief(play(machine, CancelAsked(["clean"], "enough"))) == [
        ("clean", "CANCELLING", "enough"),
        ("stop", "clean:1", "CANCELLED"),
    ]
    gone = AttemptVanished("clean:1", False, State.CANCELLED, "stopped before it began")
    assert brief(play(machine, gone)) == [("clean", "CANCELLED", "enough")]


@pytest.mark.parametrize("may_start_ahead", [False, True])
def test_a_chain_may_be_longer_than_the_stack(may_start_ahead: bool) -> None:
    machine = StateMachine()
    names = [str(number) for number in range(5000)]
    play(machine, TaskSubmitted(plan("first")), TaskSubmitted(plan("0", "first")))
    for before, name in pairwise(names):
        play(machine, TaskSubmitted(plan(name, before), may_start_ahead))

    started = play(machine, AttemptFinished("first:1", outcome()))
    assert sum(isinstance(command, StartAttempt) for command in started) == (5000 if may_start_ahead else 1)

    play(machine, AttemptFinished("0:1", outcome(State.FAILED)))
    assert {machine.state_of(name) for name in names[1:]} == {State.UPSTREAM_FAILED}


def test_failed_attempt_is_repeated_after_its_delay() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load", retries=2, delays_seconds=(2.0, 10.0))))

    first = play(machine, AttemptFinished("load:1", outcome(State.FAILED)))
    due = next(command.event for command in first if isinstance(command, WakeAt))
    second = play(machine, due, AttemptFinished("load:2", outcome(State.FAILED)))

    assert brief(first) == [("load", "RUNNING", ""), ("load", "RETRYING", "ValueError: no"), ("wake", 2.0)]
    assert brief(second) == [
        ("start", "load:2", 2),
        ("load", "RUNNING", ""),
        ("load", "RETRYING", "ValueError: no"),
        ("wake", 10.0),
    ]


def test_timeout_counts_as_a_failed_attempt() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load", retries=1)))

    lost = AttemptVanished("load:1", True, State.TIMED_OUT, "ran longer than 5 s")
    commands = play(machine, AttemptSeenRunning("load:1", "w", NOW), lost)

    assert brief(commands)[-2:] == [("load", "RETRYING", "ran longer than 5 s"), ("wake", 0.0)]


def test_lost_process_is_repeated_once_on_the_infrastructure_budget_without_using_a_retry() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load")))
    died = "killed by SIGKILL"

    first = play(machine, AttemptVanished("load:1", True, State.CRASHED, died, "worker 1"))
    second = play(machine, AttemptVanished("load:2", True, State.CRASHED, died, "worker 2"))

    assert brief(first) == [
        ("load", "RUNNING", ""),
        (
            "load",
            "RETRYING",
            "worker died: killed by SIGKILL (attempt 1 of load on worker 1); "
            "run again on the infrastructure budget (1 of 1)",
        ),
        ("start", "load:2", 2),
    ]
    assert brief(second) == [
        ("load", "RUNNING", ""),
        (
            "load",
            "CRASHED",
            "worker died: killed by SIGKILL (attempt 2 of load on worker 2). "
            "Its log has its last words; a worker that is killed each time may need more memory.",
        ),
    ]


def test_code_that_ends_its_own_process_is_not_run_again() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load")), AttemptSeenRunning("load:1", "w", NOW))

    exited = AttemptVanished("load:1", True, State.CRASHED, "process exited with 3", is_final=True, exit_code=3)
    commands = play(machine, exited)

    words = "process exited with 3 (attempt 1 of load on w). Raise an exception instead of ending the process."
    assert brief(commands) == [("load", "CRASHED", words)]


def test_what_ran_on_a_lost_cluster_is_not_run_again_and_what_had_not_begun_is() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load")), TaskSubmitted(plan("clean")), AttemptSeenRunning("load:1", "w", NOW))
    lost = {"reason": "lost the Dask scheduler", "has_lost_cluster": True}

    ran = play(machine, AttemptVanished("load:1", True, State.CRASHED, **lost))
    queued = play(machine, AttemptVanished("clean:1", False, State.CRASHED, **lost))
    late = play(machine, AttemptFinished("load:1", outcome()))

    words = "lost the Dask scheduler (attempt 1 of load on w). Run it again: a new cluster is started, or connected to."
    assert brief(ran) == [("load", "CRASHED", words)]
    assert brief(queued) == [("start", "clean:2", 1)]
    assert late == []


def test_attempt_that_never_began_is_none() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load")))

    commands = play(machine, AttemptVanished("load:1", False, State.CRASHED, "its worker died before"))

    assert brief(commands) == [("start", "load:2", 1)]


def test_task_that_can_never_begin_is_given_up() -> None:
    machine = StateMachine()
    commands = play(machine, TaskSubmitted(plan("load")))
    for start in range(1, MAX_UNBEGUN_STARTS + 1):
        commands = play(machine, AttemptVanished(f"load:{start}", False, State.CRASHED, "no worker"))

    assert brief(commands) == [("load", "CRASHED", "could not be started: no worker")]


def test_cancelling_stops_what_runs_and_ends_what_waits() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load")), AttemptSeenRunning("load:1", "w", NOW))
    play(machine, TaskSubmitted(plan("clean", "load")))

    asked = play(machine, CancelAsked(None, "enough"))
    ended = play(machine, AttemptFinished("load:1", outcome(State.CANCELLED)))

    assert brief(asked) == [
        ("load", "CANCELLING", "enough"),
        ("stop", "load:1", "CANCELLED"),
        ("clean", "CANCELLED", "enough"),
    ]
    assert brief(ended) == [("load", "CANCELLED", "enough")]


def test_work_that_completed_before_it_heard_of_the_cancellation_is_completed() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load")), AttemptSeenRunning("load:1", "w", NOW), CancelAsked(None, "enough"))

    assert brief(play(machine, AttemptFinished("load:1", outcome()))) == [("load", "COMPLETED", "")]


def test_cancelled_retry_does_not_come_back() -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load", retries=1)), AttemptFinished("load:1", outcome(State.FAILED)))

    play(machine, CancelAsked(["load"], "enough"))

    assert play(machine, RetryDue("load", 1)) == []
    assert machine.state_of("load") is State.CANCELLED


@pytest.mark.parametrize("late", [AttemptFinished("load:1", outcome()), AttemptSeenRunning("load:1", "w", NOW)])
def test_what_comes_after_the_end_changes_nothing(late: MachineEvent) -> None:
    machine = StateMachine()
    play(machine, TaskSubmitted(plan("load")), AttemptFinished("load:1", outcome()))

    assert play(machine, late) == []


UPSTREAMS: dict[str, tuple[str, ...]] = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
NAMES = tuple(UPSTREAMS)


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[str, str, int]]:
    """Random events: what happens, to which task, with which number."""
    kinds = ("begin", "complete", "fail", "die", "exit", "vanish", "time out", "due", "cancel", "cancel all")
    return draw(st.lists(st.tuples(st.sampled_from(kinds), st.sampled_from(NAMES), st.integers(0, 3)), max_size=60))


@given(stories(), st.integers(0, 3), st.integers(0, 2), st.booleans())
def test_any_story_keeps_the_invariants(
    story: list[tuple[str, str, int]], retries: int, budget: int, may_start_ahead: bool
) -> None:
    """One terminal state (I1), bounded attempts (I4), a path of the state graph (I7), whatever happens."""
    machine = StateMachine()
    policy = {"retries": retries, "infrastructure_retries": budget}
    commands: list[Command] = []
    for name, upstream in UPSTREAMS.items():
        commands += play(machine, TaskSubmitted(plan(name, *upstream, **policy), may_start_ahead))
    keys = {command.task_run_id: command.key for command in commands if isinstance(command, StartAttempt)}
    waits: list[RetryDue] = []

    for kind, name, number in story:
        is_open = any(machine.state_of(upstream) is not State.COMPLETED for upstream in UPSTREAMS[name])
        if is_open and kind in ("begin", "complete", "fail", "die", "exit", "time out"):
            continue  # no executor lets an attempt begin before its upstreams have completed
        key = keys.get(name, f"{name}:{number}")
        event: MachineEvent = {
            "begin": AttemptSeenRunning(key, "w", NOW),
            "complete": AttemptFinished(key, outcome()),
            "fail": AttemptFinished(key, outcome(State.FAILED)),
            "die": AttemptVanished(key, True, State.CRASHED, "died"),
            "exit": AttemptVanished(key, True, State.CRASHED, "exited", is_final=True),
            "vanish": AttemptVanished(key, False, State.CRASHED, "vanished"),
            "time out": AttemptVanished(key, True, State.TIMED_OUT, "too long"),
            "due": waits[number % len(waits)] if waits else RetryDue(name, number),
            "cancel": CancelAsked([name], "enough"),
            "cancel all": CancelAsked(None, "enough"),
        }[kind]
        new = machine.handle(event, NOW + timedelta(seconds=len(commands)))
        keys.update({command.task_run_id: command.key for command in new if isinstance(command, StartAttempt)})
        waits += [command.event for command in new if isinstance(command, WakeAt)]
        commands += new

    # whatever was left running is stopped in the end, and everything ends
    commands += machine.handle(CancelAsked(None, "the driver ended"), NOW)
    for name, key in keys.items():
        begun = all(machine.state_of(upstream) is State.COMPLETED for upstream in UPSTREAMS[name])
        commands += machine.handle(AttemptVanished(key, begun, State.CANCELLED, "stopped"), NOW)

    for name in NAMES:
        path = [State.PENDING]
        attempts = [0]
        for command in commands:
            if isinstance(command, Announce) and command.change.task_run_id == name:
                assert may_follow(path[-1], command.change.state)
                path.append(command.change.state)
                attempts.append(command.change.attempt)
        assert sum(state.is_terminal for state in path) == 1
        assert path[-1].is_terminal
        assert attempts == sorted(attempts)
        assert max(attempts) <= 1 + retries + budget
        starts = [command for command in commands if isinstance(command, StartAttempt) and command.task_run_id == name]
        assert len({command.key for command in starts}) == len(starts)
        assert machine.state_of(name) is path[-1]
