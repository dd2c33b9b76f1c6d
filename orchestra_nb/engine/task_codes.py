"""Notes what a run of a task executes, and calls it again: tasks outside of flows, and tasks that failed for good."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from orchestra_nb.engine.call_body import CallBody
from orchestra_nb.engine.drivers import keeps_code
from orchestra_nb.engine.function_call import ObjectCall
from orchestra_nb.engine.run_codes import code_of
from orchestra_nb.engine.task_submission import CallFamily, unpack_arguments
from orchestra_nb.model.events import RunCodeRecorded
from orchestra_nb.model.run_code import RunCode

if TYPE_CHECKING:
    from orchestra_nb.engine.futures import TaskFuture
    from orchestra_nb.engine.run_scope import RunScope
    from orchestra_nb.engine.submissions import Submission
    from orchestra_nb.engine.tasks import Task

#: A larger pickle of a task's arguments is not written: a call must not wait until a data set is copied.
MAX_PICKLE_BYTES: Final = 1_000_000

#: How a run of a task was called, by the code that a record has of it.
CALLED, SUBMITTED, MAPPED = "call", "submit", "map"


def record_task_code(
    scope: RunScope, owner: Task[Any, Any], call: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    """Note what a task executes that is a run of its own; nothing for one that belongs to a flow."""
    own = scope.own_run
    if own is None or own.is_continued or not keeps_code(scope.driver):
        return
    code = _code_of_call(scope.run_id, owner, args, kwargs)
    scope.driver.sink.emit(RunCodeRecorded(code=msgspec.structs.replace(code, call=call)))


def code_of_submission(submission: Submission) -> RunCode | None:
    """Return what a submitted task executes, under its task run's id; None for one that is no function's.

    May run code of the user's, as it unpickles the arguments.
    """
    family = submission.family
    if not isinstance(family, CallFamily):
        return None
    task_run_id = submission.task_run.task_run_id
    if submission.needs or submission.allowed_failures:
        return RunCode(
            run_id=task_run_id,
            call=SUBMITTED,
            missing="it took values of other tasks, which were not kept. Retry its run, which makes them again",
        )
    body = submission.body
    if isinstance(body, ObjectCall):
        args, kwargs = body.args, body.kwargs
    else:
        assert isinstance(body, CallBody)
        args, kwargs = unpack_arguments(body.arguments)
    return code_of_called_task(task_run_id, family.owner, args, kwargs)


def code_of_called_task(
    task_run_id: str, owner: Task[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> RunCode:
    """Return what one task of a run executes, to be submitted alone, under its task run's id."""
    return msgspec.structs.replace(_code_of_call(task_run_id, owner, args, kwargs), call=SUBMITTED)


def call_task(owner: Task[Any, Any], parameters: Mapping[str, Any], call: str) -> str | None:
    """Call a task as it was called, and wait for its end; return the run that a submitted one belongs to."""
    args, kwargs = parameters["args"], parameters["kwargs"]
    if call == CALLED:
        _end(owner(*args, **kwargs) if owner.isgenerator else owner(*args, **kwargs, return_state=True))
        return None
    futures: list[TaskFuture[Any]] = (
        list(owner.map(*args, **kwargs)) if call == MAPPED else [owner.submit(*args, **kwargs)]
    )
    for future in futures:
        future.wait()
    return futures[0].task_run.run_id if futures else None


def _code_of_call(run_id: str, owner: Task[Any, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> RunCode:
    return code_of(run_id, owner, {"args": list(args), "kwargs": dict(kwargs)}, MAX_PICKLE_BYTES)


def _end(called: Any) -> None:
    """Wait for a coroutine, and read a generator to its end."""
    import asyncio

    if inspect.isasyncgen(called):

        async def read() -> None:
            async for _ in called:
                pass

        _ignoring_failure(lambda: asyncio.run(read()))
    elif inspect.isgenerator(called):
        _ignoring_failure(lambda: [None for _ in called])
    elif inspect.isawaitable(called):

        async def wait() -> None:
            await called

        asyncio.run(wait())


def _ignoring_failure(read: Callable[[], object]) -> None:
    """Read a generator whose task may fail: how it ended stands in the record of its run."""
    try:
        read()
    except Exception:  # the user's own
        return
