"""A process that runs task cells in a thread that is not its main thread, as a Dask worker does.

Run as a script it is the worker; imported it is the handle of one.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cloudpickle
from patience import PATIENCE_SECONDS

from orchestra_nb.errors import StopTask
from orchestra_nb.model.attempts import AttemptResult
from orchestra_nb.model.runs import LogLine
from orchestra_nb.notebooks.cell_task import CellTask
from orchestra_nb.notebooks.cell_values import PackedGroup, unpack_values


@dataclass
class Context:
    """Collects what a cell shows and logs; ``on_show`` is called in the cell's thread or its reader."""

    worker: str = "worker-1"
    shown: list[Mapping[str, object]] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)

    def show(self, message: Mapping[str, object]) -> None:
        self.shown.append(message)

    def log(self, line: LogLine) -> None:
        self.lines.append(line)


@dataclass
class Ended:
    """How a cell ended, on this side of the pipe."""

    result: AttemptResult
    shown: list[Any]
    lines: list[LogLine]

    @property
    def outcome(self) -> Any:
        return self.result.outcome

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return self.result.outcome.outputs

    def text(self, stream: str = "stdout") -> str:
        return "".join(str(output["text"]) for output in self.outputs if output.get("name") == stream)

    def values(self, namespace: dict[str, Any] | None = None) -> dict[str, Any]:
        groups = [group for group in self.result.groups if isinstance(group, PackedGroup)]
        return unpack_values(groups, None, {"__name__": "__main__"} if namespace is None else namespace)


class CellWorker:
    """A worker process."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        theirs.close()
        self._connection = Connection(ours.detach())

    def run(self, source: str, upstream: Mapping[str, AttemptResult] | None = None, **options: Any) -> Ended:
        """Run a cell named ``clean`` there."""
        return self.call(run_cell, CellTask(source=source, name="clean", **options), dict(upstream or {}))

    def call(self, function: Any, *arguments: Any) -> Any:
        """Call a function of this module there, in its main thread."""
        self._connection.send_bytes(cloudpickle.dumps((function.__name__, arguments)))
        answer, error = cloudpickle.loads(self._connection.recv_bytes())
        if error is not None:
            raise AssertionError(f"the worker failed: {error}")
        return answer

    def close(self) -> None:
        self._connection.close()
        try:
            assert self.process.wait(timeout=PATIENCE_SECONDS) == 0
        finally:
            self.process.kill()
            self.process.wait()


def run_cell(task: CellTask, upstream: Mapping[str, AttemptResult]) -> Ended:
    """Run a cell in a new thread and return how it ended."""
    context = Context()
    results: list[AttemptResult] = []
    thread = threading.Thread(target=lambda: results.append(task.run(upstream, context)))
    thread.start()
    thread.join()
    return Ended(results[0], context.shown, context.lines)


def run_cell_in_main_thread(task: CellTask) -> Ended:
    context = Context()
    return Ended(task.run({}, context), context.shown, context.lines)


def stop_cell(task: CellTask, delay_seconds: float) -> tuple[str, dict[str, Any]]:
    """Raise StopTask in a cell's thread after a delay (from its beginning); return how it ended and the state after."""
    ended: list[str] = []
    begun = threading.Event()

    def body() -> None:
        begun.set()
        try:
            ended.append(task.run({}, Context()).outcome.state.value)
        except StopTask:
            ended.append("stopped")
        except BaseException as error:
            ended.append(repr(error))

    thread = threading.Thread(target=body)
    thread.start()
    begun.wait()
    threading.Event().wait(delay_seconds)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(StopTask))
    thread.join(60)
    if thread.is_alive():
        return "still running", {}
    return (ended or ["StopTask outside of run"])[0], process_state()


def process_state() -> dict[str, Any]:
    """Return what a cell might have changed in this process."""
    return {
        "folder": os.getcwd(),
        "environ": dict(os.environ),
        "path": list(sys.path),
        "streams": [id(sys.stdin), id(sys.stdout), id(sys.stderr)],
        "descriptors": [os.fstat(fd).st_ino for fd in (0, 1, 2)],
        "open descriptors": len(os.listdir("/proc/self/fd")),
        "main": id(sys.modules["__main__"]),
        "filters": list(warnings.filters),
        "level": logging.root.level,
        "handlers": list(map(id, logging.root.handlers)),
        "logging": (logging.Logger.handle.__qualname__, logging.Logger.isEnabledFor.__qualname__),
        "recursion": sys.getrecursionlimit(),
        "input": input.__module__,
        "signals": {number.name: str(signal.getsignal(number)) for number in signal.Signals},
        "threads": sorted(thread.name for thread in threading.enumerate()),
    }


def loaded_modules() -> list[str]:
    return sorted(sys.modules)


def figure_settings() -> dict[str, Any]:
    import matplotlib

    return dict(matplotlib.rcParams)


def _serve(connection: Connection) -> None:
    while True:
        try:
            name, arguments = cloudpickle.loads(connection.recv_bytes())
        except EOFError:
            return
        answer, error = None, None
        try:
            answer = globals()[name](*arguments)
        except BaseException as problem:
            error = repr(problem)
        connection.send_bytes(cloudpickle.dumps((answer, error)))


if __name__ == "__main__":
    import cell_worker  # the classes that travel are those of the importable module

    cell_worker._serve(Connection(int(sys.argv[1])))
