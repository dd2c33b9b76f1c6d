"""What a task prints and logs, as lines of its run's log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from orchestra_nb.model.events import LogsWritten
from orchestra_nb.model.runs import LogLine, TaskRun
from orchestra_nb.notebooks.stream_log import StreamLog

#: A handler prints what is logged to stderr, too: so many logged messages are kept to know them again.
_KNOWN_MESSAGES = 50


class TaskLog:
    """The log of one task. Not thread-safe."""

    def __init__(self, task: TaskRun, emit: Callable[[LogsWritten], None]) -> None:
        self._task = task
        self._emit = emit
        self._prints = StreamLog(task.run_id, lambda lines: emit(LogsWritten(lines=lines)), task.task_run_id)
        self._known: deque[str] = deque(maxlen=_KNOWN_MESSAGES)

    def take(self, outputs: Sequence[Mapping[str, object]], lines: Sequence[LogLine]) -> None:
        """Take what came from the worker at one time: what was shown, and what was logged."""
        if lines:
            ids = {"run_id": self._task.run_id, "task_run_id": self._task.task_run_id}
            self._emit(LogsWritten(lines=tuple(msgspec.structs.replace(line, **ids) for line in lines)))
            self._known.extend(line.message for line in lines)
        for output in outputs:
            if output.get("output_type") == "stream":
                stream = str(output["name"])
                self._prints.add(self._task.name, stream, self._unknown(stream, str(output["text"])), datetime.now(UTC))
        self._prints.flush()

    def end(self) -> None:
        """Take the last line, which may have no end."""
        self._prints.end(self._task.name, datetime.now(UTC))
        self._prints.flush()

    def _unknown(self, stream: str, text: str) -> str:
        if stream != "stderr":
            return text
        known = tuple(message for message in self._known if message)
        # a handler puts its prefix before the message
        return "".join(line for line in text.splitlines(keepends=True) if not line.rstrip("\n").endswith(known))
