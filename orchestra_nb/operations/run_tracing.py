"""A span of OpenTelemetry for each flow run and task run, made from the events of whoever drives them.

Nothing is imported, and nothing costs, where nobody has set a tracer provider or a variable that asks for traces.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from orchestra_nb.engine.trace_context import remote_span, span_id_of
from orchestra_nb.errors import InvalidSetting, OrchestraError
from orchestra_nb.model.events import (
    Event,
    RunCreated,
    RunReopened,
    RunStateChanged,
    RunSuspended,
    TaskRunCreated,
    TaskRunStateChanged,
)
from orchestra_nb.model.runs import ErrorInfo, Run, TaskRun
from orchestra_nb.model.states import FAILURE_STATES, State
from orchestra_nb.version import __version__

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

#: Any of these in the environment asks for traces.
_VARIABLES: Final = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)
_RESOURCE_VARIABLE: Final = "OTEL_RESOURCE_ATTRIBUTES"
#: Of so many runs the trace is known after their end, for what comes late.
_MOST_RUNS: Final = 10_000
_SAMPLED: Final = "01"
#: What tells runs of one task apart; a span's name says what kind of work it is.
_NUMBER: Final = re.compile(r"-\d+$")

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_is_configured = False


def find_tracer() -> Tracer | None:
    """Return what makes spans; None where nobody wants any. Costs a look-up where that is so.

    A provider that the program has set is used. Where there is none, and the environment asks for traces, the SDK is
    set up as its variables say, once in a process.
    """
    environ = os.environ
    is_asked = any(environ.get(name, "none") not in ("", "none") for name in _VARIABLES)
    if "opentelemetry.trace" not in sys.modules and not is_asked:
        return None
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    if _is_unset(trace.get_tracer_provider()) and is_asked:
        _configure()
    provider = trace.get_tracer_provider()
    return None if _is_unset(provider) else provider.get_tracer("orchestra_nb", __version__)


class RunTracer:
    """Makes the spans of one driver's runs. :meth:`take` may be called from any thread, with events in order.

    A span begins with the first RUNNING and ends with the run; a run that is opened again has a new one, in a trace of
    its own. Parents are found by ids: a task's is its run's, a subflow's that of the task, or of the flow, that called
    it, and the first one's is the span around the call, if there is one.

    Parameters
    ----------
    find_run
        Returns a run that was not created here; None where it is not known. It may raise OrchestraError.
    """

    def __init__(self, tracer: Tracer, find_run: Callable[[str], Run | None] = lambda run_id: None) -> None:
        self._ids = _ChosenIds(getattr(tracer, "id_generator", None))
        if hasattr(tracer, "id_generator"):  # of the SDK; another one chooses by itself, and then spans know no parents
            tracer.id_generator = self._ids
        self._tracer = tracer
        self._find_run = find_run
        self._lock = threading.RLock()
        #: those that have not ended
        self._runs: dict[str, Run] = {}
        self._traces: OrderedDict[str, str] = OrderedDict()
        #: run id to the span around the call, where that was another's
        self._around: dict[str, Any] = {}
        self._tasks: dict[str, TaskRun] = {}
        self._spans: dict[str, Span] = {}

    def take(self, event: Event) -> None:
        """Take what happened. What goes wrong with a trace is no reason to fail a run: it is logged."""
        try:
            with self._lock:
                self._take(event)
        except Exception:
            _log.warning("A span could not be made.", exc_info=True)

    def trace_of_run(self, run_id: str) -> str | None:
        """Return the trace of a run of this driver, as :func:`~orchestra_nb.engine.trace_context.trace_of_run` does."""
        return self._traces.get(run_id)

    def add_run(self, run: Run) -> None:
        """Know a run that this driver goes on with."""
        with self._lock:
            self._know(run)

    def _take(self, event: Event) -> None:
        match event:
            case RunCreated(run=run):
                self._know(run)
                if run.state is State.RUNNING:
                    self._begin_run(run, run.started_at or run.created_at)
            case RunReopened(run_id=run_id, epoch=epoch):
                self._forget(run_id)
                if (known := self._find_run(run_id)) is not None:
                    self._know(known, epoch)
            case RunStateChanged(run_id=run_id):
                self._change_run(event)
            case RunSuspended(run_id=run_id, at=at, message=message):
                if (span := self._spans.pop(run_id, None)) is not None:
                    span.add_event("suspended", {"orchestra.message": message}, _nanoseconds(at))
                    span.end(_nanoseconds(at))
            case TaskRunCreated(task_run=task_run):
                if self._trace_of(task_run.run_id) is not None:
                    self._tasks[task_run.task_run_id] = task_run
                    if task_run.state is State.RUNNING:
                        self._begin_task(task_run, task_run.started_at or task_run.created_at)
            case TaskRunStateChanged():
                self._change_task(event)
            case _:
                pass

    def _know(self, run: Run, epoch: int | None = None) -> None:
        """Choose the trace of a run."""
        if run.run_id in self._traces:
            return
        epoch = epoch or run.epoch
        trace = self._trace_of(run.parent_run_id) if run.parent_run_id is not None and epoch <= 1 else None
        if trace is None:
            around = _current_span()
            if around is not None and epoch <= 1:
                self._around[run.run_id] = around
                context = around.get_span_context()
                trace = f"{context.trace_id:032x}-{int(context.trace_flags):02x}"
            else:
                trace = f"{_trace_id(run.run_id, epoch):032x}-{_SAMPLED}"
        self._runs[run.run_id] = run
        self._traces[run.run_id] = trace
        while len(self._traces) > _MOST_RUNS:
            self._forget(next(iter(self._traces)))

    def _forget(self, run_id: str) -> None:
        self._runs.pop(run_id, None)
        self._traces.pop(run_id, None)
        self._around.pop(run_id, None)

    def _trace_of(self, run_id: str) -> str | None:
        if run_id not in self._traces:
            try:
                run = self._find_run(run_id)
            except OrchestraError:
                run = None
            if run is None:
                return None
            self._know(run)
        return self._traces[run_id]

    def _change_run(self, change: RunStateChanged) -> None:
        self._trace_of(change.run_id)
        run, span = self._runs.get(change.run_id), self._spans.get(change.run_id)
        if run is None:  # not known, or it has ended
            return
        if span is None:
            if change.state is not State.RUNNING and not change.state.is_terminal:
                return
            span = self._begin_run(run, change.at)
        elif change.state is not State.RUNNING or change.at > run.created_at:
            self._tell(span, change.state, change.at, change.message)
        if change.state.is_terminal:
            self._end(change.run_id, span, change.state, change.at, change.message, "orchestra.run.state", None)
            del self._runs[change.run_id]

    def _change_task(self, change: TaskRunStateChanged) -> None:
        task_run = self._tasks.get(change.task_run_id)
        if task_run is None:
            return
        span = self._spans.get(change.task_run_id)
        if span is None:
            if change.state is not State.RUNNING and not change.state.is_terminal:
                return
            span = self._begin_task(task_run, change.at)
        else:
            self._tell(span, change.state, change.at, change.message, change.attempt)
        if change.worker:
            span.set_attribute("orchestra.worker.name", change.worker)
        if change.attempt:
            span.set_attribute("orchestra.task_run.attempts", change.attempt)
        if change.error is not None and not change.state.is_terminal:
            _record(span, change.error, change.at)
        if change.state.is_terminal:
            del self._tasks[change.task_run_id]
            if change.is_cached:
                span.set_attribute("orchestra.task_run.is_cached", True)
            name = "orchestra.task_run.state"
            self._end(change.task_run_id, span, change.state, change.at, change.message, name, change.error)

    def _begin_run(self, run: Run, at: datetime) -> Span:
        parent_id = run.parent_task_run_id or run.parent_run_id
        trace = self._traces[run.run_id]
        around = self._around.get(run.run_id)
        if around is None and parent_id is not None and self._traces.get(run.parent_run_id or "") == trace:
            around = remote_span(trace, parent_id)
        attributes: dict[str, str | int] = {
            "orchestra.flow.name": run.flow_name,
            "orchestra.run.id": run.run_id,
            "orchestra.run.name": run.name,
            "orchestra.run.kind": run.kind.value,
        }
        if run.deployment is not None:
            attributes["orchestra.deployment.name"] = run.deployment
        span = self._begin(run.run_id, trace, f"flow {run.flow_name}", around, attributes, at)
        flags = int(span.get_span_context().trace_flags)  # what the sampler decided holds for all of the run
        self._traces[run.run_id] = f"{trace.partition('-')[0]}-{flags:02x}"
        return span

    def _begin_task(self, task_run: TaskRun, at: datetime) -> Span:
        trace = self._traces[task_run.run_id]
        attributes: dict[str, str | int] = {
            "orchestra.task.name": task_run.name,
            "orchestra.run.id": task_run.run_id,
            "orchestra.task_run.id": task_run.task_run_id,
            "orchestra.task_run.max_attempts": task_run.max_attempts,
        }
        parent = remote_span(trace, task_run.run_id)
        return self._begin(
            task_run.task_run_id, trace, f"task {_NUMBER.sub('', task_run.name)}", parent, attributes, at
        )

    def _begin(
        self, id_: str, trace: str, name: str, parent: Any, attributes: Mapping[str, str | int], at: datetime
    ) -> Span:
        from opentelemetry.context import Context
        from opentelemetry.trace import set_span_in_context

        context = Context() if parent is None else set_span_in_context(parent, Context())
        with self._ids.chosen(int(trace.partition("-")[0], 16), span_id_of(id_)):
            span = self._tracer.start_span(name, context, attributes=attributes, start_time=_nanoseconds(at))
        self._spans[id_] = span
        return span

    def _tell(self, span: Span, state: State, at: datetime, message: str, attempt: int = 0) -> None:
        attributes: dict[str, str | int] = {"orchestra.state": state.value}
        if message:
            attributes["orchestra.message"] = message
        if attempt:
            attributes["orchestra.attempt"] = attempt
        span.add_event(state.value.lower(), attributes, _nanoseconds(at))

    def _end(
        self, id_: str, span: Span, state: State, at: datetime, message: str, name: str, error: ErrorInfo | None
    ) -> None:
        from opentelemetry.trace import StatusCode

        span.set_attribute(name, state.value)
        if error is not None:
            _record(span, error, at)
        elif state in FAILURE_STATES and message:
            span.add_event("exception", {"exception.message": message}, _nanoseconds(at))
        if state in FAILURE_STATES:
            span.set_attribute("error.type", error.type if error is not None else state.value)
            span.set_status(StatusCode.ERROR, message or None)
        self._spans.pop(id_, None)
        span.end(_nanoseconds(at))


class _ChosenIds:
    """Gives the SDK the ids that were chosen, and else what it would have taken. For any thread."""

    def __init__(self, otherwise: Any) -> None:
        self._otherwise = otherwise
        self._chosen = threading.local()

    def chosen(self, trace_id: int, span_id: int) -> _ChosenIds:
        """Give these inside."""
        self._chosen.ids = (trace_id, span_id)
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        self._chosen.ids = None

    def generate_trace_id(self) -> int:
        """Return the id of a trace."""
        ids = getattr(self._chosen, "ids", None)
        return ids[0] if ids else int(self._otherwise.generate_trace_id())

    def generate_span_id(self) -> int:
        """Return the id of a span."""
        ids = getattr(self._chosen, "ids", None)
        return ids[1] if ids else int(self._otherwise.generate_span_id())

    def is_trace_id_random(self) -> bool:
        """Tell that they are not: samplers may want to know."""
        return False


def _record(span: Span, error: ErrorInfo, at: datetime) -> None:
    """Record an exception that is known as data (https://opentelemetry.io/docs/specs/semconv/exceptions)."""
    attributes = {"exception.type": error.type, "exception.message": error.message}
    if error.traceback:
        attributes["exception.stacktrace"] = error.traceback
    span.add_event("exception", attributes, _nanoseconds(at))


def _is_unset(provider: object) -> bool:
    from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider

    return isinstance(provider, NoOpTracerProvider | ProxyTracerProvider)


def _configure() -> None:
    """Set the SDK up, once in a process, as the environment says: its exporters, sampler and resource."""
    global _is_configured
    with _lock:
        if _is_configured:
            return
        _is_configured = True
        try:
            from opentelemetry import trace
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            is_named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get(_RESOURCE_VARIABLE, "")
            provider = TracerProvider(resource=Resource.create({} if is_named else {"service.name": "orchestra-nb"}))
            for make in _exporters(os.environ.get("OTEL_TRACES_EXPORTER") or "otlp"):
                provider.add_span_processor(BatchSpanProcessor(make()))
        except Exception as error:  # what is asked for is not installed, or a variable is wrong
            _log.warning("The environment asks for traces, and none are made: %s", error)
        else:
            trace.set_tracer_provider(provider)


def _exporters(names: str) -> list[Callable[[], Any]]:
    """Return what makes the exporters of these names, with commas between them."""
    from importlib.metadata import entry_points

    known = {entry.name: entry for entry in entry_points(group="opentelemetry_traces_exporter")}
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    otlp = ["otlp_proto_grpc", "otlp_proto_http"]
    found = []
    for name in (name.strip() for name in names.split(",") if name.strip() not in ("", "none")):
        wanted = [name] if name != "otlp" else otlp[::-1] if (protocol or "").startswith("http") else otlp
        entry = next((known[one] for one in wanted if one in known), None)
        if entry is None:
            package = "opentelemetry-exporter-otlp" if name == "otlp" else "the package that brings it"
            raise InvalidSetting(f"no exporter {name!r} is installed. pip install {package}")
        found.append(entry.load())
    return found


def _current_span() -> Span | None:
    from opentelemetry.trace import get_current_span

    span = get_current_span()
    return span if span.get_span_context().is_valid else None


def _trace_id(run_id: str, epoch: int) -> int:
    return (span_id_of(f"{run_id}.{epoch}") << 64) | span_id_of(f"{epoch}.{run_id}")


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000
