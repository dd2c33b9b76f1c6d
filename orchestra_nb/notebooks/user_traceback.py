"""An exception of user code as people want to read it: their own line first, library frames folded to one line each."""

from __future__ import annotations

import linecache
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

from orchestra_nb.model.counted import counted
from orchestra_nb.model.runs import ErrorInfo

#: Bounds of what is kept of one error.
MAX_MESSAGE_CHARACTERS = 2_000
_MAX_TRACE_CHARACTERS = 100_000
#: More frames than this in a row are shortened: an endless recursion has a thousand.
_MAX_RUN = 24
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
#: This package, where the code of a task's machinery stands.
_OWN_FOLDER = str(Path(__file__).resolve().parents[1])
_LIBRARY_FOLDERS = (
    _OWN_FOLDER,
    *(path for name in ("stdlib", "platstdlib", "purelib", "platlib") if (path := sysconfig.get_paths().get(name))),
)


def describe_error(
    error: BaseException, file_name: str, cell: str, message: str | None = None, lines_above_timed: int | None = None
) -> ErrorInfo:
    """Return an exception as data.

    Parameters
    ----------
    file_name
        The name under which the cell was compiled (``"<task clean>"``).
    cell
        The cell in people's words.
    message
        Replaces the exception's own.
    lines_above_timed
        Lines of the cell above the code that ``%%time`` runs, which IPython compiles under another name; None if it
        runs none.
    """
    trace = _Trace(file_name, lines_above_timed)
    line = trace.line_in_cell(error)
    text = plain_text(message if message is not None else _message_of(error))
    source = linecache.getline(file_name, line).strip() if line is not None else ""
    return ErrorInfo(
        type=type(error).__name__,
        message=text[:MAX_MESSAGE_CHARACTERS],
        cell=cell,
        line=line,
        source_line=source or None,
        traceback=trace.format(error),
    )


def plain_text(text: str) -> str:
    """Return text without terminal colours."""
    return _ANSI.sub("", text)


def _message_of(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.msg:
        return error.msg
    try:
        text = str(error)
    except Exception as broken:  # __str__ of the user's class
        return f"<its message cannot be shown: {type(broken).__name__}>"
    notes = getattr(error, "__notes__", None)
    return "\n".join([text, *map(str, notes)]) if isinstance(notes, list) else text


class _Trace:
    """Reads the traces of exceptions of one cell."""

    def __init__(self, file_name: str, lines_above_timed: int | None) -> None:
        self._file_name = file_name
        self._lines_above_timed = lines_above_timed

    def line_in_cell(self, error: BaseException) -> int | None:
        """Return the line of the cell that was running innermost."""
        if isinstance(error, SyntaxError) and error.filename == self._file_name:
            return error.lineno
        lines = [frame.lineno for frame in self._frames(error) if frame.filename == self._file_name]
        return lines[-1] if lines else None

    def format(self, error: BaseException) -> str:
        """Return the trace as plain text: frames above the cell left out, library frames one line each.

        The exceptions that led to it come first, as Python does.
        """
        text = plain_text("\n".join(self._chain(error, set())))
        if len(text) > _MAX_TRACE_CHARACTERS:
            half = _MAX_TRACE_CHARACTERS // 2
            text = f"{text[:half]}\n… {counted(len(text) - 2 * half, 'character')} cut …\n{text[-half:]}"
        return text

    def _chain(self, error: BaseException, seen: set[int]) -> Iterator[str]:
        seen.add(id(error))
        cause, context = error.__cause__, error.__context__
        if cause is not None and id(cause) not in seen:
            yield from self._chain(cause, seen)
            yield "\nThe above exception was the direct cause of the following exception:\n"
        elif context is not None and not error.__suppress_context__ and id(context) not in seen:
            yield from self._chain(context, seen)
            yield "\nDuring handling of the above exception, another exception occurred:\n"
        frames = self._below_cell(self._frames(error))
        if frames:
            yield "Traceback (most recent call last):"
            yield from _frame_lines(frames)
        yield from (line.rstrip("\n") for line in traceback.format_exception_only(type(error), error))
        if isinstance(error, BaseExceptionGroup):
            for number, inner in enumerate(error.exceptions, start=1):
                if id(inner) not in seen:
                    yield f"  ---------------- {number} of {len(error.exceptions)} ----------------"
                    yield from (f"  {line}" for line in "\n".join(self._chain(inner, seen)).split("\n"))

    def _frames(self, error: BaseException) -> list[traceback.FrameSummary]:
        return [self._as_of_cell(frame) for frame in traceback.extract_tb(error.__traceback__)]

    def _as_of_cell(self, frame: traceback.FrameSummary) -> traceback.FrameSummary:
        if self._lines_above_timed is None or not frame.filename.startswith("<timed ") or frame.lineno is None:
            return frame
        return traceback.FrameSummary(self._file_name, frame.lineno + self._lines_above_timed, frame.name)

    def _below_cell(self, frames: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
        """Leave out what ran the cell: everything above its first frame, all if it never ran."""
        start = next((index for index, frame in enumerate(frames) if frame.filename == self._file_name), None)
        if start is not None:
            return frames[start:]
        return frames if any(not _is_library(frame.filename) for frame in frames) else []


def _frame_lines(frames: list[traceback.FrameSummary]) -> Iterator[str]:
    index = 0
    while index < len(frames):
        end = index
        while end < len(frames) and _is_library(frames[end].filename):
            end += 1
        if end > index:
            yield from _folded(frames[index:end])
            index = end
            continue
        while end < len(frames) and not _is_library(frames[end].filename):
            end += 1
        yield from _shortened([line for frame in frames[index:end] for line in _full(frame)], 4 * _MAX_RUN)
        index = end


def _full(frame: traceback.FrameSummary) -> Iterator[str]:
    where = "" if frame.name == "<module>" else f", in {frame.name}"
    yield f'  File "{frame.filename}", line {frame.lineno}{where}'
    if frame.line:
        yield f"    {frame.line}"


def _folded(frames: list[traceback.FrameSummary]) -> Iterator[str]:
    packages = ", ".join(dict.fromkeys(_package_of(frame.filename) for frame in frames))
    yield f"  … {len(frames)} {'frame' if len(frames) == 1 else 'frames'} in {packages}"
    yield from _shortened([f"    {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames], _MAX_RUN)


def _shortened(lines: list[str], limit: int) -> list[str]:
    if len(lines) <= limit:
        return lines
    half = limit // 2
    return [*lines[:half], f"    … {counted(len(lines) - 2 * half, 'line')} more", *lines[-half:]]


def _is_library(file_name: str) -> bool:
    return (
        file_name.startswith(("<frozen ", "<__array_function__", "<decorator-gen", "<timed "))
        or file_name.startswith(_LIBRARY_FOLDERS)
        or "site-packages" in file_name
        or "dist-packages" in file_name
    )


def _package_of(file_name: str) -> str:
    if file_name.startswith(_OWN_FOLDER):
        return Path(_OWN_FOLDER).name
    for marker in ("site-packages", "dist-packages"):
        _, found, rest = file_name.partition(marker)
        if found:
            return rest.strip("/\\").replace("\\", "/").partition("/")[0].removesuffix(".py")
    return f"Python {sys.version_info.major}.{sys.version_info.minor}"
