"""A flow call that continues a run which is there already: a retry, or a suspended run that is resumed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestra_nb.engine.run_context import entered
from orchestra_nb.model.events import RunStateChanged
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.engine.drivers import Driver

_continued: ContextVar[Run | None] = ContextVar("orchestra_continued_run", default=None)


@contextmanager
def continuing(run: Run) -> Iterator[None]:
    """Let the first flow that is called here be this run, which its driver has reopened."""
    with entered(_continued, run):
        yield


def take_continued_run() -> Run | None:
    """Return the run that a flow call continues; None where it is a new one."""
    run = _continued.get()
    if run is not None:
        _continued.set(None)  # flows inside it are runs of their own
    return run


def announce_continued(driver: Driver, run: Run) -> None:
    """Announce that a run which was reopened is being run."""
    driver.sink.emit(RunStateChanged(run_id=run.run_id, state=State.RUNNING, at=datetime.now(UTC)))
