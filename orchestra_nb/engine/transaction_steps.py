"""Performs what a transaction decides, step by step: in plain code, or in a coroutine that awaits what it can."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Generator
from typing import Any

from orchestra_nb.engine.services import in_thread

#: What is yielded is called by whoever performs; True before it: it waits for the store or for a task.
Steps = Generator[tuple[bool, Callable[[], object]], object, bool]


def perform(steps: Steps) -> bool:
    """Perform steps in this thread, and return what they return."""
    try:
        _, step = next(steps)
        while True:
            try:
                value = step()
                if inspect.isawaitable(value):
                    value = _run_awaitable(value)
            except BaseException as error:
                _, step = steps.throw(error)
            else:
                _, step = steps.send(value)
    except StopIteration as end:
        return bool(end.value)


async def perform_async(steps: Steps) -> bool:
    """Perform steps in this coroutine, with those that wait in a thread, and return what they return."""
    # not by `except StopIteration` around awaits: it must not leave a coroutine
    is_blocking, step, result = _advance(steps, lambda: next(steps))
    while step is not None:
        try:
            value = await in_thread(step) if is_blocking else step()
            if inspect.isawaitable(value):
                value = await value
        except BaseException as error:
            is_blocking, step, result = _advance(steps, lambda error=error: steps.throw(error))  # type: ignore[misc]
        else:
            is_blocking, step, result = _advance(steps, lambda value=value: steps.send(value))  # type: ignore[misc]
    return result


def _advance(
    steps: Steps, go_on: Callable[[], tuple[bool, Callable[[], object]]]
) -> tuple[bool, Callable[[], object] | None, bool]:
    try:
        is_blocking, step = go_on()
    except StopIteration as end:
        return False, None, bool(end.value)
    return is_blocking, step, False


def _run_awaitable(value: Any) -> Any:
    """Run a coroutine from plain code, also where an event loop runs in this thread, as in a notebook."""

    async def wait() -> Any:
        return await value

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    found: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            found.append(asyncio.run(wait()))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="orchestra-hook", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return found[0]
