"""Has a service run a command of the shell, where one is up: the caller lends it terminal, folder and environment.

Imports little: this is what the user waits for. Whatever stands in the way before the command has begun means that the
caller runs it itself; once it has begun it is never run twice.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence

TYPE_CHECKING = False  # typing would take longer than all the rest
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

#: What a terminal or a scheduler sends to commands.
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH)
#: How long a service may take to answer before the command is run without it.
_ANSWER_SECONDS = 2.0
#: What names a descriptor of this process, as a shell's ``<(…)`` does: in another process it is something else.
_OWN_DESCRIPTORS = ("/dev/fd/", "/proc/self/")


def run_warm(argv: Sequence[str]) -> int | None:
    """Return the exit code of a command that a service ran; None where there is none, and nothing has run."""
    if sys.platform != "linux" or None in (sys.stdin, sys.stdout, sys.stderr):
        return None
    if any(place in word for word in argv for place in _OWN_DESCRIPTORS):
        return None
    from orchestra_nb.errors import OrchestraError
    from orchestra_nb.services.command_socket import command_socket

    try:
        path = command_socket()
        if not path.exists():
            return None
        service = _connected(str(path), argv)
    except (OSError, OrchestraError, ValueError):
        return None
    if service is None:
        return None
    connection, process = service
    with connection:
        return _follow(connection, process)


def _connected(path: str, argv: Sequence[str]) -> tuple[socket.socket, int] | None:
    """Return the connection to a process that is ready to begin, and a descriptor of it; None where there is none."""
    from orchestra_nb.services.command_socket import LENGTH, peer_user

    request = {"argv": list(argv), "environ": dict(os.environ), "cwd": os.getcwd()}
    text = json.dumps(request).encode()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_ANSWER_SECONDS)
    try:
        connection.connect(path)
        if peer_user(connection) != os.getuid():  # it would get our environment
            raise OSError("the service is somebody else's")
        socket.send_fds(connection, [LENGTH.pack(len(text))], [0, 1, 2])
        connection.sendall(text)
        answer = connection.recv(4096)
        if not answer:
            raise OSError("the service refused")
        process = os.pidfd_open(json.loads(answer)["pid"])
    except (OSError, ValueError, KeyError):
        connection.close()
        return None
    connection.settimeout(None)
    return connection, process


def _follow(connection: socket.socket, process: int) -> int | None:
    """Let the command begin, pass signals on to it, and return its exit code when it has ended; None: it did not begin.

    Parameters
    ----------
    process
        A descriptor of its process, for signals.
    """
    from orchestra_nb.services.command_socket import GO

    def pass_on(number: int, frame: FrameType | None) -> None:
        try:
            signal.pidfd_send_signal(process, number)
        except ProcessLookupError:
            pass  # it has just ended

    def stop(number: int, frame: FrameType | None) -> None:
        pass_on(signal.SIGSTOP, frame)
        os.kill(os.getpid(), signal.SIGSTOP)
        pass_on(signal.SIGCONT, frame)  # behind `fg`

    before: dict[signal.Signals, Any] = {}
    for number in _PASSED_ON:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            before[number] = signal.signal(number, pass_on)
    before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, stop)
    answer = b""
    try:
        connection.sendall(GO)
        while chunk := connection.recv(4096):
            answer += chunk
    except ConnectionError:  # it ended before it read that it may begin
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(process)
        return None
    if not answer:
        sys.stderr.write("The process that ran this command was killed.\n")
        return 128 + signal.SIGKILL
    exit_code: int = json.loads(answer)["exit_code"]
    return exit_code
