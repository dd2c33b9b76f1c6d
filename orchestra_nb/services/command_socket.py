"""Where a service listens for commands, and what a command and the service must have in common to meet there.

A command that a service runs is forked from it. What a fork cannot take over from the caller (the interpreter, what it
has read at its start, limits, namespaces) is part of the socket's name: a caller who differs finds no socket, and runs
the command itself. All else travels with the request.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import resource
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

from orchestra_nb.settings import runtime_folder
from orchestra_nb.version import __version__

#: A request is its length, then JSON: ``{"argv", "environ", "cwd", "umask"}``; stdin, stdout and stderr come with it.
#: The answers are lines of JSON: ``{"pid"}``, then, when the caller has said :data:`GO`, ``{"exit_code"}``.
LENGTH = struct.Struct("!I")
GO = b"g"

#: Variables that an interpreter and its libraries read when they start.
_READ_EARLY = ("PYTHON", "LD_", "LANG", "LC_", "TZ", "HOME", "USER", "TMPDIR", "SSL_", "OPENSSL_", "MALLOC_", "GLIBC_")
_NAMESPACES = ("mnt", "net", "pid", "user", "uts", "ipc")


def command_socket(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the socket for callers like this process; there may be none.

    Raises
    ------
    OSError
        This is no Linux with a ``/proc``.
    InvalidSetting
        There is no folder for sockets.
    """
    root = os.stat("/")
    facts = (
        __version__,
        __file__,
        sys.executable,
        sys.prefix,
        tuple(sys.flags),
        sys.path,
        sorted((name, value) for name, value in environ.items() if name.startswith(_READ_EARLY)),
        [os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES],
        (root.st_dev, root.st_ino),
        (os.getuid(), os.getgid(), sorted(os.getgroups())),
        [resource.getrlimit(number) for number in sorted(set(_limits().values()))],
        os.getpriority(os.PRIO_PROCESS, 0),
        sorted(os.sched_getaffinity(0)),
    )
    return runtime_folder() / f"commands-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}.sock"


def is_served() -> bool:
    """Tell whether a host serves callers like this process."""
    try:
        with command_socket().with_suffix(".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _limits() -> dict[str, int]:
    return {name: number for name, number in vars(resource).items() if name.startswith("RLIMIT_")}
