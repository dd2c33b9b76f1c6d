"""Log records of user code, taken beside what Python's logging does with them.

In a notebook a record below WARNING is shown only where the user asked for it. Here every record from INFO on also goes
into the run's log, and yet loggers, handlers and levels behave as in a notebook: so the two methods that each record
passes are wrapped, and nothing is added to the root logger (``basicConfig`` would then do nothing).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from orchestra_nb.model.counted import counted
from orchestra_nb.model.runs import LogLine

_LEVEL = logging.INFO
#: What one cell may log, in characters, before only the last lines are kept.
MAX_CHARACTERS = 10_000_000
_TAIL_LINES = 200
_MAX_LINE_CHARACTERS = 10_000
#: Loggers of the machinery that runs the cell; its threads log at the same time.
_OWN = ("distributed", "dask", "tornado", "asyncio", "bokeh", "orchestra_nb")
#: Loggers whose own handlers send their records to the log of a run.
_OF_RUNS = ("orchestra.flow_runs", "orchestra.task_runs")


class LogCapture:
    """Sends log records as :class:`LogLine` from :meth:`start` to :meth:`stop`; one at a time in a process."""

    def __init__(self, log: Callable[[LogLine], None]) -> None:
        self._log = log
        self._saved: tuple[Any, Any] | None = None
        self._room = MAX_CHARACTERS
        self._tail: deque[LogLine] = deque(maxlen=_TAIL_LINES)
        self._held = 0

    def start(self) -> None:
        """Begin to capture."""
        is_enabled_for, handle = saved = logging.Logger.isEnabledFor, logging.Logger.handle

        def is_enabled_or_logged(logger: logging.Logger, level: int) -> bool:
            return is_enabled_for(logger, level) or (
                level >= _LEVEL > logger.manager.disable and not logger.disabled and _is_of_user(logger.name)
            )

        def take_and_handle(logger: logging.Logger, record: logging.LogRecord) -> None:
            if record.levelno >= _LEVEL and _is_of_user(logger.name):
                self._take(record)
            if is_enabled_for(logger, record.levelno):
                handle(logger, record)

        self._saved = saved
        logging.Logger.isEnabledFor = is_enabled_or_logged  # type: ignore[assignment,method-assign]
        logging.Logger.handle = take_and_handle  # type: ignore[assignment,method-assign]

    def stop(self) -> None:
        """Give logging back; send what was held. May be called twice."""
        if self._saved is not None:
            logging.Logger.isEnabledFor, logging.Logger.handle = self._saved  # type: ignore[method-assign]
            self._saved = None
        cut = self._held - len(self._tail)
        if cut > 0:
            first = self._tail[0]
            note = f"… {counted(cut, 'log line was', 'log lines were')} cut …"
            self._log(LogLine(run_id="", at=first.at, level=logging.WARNING, message=note))
        while self._tail:
            self._log(self._tail.popleft())
        self._held = 0

    def _take(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # wrong arguments: logging itself tells the user
            message = str(record.msg)
        if record.exc_info and record.exc_info[0] is not None:
            message += "\n" + logging.Formatter().formatException(record.exc_info)
        line = LogLine(
            run_id="",
            at=datetime.fromtimestamp(record.created, UTC),
            message=message[:_MAX_LINE_CHARACTERS],
            level=record.levelno,
            logger=record.name,
        )
        self._room -= len(line.message) + 1
        if self._room >= 0:
            self._log(line)
        else:
            self._tail.append(line)
            self._held += 1


def _is_of_user(name: str) -> bool:
    return name.partition(".")[0] not in _OWN and name not in _OF_RUNS
