"""Keeps code that runs before its turn from doing what could not be undone, and notes which files it looked at.

Python's audit events (PEP 578) come before the deed: an exception from the hook prevents it. So a cell that writes a
file, starts a process or connects to somewhere is stopped before it has done so, and runs in order. An audit hook
cannot be taken out again: there is one for a process, which does nothing while nothing is guarded.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

#: Audit event to what it does, in people's words.
_DEEDS = {
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "os.exec": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.spawn": "starts a process",
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "pty.spawn": "starts a process",
    "os.kill": "sends a signal",
    "os.remove": "deletes a file",
    "os.rmdir": "deletes a folder",
    "os.rename": "renames a file",
    "os.mkdir": "makes a folder",
    "os.link": "links a file",
    "os.symlink": "links a file",
    "os.truncate": "shortens a file",
    "os.chmod": "changes a file",
    "os.chown": "changes a file",
    "shutil.rmtree": "deletes a folder",
    "shutil.move": "moves a file",
    "socket.connect": "connects to somewhere",
    "socket.bind": "listens for connections",
    "socket.sendto": "sends over the network",
    "webbrowser.open": "opens a browser",
}
_LISTINGS = frozenset({"os.listdir", "os.scandir"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
#: Threads of the machinery that runs the cell.
_OWN_THREADS = ("Dask", "IO loop", "Profile", "orchestra", "Event loop", "TCP-Executor", "Nanny", "asyncio", "offload")
#: More files than this are not compared one by one.
_MAX_FILES = 5_000


class EffectStopped(BaseException):
    """Raised in code that runs before its turn, before a deed that cannot be undone; no ``Exception``, as StopTask."""


class EffectGuard:
    """Guards the code of one cell.

    Attributes
    ----------
    deed
        What it was about to do, in people's words; empty where it did nothing that counts.
    files
        Absolute path to the state of the file or folder when it was first looked at (:func:`file_state`).
    """

    def __init__(self) -> None:
        self.deed = ""
        self.files: dict[str, tuple[int, ...] | None] = {}
        self._before = frozenset(thread.ident for thread in threading.enumerate())
        self._thread = threading.get_ident()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Guard what this thread does, and the threads that it starts."""
        global _guard, _is_hooked
        if not _is_hooked:
            sys.addaudithook(_take)
            _is_hooked = True
        stat, lstat = os.stat, os.lstat

        # looking at a file is no audit event
        def noting(look: Any) -> Any:
            def looked(path: Any, *arguments: Any, **options: Any) -> Any:
                if threading.get_ident() == self._thread and not options.get("dir_fd"):
                    self._note(path, stat)
                return look(path, *arguments, **options)

            return looked

        _guard = self
        os.stat, os.lstat = noting(stat), noting(lstat)
        try:
            yield
        finally:
            _guard = None
            os.stat, os.lstat = stat, lstat

    def take(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an audit event; raises before a deed."""
        if not self._is_of_cell():
            return
        if sys._getframe(2).f_code.co_filename.startswith("<frozen importlib"):
            return  # what is imported is the same everywhere, and its bytecode is written beside it
        if event == "open":
            path, mode, flags = arguments
            if isinstance(path, bytes):
                path = os.fsdecode(path)
            if not isinstance(path, str):
                return
            # the mode is that of open(), the flags those of os.open()
            is_written = isinstance(flags, int) and bool(flags & _WRITING)
            if isinstance(mode, str):
                is_written = any(letter in mode for letter in "wax+")
            if not is_written:
                self._note(path, os.stat)
            elif not _is_cache(os.path.abspath(path)):
                self._stop(f"writes the file {path}")
        elif event in _LISTINGS:
            self._note("." if arguments[0] is None else arguments[0], os.stat)
        elif event == "sqlite3.connect":
            if arguments[0] not in (":memory:", ""):
                self._stop(f"opens the database {arguments[0]}")
        elif event in _DEEDS and not (arguments and _is_cache(os.path.abspath(str(arguments[0])))):
            self._stop(_DEEDS[event])

    def _stop(self, deed: str) -> None:
        self.deed = self.deed or deed
        raise EffectStopped(f"it {deed}")

    def _is_of_cell(self) -> bool:
        ident = threading.get_ident()
        if ident == self._thread:
            return True
        return ident not in self._before and not threading.current_thread().name.startswith(_OWN_THREADS)

    def _note(self, path: Any, stat: Any) -> None:
        if not isinstance(path, str | os.PathLike):
            return
        with suppress(OSError, ValueError, TypeError):
            name = os.path.abspath(os.fspath(path))
            if name not in self.files and not _is_of_python(name) and len(self.files) <= _MAX_FILES:
                self.files[name] = _state(name, stat)

    @property
    def has_too_many_files(self) -> bool:
        """Whether not all files were noted."""
        return len(self.files) > _MAX_FILES


_guard: EffectGuard | None = None
_is_hooked = False
_inside = threading.local()


def _take(event: str, arguments: tuple[Any, ...]) -> None:
    guard = _guard
    if guard is None or getattr(_inside, "is_taking", False):
        return
    _inside.is_taking = True
    try:
        guard.take(event, arguments)
    finally:
        _inside.is_taking = False


def file_state(path: str) -> tuple[int, ...] | None:
    """Return what changes when a file is written or a folder gets or loses a file; None where there is none."""
    return _state(path, os.stat)


def _state(path: str, stat: Any) -> tuple[int, ...] | None:
    was_taking, _inside.is_taking = getattr(_inside, "is_taking", False), True
    try:
        status = getattr(stat, "__wrapped__", stat)(path)
    except (OSError, ValueError):
        return None
    finally:
        _inside.is_taking = was_taking
    return status.st_ino, status.st_size, status.st_mtime_ns


def _is_cache(path: str) -> bool:
    """Tell whether a file is one that Python or a library writes for itself: nobody sees that it was."""
    if "__pycache__" in path or path == os.devnull:
        return True
    return any(path.startswith(folder) or folder.startswith(path + os.sep) for folder in _cache_folders())


def _is_of_python(path: str) -> bool:
    return "__pycache__" in path or path.startswith(_folders_of_python())


@lru_cache(maxsize=1)
def _folders_of_python() -> tuple[str, ...]:
    """Return the folders that belong to Python, its packages and the system: their files do not change meanwhile."""
    paths = {sys.prefix, sys.base_prefix, sys.exec_prefix, *site.getsitepackages(), *sysconfig.get_paths().values()}
    own = str(Path(__file__).parents[1])
    folders = {path.rstrip(os.sep) + os.sep for path in {*paths, own, "/proc", "/sys", "/dev", "/usr", "/lib"} if path}
    return tuple(folders - {os.sep}) + _cache_folders()


@lru_cache(maxsize=1)
def _cache_folders() -> tuple[str, ...]:
    home = str(Path.home())
    paths = {f"{home}/{name}" for name in (".cache", ".config/matplotlib", ".ipython", ".matplotlib")}
    for variable in ("MPLCONFIGDIR", "IPYTHONDIR", "XDG_CACHE_HOME"):
        if os.environ.get(variable):
            paths.add(os.path.abspath(os.environ[variable]))
    return tuple(path.rstrip(os.sep) + os.sep for path in paths)
