"""Where a service listens for commands, and what a command and the service must have in common to meet there.

A command that a service runs is forked from it. What a fork cannot take over from the caller (the interpreter, what it
has read at its start, its packages, limits, namespaces) is part of the socket's name: a caller who differs finds no
socket, and runs the command itself. All else travels with the request.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import resource
import socket
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

from orchestra_nb.errors import InvalidSetting
from orchestra_nb.runtime_folder import runtime_folder
from orchestra_nb.version import __version__

#: A request is its length, then JSON: ``{"argv", "environ", "cwd"}``; stdin, stdout and stderr come with it.
#: The answers are lines of JSON: ``{"pid"}``, then, when the caller has said :data:`GO`, ``{"exit_code"}``.
LENGTH = struct.Struct("!I")
GO = b"g"

#: Variables that an interpreter and its libraries read when they start.
_READ_EARLY = ("PYTHON", "LD_", "LANG", "LC_", "TZ", "HOME", "USER", "TMPDIR", "SSL_", "OPENSSL_", "MALLOC_", "GLIBC_")
_NAMESPACES = ("mnt", "net", "pid", "user", "uts", "ipc")
_PACKAGES = ("site-packages", "dist-packages")
#: Files in which a control group has the limits of its processes, in both versions of control groups.
_GROUP_LIMITS = ("memory.max", "memory.high", "cpu.max", "memory.limit_in_bytes", "cpu.cfs_quota_us")
_NO_LIMIT = ("max", "-1", "9223372036854")
_GROUPS = "/sys/fs/cgroup"
_PEER = struct.Struct("iII")
#: The system's limit for the path of a Unix socket.
_LONGEST_PATH = 107


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
        (sys.warnoptions, sorted(sys._xoptions.items())),
        _state_of_code(),
        sorted((name, value) for name, value in environ.items() if name.startswith(_READ_EARLY)),
        [os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES],
        (root.st_dev, root.st_ino, os.uname().nodename),
        (os.getuid(), os.getgid(), sorted(os.getgroups())),
        [resource.getrlimit(number) for number in sorted(set(_limits().values()))],
        _group_limits(),
        _umask(),
        os.getpriority(os.PRIO_PROCESS, 0),
        sorted(os.sched_getaffinity(0)),
    )
    return runtime_folder() / f"commands-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}.sock"


def fitting_socket() -> Path:
    """Return the path of the socket for callers like this process.

    Raises
    ------
    OSError, InvalidSetting
        As :func:`command_socket`; also where the path is too long for a socket.
    """
    path = command_socket()
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise InvalidSetting(
            f"{path} is too long for a socket. Set ORCHESTRA_RUNTIME_DIR to a folder with a shorter path."
        )
    return path


def is_served() -> bool:
    """Tell whether a host serves callers like this process.

    Raises
    ------
    InvalidSetting
        None ever can: as :func:`fitting_socket`.
    """
    try:
        with fitting_socket().with_suffix(".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def peer_user(connection: socket.socket) -> int:
    """Return the user id of who is at the other end of a Unix socket."""
    _, user, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return int(user)


def _limits() -> dict[str, int]:
    return {name: number for name, number in vars(resource).items() if name.startswith("RLIMIT_")}


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _state_of_code() -> list[tuple[str, int]]:
    """Return what changes when a package comes or goes, or this one does where it is a checkout."""
    package = Path(__file__).parents[1]
    paths = [path for path in sys.path if os.path.basename(path) in _PACKAGES and os.path.exists(path)]
    state = [(path, os.stat(path).st_mtime_ns) for path in paths]
    folders = [] if package.parent.name in _PACKAGES else [str(package)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    state.append((entry.path, entry.stat().st_mtime_ns))
                elif "." not in entry.name and entry.name != "__pycache__" and entry.is_dir():
                    folders.append(entry.path)
    return sorted(state)


def _group_limits() -> list[tuple[str, str]]:
    """Return what the control groups of this process limit: the file that says so, and its text."""
    limits = []
    with open("/proc/self/cgroup") as lines:
        groups = [line.rstrip("\n").split(":", 2)[1:] for line in lines]
    for controllers, group in groups:
        if controllers and not {"memory", "cpu"} & set(controllers.split(",")):
            continue
        folder = os.path.join(_GROUPS, controllers, group[1:]).rstrip("/")
        while folder.startswith(_GROUPS):
            for name in _GROUP_LIMITS:
                text = _text_of(os.path.join(folder, name))
                if text and not text.startswith(_NO_LIMIT):
                    limits.append((os.path.join(folder, name), text))
            folder = os.path.dirname(folder)
    return limits


def _text_of(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:  # not every group has every file
        return ""
