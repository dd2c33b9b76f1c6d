"""What a function raised, on its way from worker to driver: the exception, its traceback, and what led to it.

A traceback cannot be pickled. One that looks the same is made where it arrives: for each frame a function is compiled
that raises at the place where the frame was, so that Python, IPython and debuggers show the user's line with the mark
under the right expression. (What Dask's library makes has the right line numbers and nothing else.)
"""

from __future__ import annotations

import ast
import linecache
import pickle
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import CodeType, TracebackType

from orchestra_nb.engine.user_frames import without_own_frames
from orchestra_nb.notebooks.portable_exceptions import pickle_exception

#: More frames than this are not kept: the first and the last ones of an endless recursion tell enough.
_MOST_FRAMES = 200
#: So many exceptions that led to one another are kept.
_MOST_LINKS = 8
_MESSAGE_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class FramePlace:
    """Where a frame of a traceback was: a line, and the expression in it (columns in bytes; None where unknown)."""

    file_name: str
    name: str
    qualified_name: str
    first_line: int
    line: int
    end_line: int | None = None
    column: int | None = None
    end_column: int | None = None


@dataclass(frozen=True, slots=True)
class PortableError:
    """An exception as data.

    Parameters
    ----------
    pickled
        The exception without its traceback; None where its class cannot travel.
    """

    pickled: bytes | None
    module: str
    type: str
    message: str
    frames: tuple[FramePlace, ...]
    cause: PortableError | None = None
    context: PortableError | None = None
    is_context_hidden: bool = False

    def rebuild(self, stand_in: BaseException | None = None) -> BaseException:
        """Return the exception with a traceback and with what led to it.

        Parameters
        ----------
        stand_in
            What is returned, with the same traceback, where the class or what it holds cannot be rebuilt here; None for
            an exception that looks like it.
        """
        error: object = None
        if self.pickled is not None:
            with suppress(Exception):  # unpickling runs code of any class
                error = pickle.loads(self.pickled)
        if not isinstance(error, BaseException):
            error = stand_in or type(self.type, (Exception,), {"__module__": self.module})(self.message)
        error.__cause__ = self.cause.rebuild() if self.cause is not None else None
        error.__context__ = self.context.rebuild() if self.context is not None else None
        error.__suppress_context__ = self.is_context_hidden
        return error.with_traceback(rebuild_traceback(self.frames))

    def has_source(self) -> bool:
        """Tell whether the line that raised can be read in this process."""
        last = self.frames[-1] if self.frames else None
        return last is not None and bool(linecache.getline(last.file_name, last.line))


def pack_error(error: BaseException, dump: Callable[[object], bytes]) -> bytes | None:
    """Return the exception as pickled data; None where its own class cannot travel."""
    portable = _portable(error, dump, _MOST_LINKS, set())
    return None if portable.pickled is None else pickle.dumps(portable, protocol=5)


def _portable(error: BaseException, dump: Callable[[object], bytes], links: int, seen: set[int]) -> PortableError:
    seen.add(id(error))

    def led_from(other: BaseException | None) -> PortableError | None:
        if other is None or id(other) in seen or not links:
            return None
        return _portable(other, dump, links - 1, seen)

    try:
        message = str(error)[:_MESSAGE_LIMIT]
    except Exception:  # a __str__ of the user's class
        message = "(its message could not be made)"
    kind = type(error)
    return PortableError(
        pickled=pickle_exception(error, dump, pickle.loads),
        module=kind.__module__,
        type=kind.__qualname__,
        message=message,
        frames=tuple(places_of(without_own_frames(error.__traceback__))),
        cause=led_from(error.__cause__),
        context=None if error.__suppress_context__ else led_from(error.__context__),
        is_context_hidden=error.__suppress_context__,
    )


def places_of(trace: TracebackType | None) -> Iterator[FramePlace]:
    """Yield where the frames of a traceback were, the outermost first."""
    entries: list[TracebackType] = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    if len(entries) > _MOST_FRAMES:
        entries = entries[: _MOST_FRAMES // 2] + entries[-_MOST_FRAMES // 2 :]
    for entry in entries:
        code = entry.tb_frame.f_code
        yield FramePlace(code.co_filename, code.co_name, code.co_qualname, code.co_firstlineno, *_position(entry, code))


def _position(entry: TracebackType, code: CodeType) -> tuple[int, int | None, int | None, int | None]:
    for number, position in enumerate(code.co_positions()):
        if number == entry.tb_lasti // 2:
            line, end_line, column, end_column = position
            return line if line is not None else entry.tb_lineno, end_line, column, end_column
    return entry.tb_lineno, None, None, None


def rebuild_traceback(frames: tuple[FramePlace, ...]) -> TracebackType | None:
    """Return a traceback that shows these places."""
    trace: TracebackType | None = None
    for place in reversed(frames):
        with suppress(ValueError, OverflowError):  # a position that no code can have
            raised = _raised_at(place)
            trace = TracebackType(trace, raised.tb_frame, raised.tb_lasti, raised.tb_lineno)
    return trace


def _raised_at(place: FramePlace) -> TracebackType:
    """Return the traceback entry of a frame that looks like one at this place."""
    try:
        eval(_code_at(place), {"__file__": place.file_name})
    except ZeroDivisionError as error:
        trace = error.__traceback__.tb_next if error.__traceback__ is not None else None
        if trace is not None:
            return trace
    raise AssertionError("it raises")


def _code_at(place: FramePlace) -> CodeType:
    module = ast.parse("def f():\n    raise ZeroDivisionError")
    (function,) = module.body
    assert isinstance(function, ast.FunctionDef)
    function.lineno = function.end_lineno = place.first_line
    for node in ast.walk(function.body[0]):
        if isinstance(node, ast.stmt | ast.expr):
            node.lineno, node.end_lineno = place.line, place.end_line or place.line
            node.col_offset, node.end_col_offset = place.column or 0, place.end_column or 0
    compiled = compile(module, place.file_name, "exec", dont_inherit=True)
    code = next(constant for constant in compiled.co_consts if isinstance(constant, CodeType))
    return code.replace(co_name=place.name, co_qualname=place.qualified_name)
