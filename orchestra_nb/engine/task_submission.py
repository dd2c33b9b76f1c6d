"""Turns a call of a task into a submission: which tasks it waits for, what of its arguments travels, and its record."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestra_nb.engine.annotations import BaseAnnotation, allow_failure
from orchestra_nb.engine.argument_trees import replace_leaves
from orchestra_nb.engine.call_body import CallBody, SharedPart
from orchestra_nb.engine.driver_environment import DriverEnvironment
from orchestra_nb.engine.flow_runner import FlowRunner
from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.engine.function_call import CallDetails, FunctionCallee, ObjectCall, UpstreamValue
from orchestra_nb.engine.function_pickling import pickle_value
from orchestra_nb.engine.futures import TaskFuture, waited_for
from orchestra_nb.engine.run_states import State as RunState
from orchestra_nb.engine.submissions import Submission
from orchestra_nb.engine.submitted_transaction import facts_of_transaction
from orchestra_nb.errors import ValueNotPortable
from orchestra_nb.model.attempts import AttemptBody
from orchestra_nb.model.machine_messages import TaskPlan
from orchestra_nb.model.runs import TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.model.waiting_words import waits_for_worker

if TYPE_CHECKING:
    from orchestra_nb.engine.task_settings import TaskSettings
    from orchestra_nb.engine.tasks import Task

#: Types that hold no future and that the plain pickler writes as well as any.
_PLAIN = frozenset({int, float, str, bytes, bool, type(None)})


@dataclass(slots=True)
class Upstream:
    """The tasks that a call waits for."""

    needs: dict[str, None] = field(default_factory=dict)
    waits: dict[str, None] = field(default_factory=dict)
    allowed_failures: dict[str, None] = field(default_factory=dict)
    futures: list[TaskFuture[Any]] = field(default_factory=list)
    #: of another place, whose values were taken here
    elsewhere: dict[str, None] = field(default_factory=dict)

    def take_arguments(self, arguments: Any, runner: FlowRunner) -> Any:
        """Return the arguments with each future replaced by what stands for its value, and note what they wait for.

        A future of another place is waited for here, and its value taken.
        """
        if all(type(value) in _PLAIN for value in arguments[0]) and all(
            type(value) in _PLAIN for value in arguments[1].values()
        ):
            return arguments
        return replace_leaves(arguments, lambda leaf: self._take(leaf, runner, is_failure_allowed=False))

    def take_wait_for(self, wait_for: Any, runner: FlowRunner) -> None:
        """Note the futures that must have ended before; of those under ``allow_failure`` also if they failed."""
        if wait_for is None:
            return

        def note(leaf: Any) -> Any:
            is_allowed = isinstance(leaf, allow_failure)
            inner = leaf.value if isinstance(leaf, BaseAnnotation) else leaf
            if isinstance(inner, TaskFuture):
                if inner.runner is not runner:
                    self._take_here(inner, is_failure_allowed=is_allowed)
                else:
                    self.futures.append(inner)
                    (self.waits if is_allowed else self.needs_only_end)[inner.task_run_id] = None
            elif isinstance(inner, list | tuple | set | dict):
                replace_leaves(inner, note)
            return leaf

        replace_leaves(waited_for(wait_for), note)

    #: upstream ids that must complete although nothing of them is needed
    needs_only_end: dict[str, None] = field(default_factory=dict)

    def _take(self, leaf: Any, runner: FlowRunner, is_failure_allowed: bool) -> Any:
        if isinstance(leaf, allow_failure):
            return replace_leaves(leaf.value, lambda inner: self._take(inner, runner, is_failure_allowed=True))
        if isinstance(leaf, BaseAnnotation):
            return leaf.rewrap(replace_leaves(leaf.value, lambda inner: self._take(inner, runner, is_failure_allowed)))
        if isinstance(leaf, RunState):
            return leaf.result(raise_on_failure=not is_failure_allowed)
        if not isinstance(leaf, TaskFuture):
            return leaf
        if leaf.runner is not runner:
            return self._take_here(leaf, is_failure_allowed)
        self.futures.append(leaf)
        (self.allowed_failures if is_failure_allowed else self.needs)[leaf.task_run_id] = None
        return UpstreamValue(leaf.task_run_id, is_failure_allowed)

    def _take_here(self, future: TaskFuture[Any], is_failure_allowed: bool) -> Any:
        self.elsewhere[future.task_run_id] = None
        return future.result_for_call(raise_on_failure=not is_failure_allowed)


@dataclass(frozen=True, slots=True)
class CallFamily:
    """What all calls of one task in one run share, made once.

    Parameters
    ----------
    shared
        The pickled callee; None where tasks run in this process.
    environment
        What its next calls find where they run; None where that is this process.
    """

    owner: Task[Any, Any]
    callee: FunctionCallee
    shared: SharedPart | None
    environment: DriverEnvironment | None = None

    def body(self, details: CallDetails, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> AttemptBody:
        """Return the body of one call.

        Raises
        ------
        ValueNotPortable
            An argument cannot be pickled; the message names it.
        """
        if self.shared is None:
            return ObjectCall(self.callee, details, args, kwargs)
        return CallBody(self.shared, pack_arguments(details, args, kwargs, self.callee.function))


def pack_arguments(
    details: CallDetails, args: tuple[Any, ...], kwargs: Mapping[str, Any], function: Callable[..., Any]
) -> bytes:
    """Pickle the arguments of a call of this function.

    Raises
    ------
    ValueNotPortable
        The message names the argument (``table.conn``) and the remedy.
    """
    if all(type(value) in _PLAIN for value in args) and all(type(value) in _PLAIN for value in kwargs.values()):
        return pickle.dumps((details, args, kwargs), protocol=5)
    try:
        data = pickle_value((details, args, kwargs))
    except Exception as error:  # pickling runs code of any class
        path, culprit = find_unpicklable(args, kwargs, _names_of(function, len(args)))
        kind = type(culprit).__name__
        raise ValueNotPortable(
            f"`{path}` (type {kind}) of task {details.name!r} cannot be sent to a worker: {error}. "
            "Pass what it is made of, and make it inside the task."
        ) from None
    return data


def unpack_arguments(arguments: bytes) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Return the arguments that :func:`pack_arguments` packed in this process."""
    _, args, kwargs = pickle.loads(arguments)
    return args, kwargs


def _names_of(function: Callable[..., Any], count: int) -> list[str]:
    """Return what so many positional arguments of a function are called: ``"table"``, ``"rest[0]"``."""
    names: list[str] = []
    with suppress(TypeError, ValueError):  # a function of C code tells no parameters
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind is parameter.VAR_POSITIONAL:
                names += [f"{parameter.name}[{number}]" for number in range(count - len(names))]
            elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                names.append(parameter.name)
    return [*names, *(f"args[{number}]" for number in range(len(names), count))][:count]


def find_unpicklable(args: Sequence[Any], kwargs: Mapping[str, Any], names: Sequence[str]) -> tuple[str, object]:
    """Return the path and the value of the innermost part of the arguments that cannot be pickled."""
    parts: list[tuple[str, object]] = list(zip(names, args, strict=True))
    parts += [(str(name), value) for name, value in kwargs.items()]
    path, culprit = "arguments", (args, kwargs)
    for _ in range(20):
        bad = next(((name, value) for name, value in parts if not _can_pickle(value)), None)
        if bad is None:
            break
        path, culprit = bad  # type: ignore[assignment]
        parts = list(_parts_of(path, culprit))
    return path, culprit


def _parts_of(path: str, value: object) -> Iterable[tuple[str, object]]:
    if isinstance(value, Mapping):
        return [(f"{path}[{key!r}]", item) for key, item in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [(f"{path}[{number}]", item) for number, item in enumerate(value)]
    return [(f"{path}.{name}", item) for name, item in getattr(value, "__dict__", {}).items()]


def _can_pickle(value: object) -> bool:
    try:
        pickle_value(value)
    except Exception:  # pickling runs code of any class
        return False
    return True


def is_plain(values: Iterable[object]) -> bool:
    """Tell whether all of these can travel for certain: numbers and text."""
    return all(type(value) in _PLAIN for value in values)


def make_submission(
    settings: TaskSettings,
    family: CallFamily,
    runner: FlowRunner,
    run_id: str,
    name: str,
    tags: frozenset[str],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    wait_for: Any = None,
    asset_lineage: tuple[str, ...] = (),
    taken: Collection[str] = (),
    kept_since: Callable[[str, tuple[str, ...]], datetime | None] = lambda task_run_id, upstream: None,
    task_name: str | None = None,
    keeps_result: bool | None = None,
) -> Submission:
    """Return the submission of one call.

    Parameters
    ----------
    taken
        The ids of task runs whose values it takes although their futures are not in its arguments.
    kept_since
        Given its id and those of the tasks that it takes values of, or waits for: since when kept results count.
    task_name, keeps_result
        As in :class:`~orchestra_nb.model.runs.TaskRun`.
    """
    now = datetime.now(UTC)
    upstream = Upstream()
    args, kwargs = upstream.take_arguments((args, kwargs), runner)
    upstream.take_wait_for(wait_for, runner)
    task_run_id = fresh_id(now)
    required = tuple(dict.fromkeys((*upstream.needs, *upstream.needs_only_end)))
    after = tuple(dict.fromkeys((*upstream.waits, *upstream.allowed_failures)))
    depends_on = tuple(dict.fromkeys((*required, *after, *upstream.elsewhere, *taken)))
    record = TaskRun(
        task_run_id=task_run_id,
        run_id=run_id,
        name=name,
        state=State.PENDING,
        created_at=now,
        max_attempts=1 + settings.retry.retries,
        message=runner.waiting_words(
            (*required, *after), for_worker=waits_for_worker(settings.resources, settings.workers)
        ),
        upstream=depends_on,
        tags=dict.fromkeys(sorted(tags), "") if tags else {},
        task_name=task_name,
        keeps_result=keeps_result,
    )
    return Submission(
        task_run=record,
        plan=TaskPlan(
            task_run_id=task_run_id, run_id=run_id, name=name, upstream=required, after=after, retry=settings.retry
        ),
        body=family.body(
            CallDetails(
                task_run_id=task_run_id,
                name=name,
                tags=tags,
                asset_lineage=asset_lineage,
                transaction=facts_of_transaction(is_in_process=family.shared is None),
                kept_since=kept_since(task_run_id, depends_on),
            ),
            args,
            kwargs,
        ),
        needs=upstream.needs,
        timeout_seconds=settings.timeout_seconds,
        allowed_failures=tuple(upstream.allowed_failures),
        priority=settings.priority,
        resources=settings.resources,
        workers=settings.workers,
        holds=tuple(upstream.futures),
        family=family,
        keeps_outcome=False,
        environment=family.environment,
    )
