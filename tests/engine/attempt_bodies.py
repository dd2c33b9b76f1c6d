"""Small attempt bodies: a function, what it is called with, and a file that counts how often user code ran."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cloudpickle

from orchestra_nb.engine.executors import AttemptContext, AttemptResult
from orchestra_nb.model.events import RunOutputWritten
from orchestra_nb.model.outcomes import Outcome, ValueInfo
from orchestra_nb.model.states import State


@dataclass
class Body:
    """Calls a function with what it is given, and leaves what it returns as the value ``value``.

    ``count_path`` gets one byte each time that user code runs.
    """

    function: Callable[..., object]
    arguments: tuple[object, ...] = ()
    count_path: Path | None = None

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        started_at = datetime.now(UTC)
        if self.count_path is not None:
            with self.count_path.open("ab") as file:
                file.write(b"x")
        given = [value_of(result) for result in upstream.values()]
        value = self.function(*self.arguments, *given)
        outcome = Outcome(
            state=State.COMPLETED,
            started_at=started_at,
            ended_at=datetime.now(UTC),
            worker=context.worker,
            pid=os.getpid(),
        )
        return leave(outcome, {"value": value})


def leave(outcome: Outcome, values: Mapping[str, object]) -> AttemptResult:
    """Return a result with one group for each value."""
    groups = tuple(pickle.dumps(value, protocol=5) for value in values.values())
    infos = {
        name: ValueInfo(type=type(value).__name__, group=number, size_bytes=len(groups[number]))
        for number, (name, value) in enumerate(values.items())
    }
    return AttemptResult(
        Outcome(
            state=outcome.state,
            started_at=outcome.started_at,
            ended_at=outcome.ended_at,
            worker=outcome.worker,
            pid=outcome.pid,
            values=infos,
        ),
        groups,
    )


def value_of(result: AttemptResult, name: str = "value") -> object:
    """Return a value of a result."""
    group = result.groups[result.outcome.values[name].group]
    assert isinstance(group, bytes)
    return pickle.loads(group)


@dataclass
class TwoValues:
    """Leaves a small value and a large one."""

    large_bytes: int

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        now = datetime.now(UTC)
        outcome = Outcome(state=State.COMPLETED, started_at=now, ended_at=now)
        return leave(outcome, {"value": "small", "large": b"x" * self.large_bytes})


@dataclass
class NotAResult:
    """Returns what no body may return."""

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        return "nothing"  # type: ignore[return-value]


@dataclass
class LockInResult:
    """Leaves a value that cannot be pickled."""

    count_path: Path

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        with self.count_path.open("ab") as file:
            file.write(b"x")
        now = datetime.now(UTC)
        return AttemptResult(Outcome(state=State.COMPLETED, started_at=now, ended_at=now), (threading.Lock(),))


@dataclass
class Telling:
    """Shows, tells of child tasks, and shows again."""

    number: int

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        now = datetime.now(UTC)
        for index in range(self.number):
            context.show({"output_type": "stream", "name": "stdout", "text": f"{index}\n"})
            context.emit(RunOutputWritten(run_id="child", output_path=str(index)))
        context.show({"output_type": "stream", "name": "stdout", "text": "end\n"})
        return AttemptResult(Outcome(state=State.COMPLETED, started_at=now, ended_at=now))


@dataclass
class Asking:
    """Asks the driver, and leaves the answer or the kind of error as the value ``value``."""

    questions: tuple[bytes, ...]
    timeout_seconds: float

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        now = datetime.now(UTC)
        context.show({"output_type": "stream", "name": "stdout", "text": "before\n"})
        answers: list[object] = []
        for question in self.questions:
            try:
                answers.append(context.ask(question, self.timeout_seconds))
            except Exception as error:
                answers.append(f"{type(error).__name__}: {error}")
        return leave(Outcome(state=State.COMPLETED, started_at=now, ended_at=now), {"value": answers})


@dataclass
class AskingUntilTheDriverHasGone:
    """Asks, and writes what came of it to a file."""

    path: Path

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        now = datetime.now(UTC)
        try:
            context.ask(b"anybody there?", 600)
        except BaseException as error:
            self.path.with_suffix(".new").write_text(type(error).__name__)
            self.path.with_suffix(".new").rename(self.path)
            raise
        return AttemptResult(Outcome(state=State.COMPLETED, started_at=now, ended_at=now))


@dataclass
class Showing:
    """Shows some lines, waits for a file, and ends."""

    number: int
    gate: Path

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        now = datetime.now(UTC)
        for index in range(self.number):
            context.show({"output_type": "stream", "name": "stdout", "text": f"{index}\n"})
        wait_for(self.gate)
        return AttemptResult(Outcome(state=State.COMPLETED, started_at=now, ended_at=now))


def add(*numbers: int) -> int:
    return sum(numbers)


def wait_for(gate: Path, *values: object) -> str:
    """Run Python code until a file exists."""
    while not gate.exists():
        time.sleep(0.005)
    return "opened"


def block_in_c(seconds: float) -> None:
    """Do not come back to Python code for so long."""
    time.sleep(seconds)


def hold_the_gil() -> None:
    """Keep all other threads of the process from running Python code, for years."""
    re.match(r"(a+)+$", "a" * 40 + "b")


def be_deaf(begun: Path, function: Callable[..., object], *arguments: object) -> None:
    """Call a function again and again, whatever is raised; a file tells that from now on nothing ends it."""
    while True:
        with contextlib.suppress(BaseException):
            begun.touch()
            function(*arguments)


def raise_system_exit(code: object) -> None:
    sys.exit(code)  # type: ignore[arg-type]


def raise_error(name: str) -> None:
    raise {"KeyboardInterrupt": KeyboardInterrupt, "RecursionError": RecursionError, "ValueError": ValueError}[name](
        "oh"
    )


def exit_hard(code: int) -> None:
    os._exit(code)


def kill_own_process(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


def crash_in_c() -> None:
    ctypes.string_at(0)


def leave_processes_behind(pid_path: Path) -> None:
    """Start a process in a session of its own, and one that was forked twice."""
    write = f"import os, time; open({str(pid_path)!r}, 'a').write(f'{{os.getpid()}} '); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", write], start_new_session=True)
    double = f"import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        exec({write!r})\n"
    subprocess.run([sys.executable, "-c", double], check=True)
    while not pid_path.exists() or len(pid_path.read_text().split()) < 2:
        time.sleep(0.005)


def swallow_stops(gate: Path) -> str:
    """Catch whatever is raised, as bad code does, until a file exists."""
    while not gate.exists():
        try:
            time.sleep(0.005)
        except BaseException:
            pass
    return "opened"


def loaded_modules() -> list[str]:
    return sorted(sys.modules)


def make_bytes(size: int) -> bytes:
    return b"x" * size


cloudpickle.register_pickle_by_value(sys.modules[__name__])
