"""What a submitted task will give: wait for it, ask its state, take its value."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from orchestra_nb.engine.returned_values import RETURNED, exception_of, value_of
from orchestra_nb.engine.run_context import flow_run_context
from orchestra_nb.engine.run_states import State, state_of
from orchestra_nb.engine.user_frames import HIDDEN_FRAMES, without_own_frames
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model import states as model
from orchestra_nb.model.counted import counted
from orchestra_nb.model.machine_messages import cancelled_by
from orchestra_nb.model.runs import TaskRun

if TYPE_CHECKING:
    from orchestra_nb.engine.flow_runner import FlowRunner

Result = TypeVar("Result")

_SLICE_SECONDS = 0.2


class TaskFuture(Generic[Result]):
    """The run of a submitted task. Its value stays where it was made until somebody asks for it.

    When the last reference to it is gone, its value is let go.
    """

    __slots__ = ("__weakref__", "_runner", "_value", "asset_keys", "task_run_id")

    def __init__(self, runner: FlowRunner, task_run_id: str, asset_keys: tuple[str, ...] = ()) -> None:
        self._runner = runner
        self.task_run_id = task_run_id
        #: keys of the assets that whoever takes its value depends on
        self.asset_keys = asset_keys

    @property
    def task_run(self) -> TaskRun:
        """The newest record."""
        return self._runner.task(self.task_run_id)

    @property
    def runner(self) -> FlowRunner:
        """The loop that runs it."""
        return self._runner

    @property
    def state(self) -> State[Result]:
        """The state now; the value of a completed one is fetched when it is asked for."""
        _note_taken(self)
        return self._state_now()

    def state_for_call(self) -> State[Result]:
        """Wait, and return the state for a task that takes its value: whoever calls that one does not see it."""
        self._runner.wait([self.task_run_id])
        return self._state_now()

    def _state_now(self) -> State[Result]:
        record = self.task_run
        at = record.ended_at
        if record.state is model.State.COMPLETED:
            return state_of(record.state, record.message, load=self._fetch, is_cached=record.is_cached, at=at)
        data = self._exception(record) if record.state.is_terminal else None
        return state_of(record.state, record.message, data, at=at)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has ended, or so many seconds."""
        _note_taken(self)
        with HIDDEN_FRAMES:
            self._runner.wait([self.task_run_id], timeout)

    async def wait_async(self, timeout: float | None = None) -> None:
        """Wait without holding up the event loop."""
        _note_taken(self)
        await self._wait_async(timeout)

    async def wait_for_call(self) -> None:
        """Do what :meth:`wait_async` does, for a task or a flow that takes its value."""
        await self._wait_async(None)

    async def _wait_async(self, timeout: float | None) -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(ended.set)

        self._runner.call_when_ended(self.task_run_id, tell)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Result:
        """Wait for it and return the value.

        Parameters
        ----------
        raise_on_failure
            Whether to raise the exception of a task that did not complete, or to return it.

        Raises
        ------
        TimeoutError
            It has not ended after ``timeout`` seconds.
        BaseException
            What the task raised; or TaskCrashed, TaskTimedOut, TaskWasCancelled, UpstreamFailed.
        """
        _note_taken(self)
        with HIDDEN_FRAMES:
            return self.result_for_call(timeout, raise_on_failure)

    def result_for_call(self, timeout: float | None = None, raise_on_failure: bool = True) -> Result:
        """Do what :meth:`result` does, for a task or a flow that takes the value: its caller does not see it."""
        with HIDDEN_FRAMES:
            if not self._runner.wait([self.task_run_id], timeout):
                raise self._not_ended(timeout)
            error = self._error_now()
            if error is None:
                value: Result = self._fetch()
                return value
            if raise_on_failure:
                raise error
            return error  # type: ignore[return-value]  # that is what was asked for

    async def result_async(self, timeout: float | None = None, raise_on_failure: bool = True) -> Result:
        """Return what :meth:`result` returns, without holding up the event loop."""
        with HIDDEN_FRAMES:
            await self.wait_async(timeout)
            if not self._runner.has_ended(self.task_run_id):
                raise self._not_ended(timeout)
            error = self._error_now()
            if error is None:
                value: Result = await asyncio.to_thread(self._fetch)
                return value
            if raise_on_failure:
                raise error
            return error  # type: ignore[return-value]  # that is what was asked for

    def __await__(self) -> Generator[Any, None, Result]:
        return self.result_async().__await__()

    def add_done_callback(self, callback: Callable[[TaskFuture[Result]], object]) -> None:
        """Call a function with this future when it has ended: soon, in a thread of the engine's; it must be quick."""
        self._runner.call_when_ended(self.task_run_id, lambda: _call(callback, self))

    def cancel(self) -> None:
        """Ask to stop it; it ends when its code has stopped."""
        self._runner.cancel([self.task_run_id], cancelled_by("its flow"), "flow")

    def _not_ended(self, timeout: float | None) -> TimeoutError:
        record = self.task_run
        return TimeoutError(f"Task {record.name} has not ended after {timeout} s: it is {record.state}.")

    def _error_now(self) -> BaseException | None:
        record = self.task_run
        return None if record.state is model.State.COMPLETED else self._exception(record)

    def _fetch(self) -> Any:
        if not hasattr(self, "_value"):
            self._value = value_of(self._runner.fetch(self.task_run_id, [RETURNED]))
        return self._value

    def _exception(self, record: TaskRun) -> BaseException:
        outcome = self._runner.outcome(self.task_run_id)
        if outcome is not None and outcome.state is record.state is model.State.FAILED:
            return exception_of(outcome, record.name)
        error = state_of(record.state, f"Task {record.name}: {record.message}").exception()
        if (cause := self._runner.cause(self.task_run_id)) is not None:
            name, outcome = cause
            root = exception_of(outcome, name)
            error.__cause__ = root.with_traceback(without_own_frames(root.__traceback__))
        return error

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # at the interpreter's end
            self._runner.forget(self.task_run_id)

    def __repr__(self) -> str:
        try:
            record = self.task_run
        except KeyError:
            return f"TaskFuture({self.task_run_id})"
        return f"TaskFuture({record.name}, {record.state})"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(
            "A future cannot be pickled: pass it to a task as an argument, and the task gets its value, or take its "
            "value with .result()."
        )


def _refusing_operator(sign: str) -> Callable[..., Any]:
    def refuse(self: TaskFuture[Any], *others: object) -> Any:
        raise TypeError(
            f"{sign} is for values, and {self!r} is the future of one. Take the value with .result(), or pass the "
            "future to a task, which gets the value."
        )

    return refuse


#: Operator to the methods that stand for it; == compares futures themselves.
_OPERATORS = {
    "+": "__add__ __radd__",
    "-": "__sub__ __rsub__ __neg__",
    "*": "__mul__ __rmul__",
    "@": "__matmul__ __rmatmul__",
    "/": "__truediv__ __rtruediv__",
    "//": "__floordiv__ __rfloordiv__",
    "%": "__mod__ __rmod__",
    "**": "__pow__ __rpow__",
    "<": "__lt__",
    "<=": "__le__",
    ">": "__gt__",
    ">=": "__ge__",
}
for _sign, _names in _OPERATORS.items():
    for _name in _names.split():
        setattr(TaskFuture, _name, _refusing_operator(_sign))


class FutureList(list[TaskFuture[Result]]):
    """The futures of ``.map``, in the order of the arguments."""

    def wait(self, timeout: float | None = None) -> None:
        """Wait until all have ended, or so many seconds in all."""
        with HIDDEN_FRAMES:
            _wait_for_all(self, timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> list[Result]:
        """Return the values; raise the first exception, in the order of the arguments."""
        with HIDDEN_FRAMES:
            _wait_for_all(self, timeout)
            if open_futures := [future for future in self if not future.runner.has_ended(future.task_run_id)]:
                of = counted(len(self), "task has", "tasks have")
                raise TimeoutError(f"{len(open_futures)} of {of} not ended after {timeout} s.")
            return [future.result(raise_on_failure=raise_on_failure) for future in self]

    def __await__(self) -> Generator[Any, None, list[Result]]:
        async def gather() -> list[Result]:
            return [await future for future in self]

        return gather().__await__()


class DoneAndNotDone(NamedTuple):
    """What :func:`wait` returns."""

    done: set[TaskFuture[Any]]
    not_done: set[TaskFuture[Any]]


def wait(futures: Iterable[TaskFuture[Any]], timeout: float | None = None) -> DoneAndNotDone:
    """Wait until all of these have ended, or so many seconds in all."""
    futures = list(futures)
    with HIDDEN_FRAMES:
        _wait_for_all(futures, timeout)
    done = {future for future in futures if future.runner.has_ended(future.task_run_id)}
    return DoneAndNotDone(done, set(futures) - done)


def as_completed(futures: Iterable[TaskFuture[Any]], timeout: float | None = None) -> Iterator[TaskFuture[Any]]:
    """Yield each future as it ends.

    Raises
    ------
    TimeoutError
        Not all have ended after ``timeout`` seconds.
    """
    futures = list(dict.fromkeys(futures))
    deadline = None if timeout is None else time.monotonic() + timeout
    changed = threading.Condition()
    ended: list[TaskFuture[Any]] = []

    def note(future: TaskFuture[Any]) -> None:
        with changed:
            ended.append(future)
            changed.notify_all()

    for future in futures:
        future.add_done_callback(note)
    for number in range(len(futures)):
        with changed:
            while len(ended) <= number:
                if deadline is not None and time.monotonic() >= deadline:
                    left = len(futures) - number
                    raise TimeoutError(
                        f"{left} of {counted(len(futures), 'task has', 'tasks have')} not ended after {timeout} s."
                    )
                # in slices, since an exception from another thread comes only between them
                changed.wait(_SLICE_SECONDS if deadline is None else min(_SLICE_SECONDS, deadline - time.monotonic()))
        yield ended[number]


def waited_for(wait_for: Any) -> list[Any]:
    """Return what ``wait_for`` lists; a future stands for a list of itself.

    Raises
    ------
    InvalidInput
        It is neither.
    """
    if isinstance(wait_for, TaskFuture):
        return [wait_for]
    if isinstance(wait_for, str | bytes) or not isinstance(wait_for, Iterable):
        raise InvalidInput(f"wait_for is {wait_for!r}. Write a list of futures, such as wait_for=[first].")
    return list(wait_for)


def resolve_futures_to_states(value: Any) -> Any:
    """Return the value with each future replaced by its state, waiting for those that have not ended."""
    from orchestra_nb.engine.argument_trees import replace_leaves

    def replace(leaf: Any) -> Any:
        if not isinstance(leaf, TaskFuture):
            return leaf
        return leaf.state_for_call()

    return replace_leaves(value, replace)


async def wait_for_all(futures: Iterable[TaskFuture[Any]]) -> None:
    """Wait until all have ended, for a task or a flow that takes their values, without holding up the event loop."""
    for future in futures:
        await future.wait_for_call()


def _wait_for_all(futures: Collection[TaskFuture[Any]], timeout: float | None) -> None:
    """Wait until all of these have ended, or so many seconds in all."""
    _note_taken(*futures)
    deadline = None if timeout is None else time.monotonic() + timeout
    for runner, ids in _by_runner(futures).items():
        runner.wait(ids, None if deadline is None else max(0.0, deadline - time.monotonic()))


def _note_taken(*futures: TaskFuture[Any]) -> None:
    """Note that the flow whose body this is has, or may have, what these give."""
    context = flow_run_context.get()
    if context is not None and (fresh := context.fresh) is not None:
        for future in futures:
            fresh.note_taken(future.task_run_id)


def _by_runner(futures: Collection[TaskFuture[Any]]) -> dict[FlowRunner, list[str]]:
    found: dict[FlowRunner, list[str]] = {}
    for future in futures:
        found.setdefault(future.runner, []).append(future.task_run_id)
    return found


def _call(callback: Callable[[TaskFuture[Any]], object], future: TaskFuture[Any]) -> None:
    import logging

    try:
        callback(future)
    except Exception:
        logging.getLogger(__name__).exception("A callback of %r failed", future)
