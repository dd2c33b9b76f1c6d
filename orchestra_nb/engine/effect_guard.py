"""Keeps code that runs before its turn from doing what could not be undone, and notes which files it looked at.

The facts come before the deed (:mod:`orchestra_nb.engine.cell_watch`), and an exception prevents it. So a cell that
writes a file, starts a process or connects to somewhere is stopped before it has done so, and runs in order.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from orchestra_nb.engine.cell_watch import begin_watching, end_watching, hook_in
from orchestra_nb.engine.file_digests import file_state
from orchestra_nb.engine.python_folders import is_of_caches, is_of_packages, leads_to_cache
from orchestra_nb.engine.watch_facts import MAKES_A_FOLDER, Fact, FactKind

#: Threads of the machinery that runs the cell.
_OWN_THREADS = ("Dask", "IO loop", "Profile", "orchestra", "Event loop", "TCP-Executor", "Nanny", "asyncio", "offload")
#: More files than this are not compared one by one.
_MAX_FILES = 5_000


class EffectStopped(BaseException):
    """Raised in code that runs before its turn, before a deed that cannot be undone; no ``Exception``, as StopTask."""


class EffectGuard:
    """A :class:`~orchestra_nb.engine.watch_facts.WatchPolicy` that stops the code of one cell before a deed.

    Attributes
    ----------
    deed
        What it was about to do, in people's words; empty where it did nothing that counts.
    files
        Absolute path to the state of the file or folder when it was first looked at.
    """

    def __init__(self) -> None:
        hook_in()
        self.deed = ""
        self.files: dict[str, tuple[int, ...] | None] = {}
        self._before = frozenset(thread.ident for thread in threading.enumerate())
        self._thread = threading.get_ident()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Guard what this thread does, and the threads that it starts."""
        begin_watching(self)
        try:
            yield
        finally:
            end_watching(self)

    def is_concerned(self) -> bool:
        """Tell whether this thread runs the cell, or was started by it."""
        ident = threading.get_ident()
        if ident == self._thread:
            return True
        return ident not in self._before and not threading.current_thread().name.startswith(_OWN_THREADS)

    def take(self, fact: Fact) -> None:
        """Take a fact; raises before a deed."""
        match fact.kind:
            case FactKind.READ | FactKind.LISTED | FactKind.LOOKED_AT:
                self._note(fact.path)
            case FactKind.WRITTEN if not is_of_caches(fact.path):
                self._stop(fact.deed)
            case FactKind.CHANGED if not _is_of_cache(fact):
                self._stop(fact.deed)
            case FactKind.DONE:
                self._stop(fact.deed)

    def _stop(self, deed: str) -> None:
        self.deed = self.deed or deed
        raise EffectStopped(f"it {deed}")

    def _note(self, path: str) -> None:
        is_new = path not in self.files and len(self.files) <= _MAX_FILES
        if is_new and not is_of_packages(path) and not is_of_caches(path):
            self.files[path] = file_state(path)

    @property
    def has_too_many_files(self) -> bool:
        """Whether not all files were noted."""
        return len(self.files) > _MAX_FILES


def _is_of_cache(fact: Fact) -> bool:
    return is_of_caches(fact.path) or (fact.deed == MAKES_A_FOLDER and leads_to_cache(fact.path))
