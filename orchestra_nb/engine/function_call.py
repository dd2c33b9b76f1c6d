"""One attempt of a function under ``@task``: arguments in, the function run in its context, outcome out.

The same code runs on a Dask worker, in a thread, and in the caller's own thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import pickle
from collections.abc import Callable, Coroutine, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from orchestra_nb.engine.annotations import allow_failure, quote
from orchestra_nb.engine.argument_trees import replace_leaves
from orchestra_nb.engine.drivers import worker_driver
from orchestra_nb.engine.held_keys import held_keys
from orchestra_nb.engine.printed_lines import printing_to
from orchestra_nb.engine.returned_values import (
    LiveOutcome,
    LiveReturn,
    PackedReturn,
    exception_of,
    info_of,
    pack_exception,
    pack_return,
    value_of,
)
from orchestra_nb.engine.run_context import (
    FlowFacts,
    TaskFacts,
    TaskRunContext,
    entered,
    flow_run_context,
    task_run_context,
)
from orchestra_nb.engine.run_states import State as RunState
from orchestra_nb.engine.run_states import model_state_of
from orchestra_nb.engine.services import asking_through
from orchestra_nb.engine.submitted_transaction import TransactionFacts, submitted_transaction
from orchestra_nb.engine.trace_context import traced
from orchestra_nb.engine.worker_driver import WorkerDriver
from orchestra_nb.errors import StopTask
from orchestra_nb.model.attempts import AttemptContext, AttemptResult
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.cell_files import in_cells
from orchestra_nb.notebooks.user_traceback import describe_error

if TYPE_CHECKING:
    from orchestra_nb.engine.task_cache import TaskCache

_TICK_SECONDS = 0.1

#: Asked whether another attempt shall be made, where one failed.
RetryCondition = Callable[[BaseException, TaskRunContext], bool]


@dataclass(frozen=True, slots=True)
class UpstreamValue:
    """Stands in the arguments for the value of another task."""

    task_run_id: str
    is_failure_allowed: bool = False


class CallDetails(NamedTuple):
    """What one call knows of itself beside its arguments. A tuple is pickled in half the time of other records."""

    task_run_id: str
    name: str
    tags: frozenset[str] = frozenset()
    asset_lineage: tuple[str, ...] = ()
    #: the transaction around its submission
    transaction: TransactionFacts | None = None
    #: a result that was kept before this does not count; None for any
    kept_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCallee:
    """A task's function with what all its calls in one run share; a :class:`~orchestra_nb.engine.call_body.Callee`.

    Parameters
    ----------
    is_packed
        Whether values are packed for other processes, or stay what they are.
    """

    function: Callable[..., Any]
    task: TaskFacts
    flow: FlowFacts
    log_prints: bool = False
    retry_condition: RetryCondition | None = None
    is_packed: bool = True
    cache: TaskCache | None = None
    #: the keys that the calls around are computing, and their holders
    held_keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def task_name(self) -> str:
        """The task's name."""
        return self.task.name

    def run_call(
        self, arguments: bytes, upstream: Mapping[str, AttemptResult], context: AttemptContext
    ) -> AttemptResult:
        """Run one call on a worker."""
        details, args, kwargs = pickle.loads(arguments)
        return self.run_with(details, args, kwargs, upstream, context)

    def run_with(
        self,
        details: CallDetails,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        upstream: Mapping[str, AttemptResult],
        context: AttemptContext,
    ) -> AttemptResult:
        """Run one call in this thread; raises nothing but :class:`StopTask`."""
        started_at = datetime.now(UTC)
        run_context = self._context(details, args, kwargs, started_at, context)
        try:
            if upstream:
                args, kwargs = _resolve((args, kwargs), upstream)
            args, kwargs = unquoted(args, kwargs)
            run_context = self._context(details, args, kwargs, started_at, context)
            is_cached, value = copy_context().run(self._run, run_context, details.transaction, args, kwargs)
        except StopTask:
            raise
        except BaseException as error:
            return self._failed(error, run_context, may_retry=may_repeat(self.retry_condition, error, run_context))
        message = ""
        if isinstance(value, RunState):
            if not value.is_completed():
                return self._end_as_returned(value, run_context)
            message, value = (value.message or "")[:2000], value.data
        try:
            packed: PackedReturn | LiveReturn = pack_return(value) if self.is_packed else LiveReturn(value)
        except Exception as error:  # pickling runs code of any class
            # not run again: it would give what cannot be stored once more
            return self._failed(_not_portable(self.task_name, value, error), run_context, may_retry=False)
        outcome = Outcome(
            state=State.COMPLETED,
            started_at=started_at,
            ended_at=datetime.now(UTC),
            worker=context.worker,
            pid=os.getpid(),
            values=info_of(value, packed),
            is_cached=is_cached,
            message=message,
        )
        return AttemptResult(outcome, (packed,))

    def _context(
        self,
        details: CallDetails,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        started_at: datetime,
        context: AttemptContext,
    ) -> TaskRunContext:
        return TaskRunContext(
            task=self.task,
            task_run_id=details.task_run_id,
            name=details.name,
            flow=self.flow,
            run_count=context.attempt,
            tags=details.tags,
            parameters=LazyParameters(self.function, args, kwargs),
            started_at=started_at,
            attempt_context=context,
            asset_lineage=details.asset_lineage,
            log_prints=self.log_prints,
            kept_since=details.kept_since,
        )

    def _run(
        self,
        run_context: TaskRunContext,
        transaction: TransactionFacts | None,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> tuple[bool, Any]:
        """Return (whether the result was there already, the result)."""
        context = run_context.attempt_context
        assert context is not None
        driver = WorkerDriver(context)
        with (
            asking_through(context),
            entered(flow_run_context, None),
            entered(task_run_context, run_context),
            entered(worker_driver(), driver),
            entered(held_keys, self.held_keys),
            traced(self.flow.trace, run_context.task_run_id),
        ):
            try:
                with printing_to(context, self.log_prints):
                    if transaction is None:
                        return cached_or_computed(
                            self.cache, run_context, lambda: run_function(self.function, args, kwargs)
                        )
                    with submitted_transaction(transaction) as own:
                        is_cached, value = cached_or_computed(
                            self.cache, run_context, lambda: run_function(self.function, args, kwargs)
                        )
                        if isinstance(value, RunState) and not value.is_completed():
                            own.rollback()
                        return is_cached, value
            finally:
                driver.close()

    def _failed(self, error: BaseException, run_context: TaskRunContext, may_retry: bool) -> AttemptResult:
        return AttemptResult(self._bad_outcome(State.FAILED, error, run_context, may_retry))

    def _end_as_returned(self, state: RunState[Any], run_context: TaskRunContext) -> AttemptResult:
        """End as the state says that the function returned."""
        ours, error = model_state_of(state), state.exception()
        end = ours if ours in (State.CANCELLED, State.TIMED_OUT, State.CRASHED) else State.FAILED
        may_retry = may_repeat(self.retry_condition, error, run_context)
        return AttemptResult(self._bad_outcome(end, error, run_context, may_retry, state.message))

    def _bad_outcome(
        self,
        state: State,
        error: BaseException,
        run_context: TaskRunContext,
        may_retry: bool,
        message: str | None = None,
    ) -> Outcome:
        context = run_context.attempt_context
        info = error_info(error, self.function, self.task_name)
        if message:
            message = message[:2000]
            info = msgspec.structs.replace(info, message=message)
        fields: dict[str, Any] = {
            "state": state,
            "started_at": run_context.started_at,
            "ended_at": datetime.now(UTC),
            "worker": context.worker if context is not None else "",
            "pid": os.getpid(),
            "error": info,
            "may_retry": may_retry,
            "message": message or "",
        }
        if not self.is_packed:
            return LiveOutcome(**fields, raised=error)
        return Outcome(**fields, exception=pack_exception(error))


def cached_or_computed(
    cache: TaskCache | None, run_context: TaskRunContext, compute: Callable[[], Any]
) -> tuple[bool, Any]:
    """Return (whether the result was there already, the result); keep what was computed where a cache is given."""
    if cache is None:
        return False, compute()
    entry = cache.lookup(run_context)
    if entry is None:
        return False, compute()
    is_there, value = entry.find()
    if is_there:
        return True, value
    with entry.computing():
        value = compute()
        if not isinstance(value, RunState):
            entry.keep(value)
    return False, value


@dataclass(frozen=True, slots=True)
class ObjectCall:
    """A body that holds its arguments themselves, for executors that run tasks in this process."""

    callee: FunctionCallee
    details: CallDetails
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        """Run the call."""
        return self.callee.run_with(self.details, self.args, self.kwargs, upstream, context)


class LazyParameters(Mapping[str, Any]):
    """Parameter name to value, bound when first looked at: most tasks never do."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._function, self._args, self._kwargs = function, args, kwargs
        self._bound: dict[str, Any] | None = None

    def _values(self) -> dict[str, Any]:
        if self._bound is None:
            bound = inspect.signature(self._function).bind(*self._args, **self._kwargs)
            bound.apply_defaults()
            self._bound = dict(bound.arguments)
        return self._bound

    def __getitem__(self, name: str) -> Any:
        return self._values()[name]

    def __iter__(self) -> Any:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

    def __repr__(self) -> str:
        return repr(self._values())


def run_function(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call a function and return what it gives in the end: a coroutine is run, a generator is read into a list."""
    value = function(*args, **kwargs)
    if inspect.iscoroutine(value):
        return asyncio.run(_run_in_ticks(value))
    if inspect.isasyncgen(value):
        return asyncio.run(_run_in_ticks(_read_all(value)))
    return read_generator(value)


def read_generator(value: Any) -> Any:
    """Return what a generator yields, as a list; anything else as it is."""
    return list(value) if inspect.isgenerator(value) else value


async def read_async(value: Any) -> Any:
    """Return what a coroutine gives, and what an asynchronous generator yields, as a list."""
    return await _read_all(value) if inspect.isasyncgen(value) else await value


async def _run_in_ticks(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in a loop that does not sleep for long: an exception from another thread comes only between."""
    running = asyncio.ensure_future(coroutine)
    while not running.done():
        await asyncio.wait({running}, timeout=_TICK_SECONDS)
    return running.result()


async def _read_all(values: Any) -> list[Any]:
    return [value async for value in values]


def error_info(error: BaseException, function: Callable[..., Any], name: str, kind: str = "task") -> ErrorInfo:
    """Return an exception of a function as data, with the function's own line; ``kind`` is ``"task"`` or ``"flow"``."""
    message: str | None = None
    if isinstance(error, SystemExit):
        message = f"{kind} called sys.exit({'' if error.code is None else repr(error.code)})"
    elif isinstance(error, KeyboardInterrupt):
        message = f"{kind} raised KeyboardInterrupt"
    code = getattr(inspect.unwrap(function), "__code__", None)
    with contextlib.suppress(Exception):  # whatever the error's own methods do
        return in_cells(describe_error(error, code.co_filename if code is not None else "", name, message))
    return ErrorInfo(type=type(error).__name__, message="(its message could not be made)", cell=name)


def _resolve(arguments: Any, upstream: Mapping[str, AttemptResult]) -> Any:
    values: dict[str, Any] = {}

    def replace(leaf: Any) -> Any:
        if isinstance(leaf, allow_failure):
            return replace_leaves(leaf.value, replace)
        if not isinstance(leaf, UpstreamValue):
            return leaf
        if leaf.task_run_id not in values:
            result = upstream[leaf.task_run_id]
            is_good = result.outcome.state is State.COMPLETED
            values[leaf.task_run_id] = value_of(result) if is_good else exception_of(result.outcome)
        return values[leaf.task_run_id]

    return replace_leaves(arguments, replace)


def may_repeat(condition: RetryCondition | None, error: BaseException, run_context: TaskRunContext) -> bool:
    """Tell whether another attempt may be made after this error; a condition that fails is noted at it."""
    if condition is None:
        return True
    try:
        return condition(error, run_context)
    except Exception as broken:  # the user's own condition
        error.add_note(f"retry_condition_fn raised {type(broken).__name__}: {broken}; it is not run again.")
        return False


def unquoted(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Return the arguments with those taken out of their ``quote`` that were wrapped in it."""
    if any(isinstance(value, quote) for value in (*args, *kwargs.values())):
        args = tuple(value.value if isinstance(value, quote) else value for value in args)
        kwargs = {name: value.value if isinstance(value, quote) else value for name, value in kwargs.items()}
    return args, kwargs


def _not_portable(task_name: str, value: object, error: BaseException) -> BaseException:
    from orchestra_nb.errors import ValueNotPortable

    kind = type(value).__name__
    return ValueNotPortable(f"The result of {task_name} (type {kind}) cannot be stored: {error}")
