"""What a function prints, sent to its driver: a stand-in for ``sys.stdout`` that knows whose thread prints.

It is in place while at least one task runs and asks a context variable; what nobody claims goes where it went before.
So tasks in several threads do not mix.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from orchestra_nb.model.attempts import AttemptContext
from orchestra_nb.model.runs import LogLine

_target: ContextVar[_Printing | None] = ContextVar("orchestra_prints", default=None)
_lock = threading.Lock()


class _Printing:
    """Takes the prints of one task run."""

    def __init__(self, context: AttemptContext, is_logged: bool, outer: _Printing | None) -> None:
        self._context = context
        self.is_logged = is_logged
        self.outer = outer
        self._rest = ""
        #: stream to what was printed on it since its last line ended: ``print`` writes each argument apart
        self._begun: dict[str, str] = {}

    def write(self, stream: str, text: str) -> None:
        if not self.is_logged:
            whole, end, rest = (self._begun.pop(stream, "") + text).rpartition("\n")
            if rest:
                self._begun[stream] = rest
            self._show(stream, whole + end)
            return
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._log(line)

    def flush(self, stream: str) -> None:
        self._show(stream, self._begun.pop(stream, ""))

    def finish(self) -> None:
        for stream in list(self._begun):
            self.flush(stream)
        if self._rest:
            self._log(self._rest)
            self._rest = ""

    def _show(self, stream: str, text: str) -> None:
        if text:
            self._context.show({"output_type": "stream", "name": stream, "text": text})

    def _log(self, line: str) -> None:
        line_record = LogLine(
            run_id="", at=datetime.now(UTC), message=line, level=logging.INFO, logger="orchestra.task_runs"
        )
        self._context.log(line_record)


class _Stream(io.TextIOBase):
    """Stands for one of the standard streams."""

    def __init__(self, name: str, real: TextIO) -> None:
        self._name = name
        self.real = real

    encoding = property(lambda self: getattr(self.real, "encoding", "utf-8"))

    def write(self, text: str) -> int:
        printing = _target.get()
        if printing is None:
            return self.real.write(text)
        printing.write(self._name, text)
        return len(text)

    def flush(self) -> None:
        printing = _target.get()
        if printing is None:
            self.real.flush()
        else:
            printing.flush(self._name)

    def isatty(self) -> bool:
        return _target.get() is None and self.real.isatty()

    def fileno(self) -> int:
        return self.real.fileno()

    def writable(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def real_stream(name: str) -> TextIO | None:
    """Return ``"stdout"`` or ``"stderr"`` as it is without the tasks' stand-in: for what is said about a run."""
    stream = getattr(sys, name)
    return stream.real if type(stream) is _Stream else stream


@contextmanager
def printing_to(context: AttemptContext, is_logged: bool) -> Iterator[None]:
    """Send what is printed inside, in this context, to the driver: as log lines, or as output."""
    printing = _Printing(context, is_logged, _target.get())
    _put_in_place()
    token = _target.set(printing)
    try:
        yield
    finally:
        _target.reset(token)
        _take_away()
        printing.finish()


@contextmanager
def printing_unlogged() -> Iterator[None]:
    """Let what is printed inside go where it went before the innermost :func:`printing_to` that logs it."""
    current = _target.get()
    token = _target.set(current.outer if current is not None and current.is_logged else current)
    try:
        yield
    finally:
        _target.reset(token)


_users = 0


def _put_in_place() -> None:
    global _users
    with _lock:
        _users += 1
        for name in ("stdout", "stderr"):
            current = getattr(sys, name)
            if current is not None and type(current) is not _Stream:
                setattr(sys, name, _Stream(name, current))


def _take_away() -> None:
    global _users
    with _lock:
        _users -= 1
        if _users:
            return
        for name in ("stdout", "stderr"):
            current = getattr(sys, name)
            if type(current) is _Stream:
                setattr(sys, name, current.real)
