"""What makes the start and the end of a process short that lives for one command."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

#: Objects that come to be between two looks for garbage: imports make many, and nearly none of it.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000
#: What a shell shows of a process that could not write what it printed; Python's own, too.
_NOT_PRINTED = 120
_INTERRUPTED = 130


def collect_seldom() -> None:
    """Have the interpreter look for garbage less often: that takes a tenth of the time of all imports.

    For a process that lives for one notebook.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 20)


def end_process(exit_code: int) -> NoReturn:
    """End this process as the interpreter does, but for taking its modules apart, which takes some fifty milliseconds.

    Threads that are no daemons are waited for, exit handlers run, and what was printed is written.
    """
    shutdown_threads: Any = threading
    try:
        for step in (shutdown_threads._shutdown, atexit._run_exitfuncs):
            try:
                step()
            except BaseException as error:  # Ctrl-C: the rest must be done all the same
                exit_code = exit_code or (_INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1)
        problem = flush_streams()
        exit_code = exit_code or problem
    finally:
        os._exit(exit_code)


def flush_streams() -> int:
    """Write what was printed; return the exit code that says whether that went well. Raises nothing but interrupts.

    A stream that takes no more is closed to this process: what could not be written is told once.
    """
    exit_code = 0
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or stream.closed:
            continue
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            exit_code = _NOT_PRINTED
            setattr(sys, name, None)
            # `orchestra runs list | head -1`: who reads has seen enough
            if name == "stdout" and not isinstance(error, BrokenPipeError):
                with contextlib.suppress(OSError):
                    os.write(2, f"What was printed could not be written: {error}\n".encode())
    return exit_code
