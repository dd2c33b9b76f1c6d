"""Spans of OpenTelemetry: of real flows by the real SDK, and none of it where nobody asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from orchestra_nb.model.events import (
    Event,
    RunCreated,
    RunReopened,
    RunStateChanged,
    TaskRunCreated,
    TaskRunStateChanged,
)
from orchestra_nb.model.runs import ErrorInfo, Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.operations.run_tracing import RunTracer
from tests.patience import PATIENCE_SECONDS

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
RUN = Run(
    run_id="a" * 32, name="calm-fox", flow_name="sales", kind=RunKind.FLOW, state=State.SCHEDULED, created_at=NOON
)
TASK = TaskRun(
    task_run_id="b" * 32, run_id=RUN.run_id, name="load-3", state=State.PENDING, created_at=NOON, max_attempts=2
)

_SCRIPT = """
import json
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from orchestra_nb import flow, task
from orchestra_nb.task_runners import ThreadPoolTaskRunner

exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

def here():
    return f"{trace.get_current_span().get_span_context().span_id:016x}"

@task
def where(place):
    return here()

@task(retries=1, retry_delay_seconds=0)
def flaky(failed=[]):
    if not failed:
        failed.append(1)
        raise ValueError("first")
    with trace.get_tracer("mine").start_as_current_span("own"):
        return here()

@flow
def inner():
    return {"inner": here(), "direct": where("here")}

@flow(task_runner=ThreadPoolTaskRunner())
def outer():
    return {"flaky": flaky.submit().result(), **inner(), "thread": where.submit("thread").result()}

@flow
def on_cluster():
    values = [future.result() for future in where.map(["worker"] * 2)]
    return {f"worker-{number}": value for number, value in enumerate(values)}

if __name__ == "__main__":
    with trace.get_tracer("mine").start_as_current_span("around"):
        seen = {**outer(), **on_cluster()}
    spans = [
        {
            "name": span.name,
            "trace": span.get_span_context().trace_id,
            "id": f"{span.get_span_context().span_id:016x}",
            "parent": f"{span.parent.span_id:016x}" if span.parent else None,
            "events": [event.name for event in span.events],
        }
        for span in exporter.get_finished_spans()
    ]
    print(json.dumps({"seen": seen, "spans": spans}))
"""


def script(folder: Path, text: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "traced.py").write_text(text)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environ |= {"JUPYTER_DATA_DIR": str(folder / "data"), "ORCHESTRA_STORE_URL": f"sqlite:///{folder / 'store.db'}"}
    return subprocess.run(
        [sys.executable, "traced.py"],
        cwd=folder,
        env=environ | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def test_flows_subflows_and_tasks_are_spans_of_one_trace_in_which_their_own_code_goes_on(tmp_path: Path) -> None:
    done = script(tmp_path, _SCRIPT)

    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    seen, spans = told["seen"], {span["id"]: span for span in told["spans"]}

    def ancestry(id_: str) -> list[str]:
        names = []
        while id_ in spans:
            names.append(spans[id_]["name"])
            id_ = spans[id_]["parent"]
        return names

    assert len({span["trace"] for span in told["spans"]}) == 1
    assert {place: ancestry(id_) for place, id_ in seen.items()} == {
        "flaky": ["own", "task flaky", "flow outer", "around"],
        "inner": ["flow inner", "flow outer", "around"],
        "direct": ["task where", "flow inner", "flow outer", "around"],
        "thread": ["task where", "flow outer", "around"],
        "worker-0": ["task where", "flow on-cluster", "around"],
        "worker-1": ["task where", "flow on-cluster", "around"],
    }
    flaky = next(span for span in told["spans"] if span["name"] == "task flaky")
    assert flaky["events"] == ["retrying", "exception", "running", "completed"]


def test_nothing_is_imported_where_nobody_asks_and_nothing_fails_where_it_cannot_be_done(tmp_path: Path) -> None:
    text = """
import sys
from orchestra_nb import flow, task
@task
def one():
    return 1
@flow
def plain():
    return one()
assert plain() == 1
print(sorted(name for name in sys.modules if name.split(".")[0] == "opentelemetry"))
"""
    plain = script(tmp_path, text)
    wrong = script(tmp_path, text, OTEL_TRACES_EXPORTER="no-such-exporter")
    disabled = script(tmp_path, text, OTEL_TRACES_EXPORTER="console", OTEL_SDK_DISABLED="true")
    console = script(tmp_path, text, OTEL_TRACES_EXPORTER="console")

    assert (plain.returncode, plain.stdout) == (0, "[]\n"), plain.stderr
    assert (wrong.returncode, "no-such-exporter" in wrong.stderr) == (0, True), wrong.stderr
    assert (disabled.returncode, disabled.stdout) == (0, "[]\n"), disabled.stderr
    assert '"name": "flow plain"' in console.stdout
    assert '"name": "task one"' in console.stdout


class Traced:
    """A tracer with the real SDK behind it."""

    def __init__(self, **options: Any) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = RunTracer(provider.get_tracer("test"), **options)

    def take(self, *events: Event) -> None:
        for event in events:
            self.tracer.take(event)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())


def run_is(state: State, seconds: int, *, epoch: int = 1, message: str = "") -> RunStateChanged:
    at = NOON + timedelta(seconds=seconds)
    return RunStateChanged(run_id=RUN.run_id, state=state, at=at, epoch=epoch, message=message)


def task_is(state: State, seconds: int, **fields: Any) -> TaskRunStateChanged:
    at = NOON + timedelta(seconds=seconds)
    return TaskRunStateChanged(run_id=RUN.run_id, task_run_id=TASK.task_run_id, state=state, at=at, **fields)


def test_a_span_lasts_from_the_first_attempt_to_the_end_and_has_each_failure() -> None:
    traced, error = Traced(), ErrorInfo(type="ValueError", message="no", traceback="Traceback …")

    traced.take(RunCreated(run=RUN), run_is(State.RUNNING, 5), TaskRunCreated(task_run=TASK))
    traced.take(task_is(State.PENDING, 6), task_is(State.RUNNING, 7, attempt=1, worker="w1"))
    traced.take(task_is(State.RETRYING, 8, attempt=1, error=error), task_is(State.RUNNING, 9, attempt=2, worker="w2"))
    traced.take(task_is(State.FAILED, 10, attempt=2, error=error, message="ValueError: no"))
    traced.take(task_is(State.FAILED, 11, attempt=2), run_is(State.FAILED, 12, message="1 task failed"))
    traced.take(run_is(State.CANCELLED, 13))

    task, run = traced.spans
    assert (task.name, run.name) == ("task load", "flow sales")
    assert [(span.end_time - span.start_time) // 10**9 for span in (task, run)] == [3, 7]  # type: ignore[operator]
    assert task.parent is not None
    assert task.parent.span_id == run.get_span_context().span_id
    assert task.attributes == {
        "orchestra.task.name": "load-3",
        "orchestra.run.id": RUN.run_id,
        "orchestra.task_run.id": TASK.task_run_id,
        "orchestra.task_run.max_attempts": 2,
        "orchestra.task_run.attempts": 2,
        "orchestra.worker.name": "w2",
        "orchestra.task_run.state": "FAILED",
        "error.type": "ValueError",
    }
    assert [event.name for event in task.events] == ["retrying", "exception", "running", "failed", "exception"]
    assert dict(task.events[1].attributes or {}) == {
        "exception.type": "ValueError",
        "exception.message": "no",
        "exception.stacktrace": "Traceback …",
    }
    assert [span.status.status_code for span in (task, run)] == [StatusCode.ERROR] * 2
    assert run.status.description == "1 task failed"


def test_what_never_ran_has_a_span_of_no_length_and_a_cached_result_says_so() -> None:
    traced = Traced()

    traced.take(RunCreated(run=RUN), run_is(State.RUNNING, 1), TaskRunCreated(task_run=TASK))
    traced.take(task_is(State.COMPLETED, 2, is_cached=True))

    (task,) = traced.spans
    assert task.start_time == task.end_time
    assert task.attributes is not None
    assert task.attributes["orchestra.task_run.is_cached"] is True


def test_a_run_that_is_opened_again_has_a_trace_of_its_own() -> None:
    traced = Traced(find_run=lambda run_id: RUN)

    traced.take(RunCreated(run=RUN), run_is(State.RUNNING, 1), run_is(State.FAILED, 2))
    traced.take(RunReopened(run_id=RUN.run_id, at=NOON, epoch=2, driver_id=None, actor="me", message=""))
    traced.take(run_is(State.RUNNING, 3, epoch=2), run_is(State.COMPLETED, 4, epoch=2))

    first, second = (span.get_span_context().trace_id for span in traced.spans)
    assert first != second


@pytest.mark.parametrize("known", [True, False])
def test_a_run_that_was_made_elsewhere_is_looked_up(known: bool) -> None:
    traced = Traced(find_run=lambda run_id: RUN if known else None)

    traced.take(run_is(State.PENDING, 1), run_is(State.RUNNING, 2), run_is(State.COMPLETED, 3))

    assert [span.name for span in traced.spans] == (["flow sales"] if known else [])
