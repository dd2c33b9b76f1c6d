"""The contract of the store, held by every database."""

from __future__ import annotations

import threading
from datetime import timedelta, timezone

import msgspec
import pytest
from stored_examples import (
    NOON,
    created,
    full_run,
    full_task,
    later,
    line_of,
    run_became,
    run_of,
    task_became,
    task_of,
)

from orchestra_nb.errors import RunNotFound, TaskNotFound
from orchestra_nb.model.events import CellRunChanged, LogsWritten, RunCreated, RunOutputWritten
from orchestra_nb.model.jsonable import from_stored, to_stored
from orchestra_nb.model.runs import CellRun, ErrorInfo, RunKind
from orchestra_nb.model.states import State, may_follow
from orchestra_nb.store.run_store import CancelRequest, RunStore, StateChange


def test_records_come_back_as_they_were_written(store: RunStore) -> None:
    run, task = full_run("run"), full_task("task")

    applied = store.apply(created(run, task))

    assert applied == [True, True]
    assert store.get_run("run") == run
    assert store.task_runs("run") == [task]


def test_records_of_a_large_batch_keep_their_order_and_their_values(store: RunStore) -> None:
    tasks = [msgspec.structs.replace(full_task(f"t{number}"), name=f"fit-{number}") for number in range(700)]

    applied = store.apply(created(run_of("run"), *tasks))

    assert applied == [True] * 701
    assert store.task_runs("run") == tasks


def test_creating_what_exists_changes_nothing(store: RunStore) -> None:
    store.apply(created(run_of("run"), task_of("task")))

    again = store.apply(created(run_of("run", flow_name="other"), task_of("task", name="other")))

    assert again == [False, False]
    assert store.get_run("run").flow_name == "train"
    assert store.task_runs("run")[0].name == "fit"


def test_an_event_that_comes_twice_in_one_batch_counts_once(store: RunStore) -> None:
    applied = store.apply([*created(run_of("run"), run_of("run")), *[run_became(State.RUNNING)] * 2])

    assert applied == [True, False, True, False]


def test_a_run_keeps_when_it_first_ran_and_when_it_ended(store: RunStore) -> None:
    store.apply(created(run_of("run")))

    for seconds, state in enumerate([State.RUNNING, State.PAUSED, State.RUNNING, State.COMPLETED], start=1):
        assert store.apply([run_became(state, seconds=seconds, message=f"now {state}")]) == [True]

    run = store.get_run("run")
    assert (run.state, run.started_at, run.ended_at) == (State.COMPLETED, later(1), later(4))
    assert run.message == "now COMPLETED"


def test_a_state_is_entered_only_along_the_state_graph(store: RunStore) -> None:
    pairs = [(first, then) for first in State for then in State]
    store.apply(created(*(run_of(f"{first}-{then}", state=first) for first, then in pairs)))
    store.apply(created(*(task_of(f"{first}-{then}", "none", state=first) for first, then in pairs)))

    of_runs = store.apply([run_became(then, f"{first}-{then}") for first, then in pairs])
    of_tasks = store.apply([task_became(then, f"{first}-{then}", run_id="none") for first, then in pairs])

    assert of_runs == of_tasks == [may_follow(first, then) for first, then in pairs]


def test_a_waiting_task_says_what_it_waits_for_now_without_a_step_in_its_history(store: RunStore) -> None:
    store.apply(created(run_of("run"), task_of("task", message="waits for load")))
    words = "waits for a worker"

    first, again = store.apply([task_became(State.PENDING, message=words), task_became(State.PENDING, message=words)])
    late = store.apply([task_became(State.RUNNING), task_became(State.PENDING, message="waits for load")])

    (task,) = store.task_runs("run")
    assert (first, again, late) == (True, False, [True, False])
    assert (task.state, task.message) == (State.RUNNING, "")
    history = store.state_changes("run")
    assert [one.to_state for one in history if one.task_run_id == "task"] == [State.PENDING, State.RUNNING]


def test_an_event_of_another_epoch_changes_nothing(store: RunStore) -> None:
    store.apply(created(run_of("run", epoch=2), task_of("task", epoch=2)))

    late = store.apply([run_became(State.RUNNING, epoch=1), task_became(State.RUNNING, epoch=1)])
    right = store.apply([run_became(State.RUNNING, epoch=2), task_became(State.RUNNING, epoch=2)])

    assert late == [False, False]
    assert right == [True, True]


def test_an_event_of_something_unknown_changes_nothing(store: RunStore) -> None:
    assert store.apply([run_became(State.RUNNING), task_became(State.RUNNING)]) == [False, False]
    assert store.list_runs() == []


def test_a_task_is_refused_by_a_run_that_has_ended(store: RunStore) -> None:
    store.apply([*created(run_of("run")), run_became(State.CRASHED)])

    assert store.apply(created(task_of("late"))) == [False]


def test_a_task_keeps_its_attempts_its_worker_and_the_error_of_its_last_failure(store: RunStore) -> None:
    error = ErrorInfo(type="ValueError", message="no")
    store.apply(created(run_of("run"), task_of("task", max_attempts=2)))

    store.apply([task_became(State.RUNNING, attempt=1, worker="w-1")])
    store.apply([task_became(State.RETRYING, attempt=1, error=error, message="attempt 1 failed")])
    retrying = store.task_runs("run")[0]
    store.apply([task_became(State.RUNNING, seconds=5, attempt=2), task_became(State.FAILED, seconds=6, error=error)])
    failed = store.task_runs("run")[0]

    assert (retrying.attempt, retrying.worker, retrying.error, retrying.message) == (
        1,
        "w-1",
        error,
        "attempt 1 failed",
    )
    assert (failed.attempt, failed.worker, failed.error, failed.message) == (2, "w-1", error, "")
    assert (failed.started_at, failed.ended_at) == (later(1), later(6))


def test_a_completed_task_has_no_error_of_an_earlier_attempt(store: RunStore) -> None:
    store.apply(created(run_of("run"), task_of("task", error=ErrorInfo(type="ValueError", message="no"))))

    store.apply([task_became(State.RUNNING), task_became(State.COMPLETED)])

    assert store.task_runs("run")[0].error is None


def test_the_history_is_a_path_of_the_state_graph_with_who_and_why(store: RunStore) -> None:
    store.apply(created(run_of("run"), task_of("task")))
    store.apply([run_became(State.RUNNING), task_became(State.RUNNING, attempt=1), run_became(State.RUNNING)])
    store.apply([run_became(State.CRASHED, seconds=2, actor="recovery", message="died")])

    history = store.state_changes("run")

    assert [(change.task_run_id, change.from_state, change.to_state) for change in history] == [
        (None, None, State.PENDING),
        ("task", None, State.PENDING),
        (None, State.PENDING, State.RUNNING),
        ("task", State.PENDING, State.RUNNING),
        (None, State.RUNNING, State.CRASHED),
    ]
    assert [change.sequence for change in history] == sorted({change.sequence for change in history})
    assert history[-1] == StateChange(
        sequence=history[-1].sequence,
        run_id="run",
        task_run_id=None,
        from_state=State.RUNNING,
        to_state=State.CRASHED,
        epoch=1,
        attempt=0,
        at=later(2),
        actor="recovery",
        message="died",
    )


def test_cells_go_along_the_state_graph_and_their_end_is_kept(store: RunStore) -> None:
    def cell(state: State, **fields: object) -> CellRunChanged:
        return CellRunChanged(cell=CellRun(run_id="run", index=0, cell_id="a", state=state, **fields))  # type: ignore[arg-type]

    error = ErrorInfo(type="KeyError", message="'x'", line=2)
    applied = store.apply(
        [
            cell(State.PENDING),
            cell(State.PENDING),
            cell(State.PENDING, title="Load"),
            cell(State.RUNNING, title="Load", started_at=later(1)),
            cell(State.FAILED, title="Load", started_at=later(1), ended_at=later(2), error=error),
            cell(State.RUNNING),
            cell(State.FAILED),
        ]
    )

    assert applied == [True, False, True, True, True, False, False]
    assert store.cell_runs("run") == [
        CellRun(
            run_id="run",
            index=0,
            cell_id="a",
            state=State.FAILED,
            title="Load",
            started_at=later(1),
            ended_at=later(2),
            error=error,
        )
    ]


def test_cells_are_read_in_the_order_of_the_notebook(store: RunStore) -> None:
    cells = [CellRun(run_id="run", index=index, cell_id=f"c{index}", state=State.PENDING) for index in (10, 2, 0)]

    store.apply([CellRunChanged(cell=cell) for cell in cells])

    assert [cell.index for cell in store.cell_runs("run")] == [0, 2, 10]


def test_tasks_are_read_in_the_order_of_their_creation(store: RunStore) -> None:
    store.apply(created(run_of("run"), run_of("other"), task_of("z"), task_of("b", "other"), task_of("a")))
    store.apply(created(task_of("m")))

    assert [task.task_run_id for task in store.task_runs("run")] == ["z", "a", "m"]
    assert {run_id: len(tasks) for run_id, tasks in store.task_runs_of(["run", "other", "none"]).items()} == {
        "run": 3,
        "other": 1,
    }
    assert [task.task_run_id for task in store.get_task_runs(["m", "z", "none"])] == ["z", "m"]


def test_tasks_are_counted_by_their_state(store: RunStore) -> None:
    store.apply(created(run_of("run"), task_of("a"), task_of("b"), task_of("c", state=State.RUNNING)))

    assert store.task_counts(["run", "none"]) == {"run": {State.PENDING: 2, State.RUNNING: 1}}


def test_the_path_of_the_output_is_kept(store: RunStore) -> None:
    store.apply(created(run_of("run")))

    written = RunOutputWritten(run_id="run", output_path="/out.ipynb")

    assert store.apply([written, written]) == [True, False]
    assert store.get_run("run").output_path == "/out.ipynb"


def test_log_lines_are_read_in_order_from_any_point_and_for_one_task(store: RunStore) -> None:
    store.apply([LogsWritten(lines=(line_of("one"), line_of("two", task_run_id="task"), line_of("x", run_id="other")))])
    store.apply([LogsWritten(lines=(line_of("three"),))])

    lines = store.log_lines("run")
    first_sequence = lines[0][0]

    assert [line.message for _, line in lines] == ["one", "two", "three"]
    assert lines[1][1] == line_of("two", task_run_id="task")
    assert [line.message for _, line in store.log_lines("run", after=first_sequence, limit=1)] == ["two"]
    assert [line.message for _, line in store.log_lines("run", task_run_id="task")] == ["two"]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("naïve ☀ 😀\r\n\t", "naïve ☀ 😀\r\n\t"),
        ("a\0b", "a\\x00b"),
        ("bytes \udcff", "bytes \\udcff"),
        ("'; DROP TABLE runs; --", "'; DROP TABLE runs; --"),
        ("\x1b[31m<script>", "\x1b[31m<script>"),
    ],
    ids=["unicode", "nul", "surrogate", "sql", "markup"],
)
def test_any_text_can_be_logged(store: RunStore, text: str, stored: str) -> None:
    store.apply([LogsWritten(lines=(line_of(text),))])

    assert [line.message for _, line in store.log_lines("run")] == [stored]


def test_parameters_come_back_exactly(store: RunStore) -> None:
    parameters: dict[str, object] = {
        "infinite": [float("inf"), float("-inf")],
        "floats": [1e308, -0.0, 0.1, 5e-324],
        "a large whole number": 2**80,
        "odd text": "a\0b\udcff\"'\r\n☀",
        "nested": {"k": {"": [True, None, [1, [2.0]]]}},
        "two megabytes": "x" * 2_000_000,
    }
    store.apply(created(run_of("run", parameters=parameters)))

    stored = from_stored(store.get_run("run").parameters)

    assert repr(stored) == repr(parameters)  # tells 1 from 1.0 from True, and -0.0 from 0.0


def test_a_nan_parameter_survives_and_stays_tagged_in_the_record(store: RunStore) -> None:
    store.apply([RunCreated(run=run_of("run", parameters={"p": [float("nan"), 1.0]}))])

    run = store.get_run("run")

    assert run.parameters == {"p": [{"$float": "nan"}, 1.0]} == to_stored(run.parameters)
    assert b"nan" in msgspec.json.encode(run)


def test_times_of_any_zone_are_kept_to_the_microsecond(store: RunStore) -> None:
    at = NOON.replace(microsecond=123457).astimezone(timezone(timedelta(hours=5, minutes=30)))

    store.apply(created(run_of("run", created_at=at)))

    created_at = store.get_run("run").created_at
    assert created_at == at
    assert created_at.utcoffset() == timedelta(0)


def test_a_message_is_cut_at_two_thousand_characters(store: RunStore) -> None:
    store.apply([*created(run_of("run")), run_became(State.FAILED, message="x" * 5_000)])

    assert store.get_run("run").message == "x" * 1_999 + "…"


def test_a_run_is_found_by_its_id_or_as_the_newest_of_its_name(store: RunStore) -> None:
    store.apply(created(*(run_of(f"{number:032x}", name="calm-fox") for number in (1, 3, 2))))

    assert store.get_run(f"{2:032x}").run_id == f"{2:032x}"
    assert store.get_run("calm-fox").run_id == f"{3:032x}"
    with pytest.raises(RunNotFound, match="'brave-owl'.*orchestra runs ls"):
        store.get_run("brave-owl")


def test_runs_are_listed_the_newest_first_in_pages_without_gaps(store: RunStore) -> None:
    ids = [f"{number:032x}" for number in range(25)]
    store.apply(created(*map(run_of, ids)))

    sizes: list[int] = []
    listed: list[str] = []
    while page := store.list_runs(limit=10, before=listed[-1] if listed else None):
        sizes.append(len(page))
        listed += [run.run_id for run in page]

    assert sizes == [10, 10, 5]
    assert listed == ids[::-1]


def test_runs_are_filtered_by_state_kind_and_flow_on_every_page(store: RunStore) -> None:
    states = [State.RUNNING, State.FAILED, State.COMPLETED]
    kinds = [RunKind.NOTEBOOK, RunKind.INTERACTIVE]
    runs = [
        run_of(f"{number:032x}", state=states[number % 3], kind=kinds[number % 2], flow_name=f"flow-{number % 5}")
        for number in range(60)
    ]
    store.apply(created(*runs))

    def listed(**wanted: object) -> list[int]:
        found: list[int] = []
        before = None
        while page := store.list_runs(limit=7, before=before, **wanted):  # type: ignore[arg-type]
            before = page[-1].run_id
            found += [int(run.run_id, 16) for run in page]
        return found

    newest_first = range(59, -1, -1)
    assert listed(states=[State.RUNNING, State.FAILED]) == [n for n in newest_first if n % 3 in (0, 1)]
    assert listed(states=[]) == []
    assert listed(kind=RunKind.INTERACTIVE) == [n for n in newest_first if n % 2]
    assert listed(flow_pattern="*W-3") == [n for n in newest_first if n % 5 == 3]
    assert listed(flow_pattern="f*-*") == list(newest_first)
    assert listed(flow_pattern="flow_3") == listed(flow_pattern="fl%") == []
    assert listed(flow_name="flow-3") == [n for n in newest_first if n % 5 == 3]
    assert listed(states=[State.FAILED], kind=RunKind.NOTEBOOK, flow_name="flow-0") == [10, 40][::-1]


def test_runs_with_given_ids_are_read_at_once(store: RunStore) -> None:
    store.apply(created(run_of("a"), run_of("b"), run_of("c")))

    assert [run.run_id for run in store.get_runs(["a", "c", "none"])] == ["c", "a"]


def test_the_expected_duration_is_the_median_of_the_last_ten_successes_in_the_flow(store: RunStore) -> None:
    assert store.expected_seconds("train", "fit") is None
    store.apply(created(run_of("run"), run_of("other", flow_name="test")))
    for number, seconds in enumerate([1000, 1000, *range(1, 11)]):
        store.apply([*created(task_of(f"t{number}")), task_became(State.RUNNING, f"t{number}", seconds=0)])
        store.apply([task_became(State.COMPLETED, f"t{number}", seconds=seconds)])
    store.apply(
        [*created(task_of("bad")), task_became(State.RUNNING, "bad", 0), task_became(State.FAILED, "bad", 9000)]
    )
    store.apply([*created(task_of("x", "other")), task_became(State.RUNNING, "x", 0, "other")])
    store.apply([task_became(State.COMPLETED, "x", 77, "other")])

    assert store.expected_seconds("train", "fit") == 5.5
    assert store.expected_seconds("test", "fit") == 77
    assert store.expected_seconds("train", "other") is None


def test_a_request_to_cancel_reaches_the_driver_of_the_run_once(store: RunStore) -> None:
    store.apply(created(run_of("run"), run_of("foreign", driver_id="other"), task_of("task")))

    asked = [
        store.request_cancel("run", None, "ana", NOON),
        store.request_cancel("run", None, "bo", NOON),
        store.request_cancel("foreign", None, "ana", NOON),
        store.request_cancel("run", "task", "ana", NOON),
    ]

    requests = store.cancel_requests("driver")
    assert asked == [True] * 4
    assert requests == [
        CancelRequest(sequence=requests[0].sequence, run_id="run", task_run_id=None, actor="ana"),
        CancelRequest(sequence=requests[1].sequence, run_id="run", task_run_id="task", actor="ana"),
    ]
    assert store.cancel_requests("driver", after=requests[0].sequence) == requests[1:]


def test_what_has_ended_cannot_be_cancelled(store: RunStore) -> None:
    store.apply(created(run_of("run"), task_of("task", state=State.COMPLETED), run_of("done", state=State.FAILED)))

    assert store.request_cancel("done", None, "ana", NOON) is False
    assert store.request_cancel("run", "task", "ana", NOON) is False
    assert store.cancel_requests("driver") == []


def test_a_request_to_cancel_something_unknown_is_refused(store: RunStore) -> None:
    store.apply(created(run_of("run")))

    with pytest.raises(RunNotFound, match="'none'"):
        store.request_cancel("none", None, "ana", NOON)
    with pytest.raises(TaskNotFound, match="'none'"):
        store.request_cancel("run", "none", "ana", NOON)


def test_of_many_threads_that_end_a_run_one_wins(store: RunStore) -> None:
    store.apply(created(run_of("run", state=State.RUNNING)))
    ends = [State.COMPLETED, State.FAILED, State.CRASHED, State.CANCELLED] * 4
    won: list[State] = []
    barrier = threading.Barrier(len(ends))

    def end(state: State) -> None:
        barrier.wait()
        if store.apply([run_became(state)]) == [True]:
            won.append(state)

    threads = [threading.Thread(target=end, args=(state,)) for state in ends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert won == [store.get_run("run").state]
    assert len(store.state_changes("run")) == 2


def test_a_batch_is_written_whole_or_not_at_all(store: RunStore) -> None:
    naive = run_of("bad", created_at=NOON.replace(tzinfo=None))

    with pytest.raises(Exception, match="no time zone"):
        store.apply(created(run_of("good"), naive))

    assert store.list_runs() == []
