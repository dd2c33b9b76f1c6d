"""What a run shows without our renderer, and how much of it a notebook keeps."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from orchestra_nb.flow_display import NO_TASKS, flow_bundle
from orchestra_nb.model.runs import ErrorInfo, Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.run_display import RUN_MIME

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>"


def task(number: int, name: str, state: State, **fields: object) -> TaskRun:
    record = TaskRun(task_run_id=f"{number:032x}", run_id="run", name=name, state=state, created_at=NOW)
    return msgspec.structs.replace(record, **fields)


def run(state: State, **fields: object) -> Run:
    record = Run(
        run_id="run",
        name="calm-fox",
        flow_name="report",
        kind=RunKind.FLOW,
        state=state,
        created_at=NOW,
        started_at=NOW,
        ended_at=NOW + timedelta(seconds=38) if state.is_terminal else None,
    )
    return msgspec.structs.replace(record, **fields)


def many(failed: int) -> list[TaskRun]:
    """Return a run of 10,000 mapped tasks of which some failed with long errors."""
    error = ErrorInfo(type="ValueError", message="no " * 600, cell="cell 4", line=3, traceback="line\n" * 4000)
    load = task(0, "load-0", State.COMPLETED)
    mapped = [
        task(
            number,
            f"square-{number}",
            State.FAILED if number <= failed else State.COMPLETED,
            upstream=(load.task_run_id,),
            error=error if number <= failed else None,
            worker="worker 1",
            started_at=NOW,
            ended_at=NOW,
        )
        for number in range(1, 10_001)
    ]
    total = task(20_000, "total-0", State.UPSTREAM_FAILED, upstream=tuple(one.task_run_id for one in mapped))
    return [load, *mapped, total]


def data(bundle: dict[str, object]) -> dict[str, Any]:
    output = bundle[RUN_MIME]
    assert isinstance(output, dict)
    return output


def test_flow_lists_tasks_with_what_they_come_after() -> None:
    tasks = [task(1, "load", State.COMPLETED), task(2, "clean", State.RUNNING)]

    bundle = flow_bundle(None, tasks, [(tasks[0].task_run_id, tasks[1].task_run_id)])

    assert bundle["text/plain"] == "✓ load  Completed\n▶ clean  Running  ← load"


def test_empty_flow_teaches_the_first_step() -> None:
    assert flow_bundle(None, [], [])["text/plain"] == NO_TASKS


def test_the_text_of_a_run_is_its_head_its_failures_and_a_line_for_each_group() -> None:
    tasks = [
        task(1, "load-0", State.COMPLETED),
        task(2, "square-0", State.COMPLETED, upstream=(f"{1:032x}",)),
        task(3, "square-1", State.FAILED, error=ErrorInfo(type="ValueError", message="no"), upstream=(f"{1:032x}",)),
        task(4, "total-0", State.UPSTREAM_FAILED, upstream=(f"{2:032x}", f"{3:032x}")),
    ]

    text = flow_bundle(run(State.FAILED, message="ValueError: no"), tasks)["text/plain"]

    assert text == (
        "✕ Failed  report · run calm-fox  38 s  4 of 4 tasks, 2 failed\n"
        "  ✕ square-1  Failed  ValueError: no  ← load-0\n"
        "  ↥ total-0  Upstream failed  ← square\n"
        "  ✓ load-0  Completed\n"
        "  ✕ square ×2  1 failed, 1 completed  ← load-0"
    )


def test_words_stay_apart_in_html_that_lost_its_styles() -> None:
    error = ErrorInfo(type="ValueError", message="no", cell="clean", line=6, traceback="Traceback")
    times = {"started_at": NOW, "ended_at": NOW + timedelta(seconds=9.6)}
    tasks = [
        task(1, "load", State.COMPLETED, worker="worker-2", **times),
        task(2, "clean", State.FAILED, error=error, worker="worker-1", **times),
    ]

    shown = re.sub(r"<(?!/?(?:td|summary|div))[^>]*>", "", str(flow_bundle(run(State.FAILED), tasks)["text/html"]))
    texts = [text for text in re.split(r"<[^>]*>", shown) if text]

    assert texts[0] == "✕&nbsp;Failed · report · run calm-fox · 38 s · 2 of 2 tasks, 1 failed"
    assert "ValueError: no · clean, line 6 · 9.6 s · worker-1" in texts
    assert "9.6 s · worker-2" in texts


def test_a_failure_is_told_once_and_what_did_not_run_names_it_only() -> None:
    error = ErrorInfo(type="ValueError", message="no such region\nmore of it")
    tasks = [
        task(1, "clean-0", State.FAILED, error=error, message="ValueError: no such region"),
        task(2, "report-0", State.UPSTREAM_FAILED, message="clean-0 failed: ValueError: no such region"),
    ]
    message = "UpstreamFailed: Task report-0: clean-0 failed: ValueError: no such region"

    bundle = flow_bundle(run(State.FAILED, message=message), tasks)
    other = flow_bundle(run(State.FAILED, message="KeyError: 7"), tasks)

    assert str(bundle["text/plain"]).count("no such region") == str(bundle["text/html"]).count("no such region") == 1
    assert "↥ report-0  Upstream failed  clean-0 failed" in str(bundle["text/plain"])
    assert "\n  KeyError: 7\n" in str(other["text/plain"])


def test_ten_thousand_tasks_leave_a_small_notebook() -> None:
    for failed in (0, 5000):
        bundle = flow_bundle(run(State.FAILED if failed else State.COMPLETED), many(failed))

        assert len(msgspec.json.encode(bundle)) < 150_000
        assert str(bundle["text/plain"]).count("\n") < 12
        assert "10,000" in str(bundle["text/html"])


def test_the_data_of_a_large_run_have_its_failures_and_the_number_of_all_others() -> None:
    output = data(flow_bundle(run(State.FAILED), many(3)))

    square = f"{1:032x}"
    assert output["omitted"] == {square: {"COMPLETED": 10_000 - 20}}
    assert [one["name"] for one in output["tasks"] if one["state"] == "FAILED"] == ["square-1", "square-2", "square-3"]
    assert {one["group"] for one in output["tasks"]} == {f"{0:032x}", square, f"{20_000:032x}"}
    assert output["edges"] == [[f"{0:032x}", square], [square, f"{20_000:032x}"]]
    assert output["tasks"][-1]["upstream"] == (square,)
    assert (output["live"], output["run"]["kind"]) == (False, "flow")


def test_a_run_that_goes_on_says_since_when() -> None:
    bundle = flow_bundle(run(State.RUNNING), [task(1, "load", State.RUNNING)])

    assert str(bundle["text/plain"]).startswith("▶ Running  report · run calm-fox  since 09:00:00 UTC  0 of 1 task\n")
    assert data(bundle)["live"] is True


def test_the_time_of_a_notebook_that_ran_in_parts_is_that_of_all_parts() -> None:
    def at(seconds: float) -> datetime:
        return NOW - timedelta(hours=1) + timedelta(seconds=seconds)

    tasks = [
        task(1, "load", State.COMPLETED, started_at=at(0), ended_at=at(20)),
        task(2, "clean", State.COMPLETED, started_at=at(10), ended_at=at(30)),
        task(3, "plot", State.COMPLETED, started_at=NOW, ended_at=NOW + timedelta(seconds=1)),
        task(4, "never", State.UPSTREAM_FAILED),
    ]
    last = run(State.COMPLETED, kind=RunKind.INTERACTIVE, ended_at=NOW + timedelta(seconds=2))

    bundle = flow_bundle(last, tasks)

    assert str(bundle["text/plain"]).startswith("✓ Completed  report · run calm-fox  32 s  4 of 4 tasks")
    assert "32 s" in str(bundle["text/html"])


def test_more_tasks_than_have_a_line_are_counted() -> None:
    tasks = [task(number, f"step {number} x", State.COMPLETED) for number in range(200)]

    bundle = flow_bundle(run(State.COMPLETED), tasks)

    assert str(bundle["text/plain"]).endswith("… and 180 more tasks")
    assert "and 150 more tasks" in str(bundle["text/html"])


def test_hostile_text_stays_text() -> None:
    error = ErrorInfo(type=HOSTILE, message=HOSTILE, cell=HOSTILE, traceback=HOSTILE)
    tasks = [
        task(1, HOSTILE, State.FAILED, error=error, message=HOSTILE),
        task(2, HOSTILE, State.RUNNING, upstream=(f"{1:032x}",)),
        task(3, f"{HOSTILE}-1", State.COMPLETED),
        task(4, f"{HOSTILE}-2", State.COMPLETED),
    ]

    page = str(flow_bundle(run(State.FAILED, name=HOSTILE, flow_name=HOSTILE, message=HOSTILE), tasks)["text/html"])

    assert "<img" not in page
    assert page.count("&lt;img") >= 8
