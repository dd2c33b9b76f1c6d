"""A file that is written on one machine and read on another: what changed of it, and the copy that it is put into.

Both go through the file in blocks, so memory holds one of them. The copy is replaced as a whole: a reader never sees a
part of a change.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestra_nb.engine.hosting_words import FileWhole, FileWritten

_BLOCK_BYTES = 64 * 1024


class FileSource:
    """Tells what has changed of a file since it was asked last. Not thread-safe.

    Parameters
    ----------
    file
        What the file is called in the words.
    """

    def __init__(self, path: Path, file: str) -> None:
        self._path = path
        self._file = file
        self._digests: list[bytes] = []
        self._seen: tuple[int, ...] = ()
        #: of the file when it was read last
        self.size_bytes = 0

    def changes(self) -> Iterator[FileWritten | FileWhole]:
        """Yield the blocks that differ, then the size; nothing where the file is as it was, or is not there."""
        try:
            file = self._path.open("rb")
        except OSError:
            return
        with file:
            status = os.fstat(file.fileno())
            marks = (status.st_ino, status.st_size, status.st_mtime_ns)
            if marks == self._seen:
                return
            number = size = 0
            while block := file.read(_BLOCK_BYTES):
                digest = hashlib.blake2b(block, digest_size=16).digest()
                if number == len(self._digests) or self._digests[number] != digest:
                    yield FileWritten(self._file, size, block)
                    self._digests[number : number + 1] = [digest]  # now: who takes it may have been interrupted
                number, size = number + 1, size + len(block)
            del self._digests[number:]
            yield FileWhole(self._file, size)
            self._seen, self.size_bytes = marks, size


class FileCopy:
    """Puts what a :class:`FileSource` tells into a file. Not thread-safe.

    Parameters
    ----------
    is_private
        Whether nobody else may read it, nor the folders that are made for it.
    """

    def __init__(self, path: Path, *, is_private: bool = False) -> None:
        self._path = path
        self._mode = 0o600 if is_private else 0o666
        self._next = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._file = -1

    def write(self, change: FileWritten) -> None:
        """Take a block; nobody sees it yet."""
        self._open()
        data, offset = memoryview(change.data), change.offset
        while data:
            count = os.pwrite(self._file, data, offset)
            data, offset = data[count:], offset + count

    def complete(self, size_bytes: int) -> None:
        """Put all that was written in place."""
        self._open()
        os.ftruncate(self._file, size_bytes)
        os.replace(self._next, self._path)
        self._close()

    def discard(self) -> None:
        """Drop what was written since the last time that it was put in place."""
        self._close()
        with contextlib.suppress(OSError):
            self._next.unlink()

    def _open(self) -> None:
        if self._file >= 0:
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(self._next, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, self._mode)
        with (
            contextlib.suppress(FileNotFoundError),
            self._path.open("rb") as old,
            open(self._file, "wb", closefd=False) as new,
        ):
            shutil.copyfileobj(old, new, 1 << 20)

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
