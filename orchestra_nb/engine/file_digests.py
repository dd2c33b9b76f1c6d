"""Digests of files and folders by content."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import time

import xxhash

from orchestra_nb.engine.watch_callers import real_status

_PIECE_BYTES = 1 << 20
#: A second change within this time may leave a file's times as they are: they go in steps of a few milliseconds.
_STEP_NANOSECONDS = 100_000_000

FileState = tuple[int, ...]


def file_state(path: str) -> FileState | None:
    """Return what changes when a file is written or a folder gets or loses a file; None where there is none.

    With the time of its last change of any kind, which nobody can set: a copy may keep the times of what it copies.
    """
    try:
        return _state_of(real_status(path))
    except (OSError, ValueError):
        return None


class FileDigests:
    """Digests of files and folders by content; a file is read once for each of its states. May be used by any thread.

    Parameters
    ----------
    most
        So many files are remembered; the one that was read longest ago goes first. None for all.
    """

    def __init__(self, most: int | None = None) -> None:
        self._known: dict[str, tuple[FileState, str]] = {}
        self._most = most
        self._lock = threading.Lock()

    def __call__(self, path: str) -> str:
        """Return the digest of a file, or of a folder's names; "" where there is none or it cannot be read.

        A path that ends in "/" is one of which only counts whether it is a folder.
        """
        try:
            status = real_status(path)
            if stat.S_ISDIR(status.st_mode):
                if path.endswith(os.sep):
                    return "folder"
                names = "\0".join(sorted(os.listdir(path)))
                return "folder " + hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()[:32]
            if not stat.S_ISREG(status.st_mode):
                return ""
            state = _state_of(status)
            if (known := self._known.get(path)) is not None and known[0] == state:
                return known[1]
            is_settled = time.time_ns() - status.st_ctime_ns > _STEP_NANOSECONDS
            digest = xxhash.xxh3_128()
            with open(path, "rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    digest.update(piece)
        except OSError:
            return ""
        found = digest.hexdigest()
        if is_settled:
            self._remember(path, state, found)
        return found

    def _remember(self, path: str, state: FileState, digest: str) -> None:
        with self._lock:
            self._known.pop(path, None)
            while self._most is not None and len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
            self._known[path] = state, digest


def _state_of(status: os.stat_result) -> FileState:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
