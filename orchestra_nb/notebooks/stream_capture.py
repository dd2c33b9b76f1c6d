"""Standard output and error of this process while a task cell runs: of Python, of C code and of child processes.

``sys.stdout`` and ``sys.stderr`` write to the recorder themselves; file descriptors 1 and 2 are pipes. Before Python
writes, the pipes are emptied, so that what a child process said before comes before. Descriptor 0 reads nothing.
"""

from __future__ import annotations

import codecs
import ctypes
import io
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from orchestra_nb.notebooks.output_recorder import OutputRecorder

#: How long text may wait for more before it is sent on.
_JOIN_SECONDS = 0.05
_READ_BYTES = 64 * 1024
#: Reads of one pipe in a row: a child that never stops talking must not keep Python from running.
_MAX_READS = 64
_NAMES = {1: "stdout", 2: "stderr"}


class StreamCapture:
    """Captures the standard streams of this process from :meth:`start` to :meth:`stop`; one at a time.

    Both may be called from any thread, also twice; ``stop`` also after a ``start`` that failed.
    """

    def __init__(self, recorder: OutputRecorder) -> None:
        self._recorder = recorder
        # held while pipes are read and while Python writes, which keeps the two in order
        self._lock = threading.RLock()
        self._saved_streams: tuple[Any, Any, Any] | None = None
        self._saved_fds: dict[int, int] = {}
        self._pipes: dict[int, int] = {}
        self._ready = select.poll()
        self._decoders: dict[int, codecs.IncrementalDecoder] = {}
        self._wake_fds: tuple[int, int] | None = None
        self._reader: threading.Thread | None = None
        self._is_stopping = False
        #: whether Python's streams write to the recorder
        self.is_open = False

    def start(self) -> None:
        """Begin to capture; once."""
        with self._lock:
            if self._saved_streams is not None:
                return
            self._saved_streams = sys.stdin, sys.stdout, sys.stderr
            _flush(sys.stdout, sys.stderr)
            for fd in _NAMES:
                self._redirect(fd)
            self._redirect_input()
            self._wake_fds = os.pipe()
            self._reader = threading.Thread(target=self._read, name="orchestra-streams", daemon=True)
            self._reader.start()
            self.is_open = True
            sys.stdin = io.StringIO()
            sys.stdout = CapturedStream(self, 1)
            sys.stderr = CapturedStream(self, 2)

    def stop(self) -> None:
        """Give the streams back, after all that was written before has been recorded."""
        with self._lock:
            if self._saved_streams is not None:
                sys.stdin, sys.stdout, sys.stderr = self._saved_streams
            self.is_open = False
            if self._saved_fds:
                _flush_c_streams()
            self._drain()
            for fd, saved in list(self._saved_fds.items()):
                os.dup2(saved, fd, inheritable=True)
                os.close(self._saved_fds.pop(fd))
            self._is_stopping = True
        if self._wake_fds is not None and self._reader is not None and self._reader.ident is not None:
            os.write(self._wake_fds[1], b"x")
            self._reader.join()
        with self._lock:
            for fd in (*self._pipes.values(), *(self._wake_fds or ())):
                os.close(fd)
            self._pipes, self._wake_fds, self._reader, self._ready = {}, None, None, select.poll()

    def write(self, fd: int, text: str) -> None:
        """Record what Python writes to one of its streams."""
        with self._lock:
            if text not in ("\n", " ") and self._ready.poll(0):  # not within a print: nobody can have come between
                self._drain()
            self._recorder.write(_NAMES[fd], text)

    def _redirect(self, fd: int) -> None:
        try:
            saved = os.dup(fd)
        except OSError:  # this process was started without it
            return
        self._saved_fds[fd] = saved
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        self._decoders[fd] = codecs.getincrementaldecoder("utf-8")("replace")
        self._pipes[fd] = read_end
        self._ready.register(read_end, select.POLLIN)
        os.dup2(write_end, fd, inheritable=True)
        os.close(write_end)

    def _redirect_input(self) -> None:
        try:
            saved = os.dup(0)
        except OSError:
            return
        self._saved_fds[0] = saved
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0, inheritable=True)
        os.close(null)

    def _drain(self) -> None:
        """Record what stands in the pipes."""
        with self._lock:
            for fd, read_end in self._pipes.items():
                for _ in range(_MAX_READS):
                    try:
                        data = os.read(read_end, _READ_BYTES)
                    except BlockingIOError:
                        break
                    if not data:
                        break
                    text = self._decoders[fd].decode(data)
                    if text:
                        self._recorder.write(_NAMES[fd], text)

    def _read(self) -> None:
        assert self._wake_fds is not None
        ready = select.poll()
        for fd in (*self._pipes.values(), self._wake_fds[0]):
            ready.register(fd, select.POLLIN)
        sent_at = time.monotonic()
        while not self._is_stopping:
            ready.poll(_JOIN_SECONDS * 1000)
            self._drain()
            if time.monotonic() - sent_at >= _JOIN_SECONDS:
                self._recorder.send_open_stream()
                sent_at = time.monotonic()


class CapturedStream(io.TextIOBase):
    """Takes the place of ``sys.stdout`` or ``sys.stderr``: never a terminal, with the real file descriptor.

    It may outlive its cell, in a logging handler or a thread: then it writes to the stream that is in force.
    """

    def __init__(self, capture: StreamCapture, fd: int) -> None:
        self._capture = capture
        self._fd = fd
        self.buffer = _BinaryStream(self.write)

    name = property(lambda self: f"<{_NAMES[self._fd]}>")
    encoding = "utf-8"
    errors = "replace"

    def write(self, text: str) -> int:
        """Record text; from any thread."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if not text:
            return 0
        if self._capture.is_open:
            self._capture.write(self._fd, text)
        else:
            now, real = getattr(sys, _NAMES[self._fd]), getattr(sys, f"__{_NAMES[self._fd]}__")
            for stream in (now, real):
                if stream is not None and stream is not self:
                    stream.write(text)
                    break
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        """Record each text."""
        for line in lines:
            self.write(line)

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return False."""
        return False

    def fileno(self) -> int:
        """Return the descriptor, so that child processes can be given this stream."""
        return self._fd


class _BinaryStream(io.BufferedIOBase):
    """The ``buffer`` of a captured stream."""

    def __init__(self, write: Callable[[str], int]) -> None:
        self._write = write
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: Any) -> int:
        content = bytes(data)
        self._write(self._decoder.decode(content))
        return len(content)

    def writable(self) -> bool:
        return True


def _flush(*streams: Any) -> None:
    for stream in streams:
        with suppress(AttributeError, OSError, ValueError):  # none, broken or closed
            stream.flush()


def _flush_c_streams() -> None:
    """Write out what C code has printed and its library still holds."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)
