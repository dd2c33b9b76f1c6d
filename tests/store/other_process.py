"""Another process that holds a store's write lock: a program that a test can stop and go on with."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

_HOLDER = """
import sys
from orchestra_nb.store.database import open_database

with open_database(sys.argv[1]).write() as connection:
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def write_lock_held_elsewhere(url: str) -> Iterator[subprocess.Popen[str]]:
    """Hold the write lock in another process until the block ends, or a line is written to its stdin."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()


def release(holder: subprocess.Popen[str]) -> None:
    """Let the other process give the lock back."""
    assert holder.stdin is not None
    holder.stdin.write("\n")
    holder.stdin.flush()
