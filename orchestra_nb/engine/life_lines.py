"""What the engine itself says of runs, in their logs and on the console.

A flow begins and ends, an attempt is repeated, a task fails.

Nothing is said of a task that goes well: a run may have ten thousand. Of a run whose tasks fail by the thousand the
console shows the first ones; the log has them all.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from orchestra_nb.engine.run_states import State as RunState
from orchestra_nb.model.events import Event, LogsWritten
from orchestra_nb.model.runs import LogLine, Run, TaskRun
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from orchestra_nb.engine.drivers import Driver

#: The logger of these lines, apart from those of user code.
ENGINE = "orchestra.engine"
#: So many failures of tasks of one run, and as many repeated attempts, are shown on the console and logged in full.
MOST_SHOWN = 10
_MOST_RUNS = 1000

_WORDS = {
    State.FAILED: "Failed",
    State.TIMED_OUT: "Timed out",
    State.CRASHED: "Crashed",
    State.UPSTREAM_FAILED: "Does not run",
}


class LifeLine(NamedTuple):
    """A line, and what follows it where there is room."""

    level: int
    text: str
    traceback: str = ""

    @property
    def whole(self) -> str:
        """All of it."""
        return f"{self.text}\n{self.traceback.rstrip()}" if self.traceback else self.text


def line_of_task(task_run: TaskRun) -> LifeLine | None:
    """Return what is said of a task run that entered its present state; None for nothing."""
    if task_run.state is State.RETRYING:
        return repeated_line(task_run.attempt, task_run.max_attempts, task_run.message)
    word = _WORDS.get(task_run.state)
    if word is None:
        return None
    if task_run.attempt > 1:
        word = f"{word} after {task_run.attempt} attempts"
    trace = task_run.error.traceback if task_run.error is not None else None
    level = logging.WARNING if task_run.state is State.UPSTREAM_FAILED else logging.ERROR
    return LifeLine(level, f"{word}: {task_run.message}", trace or "")


def repeated_line(attempt: int, max_attempts: int, reason: str) -> LifeLine:
    """Return what is said when another attempt follows."""
    text = f"Attempt {attempt} of {max(attempt, max_attempts)} failed, another one follows: {reason}"
    return LifeLine(logging.WARNING, text)


def begin_line(run: Run) -> LifeLine:
    """Return what is said when a flow run begins: its name is what ``orchestra runs show`` wants."""
    return LifeLine(logging.INFO, f"Beginning flow run {run.name!r} for flow {run.flow_name!r}")


def end_line(state: RunState[object], traceback: str | None) -> LifeLine:
    """Return what is said when a flow run has ended."""
    level = logging.INFO if state.is_completed() else logging.WARNING if state.is_cancelled() else logging.ERROR
    return LifeLine(level, f"Finished in state {state}", traceback or "")


def tell_flow(driver: Driver, run: Run, line: LifeLine, is_shown_whole: bool = False) -> None:
    """Log a line of a flow run, and show it; its traceback only where nobody else shows the exception."""
    driver.sink.emit(LogsWritten(lines=(_log_line(line.whole, line.level, run.run_id),)))
    is_failure = line.level >= logging.ERROR
    is_seen = driver.shows_failures if is_failure else driver.shows_runs and line.level <= logging.INFO
    if not is_seen or (is_failure and is_shown_whole):
        driver.say(f"Flow run {run.name!r} - {line.whole if is_shown_whole else line.text}", line.level)


def tell_direct_task(driver: Driver, task_run: TaskRun) -> None:
    """Log and show what is to say of a task that runs in its caller's thread, which gets its exception."""
    line = line_of_task(task_run)
    if line is not None:
        driver.sink.emit(LogsWritten(lines=(_log_line(line.whole, line.level, task_run.run_id, task_run.task_run_id),)))
    if line is not None and not (driver.shows_failures and task_run.state.is_terminal):
        driver.say(f"Task run {task_run.name!r} - {line.text}", line.level)


class TaskLines:
    """Says of submitted tasks what there is to say. For one thread.

    Parameters
    ----------
    describe_run
        Returns the words that follow the first failure in a run whose name nobody was told; empty for others.
    shows_failures
        As :attr:`~orchestra_nb.engine.drivers.Driver.shows_failures`. A failure in a flow has no line then, for the
        view of its run has one. That of another task has a line without its traceback, which whoever takes its value
        gets.
    is_of_flow
        Tells, by its id, whether a run is one of a flow.
    """

    def __init__(
        self,
        emit: Callable[[Event], None],
        say: Callable[[str, int], None],
        describe_run: Callable[[str], str] = lambda run_id: "",
        *,
        shows_failures: bool = False,
        is_of_flow: Callable[[str], bool] = lambda run_id: False,
    ) -> None:
        self._emit = emit
        self._say = say
        self._describe_run = describe_run
        self._shows_failures = shows_failures
        self._is_of_flow = is_of_flow
        #: (run, level) to how many lines there were
        self._counts: OrderedDict[tuple[str, int], int] = OrderedDict()

    def tell(self, task_run: TaskRun) -> None:
        """Say what there is to say of a task run that entered its present state."""
        line = line_of_task(task_run)
        if line is None:
            return
        count = self._count(task_run.run_id, line.level)
        text = line.whole if count <= MOST_SHOWN else line.text
        self._emit(LogsWritten(lines=(_log_line(text, line.level, task_run.run_id, task_run.task_run_id),)))
        if self._shows_failures and task_run.state.is_terminal:
            if task_run.state is State.UPSTREAM_FAILED or self._is_of_flow(task_run.run_id):
                return
            text = f"{line.text}{_place_of(task_run)}"
        if count <= MOST_SHOWN:
            where = self._describe_run(task_run.run_id) if count == 1 and line.level == logging.ERROR else ""
            self._say(f"Task run {task_run.name!r} - {text}{where}", line.level)
        elif count == MOST_SHOWN + 1:
            self._say("More lines like these are in the log only: orchestra runs logs", line.level)

    def _count(self, run_id: str, level: int) -> int:
        count = self._counts.pop((run_id, level), 0) + 1
        self._counts[run_id, level] = count
        if len(self._counts) > _MOST_RUNS:
            self._counts.popitem(last=False)
        return count


def _place_of(task_run: TaskRun) -> str:
    line = task_run.error.line if task_run.error is not None else None
    return f" (line {line})" if line else ""


def _log_line(message: str, level: int, run_id: str, task_run_id: str | None = None) -> LogLine:
    return LogLine(
        run_id=run_id, at=datetime.now(UTC), message=message, level=level, logger=ENGINE, task_run_id=task_run_id
    )
