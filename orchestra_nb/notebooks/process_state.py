"""What a task cell may change in its worker's process, saved before it and put back after it.

Imported modules stay, for speed. Everything is put back by whole values, so :meth:`ProcessState.restore` may be called
twice, and from another thread than the cell's. Signal handlers are apart: only the main thread may set them.
"""

from __future__ import annotations

import builtins
import getpass
import logging
import os
import signal
import sys
import threading
import warnings
from contextlib import suppress
from typing import Any


class ProcessState:
    """The state of this process at the moment when this object is made."""

    def __init__(self) -> None:
        self._folder = _current_folder()
        self._environ = dict(os.environ)
        self._path = list(sys.path)
        self._main_module = sys.modules["__main__"]
        self._hooks = {name: getattr(sys, name) for name in ("excepthook", "displayhook", "unraisablehook")}
        self._input = builtins.input, getpass.getpass
        self._recursion_limit = sys.getrecursionlimit()
        self._warnings = warnings.filters[:], warnings.showwarning, warnings.formatwarning
        self._disabled_level = logging.root.manager.disable
        self._loggers = {logger: _logger_state(logger) for logger in _loggers()}
        self._signals = _signal_handlers()

    def restore(self) -> None:
        """Put everything back; what cannot be (a folder that is gone) is left."""
        sys.modules["__main__"] = self._main_module
        for name, value in self._hooks.items():
            setattr(sys, name, value)
        builtins.input, getpass.getpass = self._input
        sys.path[:] = self._path
        with suppress(RecursionError):
            sys.setrecursionlimit(self._recursion_limit)
        if self._folder is not None:
            with suppress(OSError):
                os.chdir(self._folder)
        self._restore_environ()
        self._restore_warnings()
        self._restore_logging()

    def restore_signals(self) -> None:
        """Put signal handlers back; to be called by the thread that made this object."""
        for number, handler in self._signals.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)

    def _restore_environ(self) -> None:
        for name in os.environ.keys() - self._environ.keys():
            os.environ.pop(name, None)
        for name, value in self._environ.items():
            if os.environ.get(name) != value:
                os.environ[name] = value

    def _restore_warnings(self) -> None:
        filters, warnings.showwarning, warnings.formatwarning = self._warnings
        # a filter that is added tells Python to forget what it has shown once; the slice alone does not
        warnings.simplefilter("default")
        warnings.filters[:] = filters  # type: ignore[index]

    def _restore_logging(self) -> None:
        logging.root.manager.disable = self._disabled_level
        for logger in _loggers():
            if logger in self._loggers:
                level, handlers, logger.propagate, logger.disabled = self._loggers[logger]
            elif logger.name.partition(".")[0] in sys.modules:
                continue  # made by a module that stays
            else:
                level, handlers, logger.propagate, logger.disabled = logging.NOTSET, [], True, False
            if logger.level != level:
                logger.setLevel(level)
            logger.handlers[:] = handlers


def _loggers() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.values())
    return [logging.root, *(logger for logger in known if isinstance(logger, logging.Logger))]


def _logger_state(logger: logging.Logger) -> tuple[int, list[logging.Handler], bool, bool]:
    return logger.level, list(logger.handlers), logger.propagate, logger.disabled


def _signal_handlers() -> dict[signal.Signals, Any]:
    if threading.get_ident() != threading.main_thread().ident:
        return {}  # then the cell cannot set one either
    return {number: signal.getsignal(number) for number in signal.Signals}


def _current_folder() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None
