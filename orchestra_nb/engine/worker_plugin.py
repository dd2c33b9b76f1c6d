"""Makes a Dask worker able to run attempts: what is attached to it when it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.sizeof  # noqa: TID253
from distributed import WorkerPlugin, get_worker  # noqa: TID253

from orchestra_nb.engine.event_batch import SEND_INTERVAL_SECONDS, keep_few_messages
from orchestra_nb.engine.executors import AttemptResult
from orchestra_nb.engine.sentinel_records import SentinelRecords
from orchestra_nb.engine.worker_host import WorkerHost, size_of_result

if TYPE_CHECKING:
    from distributed import Worker

PLUGIN_NAME = "orchestra"


class OrchestraWorkerPlugin(WorkerPlugin):
    """Makes a Dask worker able to run attempts.

    Parameters
    ----------
    records_descriptor
        Where the sentinel that started this worker reads records; None on a cluster that others started.
    """

    name = PLUGIN_NAME
    idempotent = True

    def __init__(self, records_descriptor: int | None = None) -> None:
        self._records_descriptor = records_descriptor
        self.host: WorkerHost | None = None

    def setup(self, worker: Worker) -> None:
        """Attach to a worker; called in its event loop."""
        sizeof: Any = dask.sizeof.sizeof
        sizeof.register(AttemptResult, size_of_result)
        keep_few_messages(worker.batched_stream)
        if self._records_descriptor is not None:
            worker.batched_stream.interval = SEND_INTERVAL_SECONDS
        self.host = WorkerHost(worker, SentinelRecords(self._records_descriptor))
        worker.stream_handlers["orchestra-stop"] = self.host.on_stop
        worker.stream_handlers["orchestra-answer"] = self.host.questions.answer
        worker.stream_handlers["orchestra-say"] = self.host.channels.take
        worker.stream_handlers["orchestra-client-gone"] = self.host.questions.lose_client
        worker.stream_handlers["orchestra-stop-calls"] = self.host.on_stop_calls
        worker.handlers["orchestra_running"] = self.host.on_running
        worker.handlers["orchestra_select"] = self.host.on_select

    def teardown(self, worker: Worker) -> None:
        """Let the sentinel go that this plugin started."""
        if self.host is not None:
            self.host.records.close()


def current_host() -> WorkerHost:
    """Return the host of the worker whose thread this is."""
    plugin: Any = get_worker().plugins[PLUGIN_NAME]
    host: WorkerHost = plugin.host
    return host
