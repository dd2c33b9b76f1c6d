"""Where the notebooks that are tasks of a flow are driven: in threads of the driver's own process.

A notebook's work is done by its runner and its kernel, which are processes of their own, so the thread only waits. On
the cluster it would hold a slot that the notebook's task cells need, and it would share a process with user code. The
runner stands beside the driver, or on a worker of the cluster that the flow's other tasks run on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestra_nb.engine.clusters import parse_cluster
from orchestra_nb.engine.task_runners import DaskTaskRunner, TaskRunner
from orchestra_nb.engine.thread_executor import ThreadExecutor

if TYPE_CHECKING:
    from orchestra_nb.engine.executors import AttemptBody, AttemptContext, AttemptRequest, AttemptResult, Executor
    from orchestra_nb.engine.notebook_cluster import NotebookCluster

#: How long a notebook that was stopped may take to end: its kernel is interrupted, then killed, its outputs written.
GIVE_UP_SECONDS = 30.0

_cluster_here: ContextVar[NotebookCluster | None] = ContextVar("orchestra_notebook_cluster", default=None)


def available_cores() -> int:
    """Return how many cores this process may use: so many notebooks run at once."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def cluster_of_tasks(task_runner: TaskRunner) -> str | None:
    """Return the address of the cluster to which a flow's tasks go, whose workers run its notebooks, too.

    None where that is the local one, or no cluster, or one that is made for the tasks alone.
    """
    spec = task_runner.spec if isinstance(task_runner, DaskTaskRunner) else None
    return spec if isinstance(spec, str) and parse_cluster(spec).kind == "address" else None


def cluster_of_notebook() -> NotebookCluster | None:
    """Return the cluster that a notebook goes to which is driven by this thread; None for a runner beside it."""
    return _cluster_here.get()


@dataclass(frozen=True)
class NotebookTaskRunner(TaskRunner):
    """Drives so many notebooks at once as there are cores, or slots of their cluster; the others wait.

    Parameters
    ----------
    cluster
        Whose workers run the notebooks; None for runners beside this process.
    """

    cluster: str | None = None

    is_in_process = True

    @property
    def place(self) -> str:
        """The place as text."""
        return f"notebooks:{available_cores()}" if self.cluster is None else f"notebooks on {self.cluster}"

    def make_executor(self) -> Executor:
        """Return a new pool.

        Raises
        ------
        ClusterUnavailable
            Its cluster cannot be reached.
        """
        if self.cluster is None:
            return ThreadExecutor(available_cores(), give_up_seconds=GIVE_UP_SECONDS)
        from orchestra_nb.engine.notebook_cluster import NotebookCluster

        return _ClusterExecutor(NotebookCluster(self.cluster))


class _ClusterExecutor(ThreadExecutor):
    """Threads that drive notebooks on a cluster."""

    def __init__(self, cluster: NotebookCluster) -> None:
        self._cluster = cluster
        try:
            super().__init__(cluster.slots(), give_up_seconds=GIVE_UP_SECONDS)
        except BaseException:
            cluster.close()
            raise

    def start(self, request: AttemptRequest) -> None:
        """Start to drive a notebook."""
        super().start(replace(request, body=_OnCluster(self._cluster, request.body)))

    def close(self) -> None:
        """Stop all notebooks and let go of the cluster."""
        super().close()
        self._cluster.close()


@dataclass(frozen=True, slots=True)
class _OnCluster:
    """A body whose notebooks go to a cluster."""

    cluster: NotebookCluster
    body: AttemptBody

    def run(self, upstream: Mapping[str, AttemptResult], context: AttemptContext) -> AttemptResult:
        token = _cluster_here.set(self.cluster)
        try:
            return self.body.run(upstream, context)
        finally:
            _cluster_here.reset(token)
