"""Tracebacks with the frames of the user's code: what the engine does between two of them is left out."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType, TracebackType

_OWN_FOLDER = str(Path(__file__).resolve().parents[1])


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
    """Return a traceback without the frames of this package; None when there are no others."""
    kept: list[TracebackType] = []
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
            kept.append(trace)
        trace = trace.tb_next
    rebuilt: TracebackType | None = None
    for entry in reversed(kept):
        rebuilt = TracebackType(rebuilt, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return rebuilt
