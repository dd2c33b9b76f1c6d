"""What a submitted task will give: wait for it, ask its state, take its value."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from orchestra_nb.engine.returned_values import RETURNED, exception_of, value_of
from orchestra_nb.engine.run_states import State, state_of
from orchestra_nb.errors import TaskFailed
from orchestra_nb.model import states as model
from orchestra_nb.model.runs import TaskRun

if TYPE_CHECKING:
    from orchestra_nb.engine.flow_runner import FlowRunner

Result = TypeVar("Result")


class TaskFuture(Generic[Result]):
    """The run of a submitted task. Its value stays where it was made until somebody asks for it.

    When the last reference to it is gone, its value is let go.
    """

    __slots__ = ("__weakref__", "_runner", "_value", "task_run_id")

    def __init__(self, runner: FlowRunner, task_run_id: str) -> None:
        self._runner = runner
        self.task_run_id = task_run_id

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
        record = self.task_run
        if record.state is model.State.COMPLETED:
            return state_of(record.state, record.message, load=self._fetch, is_cached=record.is_cached)
        data = self._exception(record) if record.state.is_terminal else None
        return state_of(record.state, record.message, data)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has ended, or so many seconds."""
        self._runner.wait([self.task_run_id], timeout)

    async def wait_async(self, timeout: float | None = None) -> None:
        """Wait without holding up the event loop."""
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
        if not self._runner.wait([self.task_run_id], timeout):
            name = self.task_run.name
            raise TimeoutError(f"Task {name} has not ended after {timeout:g} s: it is {self.task_run.state}.")
        return self._result_now(raise_on_failure)

    async def result_async(self, timeout: float | None = None, raise_on_failure: bool = True) -> Result:
        """Return what :meth:`result` returns, without holding up the event loop."""
        await self.wait_async(timeout)
        if not self._runner.has_ended(self.task_run_id):
            raise TimeoutError(f"Task {self.task_run.name} has not ended after {timeout} s.")
        return await asyncio.to_thread(self._result_now, raise_on_failure)

    def __await__(self) -> Generator[Any, None, Result]:
        return self.result_async().__await__()

    def add_done_callback(self, callback: Callable[[TaskFuture[Result]], object]) -> None:
        """Call a function with this future when it has ended: soon, in a thread of the engine's; it must be quick."""
        self._runner.call_when_ended(self.task_run_id, lambda: _call(callback, self))

    def cancel(self) -> None:
        """Ask to stop it; it ends when its code has stopped."""
        self._runner.cancel([self.task_run_id], "cancelled by its flow", "flow")

    def _result_now(self, raise_on_failure: bool) -> Any:
        record = self.task_run
        if record.state is model.State.COMPLETED:
            return self._fetch()
        error = self._exception(record)
        if raise_on_failure:
            raise error
        return error

    def _fetch(self) -> Any:
        if not hasattr(self, "_value"):
            self._value = value_of(self._runner.fetch(self.task_run_id, [RETURNED]))
        return self._value

    def _exception(self, record: TaskRun) -> BaseException:
        outcome = self._runner.outcome(self.task_run_id)
        if outcome is not None and outcome.state is record.state and outcome.exception is not None:
            return exception_of(outcome)
        found = state_of(record.state, f"Task {record.name}: {record.message}").result(raise_on_failure=False)
        return found if isinstance(found, BaseException) else TaskFailed(record.message)

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


class FutureList(list[TaskFuture[Result]]):
    """The futures of ``.map``, in the order of the arguments."""

    def wait(self, timeout: float | None = None) -> None:
        """Wait until all have ended, or so many seconds in all."""
        wait(self, timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> list[Result]:
        """Return the values; raise the first exception, in the order of the arguments."""
        done = wait(self, timeout)
        if done.not_done:
            raise TimeoutError(f"{len(done.not_done)} of {len(self)} tasks have not ended after {timeout:g} s.")
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
    deadline = None if timeout is None else time.monotonic() + timeout
    for runner, ids in _by_runner(futures).items():
        runner.wait(ids, None if deadline is None else max(0.0, deadline - time.monotonic()))
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
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not changed.wait_for(lambda number=number: len(ended) > number, left):  # type: ignore[misc]
                raise TimeoutError(f"{len(futures) - number} of {len(futures)} tasks have not ended in time.")
        yield ended[number]


def resolve_futures_to_states(value: Any) -> Any:
    """Return the value with each future replaced by its state, waiting for those that have not ended."""
    from orchestra_nb.engine.argument_trees import replace_leaves

    def replace(leaf: Any) -> Any:
        if not isinstance(leaf, TaskFuture):
            return leaf
        leaf.wait()
        return leaf.state

    return replace_leaves(value, replace)


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
