"""What a kernel of a headless run prints through: ipykernel's stream, but nobody waits for nothing.

ipykernel flushes both streams three times for a cell, each time by a round trip to the thread that sends, also when
nothing was written: a quarter of what a short cell costs. And what C code or a child process writes to the descriptors
comes through a pipe and another thread, for which ipykernel sleeps half a millisecond after each cell, and hopes. Here
a flush knows whether there is something to send, and waits until what was written to the pipe before has been taken:
it stands under the cell that wrote it.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import sys
import termios
import threading
from typing import Any, Final

from ipykernel.iostream import OutStream  # noqa: TID253 (only kernels load this file)

_PIPE_BYTES: Final = 65_536
#: How long what is in the pipe may take to be taken, where whoever gets it next does not read.
_PIPE_SECONDS: Final = 1.0


class PromptStream(OutStream):
    """Of one stream of a kernel. May be written to and flushed from any thread."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        #: whether what was written is out of the buffer, and not yet sent
        self._is_sending = False
        self._taken = threading.Condition()
        self._taken_bytes = 0
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]
        _forget_this_package()

    def flush(self) -> None:
        """Return when all that was written before is on its way."""
        self._await_pipe()
        # in this order: the buffer is emptied only by what says before that it sends
        if self._buffers or self._is_sending or self.echo is not None:
            super().flush()  # type: ignore[no-untyped-call]

    def _flush(self) -> None:
        self._is_sending = True
        try:
            super()._flush()  # type: ignore[no-untyped-call]
        finally:
            self._is_sending = False

    def _watch_pipe_fd(self) -> None:
        """Take what is written to the descriptor, and pass it on to where the descriptor went before."""
        if self._fid is None:
            return
        try:
            while True:
                select.select([self._fid], [], [])  # so that what is in the pipe or on its way is known to whoever asks
                with self._taken:
                    content = os.read(self._fid, _PIPE_BYTES)
                    if content and self._should_watch:
                        self.write(content.decode(errors="replace"))
                    self._taken_bytes += len(content)
                    self._taken.notify_all()
                if not content or not self._should_watch:
                    return
                os.write(self._original_stdstream_copy, content)
        except Exception:
            self._exc = sys.exc_info()

    def _await_pipe(self) -> None:
        """Wait until what is in the pipe now has been taken."""
        # a forked child has the stream without the thread
        if self._fid is None or not self._should_watch or os.getpid() != self._master_pid:
            return
        if threading.current_thread() is self.watch_fd_thread or not self.watch_fd_thread.is_alive():
            return
        with self._taken:
            size = array.array("i", [0])
            fcntl.ioctl(self._fid, termios.FIONREAD, size)
            if size[0]:
                end = self._taken_bytes + size[0]
                self._taken.wait_for(lambda: self._taken_bytes >= end, _PIPE_SECONDS)


def _forget_this_package() -> None:
    """Let the kernel have only what user code imports, and when it does."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "orchestra_nb"]:
        del sys.modules[name]
