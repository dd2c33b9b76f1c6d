"""Where the notebooks that are tasks of a flow are driven: in threads of the driver's own process.

A notebook's work is done by its runner and its kernel, which are processes of their own, so the thread only waits. On
the cluster it would hold a slot that the notebook's task cells need, and it would share a process with user code.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestra_nb.engine.task_runners import TaskRunner

if TYPE_CHECKING:
    from orchestra_nb.engine.executors import Executor

#: How long a notebook that was stopped may take to end: its kernel is interrupted, then killed, its outputs written.
GIVE_UP_SECONDS = 30.0


def available_cores() -> int:
    """Return how many cores this process may use: so many notebooks run at once."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


@dataclass(frozen=True)
class NotebookTaskRunner(TaskRunner):
    """Drives so many notebooks at once; the others wait."""

    limit: int = field(default_factory=available_cores)

    is_in_process = True

    @property
    def place(self) -> str:
        """The place as text."""
        return f"notebooks:{self.limit}"

    def make_executor(self) -> Executor:
        """Return a new pool."""
        from orchestra_nb.engine.thread_executor import ThreadExecutor

        return ThreadExecutor(self.limit, give_up_seconds=GIVE_UP_SECONDS)
