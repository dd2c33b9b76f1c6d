"""The environment of a worker's process: while it runs an attempt, that of the attempt's driver.

Variables that belong to the worker's own process stay. All others are the driver's: what only the cluster's starter had
is not there.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from orchestra_nb.engine.driver_environment import changes_between, stored_variables, unpack_variables
from orchestra_nb.model.environment_variables import belongs_to_process

#: So many environments are kept beside those that are in use.
_MOST_KNOWN = 16
_OF_TEMPORARY_FILES = frozenset({b"TMPDIR", b"TEMP", b"TMP"})


class WorkerEnvironment:
    """The environment of this process, and those of drivers that it was told; all of it encoded, as Python keeps it.

    Attempts may overlap, where one has given its place back while it waits: the one that began last then has its
    environment, and the others have theirs again when it ends. For the threads of tasks.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own = stored_variables().copy()
        self._kept = {name: value for name, value in self._own.items() if belongs_to_process(os.fsdecode(name))}
        #: digest to what the environment is to be
        self._known: dict[str, dict[bytes, bytes]] = {}
        #: (key of an attempt, or chunk; digest), the latest last
        self._entered: list[tuple[str, str]] = []
        #: what Python keeps of the environment that was entered last
        self._stored: dict[bytes, bytes] | None = None

    def lacking(self, digests: Iterable[str]) -> list[str]:
        """Return those of the environments that were not told yet."""
        return [digest for digest in digests if digest not in self._known]

    def learn(self, told: Mapping[str, bytes], needed: Iterable[str]) -> None:
        """Take what lacked; the oldest that are neither needed nor in use are forgotten."""
        with self._lock:
            used = {*needed, *(digest for _, digest in self._entered)}
            old = [digest for digest in self._known if digest not in used]
            for digest in old[: max(0, len(old) - _MOST_KNOWN)]:
                del self._known[digest]
            for digest, data in told.items():
                variables = unpack_variables(data).items()
                self._known[digest] = {os.fsencode(name): os.fsencode(value) for name, value in variables} | self._kept

    def enter(self, key: str, digest: str | None) -> None:
        """Be in the environment of an attempt's driver, whatever was changed since; None: stay as it is.

        Costs about a microsecond where nothing differs.
        """
        latest = self._entered[-1:]
        if digest is None or (latest == [(key, digest)] and self._stored == stored_variables()):
            return
        with self._lock:
            self._entered = [entry for entry in self._entered if entry[0] != key]
            self._entered.append((key, digest))
            self._become(self._known[digest])

    def leave(self, key: str) -> None:
        """Put back what was there before; nothing for one that did not enter."""
        if not self._entered:
            return
        with self._lock:
            left = [entry for entry in self._entered if entry[0] != key]
            if len(left) == len(self._entered):
                return
            was_latest = self._entered[-1][0] == key
            self._entered = left
            if was_latest:
                self._become(self._known[left[-1][1]] if left else self._own)

    def _become(self, wanted: Mapping[bytes, bytes]) -> None:
        changes = changes_between(stored_variables().copy(), wanted)
        environ: Any = os.environb  # type: ignore[attr-defined,unused-ignore]  # not on Windows, nor is our cluster
        for name, value in changes.items():
            if value is None:
                environ.pop(name, None)
            else:
                environ[name] = value
        if b"TZ" in changes:
            time.tzset()  # type: ignore[attr-defined,unused-ignore]  # as above
        if not _OF_TEMPORARY_FILES.isdisjoint(changes):
            tempfile.tempdir = None  # it is looked up anew
        self._stored = stored_variables().copy()
