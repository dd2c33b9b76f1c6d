"""Makes the span of a flow run or a task run the current one while its code runs, also on a worker.

Spans are made where events go (:mod:`orchestra_nb.operations.run_tracing`), so that a run has its span also where its
code runs in a process that exports none. What travels is the trace: a span's id follows from the id of its run, so that
who runs the code knows it, and who makes the span does. ``opentelemetry`` is imported only for a run that is traced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.trace import NonRecordingSpan

_nothing: Final = nullcontext()
_find_trace: Callable[[str], str | None] | None = None


def set_trace_finder(find: Callable[[str], str | None] | None) -> None:
    """Say what knows the traces of the runs that this process drives; called by the floors above."""
    global _find_trace
    _find_trace = find


def trace_of_run(run_id: str) -> str | None:
    """Return the trace of a run that this process drives; None where it is not traced.

    Returns
    -------
    str or None
        The trace's id and its flags, as a ``traceparent`` has them (https://www.w3.org/TR/trace-context).
    """
    return None if _find_trace is None else _find_trace(run_id)


def span_id_of(id_: str) -> int:
    """Return the id of the span of a run or a task run."""
    return int.from_bytes(hashlib.blake2b(id_.encode(), digest_size=8).digest()) or 1


def traced(trace: str | None, id_: str) -> AbstractContextManager[None]:
    """Make the span of this run or task run the current one inside; nothing where there is no trace."""
    return _nothing if trace is None else _current_span(trace, id_)


@contextmanager
def _current_span(trace: str, id_: str) -> Iterator[None]:
    try:
        from opentelemetry import context
        from opentelemetry.trace import set_span_in_context
    except ImportError:  # a worker without it, where no span of anybody could begin
        yield
        return
    token = context.attach(set_span_in_context(remote_span(trace, id_)))
    try:
        yield
    finally:
        context.detach(token)


def remote_span(trace: str, id_: str) -> NonRecordingSpan:
    """Return what stands for the span of a run or task run of this trace, to be a parent."""
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

    trace_id, _, flags = trace.partition("-")
    context = SpanContext(int(trace_id, 16), span_id_of(id_), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return NonRecordingSpan(context)
