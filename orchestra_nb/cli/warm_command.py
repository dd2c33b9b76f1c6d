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
from types import FrameType

#: What a terminal or a scheduler sends to commands.
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH)
#: How long a service may take to answer before the command is run without it.
_ANSWER_SECONDS = 2.0


def run_warm(argv: Sequence[str]) -> int | None:
    """Return the exit code of a command that a service ran; None where there is none, and nothing has run."""
    if sys.platform != "linux":
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
    connection, pid = service
    with connection:
        return _follow(connection, pid)


def _connected(path: str, argv: Sequence[str]) -> tuple[socket.socket, int] | None:
    from orchestra_nb.services.command_socket import LENGTH

    umask = os.umask(0o077)
    os.umask(umask)
    request = {"argv": list(argv), "environ": dict(os.environ), "cwd": os.getcwd(), "umask": umask}
    text = json.dumps(request).encode()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_ANSWER_SECONDS)
    try:
        connection.connect(path)
        socket.send_fds(connection, [LENGTH.pack(len(text))], [0, 1, 2])
        connection.sendall(text)
        answer = connection.recv(4096)
        if not answer:
            raise OSError("the service refused")
        pid = json.loads(answer)["pid"]
    except (OSError, ValueError, KeyError):
        connection.close()
        return None
    connection.settimeout(None)
    return connection, pid


def _follow(connection: socket.socket, pid: int) -> int:
    """Let the command begin, pass signals on to it, and return its exit code when it has ended."""
    from orchestra_nb.services.command_socket import GO

    def pass_on(number: int, frame: FrameType | None) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass  # it has just ended

    def stop(number: int, frame: FrameType | None) -> None:
        pass_on(signal.SIGSTOP, frame)
        os.kill(os.getpid(), signal.SIGSTOP)
        pass_on(signal.SIGCONT, frame)  # behind `fg`

    for number in _PASSED_ON:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, pass_on)
    signal.signal(signal.SIGTSTP, stop)
    connection.sendall(GO)
    answer = b""
    while chunk := connection.recv(4096):
        answer += chunk
    if not answer:
        sys.stderr.write("The process that ran this command was killed.\n")
        return 128 + signal.SIGKILL
    exit_code: int = json.loads(answer)["exit_code"]
    return exit_code
