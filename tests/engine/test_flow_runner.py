"""The performing loop, with an executor that a test plays by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from orchestra_nb.engine.executors import (
    AttemptBegan,
    AttemptEnded,
    AttemptLost,
    AttemptRequest,
    AttemptResult,
    ClusterChanged,
    ExecutorEvent,
)
from orchestra_nb.engine.flow_runner import FlowRunner
from orchestra_nb.engine.interactive_run import InteractiveRun
from orchestra_nb.engine.pending import PendingValue
from orchestra_nb.engine.submissions import Submission
from orchestra_nb.errors import InvalidSetting, TaskCrashed, ValuePending
from orchestra_nb.model.events import Event, RunCreated, RunStateChanged, TaskRunStateChanged
from orchestra_nb.model.machine_messages import TaskPlan
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.runs import LogLine, Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.run_tables import changes
from orchestra_nb.store.store_sink import StoreSink
from tests.patience import PATIENCE_SECONDS

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


class Body:
    def run(self, upstream: Mapping[str, AttemptResult], context: object) -> AttemptResult:
        raise AssertionError("the executor of these tests runs nothing")


class PlayedExecutor:
    """Notes what it is asked; the test reports what happens."""

    name = "played"

    def __init__(self) -> None:
        self.started: list[AttemptRequest] = []
        self.stopped: list[str] = []
        self.released: list[str] = []
        self.is_closed = False
        self.refusal: Exception | None = None
        self.asked = threading.Condition()
        self.report: Callable[[ExecutorEvent], None] = lambda event: None

    def open(self, report: Callable[[ExecutorEvent], None]) -> None:
        self.report = report

    def start(self, request: AttemptRequest) -> None:
        if self.refusal is not None:
            raise self.refusal
        with self.asked:
            self.started.append(request)
            self.asked.notify_all()

    def stop(self, key: str, state: str, grace_seconds: float) -> None:
        with self.asked:
            self.stopped.append(key)
            self.asked.notify_all()
        self.report(AttemptLost(key=key, begun=True, state=state, reason="stopped"))

    def fetch(self, key: str, names: Sequence[str], timeout_seconds: float | None = None) -> AttemptResult:
        return AttemptResult(done())

    def release(self, key: str) -> None:
        self.released.append(key)

    def close(self) -> None:
        with self.asked:
            self.is_closed = True
            self.asked.notify_all()

    def wait_for_start(self, number: int = 1) -> AttemptRequest:
        with self.asked:
            assert self.asked.wait_for(lambda: len(self.started) >= number, 10)
        return self.started[number - 1]


class Listener:
    def __init__(self) -> None:
        self.ended: list[tuple[str, State]] = []
        #: what was said of tasks that had not begun
        self.waiting: list[tuple[str, str]] = []

    def task_changed(self, task_run: TaskRun) -> None:
        if task_run.state is State.PENDING:
            self.waiting.append((task_run.name, task_run.message))

    def task_showed(self, task_run_id: str, outputs: Sequence[Mapping[str, object]]) -> None: ...

    def task_logged(self, task_run: TaskRun, lines: Sequence[LogLine]) -> None: ...

    def task_ended(self, task_run: TaskRun, outcome: Outcome | None) -> None:
        self.ended.append((task_run.name, task_run.state))

    def cluster_changed(self, change: ClusterChanged) -> None: ...

    def flush(self, timeout_seconds: float) -> None: ...


class Sink:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def flush(self, timeout_seconds: float) -> bool:
        return True

    def close(self) -> None: ...


class Stage:
    """A flow runner with its played executors."""

    def __init__(self) -> None:
        self.executors: list[PlayedExecutor] = []
        self.sink, self.listener = Sink(), Listener()
        self.runner = FlowRunner(self._make, self.sink, self.listener)

    def _make(self) -> PlayedExecutor:
        self.executors.append(PlayedExecutor())
        return self.executors[-1]

    def submit(self, name: str, *upstream: str, retries: int = 0) -> None:
        self.runner.submit(
            Submission(
                task_run=TaskRun(task_run_id=name, run_id="run", name=name, state=State.PENDING, created_at=NOW),
                plan=TaskPlan(
                    task_run_id=name,
                    run_id="run",
                    name=name,
                    upstream=upstream,
                    retry=RetryPolicy(retries=retries),
                ),
                body=Body(),
                needs=dict.fromkeys(upstream),
            )
        )


@pytest.fixture
def stage() -> Stage:
    return Stage()


def done(state: State = State.COMPLETED) -> Outcome:
    return Outcome(state=state, started_at=NOW, ended_at=NOW, worker="worker-1")


def test_what_the_executor_refuses_ends_its_task(stage: Stage) -> None:
    stage.submit("warm")
    executor = wait_for_executor(stage)
    executor.wait_for_start()
    executor.refusal = TypeError("cannot pickle a lock")

    stage.submit("load")

    assert stage.runner.wait(["load"], 10)
    record = stage.runner.task("load")
    assert record.state is State.CRASHED
    assert record.message == "could not be started: TypeError: cannot pickle a lock"
    stage.runner.close()


def test_outcome_completes_the_task_and_its_values_can_be_fetched(stage: Stage) -> None:
    stage.submit("load")
    executor = wait_for_executor(stage)
    executor.wait_for_start()
    executor.report(AttemptBegan(key="load:1", worker="worker-1", at=NOW))
    executor.report(AttemptEnded(key="load:1", outcome=done()))

    assert stage.runner.wait(["load"], 10)
    assert stage.runner.task("load").state is State.COMPLETED
    assert stage.runner.fetch("load", ["x"]).outcome.worker == "worker-1"
    assert stage.listener.ended == [("load", State.COMPLETED)]
    stage.runner.close()
    assert executor.is_closed


def test_dependent_attempt_is_told_where_its_values_are(stage: Stage) -> None:
    stage.submit("load")
    stage.submit("clean", "load")
    wait_for_executor(stage).wait_for_start()
    stage.executors[0].report(AttemptEnded(key="load:1", outcome=done()))

    request = stage.executors[0].wait_for_start(2)

    assert (request.key, request.upstream) == ("clean:1", {"load": ("load:1", None)})
    stage.runner.close()


def test_waiting_task_tells_what_it_waits_for_now_everywhere_that_it_is_told_of(stage: Stage) -> None:
    for name in ("load", "prices"):
        stage.submit(name)
    stage.submit("clean", "load", "prices")
    executor = wait_for_executor(stage)
    executor.wait_for_start(2)
    executor.report(AttemptEnded(key="load:1", outcome=done()))
    executor.report(AttemptEnded(key="prices:1", outcome=done()))
    executor.wait_for_start(3)
    executor.report(AttemptEnded(key="clean:1", outcome=done()))

    assert stage.runner.wait(["clean"], 10)
    words = ["waits for load, prices", "waits for prices", "waits for a worker"]
    of_clean = [one for one in stage.sink.events if isinstance(one, TaskRunStateChanged) and one.task_run_id == "clean"]
    assert [one.message for one in of_clean if one.state is State.PENDING] == words
    assert [message for name, message in stage.listener.waiting if name == "clean"] == words
    stage.runner.close()


def test_task_that_cannot_run_any_more_is_not_said_to_wait_for_a_worker(stage: Stage) -> None:
    stage.submit("load")
    stage.submit("clean", "load")
    executor = wait_for_executor(stage)
    executor.wait_for_start()
    executor.report(AttemptEnded(key="load:1", outcome=done(State.FAILED)))

    assert stage.runner.wait(["clean"], 10)
    assert stage.runner.task("clean").state is State.UPSTREAM_FAILED
    assert [message for name, message in stage.listener.waiting if name == "clean"] == ["waits for load"]
    stage.runner.close()


def test_task_that_waits_for_many_names_a_few_and_counts_the_others(stage: Stage) -> None:
    names = [f"square-{number}" for number in range(2_000)]
    for name in names:
        stage.submit(name)
    stage.submit("total", *names)
    executor = wait_for_executor(stage)
    executor.wait_for_start(2_000)
    for name in names:
        executor.report(AttemptEnded(key=f"{name}:1", outcome=done()))
    executor.wait_for_start(2_001)

    told = [message for name, message in stage.listener.waiting if name == "total"]
    assert told[0] == "waits for square-0, square-1, square-2, square-3, square-4 and 1,995 more"
    assert told[-2:] == ["waits for square-1999", "waits for a worker"]
    stage.runner.close()


def test_ends_of_what_many_wait_for_do_not_fill_the_store(sqlite_url: str) -> None:
    stage = Stage()
    names = [f"square-{number}" for number in range(300)]
    totals = [f"total-{number}" for number in range(30)]
    with closing(open_database(sqlite_url)) as database:
        sink = StoreSink(RunStore(database))
        runner = stage.runner = FlowRunner(stage._make, sink, stage.listener)
        for name in names:
            stage.submit(name)
        for total in totals:
            stage.submit(total, *names)
        executor = wait_for_executor(stage)
        executor.wait_for_start(300)
        for name in names:
            executor.report(AttemptEnded(key=f"{name}:1", outcome=done()))
        executor.wait_for_start(330)
        for total in totals:
            executor.report(AttemptEnded(key=f"{total}:1", outcome=done()))
        assert runner.wait([*names, *totals], PATIENCE_SECONDS)
        runner.close()
        sink.close()
        with database.connect() as connection:
            of_words = select(func.count()).where(changes.c.subject == "task", changes.c.to_state.is_(None))
            told = connection.execute(of_words).scalar_one()

    last = {name: message for name, message in stage.listener.waiting if name in totals}
    assert last == dict.fromkeys(totals, "waits for a worker")
    # six of each for the last ones, and a few more where the machine is slow: not 300
    assert told <= 30 * 60


def test_lost_cluster_crashes_what_it_had_and_the_next_task_has_it_connect_anew(stage: Stage) -> None:
    stage.submit("load")
    executor = wait_for_executor(stage)
    executor.wait_for_start()
    executor.report(AttemptEnded(key="load:1", outcome=done()))
    stage.submit("running")
    executor.wait_for_start(2)
    executor.report(ClusterChanged(status="lost", detail="lost the Dask scheduler"))
    executor.report(AttemptLost(key="running:1", begun=True, state="CRASHED", reason="lost", exit_code=0))
    assert stage.runner.wait(["running"], 10)

    stage.submit("fresh")
    stage.submit("stale", "load")

    assert stage.runner.wait(["stale"], 10)
    assert stage.runner.task("running").state is State.CRASHED
    assert stage.runner.task("stale").state is State.CRASHED
    assert "run load again" in stage.runner.task("stale").message
    assert executor.wait_for_start(3).key == "fresh:1"
    assert executor.released == ["load:1"]
    with pytest.raises(TaskCrashed, match="gone"):
        stage.runner.fetch("load", ["x"])
    stage.runner.close()


def test_task_that_is_run_again_after_a_loss_can_be_stopped(stage: Stage) -> None:
    """Its new attempt is handed over before the loss of the cluster itself is told."""
    stage.submit("load")
    executor = wait_for_executor(stage)
    executor.wait_for_start()
    executor.report(AttemptLost(key="load:1", begun=True, state="CRASHED", reason="lost"))
    executor.wait_for_start(2)
    executor.report(ClusterChanged(status="lost", detail="lost the Dask scheduler"))

    stage.runner.cancel(["load"], "enough")

    assert stage.runner.wait(["load"], 10)
    assert stage.runner.task("load").state is State.CANCELLED
    stage.runner.close()


def test_cluster_that_cannot_be_reached_is_not_tried_again_and_again(stage: Stage) -> None:
    stage.submit("load")
    executor = wait_for_executor(stage)
    executor.wait_for_start()
    executor.report(ClusterChanged(status="starting"))

    executor.report(AttemptLost(key="load:1", begun=False, state="CRASHED", reason="nobody answers"))

    assert stage.runner.wait(["load"], 10)
    assert stage.runner.task("load").message == "could not be started: nobody answers"
    assert len(executor.started) == 1
    stage.runner.close()


def test_setting_that_names_no_cluster_ends_the_task_with_its_words() -> None:
    def refuse() -> PlayedExecutor:
        raise InvalidSetting("'garbage' names no cluster")

    stage = Stage()
    stage.runner = FlowRunner(refuse, stage.sink, stage.listener)

    stage.submit("load")

    assert stage.runner.wait(["load"], 10)
    assert stage.runner.task("load").message == "could not be started: 'garbage' names no cluster"
    stage.runner.close()


def test_replaced_executor_is_closed_when_nothing_needs_its_values(stage: Stage) -> None:
    stage.submit("load")
    executor = wait_for_executor(stage)
    executor.wait_for_start()
    executor.report(AttemptEnded(key="load:1", outcome=done()))
    assert stage.runner.wait(["load"], 10)
    stage.runner.change_executor()
    stage.submit("fresh")
    wait_for_executor(stage, 2).wait_for_start()
    assert not executor.is_closed

    stage.runner.release("load")

    with executor.asked:
        assert executor.asked.wait_for(lambda: executor.is_closed, 10)
    stage.runner.close()


def test_closing_cancels_what_has_not_ended(stage: Stage) -> None:
    stage.submit("load")
    stage.submit("clean", "load")
    wait_for_executor(stage).wait_for_start()

    stage.runner.close("the kernel was shut down")

    assert {stage.runner.task(name).state for name in ("load", "clean")} == {State.CANCELLED}
    assert stage.executors[0].stopped == ["load:1"]
    with pytest.raises(RuntimeError, match="closed"):
        stage.submit("late")


def test_retry_starts_under_a_new_key_and_every_change_is_told_in_order(stage: Stage) -> None:
    stage.submit("load", retries=1)
    executor = wait_for_executor(stage)
    executor.wait_for_start()
    executor.report(AttemptEnded(key="load:1", outcome=done(State.FAILED)))
    assert executor.wait_for_start(2).attempt == 2
    executor.report(AttemptEnded(key="load:2", outcome=done()))

    assert stage.runner.wait(["load"], 10)
    states = [event.state for event in stage.sink.events if isinstance(event, TaskRunStateChanged)]
    assert states == [State.RUNNING, State.RETRYING, State.RUNNING, State.COMPLETED]
    assert executor.released == ["load:1"]
    stage.runner.close()


def wait_for_executor(stage: Stage, number: int = 1) -> PlayedExecutor:
    ready = threading.Event()
    while len(stage.executors) < number:
        assert not ready.wait(0.005)
    return stage.executors[number - 1]


def test_run_of_an_open_notebook_ends_when_its_tasks_have_ended_and_the_kernel_is_idle() -> None:
    tasks = [TaskRun(task_run_id="t", run_id="r", name="load", state=State.RUNNING, created_at=NOW)]
    sink = Sink()

    def describe(run_id: str, name: str, now: datetime) -> Run:
        return Run(
            run_id=run_id, name=name, flow_name="n", kind=RunKind.INTERACTIVE, state=State.PENDING, created_at=now
        )

    run = InteractiveRun(sink, describe, lambda run_id: tasks)
    run.kernel_is_busy(True)
    first = run.open()
    run.kernel_is_busy(False)
    assert run.newest is not None

    tasks[:] = [TaskRun(task_run_id="t", run_id="r", name="load", state=State.COMPLETED, created_at=NOW, ended_at=NOW)]
    run.kernel_is_busy(True)
    assert run.open() == first, "a cell in between does not end it"
    run.close()

    kinds = [type(event) for event in sink.events]
    assert kinds == [RunCreated, RunStateChanged, RunStateChanged]
    ends = [event for event in sink.events if isinstance(event, RunStateChanged)]
    assert [(event.state, event.run_id) for event in ends] == [(State.RUNNING, first), (State.COMPLETED, first)]
    assert run.open() != first
    run.close()


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda value: value + 1, id="arithmetic"),
        pytest.param(lambda value: bool(value), id="truth"),
        pytest.param(lambda value: list(value), id="iteration"),
        pytest.param(lambda value: value.head(), id="attribute"),
        pytest.param(lambda value: value["a"], id="item"),
        pytest.param(lambda value: value(), id="call"),
        pytest.param(lambda value: value < 1, id="comparison"),
    ],
)
def test_pending_value_never_passes_for_a_value(use: Callable[[PendingValue], object]) -> None:
    value = PendingValue("prices", "t", lambda: "a value of task 'load', running", lambda: 42)

    with pytest.raises(ValuePending, match=r"'prices' was reached before its task was waited for .*\.result\(\)"):
        use(value)
    assert repr(value) == "<prices: a value of task 'load', running>"
    assert value.result() == 42


def test_a_wait_ends_with_the_last_of_its_tasks_in_whatever_order_they_end(stage: Stage) -> None:
    names = ["a", "b", "c"]
    for name in names:
        stage.submit(name)
    executor = wait_for_executor(stage)
    executor.wait_for_start(3)

    for key in ("c:1", "a:1"):
        executor.report(AttemptEnded(key=key, outcome=done()))
    assert stage.runner.wait(["a", "c"], PATIENCE_SECONDS)
    assert not stage.runner.wait(names, 0.01)
    executor.report(AttemptEnded(key="b:1", outcome=done()))

    assert stage.runner.wait(names, PATIENCE_SECONDS)
    stage.runner.close()


def test_a_task_that_was_forgotten_is_not_waited_for(stage: Stage) -> None:
    stage.submit("load")
    executor = wait_for_executor(stage)
    executor.wait_for_start()
    stage.runner.forget("load")
    ended = threading.Event()
    stage.runner.call_when_ended("load", ended.set)

    executor.report(AttemptEnded(key="load:1", outcome=done()))

    assert ended.wait(PATIENCE_SECONDS)
    assert stage.runner.wait(["load"], PATIENCE_SECONDS)
    stage.runner.close()
    assert stage.runner.tasks_of("run") == []
    assert executor.released == ["load:1"]


def test_a_task_does_not_wait_any_more_for_what_has_ended() -> None:
    stage = Stage()
    stage.submit("load")
    stage.submit("clean", "load")
    executor = wait_for_executor(stage)
    executor.wait_for_start()

    executor.report(AttemptEnded(key="load:1", outcome=done()))
    executor.wait_for_start(2)

    assert stage.runner.task("clean").message == "waits for a worker"
    stage.runner.close()
