"""One process of this machine, told from all others: whether it lives, when it ends, and how it ended.

Linux: start times in clock ticks since the boot (they do not move when somebody sets the clock), a pidfd to wait for
the end, and how it ended even when somebody else is the parent (``man 5 proc_pid_stat`` while nobody has collected the
exit status, ``PIDFD_GET_INFO`` of Linux 6.15 after that). Elsewhere psutil, by asking again and again.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import struct
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

#: Whether this machine has pidfds (Linux 5.3).
_HAS_PIDFD = hasattr(os, "pidfd_open")
_ON_LINUX = sys.platform == "linux"

_POLL_SECONDS = 0.25

#: Start times are counted in hundredths of a second.
_SAME_SECONDS = 0.005

# struct pidfd_info and its request: include/uapi/linux/pidfd.h
_PIDFD_INFO = struct.Struct("=QQ11Ii")
_PIDFD_INFO_EXIT = 1 << 3
_PIDFD_GET_INFO = 3 << 30 | _PIDFD_INFO.size << 16 | 0xFF << 8 | 11


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """How a process ended; both None when nobody could tell."""

    exit_code: int | None = None
    signal: int | None = None

    def __str__(self) -> str:
        """Return it in people's words: ``"killed by SIGKILL"``, ``"exited with 3"``."""
        if self.signal is not None:
            try:
                return f"killed by {signal.Signals(self.signal).name}"
            except ValueError:  # a real-time signal
                return f"killed by signal {self.signal}"
        if self.exit_code is not None:
            return f"exited with {self.exit_code}"
        return "ended without saying why"


def boot_id() -> str:
    """Return what names this boot of this machine, and there this set of process numbers (a container has its own).

    Unlike the host's name it does not change when a laptop joins another network.

    Empty where the system does not tell: then nobody can say that a process is gone because its number is.
    """
    if _ON_LINUX:
        with contextlib.suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
            return f"{boot}:{os.stat('/proc/self/ns/pid').st_ino}"
        return ""
    import psutil

    return f"{uuid.getnode():x}:{int(psutil.boot_time())}"


def process_started_at(pid: int) -> float | None:
    """Return when a process started, None when none of this number lives (a zombie does not).

    With the number and :func:`boot_id` this names one process for ever. Seconds since the boot on Linux, since the
    epoch elsewhere.
    """
    if _ON_LINUX:
        fields = _stat_fields(pid)
        if fields is None or fields[0] in ("Z", "X", "x"):
            return None
        return _started_at(fields)
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.NoSuchProcess:
        return None


def is_alive(pid: int, started_at: float) -> bool:
    """Tell whether the process of this number is the one that started then, and lives."""
    found = process_started_at(pid)
    return found is not None and abs(found - started_at) < _SAME_SECONDS


class ProcessWatch:
    """Waits for the end of a process that need not be a child.

    Parameters
    ----------
    started_at
        As :func:`process_started_at` told it, so that a later process of the same number is not taken for it.
    """

    def __init__(self, pid: int, started_at: float) -> None:
        self._pid = pid
        self._started_at = started_at
        self._pidfd: int | None = None
        if _HAS_PIDFD:
            with contextlib.suppress(OSError):  # gone already, or forbidden in this container
                self._pidfd = os.pidfd_open(pid)
        if self._pidfd is not None and not _is_or_was(pid, started_at):
            self.close()

    def wait(self, timeout_seconds: float) -> bool:
        """Return True when the process has ended, False after the time."""
        if self._pidfd is not None:
            poller = select.poll()
            poller.register(self._pidfd, select.POLLIN)
            return bool(poller.poll(timeout_seconds * 1000))
        deadline = time.monotonic() + timeout_seconds
        while is_alive(self._pid, self._started_at):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            time.sleep(min(_POLL_SECONDS, remaining))
        return True

    def end(self) -> ProcessEnd:
        """Return how the process ended, as far as it can be known. Only after :meth:`wait` returned True."""
        status = None
        if self._pidfd is not None:
            status = _status_of_zombie(self._pid)
            if status is None:
                status = _status_of_collected(self._pidfd)
        if status is None:
            return ProcessEnd()
        if os.WIFSIGNALED(status):
            return ProcessEnd(signal=os.WTERMSIG(status))
        return ProcessEnd(exit_code=os.WEXITSTATUS(status))

    def kill(self) -> None:
        """Kill the process, with its process group where it leads one; nothing where it has ended."""
        number = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has none
        with contextlib.suppress(ProcessLookupError):
            if not is_alive(self._pid, self._started_at):
                return
            if hasattr(os, "killpg") and os.getpgid(self._pid) == self._pid:
                os.killpg(self._pid, number)
            else:
                os.kill(self._pid, number)

    def close(self) -> None:
        """Let go of the process. May be called twice."""
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None


def _is_or_was(pid: int, started_at: float) -> bool:
    """Tell whether the process of this number is the one that started then, dead or alive. Linux only."""
    fields = _stat_fields(pid)
    return fields is not None and abs(_started_at(fields) - started_at) < _SAME_SECONDS


def _status_of_zombie(pid: int) -> int | None:
    """Return the wait status of a process that has ended and was not collected by its parent."""
    fields = _stat_fields(pid)
    return int(fields[49]) if fields is not None and fields[0] == "Z" else None


def _status_of_collected(pidfd: int) -> int | None:
    """Return the wait status of a process that its parent has collected; None before Linux 6.15."""
    import fcntl  # not on Windows

    try:
        answer = fcntl.ioctl(pidfd, _PIDFD_GET_INFO, _PIDFD_INFO.pack(_PIDFD_INFO_EXIT, *[0] * 13))
    except OSError:
        return None
    mask, *_, exit_code = _PIDFD_INFO.unpack(answer)
    return int(exit_code) if mask & _PIDFD_INFO_EXIT else None


def _started_at(fields: list[str]) -> float:
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _stat_fields(pid: int) -> list[str] | None:
    """Return the fields of ``/proc/PID/stat`` from the third on (the second may hold blanks and brackets)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat[stat.rindex(")") + 1 :].split()
