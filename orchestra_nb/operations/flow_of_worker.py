"""A flow that a remote worker has started, in its process: it asks the worker what is the server's to answer.

It gets neither the address of the server nor the token, only a Unix socket for this user alone. When the worker is gone
the flow ends: what it does would be done again by another one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from typing import Final

from orchestra_nb.engine.question_relay import QuestionRelay

#: Set for the processes of a remote worker: where it listens.
WORKER_SOCKET_VARIABLE: Final = "ORCHESTRA_WORKER_SOCKET"

#: What a flow gets to end by itself when its worker is gone.
_GRACE_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


def answers_of_worker(run_id: str) -> QuestionRelay | None:
    """Return what asks the remote worker whose process this is, and have it end with that; None in other processes."""
    path = os.environ.get(WORKER_SOCKET_VARIABLE)
    if not path:
        return None
    threading.Thread(target=_end_with, args=(path,), name="orchestra-worker-lifeline", daemon=True).start()
    return QuestionRelay(path, run_id)


def _end_with(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as lifeline, contextlib.suppress(OSError):
        lifeline.connect(path)
        while lifeline.recv(1024):
            pass
    _log.warning("The remote worker of this flow is gone: the flow ends.")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
