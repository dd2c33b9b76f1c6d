"""What a zygote does: it forks sentinels on request, and each of them forks the process that it guards.

The zygote has imported what the guarded processes need, and has no thread and no loop. Linux only.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
import types
from collections.abc import Callable, Sequence
from typing import NoReturn

from setproctitle import setproctitle

from orchestra_nb.engine.sentinel import Sentinel, fork_guarded

_REQUEST_BYTES = 65536
#: The sentinel's stdin, stdout and stderr come first.
_STREAMS = 3

#: What goes on in a guarded process: gets the descriptors beyond the streams, and the one for its records.
Become = Callable[[Sequence[int], int], None]


def fork_request(name: str, folder: str, grace_seconds: float) -> bytes:
    """Return a request: the process's name in lists, its working folder, and what its sentinel gives it at the end."""
    return json.dumps({"name": name, "folder": folder, "grace": grace_seconds}).encode()


def serve_forks(connection: socket.socket, descriptors: int, become: Become) -> NoReturn:
    """Fork a sentinel with a guarded process for each request, until the connection ends.

    Parameters
    ----------
    descriptors
        How many come with a request beyond the sentinel's streams.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps sentinels
    while True:
        request, received, _, _ = socket.recv_fds(connection, _REQUEST_BYTES, _STREAMS + descriptors)
        if not request:
            os._exit(0)
        if not os.fork():
            connection.close()
            _be_sentinel(json.loads(request), received, become)
        for descriptor in received:
            os.close(descriptor)


def _be_sentinel(request: dict[str, object], descriptors: Sequence[int], become: Become) -> NoReturn:
    exit_code = 1
    try:
        os.setsid()
        streams, rest = descriptors[:_STREAMS], descriptors[_STREAMS:]
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.chdir(str(request["folder"]))
        name = str(request["name"])
        setproctitle(f"orchestra: sentinel of {name}")

        def go_on(records: int) -> None:
            setproctitle(f"orchestra: {name}")
            _be_fresh()
            become(rest, records)

        grace_seconds = float(str(request["grace"]))
        Sentinel(grace_seconds).run(lambda records: fork_guarded(go_on, records, rest))
        exit_code = 0
    finally:
        os._exit(exit_code)


def _be_fresh() -> None:
    """Undo what a process has of the one that it was forked from, beside what it imported."""
    gc.unfreeze()
    sys.argv[1:] = []
    sys.modules["__main__"] = types.ModuleType("__main__")  # the host's own is of no use to user code
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()  # Python's own generator sees to itself
