"""Keeps readers away from a file for the moment in which it is changed in place, by a lease of the Linux kernel.

A write lease is granted only while nobody else has the file open, and whoever opens it then waits in ``open`` until it
is given back: so nobody ever reads a part of the change. See ``F_SETLEASE`` in fcntl(2). Only file systems of this
machine keep that promise; on others (NFS, FUSE) another machine may read, and no lease is asked for.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

_LOCAL = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "tmpfs", "xfs", "zfs"})


@contextlib.contextmanager
def readers_wait(file: int) -> Iterator[bool]:
    """Yield True while nobody else has the file open and those who want to must wait; False when that cannot be had.

    Keep it for milliseconds: the system takes it away after some 45 s.

    Parameters
    ----------
    file
        A descriptor that is open for writing.
    """
    is_held = _take(file)
    try:
        yield is_held
    finally:
        if is_held:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def is_on_local_file_system(path: Path) -> bool:
    """Whether a lease on this file keeps all readers away, also those of other machines."""
    try:
        text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return False
    found, kind = "", ""
    real = f"{os.path.realpath(path)}/"
    for line in text.splitlines():
        fields, _, rest = line.partition(" - ")
        point = fields.split(" ")[4]
        if "\\" in point:  # its blanks are written in octal
            octal = point.encode("utf-8", "surrogateescape").decode("unicode_escape")
            point = octal.encode("latin-1").decode("utf-8", "surrogateescape")
        point = f"{point.rstrip('/')}/"
        if real.startswith(point) and len(point) >= len(found):  # of two on one place the later one is seen
            found, kind = point, rest.split(" ")[0]
    return kind in _LOCAL


def _take(file: int) -> bool:
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        # who waits is announced by a signal: one that processes ignore, not SIGIO, which would end this one
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError:
        return False
    return True
