"""Child processes of one process, all their descendants, and the end of them all.

Used where something must not outlive something else: by the sentinel beside workers and runners, and by the keeper of a
forked kernel. Standard library only, and for old interpreters, too: a kernel's Python need not be ours.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
IS_LINUX = sys.platform == "linux"

#: The local cluster is shared and outlives whoever started it.
_DETACHED = b"orchestra_nb.engine.cluster_host"


class GoOnAs(BaseException):
    """Leaves the stack of the process that a child was forked from; the child goes on with ``role``."""

    def __init__(self, role: Callable[[], None]) -> None:
        super().__init__(role)
        self.role = role


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends (a child-subreaper). Linux only."""
    if IS_LINUX:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def leave_parent(parent: int) -> None:
    """Do the first steps of a forked child: a session of its own, an end with its parent, Python's default signals.

    The process ends when its parent has ended meanwhile.
    """
    os.setsid()
    if IS_LINUX:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def behave_as_python() -> None:
    """Treat signals as a fresh interpreter does."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def kill(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended."""
    try:
        os.kill(pid, number)
    except OSError:
        pass


def kill_descendants(session: int) -> None:
    """Kill all descendants: each killed parent hands its children to this subreaper, which kills them in turn.

    Parameters
    ----------
    session
        Where there is no subreaper, the processes of this session are killed first.
    """
    if not IS_LINUX:
        try:
            os.killpg(session, signal.SIGKILL)
        except OSError:
            pass
    empty_rounds = 0
    while empty_rounds < 3:  # the kernel's list of children may pass over one while another ends
        found = descendants(os.getpid())
        for pid in found:
            kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        empty_rounds = 0 if found else empty_rounds + 1
        time.sleep(0.005)


def descendants(pid: int) -> list[int]:
    """Return all processes below ``pid``, parents before their children; not a local cluster that was started there."""
    children_of = _children if os.path.exists(f"/proc/self/task/{os.getpid()}/children") else _children_by_listing()
    found: list[int] = []
    pending = [pid]
    while pending:
        children = [child for child in children_of(pending.pop()) if not has_in_command(child, _DETACHED)]
        found += children
        pending += children
    return found


def has_in_command(pid: int, word: bytes) -> bool:
    """Tell whether a word stands in a process's command line."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return word in file.read()
    except OSError:
        return False


def set_title(title: str) -> None:
    """Show a title in lists of processes, where that can be done."""
    try:
        from setproctitle import setproctitle
    except ImportError:
        return
    setproctitle(title)


def _children(pid: int) -> list[int]:
    """Read the kernel's own list: a few microseconds a thread, where it is compiled in (CONFIG_PROC_CHILDREN)."""
    children: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children += map(int, file.read().split())
    except OSError:
        pass  # it, or one of its threads, ended while we looked
    return children


def _children_by_listing() -> Callable[[int], list[int]]:
    """Return a function that answers from one listing of all processes."""
    children: dict[int, list[int]] = {}
    with os.popen("ps -A -o pid= -o ppid=") as listing:
        for line in listing:
            pid, parent = map(int, line.split())
            children.setdefault(parent, []).append(pid)
    return lambda pid: children.get(pid, [])


def _prctl(option: int, value: int) -> None:
    import ctypes  # only on Linux, and 5 ms

    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
