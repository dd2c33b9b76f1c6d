"""A Dask cluster whose workers run notebooks for this process: as many at once as it has slots.

Not the local cluster: its machine is this one, where a runner beside the driver is started faster.
"""

from __future__ import annotations

import threading

from orchestra_nb.engine.dask_executor import DaskExecutor
from orchestra_nb.engine.executors import (
    AttemptEnded,
    AttemptLost,
    AttemptRequest,
    AttemptSent,
    ClusterChanged,
    ExecutorEvent,
)
from orchestra_nb.engine.hosted_notebook import HostedNotebook
from orchestra_nb.engine.remote_notebook_host import RemoteNotebookHost
from orchestra_nb.errors import ClusterUnavailable
from orchestra_nb.model.states import State

#: What a host gets to end its runner, before its worker is ended by force.
_GRACE_SECONDS = 20.0


class NotebookCluster:
    """Connects in the background from the start. All methods may be called from any thread.

    Raises
    ------
    InvalidSetting
        ``cluster`` names no cluster.
    """

    def __init__(self, cluster: str) -> None:
        self._executor = DaskExecutor(cluster)
        #: as it was given
        self.spec = cluster
        self._hosts: dict[str, RemoteNotebookHost] = {}
        self._changed = threading.Condition()
        self._status = ClusterChanged(status="starting")
        self._executor.open(self._take)

    @property
    def is_connected(self) -> bool:
        """Whether the cluster answers."""
        return self._status.status == "ready"

    def slots(self) -> int:
        """Return how many notebooks run at once; waits for the connection.

        Raises
        ------
        ClusterUnavailable
            It cannot be reached.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._status.status != "starting")
            if not self.is_connected:
                raise ClusterUnavailable(self._status.detail)
        return self._executor.slots()

    def what_is_missing(self) -> str:
        """Return what a notebook waits for that no worker has taken.

        Raises
        ------
        ClusterUnavailable
            The cluster cannot be asked.
        """
        if not self._executor.worker_count():
            return f"a worker: the cluster {self.spec} has none"
        slots = self._executor.slots()
        return f"a free slot: what else runs on the cluster {self.spec} takes its {slots}"

    def host(self, run_id: str, epoch: int, name: str, *, is_folder_chosen: bool) -> RemoteNotebookHost:
        """Return what will run one attempt of a notebook run."""
        return RemoteNotebookHost(self, f"{run_id}:{epoch}", name, is_folder_chosen=is_folder_chosen)

    def start(self, key: str, host: RemoteNotebookHost) -> None:
        """Start the host's task."""
        self._hosts[key] = host
        body = HostedNotebook(host.is_folder_chosen)
        run_id = key.rpartition(":")[0]
        self._executor.start(
            AttemptRequest(key=key, run_id=run_id, task_run_id=run_id, name=host.name, attempt=1, body=body)
        )

    def say(self, key: str, word: bytes) -> None:
        """Say something to a host's task."""
        self._executor.say(key, word)

    def stop(self, key: str) -> None:
        """Have a host's task end its runner, and have it ended where it does not; nothing if it has ended."""
        self._executor.stop(key, State.CANCELLED.value, _GRACE_SECONDS)

    def close(self) -> None:
        """Stop what runs and let go of the cluster."""
        self._executor.close()

    def _take(self, event: ExecutorEvent) -> None:
        match event:
            case ClusterChanged():
                with self._changed:
                    self._status = event
                    self._changed.notify_all()
            case AttemptSent(key=key) | AttemptEnded(key=key) | AttemptLost(key=key):
                is_end = not isinstance(event, AttemptSent)
                host = self._hosts.pop(key, None) if is_end else self._hosts.get(key)
                if isinstance(event, AttemptEnded):
                    self._executor.release(key)
                if host is not None:
                    host.take(event)
