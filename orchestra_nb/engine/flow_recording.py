"""Follows a flow's body without running its tasks: each call of a task or of a subflow becomes a node of a graph.

While a recording is on, tasks and flows hand their calls to it (:func:`current_recording`) and get stand-ins back.
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from orchestra_nb.engine.annotations import BaseAnnotation, quote, unmapped
from orchestra_nb.engine.flow_graph import FlowGraph, GraphNode
from orchestra_nb.engine.futures import FutureList, TaskFuture
from orchestra_nb.engine.run_context import FlowRunContext, entered, flow_run_context, task_run_context
from orchestra_nb.engine.run_records import new_run
from orchestra_nb.engine.run_states import state_of
from orchestra_nb.engine.stand_ins import FlowVisualizationError, StandIn
from orchestra_nb.engine.task_runners import TaskRunner
from orchestra_nb.model.events import Event
from orchestra_nb.model.runs import RunKind, TaskRun
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.engine.drivers import Driver
    from orchestra_nb.engine.flow_runner import FlowRunner
    from orchestra_nb.engine.flows import Flow
    from orchestra_nb.engine.tasks import Task

_current: ContextVar[FlowRecording | None] = ContextVar("orchestra_flow_recording", default=None)


def current_recording() -> FlowRecording | None:
    """Return what takes the calls of tasks and flows made here; None where they are to run."""
    return _current.get()


def record_graph(owner: Flow[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> FlowGraph:
    """Return the graph of the tasks that a call of this flow would make. Its body runs, its tasks do not.

    Raises
    ------
    FlowVisualizationError
        The body needs the value of a task that has no ``viz_return_value``.
    """
    bound = owner.signature.bind(*args, **kwargs)
    bound.apply_defaults()
    bound.arguments.update(owner.validate(bound.arguments))
    recording = FlowRecording(owner)
    try:
        with (
            entered(_current, recording),
            entered(flow_run_context, recording.flow_context(bound.arguments)),
            entered(task_run_context, None),
        ):
            _run_body(owner.fn, bound)
    except FlowVisualizationError:
        raise
    except Exception as error:  # the user's code, on values that are none
        raise FlowVisualizationError(
            f"The body of flow {owner.name!r} cannot go on with what stands for its tasks' values: "
            f"{type(error).__name__}: {error}. Write viz_return_value=… at the tasks whose values it works on."
        ) from error
    return FlowGraph(owner.name, tuple(recording.nodes))


def _run_body(function: Callable[..., Any], bound: inspect.BoundArguments) -> None:
    value = function(*bound.args, **bound.kwargs)
    if inspect.isgenerator(value):
        for _ in value:
            pass
    elif inspect.iscoroutine(value):
        _run_elsewhere(value)
    elif inspect.isasyncgen(value):
        _run_elsewhere(_read(value))


async def _read(values: Any) -> None:
    async for _ in values:
        pass


def _run_elsewhere(coroutine: Any) -> None:
    """Run a coroutine in a thread of its own: a notebook's thread has an event loop that runs already."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(coroutine)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=copy_context().run, args=(run,), name="orchestra-visualize")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


class FlowRecording:
    """The calls that a flow's body has made so far. For one thread at a time, as a flow's body is."""

    def __init__(self, owner: Flow[Any, Any]) -> None:
        self.nodes: list[GraphNode] = []
        self._owner = owner
        self._numbers: Counter[str] = Counter()
        #: id of a ``viz_return_value`` to (itself, so that the id stays its own, and the node that gave it)
        self._given: dict[int, tuple[object, str]] = {}
        self._runner = cast("FlowRunner", _EndedTasks(self))

    def flow_context(self, parameters: Mapping[str, Any]) -> FlowRunContext:
        """Return what the body may ask of its run, which nobody records."""
        driver = cast("Driver", _SilentDriver())
        owner = self._owner
        run = new_run(driver, RunKind.FLOW, owner.name)
        return FlowRunContext(
            run=run, driver=driver, task_runner=TaskRunner(), flow=owner, parameters=parameters, tags=owner.tags
        )

    def call(
        self,
        owner: Task[Any, Any] | Flow[Any, Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        wait_for: Any = None,
        return_state: bool = False,
        kind: str = "task",
    ) -> Any:
        """Take a direct call; return what stands for what it would return."""
        node = self._add(owner.name, kind, (args, kwargs, wait_for))
        value = self._value_of(owner, node)
        if return_state:
            value = state_of(State.COMPLETED, data=value)
        if owner.isgenerator and isinstance(value, StandIn):
            return value
        return _given_later(value) if owner.isasync and not owner.isgenerator else value

    def submit(
        self,
        owner: Task[Any, Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        wait_for: Any = None,
        return_state: bool = False,
    ) -> Any:
        """Take a submitted call; return what stands for its future, or its state."""
        node = self._add(owner.name, "task", (args, kwargs, wait_for))
        future = RecordedFuture(self._runner, node, self._value_of(owner, node))
        return future.state if return_state else future

    def map(
        self,
        owner: Task[Any, Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        wait_for: Any = None,
        return_state: bool = False,
    ) -> Any:
        """Take mapped calls as one node; return their futures: one, where their number is not known."""
        count = _count_of(owner, args, kwargs)
        node = self._add(owner.name, "mapped", (args, kwargs, wait_for), count)
        value = self._value_of(owner, node)
        futures = RecordedFutures(
            RecordedFuture(self._runner, node, value) for _ in range(1 if count is None else count)
        )
        futures.mapped_count = count
        return [future.state for future in futures] if return_state else futures

    def record_of(self, node_id: str) -> TaskRun:
        """Return the record of a call as one that has ended well."""
        node = self.nodes[int(node_id)]
        now = datetime.now(UTC)
        return TaskRun(task_run_id=node_id, run_id="", name=node.label, state=State.COMPLETED, created_at=now)

    def _add(self, name: str, kind: str, arguments: Any, count: int | None = None) -> GraphNode:
        if kind == "mapped":
            label = f"{name} × {'n' if count is None else count}"
        else:
            label = f"{name}-{self._numbers[name]}"
            self._numbers[name] += 1
        upstream = tuple(dict.fromkeys(self._sources_of(arguments)))
        node = GraphNode(str(len(self.nodes)), label, kind, upstream)
        self.nodes.append(node)
        return node

    def _value_of(self, owner: Task[Any, Any] | Flow[Any, Any], node: GraphNode) -> Any:
        value = owner.viz_return_value
        if value is None:
            return StandIn((node.node_id,), node.label, is_series=owner.isgenerator)
        if not _is_everywhere(value):
            self._given[id(value)] = (value, node.node_id)
        return value

    def _sources_of(self, value: Any) -> Iterator[str]:
        """Yield the ids of the nodes that arguments come from."""
        if (given := self._given.get(id(value))) is not None:
            yield given[1]
        elif isinstance(value, StandIn):
            yield from value.stand_in_sources
        elif isinstance(value, RecordedFuture):
            yield value.task_run_id
        elif isinstance(value, BaseAnnotation):
            yield from self._sources_of(value.value)
        elif isinstance(value, Mapping):
            for item in value.values():
                yield from self._sources_of(item)
        elif isinstance(value, list | tuple | set | frozenset):
            for item in value:
                yield from self._sources_of(item)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            for field in dataclasses.fields(value):
                yield from self._sources_of(getattr(value, field.name, None))


class RecordedFuture(TaskFuture[Any]):
    """The future of a call that was taken for a graph: it has ended, with what stands for its value."""

    __slots__ = ()

    def __init__(self, runner: FlowRunner, node: GraphNode, value: object) -> None:
        super().__init__(runner, node.node_id)
        self._value = value


class RecordedFutures(FutureList[Any]):
    """The futures of a ``.map`` that was taken for a graph.

    Parameters
    ----------
    mapped_count
        How many calls it would be; None where that depends on a value that is not known.
    """

    mapped_count: int | None = None


class _EndedTasks:
    """Stands in the place of a flow runner: all its tasks have ended well."""

    def __init__(self, recording: FlowRecording) -> None:
        self._recording = recording

    def task(self, task_run_id: str) -> TaskRun:
        return self._recording.record_of(task_run_id)

    def has_ended(self, task_run_id: str) -> bool:
        return True

    def wait(self, task_run_ids: object, timeout_seconds: float | None = None) -> bool:
        return True

    def call_when_ended(self, task_run_id: str, call: Callable[[], object]) -> None:
        call()

    def cancel(self, task_run_ids: object, reason: str, actor: str = "") -> None:
        """Do nothing: it has ended."""

    def forget(self, task_run_id: str) -> None:
        """Do nothing: there is no value to let go of."""


class _SilentDriver:
    """Stands in the place of a driver: nothing is recorded, and what is logged is not shown."""

    driver_id = None
    open_run = None
    parent_run_id = None
    shows_failures = False
    shows_runs = False

    @property
    def sink(self) -> _SilentDriver:
        return self

    def emit(self, event: Event) -> None:
        """Do nothing."""

    def say(self, line: str, level: int) -> None:
        """Do nothing."""


async def _given_later(value: Any) -> Any:
    return value


def _count_of(owner: Task[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | None:
    """Return how many calls a ``.map`` makes; None where no argument tells."""
    for name, value in owner.signature.bind(*args, **kwargs).arguments.items():
        kind = owner.signature.parameters[name].kind
        values = value if kind is inspect.Parameter.VAR_POSITIONAL else [value]
        for item in value.values() if kind is inspect.Parameter.VAR_KEYWORD else values:
            inner = item.value if isinstance(item, BaseAnnotation) else item
            if isinstance(item, unmapped | quote) or isinstance(inner, str | bytes | StandIn):
                continue
            if isinstance(inner, TaskFuture):
                inner = inner.result()
            if isinstance(inner, RecordedFutures):
                return inner.mapped_count
            if hasattr(inner, "__len__") and not isinstance(inner, StandIn):
                return len(inner)
    return None


def _is_everywhere(value: object) -> bool:
    """Tell whether Python has one object of this value for all who write it: it does not tell where it comes from."""
    return isinstance(value, bool) or (isinstance(value, int) and -5 <= value <= 256)
