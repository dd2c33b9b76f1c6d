"""Tracebacks with the frames of the user's code: what the engine does between two of them is left out."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

_OWN_FOLDER = str(Path(__file__).resolve().parents[1])


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
