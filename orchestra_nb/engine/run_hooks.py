"""Calls users' hooks: outside of the engine's loops, in the context of their flow run, coroutine functions too."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Sequence
from typing import Any

from orchestra_nb.engine.drivers import Driver
from orchestra_nb.engine.run_context import FlowRunContext, entered, flow_run_context, task_run_context
from orchestra_nb.engine.run_states import State
from orchestra_nb.engine.user_frames import without_own_frames
from orchestra_nb.engine.user_runs import seen_run
from orchestra_nb.errors import StopTask
from orchestra_nb.model.runs import Run, TaskRun


class HookFailed(Exception):
    """A hook raised something, which is the cause of this; it harms nobody."""


def call_hooks(
    driver: Driver,
    hooks: Sequence[Callable[..., Any]],
    owner: object,
    run: Run | TaskRun,
    state: State[Any],
    context: FlowRunContext | None,
) -> None:
    """Give hooks to the driver, which calls them soon, in order, with (task or flow, run, state).

    Parameters
    ----------
    context
        Of the flow run that they belong to: ``runtime.flow_run`` and ``get_run_logger`` are about it in the hook.
    """
    seen = seen_run(run, state, owner, context.run_count if context is not None else 0)

    def call(hook: Callable[..., Any]) -> None:
        try:
            with entered(flow_run_context, context), entered(task_run_context, None):
                answer = hook(owner, seen, state)
                if inspect.iscoroutine(answer):
                    _finish(answer)
        except StopTask:  # what runs the hook is stopped, not the hook
            raise
        except BaseException as error:
            error.__traceback__ = without_own_frames(error.__traceback__)
            what = "task" if isinstance(run, TaskRun) else "flow"
            name = getattr(hook, "__qualname__", None) or repr(hook)
            raise HookFailed(f"Hook {name} of {what} run {run.name!r} failed") from error

    for hook in hooks:
        driver.call_hook(lambda hook=hook: call(hook))  # type: ignore[misc]


def _finish(coroutine: Any) -> None:
    """Run a coroutine to its end, also where a loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(coroutine)
        return
    errors: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(coroutine)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="orchestra-async-hook")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
