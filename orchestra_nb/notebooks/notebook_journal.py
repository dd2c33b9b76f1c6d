"""The file of a notebook that is being executed: written once from its beginning to its end, and whole at any moment.

Cells end in the order in which they stand, so the file grows like a journal: what has ended stays where it is, in its
last form, and only what comes after it is written over: the cell that runs, those that wait, the metadata. Readers
never see a part of that, because the change is made while nobody has the file open, and who opens it then waits some
milliseconds (:mod:`orchestra_nb.notebooks.file_lease`). Where that cannot be had, because somebody has the file open or
the file system knows no leases, a whole new file is put in its place.

Either way an upper bound holds for what is written twice, so that the work is linear in the size of the result: a
running cell of many megabytes is not written every second, and whole files are at growing intervals.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from orchestra_nb.notebooks.file_lease import is_on_local_file_system, readers_wait

_BEFORE_CELLS = b'{\n "cells": [\n'
_BETWEEN_CELLS = b",\n"
_AFTER_CELLS = b"\n ],\n"
_NO_CELLS = b'{\n "cells": [],\n'
#: What may be written beyond the size of the file: at once, of its size, and with the time that passes.
_EXTRA_BYTES = 1_000_000
_EXTRA_PART = 0.25
_EXTRA_BYTES_PER_SECOND = 256_000
#: What is moved within the file rather than written into a new one.
_LARGEST_MOVE = 16_000_000
_COPY_BYTES = 1 << 20


class NotebookJournal:
    """Writes one notebook, again and again. Not thread-safe.

    Parameters
    ----------
    clock
        Returns seconds.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._started_at = clock()
        self._may_lease = is_on_local_file_system(path.parent)
        self._file = -1
        self._spans: list[tuple[int, int]] = []
        self._size = 0
        self._seen: tuple[int, ...] = ()
        self.written_bytes = 0

    def write(self, cells: Sequence[bytes | None], rest: bytes, *, ended: int = 0, is_last: bool = False) -> bool:
        """Bring the file up to date; return False when it is too early to write so much that will be written again.

        Parameters
        ----------
        cells
            The text of each cell; None for one that has not changed.
        rest
            What comes after the cells, from the first key to the end of the file.
        ended
            How many of the first cells will hardly change again.
        is_last
            Write in any case, and wait until the disk has it.
        """
        first = next((number for number, cell in enumerate(cells) if cell is not None), len(cells))
        first = min(first, len(self._spans))
        start = _start(self._spans, first)
        lengths = [self._spans[number][1] if cell is None else len(cell) for number, cell in enumerate(cells)]
        ends = list(itertools.accumulate(lengths, lambda end, length: end + len(_BETWEEN_CELLS) + length, initial=0))
        size = ends[-1] + len(rest)
        moved = sum(lengths[number] for number in range(first, len(cells)) if cells[number] is None)
        is_done = False
        if self._file >= 0 and self._may_lease and moved <= _LARGEST_MOVE and not self._is_changed():
            if not is_last and not self._may_write(size - start, ends[ended], size):
                return False
            is_done = self._write_in_place(first, cells, rest)
        if not is_done:
            if not is_last and not self._may_write(size, ends[ended] if self._may_lease else 0, size):
                return False
            self._write_anew(first, cells, rest)
        if is_last:
            os.fsync(self._file)
        return True

    def read_cell(self, number: int) -> bytes:
        """Return the text of a cell as it was written last."""
        start, length = self._spans[number]
        return os.pread(self._file, length, start)

    def is_overwritten(self) -> bool:
        """Whether somebody else has written into the file, so that nothing is where it was put."""
        return self._file >= 0 and file_marks(os.fstat(self._file)) != self._seen

    def forget(self) -> None:
        """Take the file as one of somebody else: the next one is whole, and put in its place."""
        self.close()
        self._spans.clear()
        self._size = 0

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _is_changed(self) -> bool:
        """Whether the file at the path is another one, or somebody has written into it."""
        try:
            return file_marks(os.stat(self._path)) != self._seen
        except OSError:
            return True

    def _may_write(self, length: int, lasting: int, size: int) -> bool:
        """Whether so many bytes may be written, of which the file will keep those that come before ``lasting``."""
        seconds = self._clock() - self._started_at
        extra = _EXTRA_BYTES + _EXTRA_PART * size + _EXTRA_BYTES_PER_SECOND * seconds
        return self._file < 0 or self.written_bytes + length - lasting <= extra

    def _write_in_place(self, first: int, cells: Sequence[bytes | None], rest: bytes) -> bool:
        """Write over the end of the file; False when somebody has it open."""
        start = _start(self._spans, first)
        with readers_wait(self._file) as is_alone:
            if not is_alone:
                return False
            before = os.pread(self._file, self._size - start, start)
            texts = [
                self.read_cell(first + number) if cell is None else cell for number, cell in _numbered(cells, first)
            ]
            try:
                end = _put(self._file, _pieces(texts, rest, is_first=first == 0), start)
                os.ftruncate(self._file, end)
            except BaseException:
                # a full disk: the blocks of what stood here are still ours
                os.ftruncate(self._file, self._size)
                _put(self._file, [before], start)
                self._remember()
                raise
            self._note(first, texts, rest, start)
        return True

    def _write_anew(self, first: int, cells: Sequence[bytes | None], rest: bytes) -> None:
        """Write a whole file beside its place, then put it there."""
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        start = _start(self._spans, first)
        file = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            _copy(self._file, file, start)
            lengths: list[bytes | int] = []

            def texts() -> Iterable[bytes]:
                for number, cell in _numbered(cells, first):
                    text = self.read_cell(first + number) if cell is None else cell
                    lengths.append(len(text))
                    yield text

            _put(file, _pieces(texts(), rest, is_first=first == 0), start)
            os.replace(temporary, self._path)
        except BaseException:
            os.close(file)
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        self.close()
        self._file = file
        self.written_bytes += start
        self._note(first, lengths, rest, start)

    def _note(self, first: int, texts: Iterable[bytes | int], rest: bytes, start: int) -> None:
        """Note where everything stands now."""
        del self._spans[first:]
        place = start if first else len(_BEFORE_CELLS)
        for number, text in enumerate(texts):
            place += len(_BETWEEN_CELLS) if number or first else 0
            length = text if isinstance(text, int) else len(text)
            self._spans.append((place, length))
            place += length
        self._size = place + len(_AFTER_CELLS) + len(rest) if self._spans else len(_NO_CELLS) + len(rest)
        self.written_bytes += self._size - start
        self._remember()

    def _remember(self) -> None:
        self._seen = file_marks(os.fstat(self._file))


def _start(spans: Sequence[tuple[int, int]], first: int) -> int:
    """Return where the cell with this number begins, or what comes between it and the one before."""
    return 0 if first == 0 else spans[first - 1][0] + spans[first - 1][1]


def _numbered(cells: Sequence[bytes | None], first: int) -> Iterable[tuple[int, bytes | None]]:
    return enumerate(itertools.islice(cells, first, None))


def _pieces(texts: Iterable[bytes], rest: bytes, *, is_first: bool) -> Iterable[bytes]:
    """Return the file from a cell on."""
    has_cells = not is_first
    for text in texts:
        yield _BETWEEN_CELLS if has_cells else _BEFORE_CELLS
        yield text
        has_cells = True
    yield _AFTER_CELLS if has_cells else _NO_CELLS
    yield rest


def _put(file: int, pieces: Iterable[bytes], place: int) -> int:
    """Write pieces from a place on; return where they end. A write of many small ones is one."""
    batch: list[bytes] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece)
        if size >= _COPY_BYTES:
            place = _put_all(file, batch, place)
            batch, size = [], 0
    return _put_all(file, batch, place)


def _put_all(file: int, batch: Sequence[bytes], place: int) -> int:
    view = memoryview(batch[0] if len(batch) == 1 else b"".join(batch))
    while view:
        count = os.pwrite(file, view, place)
        place += count
        view = view[count:]
    return place


def _copy(source: int, target: int, length: int) -> None:
    """Copy the beginning of a file."""
    place = 0
    while place < length:
        chunk = os.pread(source, min(_COPY_BYTES, length - place), place)
        if not chunk:
            raise OSError(f"The file of the notebook is shorter than it was written ({place} of {length} bytes).")
        place = _put_all(target, [chunk], place)


def file_marks(status: os.stat_result) -> tuple[int, ...]:
    """Return what tells whether a file is still the same one, unchanged."""
    return status.st_ino, status.st_size, status.st_mtime_ns
