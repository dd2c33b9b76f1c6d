"""``get_run_logger``: a logger whose records belong to the flow run or the task run that asks for it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestra_nb.engine.drivers import current_driver
from orchestra_nb.engine.printed_lines import real_stream
from orchestra_nb.engine.run_context import (
    FlowRunContext,
    MissingContext,
    TaskRunContext,
    flow_run_context,
    task_run_context,
)
from orchestra_nb.model.events import LogsWritten
from orchestra_nb.model.runs import LogLine

FLOW_RUNS = "orchestra.flow_runs"
TASK_RUNS = "orchestra.task_runs"
_RECORD_KEY = "orchestra_context"


@dataclass(frozen=True, slots=True)
class _LoggedRun:
    """A run whose log somebody writes from outside of it, such as a hook."""

    run_id: str
    task_run_id: str | None
    words: str


class RunLogger(logging.LoggerAdapter[logging.Logger]):
    """Adds the run to each record."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Return the message and its arguments with the run."""
        extra = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, {**kwargs, "extra": extra}


class _RunHandler(logging.Handler):
    """Sends records to the log of their run, and to the console where the driver has one.

    Handlers of the loggers above get them, too (a file's, pytest's ``caplog``), but for those that write on a console.
    """

    def emit(self, record: logging.LogRecord) -> None:
        context = getattr(record, _RECORD_KEY, None)
        try:
            message = self.format(record)
            if isinstance(context, TaskRunContext) and context.attempt_context is not None:
                context.attempt_context.log(_line(record, message, "", None))
            elif isinstance(context, FlowRunContext):
                line = _line(record, message, context.run.run_id, None)
                context.driver.sink.emit(LogsWritten(lines=(line,)))
                context.driver.say(f"Flow run {context.run.name!r} - {message}", record.levelno)
            elif isinstance(context, _LoggedRun):
                driver = current_driver()
                line = _line(record, message, context.run_id, context.task_run_id)
                driver.sink.emit(LogsWritten(lines=(line,)))
                driver.say(f"{context.words} - {message}", record.levelno)
        except Exception:
            self.handleError(record)
        _hand_up(record)


def _hand_up(record: logging.LogRecord) -> None:
    own = logging.getLogger(record.name)
    logger = own.parent
    while logger is not None:
        for handler in logger.handlers:
            # new versions of pytest put theirs on loggers that do not propagate, too
            if record.levelno >= handler.level and not _is_console(handler) and handler not in own.handlers:
                handler.handle(record)
        logger = logger.parent if logger.propagate else None


def _is_console(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and handler.stream in (
        *(real_stream(name) for name in ("stdout", "stderr")),
        *(sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__),
    )


def _line(record: logging.LogRecord, message: str, run_id: str, task_run_id: str | None) -> LogLine:
    return LogLine(
        run_id=run_id,
        at=datetime.fromtimestamp(record.created, UTC),
        message=message,
        level=record.levelno,
        logger=record.name,
        task_run_id=task_run_id,
    )


def get_run_logger(context: FlowRunContext | TaskRunContext | None = None, **extra: Any) -> RunLogger:
    """Return the logger of the task run, or else of the flow run, that this code belongs to.

    Inside of :func:`disable_run_logger`, where no run is, one that says nothing.

    Raises
    ------
    MissingContext
        No flow and no task runs here.
    """
    found = context or task_run_context.get() or flow_run_context.get()
    if found is None and all(logging.getLogger(name).disabled for name in (FLOW_RUNS, TASK_RUNS)):
        return RunLogger(logging.getLogger(TASK_RUNS), extra)
    if found is None:
        raise MissingContext(
            "There is no run whose log this could be: call get_run_logger() inside a function under @flow or @task."
        )
    logger = _prepared(TASK_RUNS if isinstance(found, TaskRunContext) else FLOW_RUNS)
    if isinstance(found, TaskRunContext):
        details = {"task_run_id": found.task_run_id, "task_run_name": found.name, "task_name": found.task_name}
    else:
        details = {"flow_run_id": found.run.run_id, "flow_run_name": found.run.name, "flow_name": found.run.flow_name}
    return RunLogger(logger, {**details, **extra, _RECORD_KEY: found})


def flow_run_logger(flow_run: Any, flow: Any = None, **extra: Any) -> RunLogger:
    """Return the logger of a flow run, in code that does not run in it: a hook, or what called the flow.

    Parameters
    ----------
    flow_run
        As hooks get it.
    flow
        Not needed: the run knows the name of its flow.
    """
    details = {"flow_run_id": flow_run.id, "flow_run_name": flow_run.name, "flow_name": flow_run.flow_name}
    logged = _LoggedRun(flow_run.id, None, f"Flow run {flow_run.name!r}")
    return RunLogger(_prepared(FLOW_RUNS), {**details, **extra, _RECORD_KEY: logged})


def task_run_logger(task_run: Any, task: Any = None, flow_run: Any = None, flow: Any = None, **extra: Any) -> RunLogger:
    """Return the logger of a task run, in code that does not run in it, such as a hook."""
    details = {"task_run_id": task_run.id, "task_run_name": task_run.name, "flow_run_id": task_run.flow_run_id}
    if task is not None:
        details["task_name"] = task.name
    logged = _LoggedRun(task_run.flow_run_id, task_run.id, f"Task run {task_run.name!r}")
    return RunLogger(_prepared(TASK_RUNS), {**details, **extra, _RECORD_KEY: logged})


def get_logger(name: str | None = None) -> logging.Logger:
    """Return a plain logger below ``orchestra``."""
    return logging.getLogger(f"orchestra.{name}" if name else "orchestra")


@contextmanager
def disable_run_logger() -> Iterator[None]:
    """Let run loggers say nothing inside: for tests of ``task.fn``, where no run is."""
    loggers = [_prepared(FLOW_RUNS), _prepared(TASK_RUNS)]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def _prepared(name: str) -> logging.Logger:
    logger = logging.getLogger(name)
    if not any(isinstance(handler, _RunHandler) for handler in logger.handlers):
        handler = _RunHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if logger.level == logging.NOTSET else logger.level)
        logger.propagate = False
    return logger
