"""Turns what cells print into log lines of their run: whole lines, in batches, with a bound for each cell."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from orchestra_nb.model.runs import LogLine
from orchestra_nb.notebooks.cell_errors import storable_text

#: Lines of one cell that go into the log; all of them are in the output notebook.
MAX_CELL_LINES = 2_000
_MAX_LINE_CHARACTERS = 2_000
_BATCH_LINES = 200


class StreamLog:
    """Collects stream text as log lines. Not thread-safe.

    Parameters
    ----------
    write
        Called with the lines of a batch, in order.
    """

    def __init__(
        self, run_id: str, write: Callable[[tuple[LogLine, ...]], None], task_run_id: str | None = None
    ) -> None:
        self._run_id = run_id
        self._task_run_id = task_run_id
        self._write = write
        self._partial: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._batch: list[LogLine] = []

    def add(self, source: str, stream: str, text: str, at: datetime) -> None:
        """Take text of a stream; ``source`` says whose it is (``"cell 4"``)."""
        room = MAX_CELL_LINES - self._counts.get(source, 0)
        if room <= 0:
            return
        *lines, rest = (self._partial.pop((source, stream), "") + text).split("\n", room + 1)
        for line in lines:
            self._add_line(source, stream, line, at)
        if rest:
            self._partial[source, stream] = rest[-_MAX_LINE_CHARACTERS * 2 :]
        if len(self._batch) >= _BATCH_LINES:
            self.flush()

    def end(self, source: str, at: datetime) -> None:
        """Take the unfinished lines of a source as lines."""
        for stream in ("stdout", "stderr"):
            rest = self._partial.pop((source, stream), "")
            if rest:
                self._add_line(source, stream, rest, at)

    def flush(self) -> None:
        """Hand on what was collected."""
        if self._batch:
            batch, self._batch = tuple(self._batch), []
            self._write(batch)

    def _add_line(self, source: str, stream: str, line: str, at: datetime) -> None:
        line = line.rstrip("\r").rsplit("\r", 1)[-1]
        count = self._counts[source] = self._counts.get(source, 0) + 1
        if count > MAX_CELL_LINES or not line.strip():
            return
        level = logging.WARNING if stream == "stderr" else logging.INFO
        if count == MAX_CELL_LINES:
            line, level = f"{source} prints more than this: see the notebook", logging.WARNING
        message = storable_text(line[:_MAX_LINE_CHARACTERS])
        self._batch.append(
            LogLine(
                run_id=self._run_id,
                task_run_id=self._task_run_id,
                at=at,
                message=message,
                level=level,
                logger=source,
            )
        )
