"""Tracebacks with the frames of the user's code: what the engine does between two of them is left out."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import TypeVar

Running = TypeVar("Running")

_OWN_FOLDER = str(Path(__file__).resolve().parents[1])
_LIBRARY = Path(threading.__file__).parent
#: What the engine waits with, and runs coroutines with.
_MACHINERY = tuple(
    str(_LIBRARY / name) for name in ("asyncio", "concurrent", "contextlib.py", "queue.py", "threading.py")
)


def user_line() -> str:
    """Return where the user's code is that called this, such as ``"line 12 of report.py"``; empty if nowhere."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_OWN_FOLDER):
        frame = frame.f_back
    if frame is None:
        return ""
    file = Path(frame.f_code.co_filename)
    return f"line {frame.f_lineno}" + (f" of {file.name}" if file.is_file() else "")


def without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of this package and what it runs code with; None when there are no others.

    Frames of Python's threads and event loops are left out where this package called them.
    """
    kept: list[TracebackType] = []
    is_ours = False
    while trace is not None:
        file_name = trace.tb_frame.f_code.co_filename
        is_ours = file_name.startswith(_OWN_FOLDER) or (is_ours and file_name.startswith(_MACHINERY))
        if not is_ours:
            kept.append(trace)
        trace = trace.tb_next
    rebuilt: TracebackType | None = None
    for entry in reversed(kept):
        rebuilt = TracebackType(rebuilt, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return rebuilt


class HiddenFrames:
    """Lets an exception that passes go from its caller's line to the user's code below, with none of our frames.

    Entered in the outermost function of this package: the frame that an exception passes last adds no entry after this
    was left. What looks like a defect of ours, with no code of the user below, is left whole.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        kept = without_own_frames(error.__traceback__)
        if kept is not None or not isinstance(error, AssertionError | AttributeError | KeyError | NameError):
            error.__traceback__ = kept


#: There is nothing in one, so one is enough.
HIDDEN_FRAMES = HiddenFrames()


def named_as(running: Running, function: Callable[..., object]) -> Running:
    """Give a coroutine or generator of ours the name of a user's function: Python's "was never awaited" tells it."""
    for name in ("__name__", "__qualname__"):
        if isinstance(found := getattr(function, name, None), str):
            setattr(running, name, found)
    return running
