"""An event sink that somebody else listens to."""

from __future__ import annotations

from collections.abc import Callable

from orchestra_nb.model.events import Event, EventSink


class WatchedSink:
    """An event sink before another one, which has somebody else told of each event, too.

    Parameters
    ----------
    tell
        Called in the thread of whoever emits; quick, and raises nothing.
    """

    def __init__(self, sink: EventSink, tell: Callable[[Event], None]) -> None:
        self._sink = sink
        self._tell = tell

    def emit(self, event: Event) -> None:
        """Take one event."""
        self._sink.emit(event)
        self._tell(event)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was emitted is durable."""
        return self._sink.flush(timeout_seconds)

    def close(self) -> None:
        """Flush and let go."""
        self._sink.close()
