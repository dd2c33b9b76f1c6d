"""The process of one worker of the local cluster: ``python -m orchestra_nb.engine.worker_process DESCRIPTOR``.

A sentinel starts it so, or a zygote forks it. It imports what a worker needs while the scheduler still starts, then
reads from the inherited descriptor one JSON object: ``{"address", "name", "folder", "memory_limit", "certificate",
"key"}``. It ends with its sentinel, or when the scheduler lets it go.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any, NoReturn

from orchestra_nb.engine.sentinel import RECORDS_VARIABLE

#: Dask's settings for the workers of the local cluster.
WORKER_CONFIG: dict[str, object] = {
    # the sentinel guards the process; a paused worker would let its attempts wait without a word
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.profile.enabled": False,
    "distributed.worker.http.routes": [],
    "distributed.worker.use-file-locking": False,
    "distributed.scheduler.worker-ttl": None,
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.host-cpu": False,
    # Dask looks fifty times a second whether its loop is held, which is most of what an idle process costs
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "1h",
    # so many messages are kept on each connection, for debugging Dask: results would be among them
    "distributed.admin.low-level-log-length": 10,
}


async def serve(orders: int, records: int | None) -> None:
    """Be a worker until the cluster ends."""
    import dask
    from distributed import Worker

    from orchestra_nb.engine.local_certificates import security_of
    from orchestra_nb.engine.worker_plugin import OrchestraWorkerPlugin

    dask.config.set(WORKER_CONFIG)
    loop = asyncio.get_running_loop()
    with os.fdopen(orders, encoding="utf-8") as file:
        line = await loop.run_in_executor(None, file.readline)
    if not line:
        return
    order = json.loads(line)
    os.chdir(order["folder"])
    worker: Any = Worker(
        order["address"],
        name=order["name"],
        nthreads=1,
        memory_limit=order["memory_limit"],
        local_directory=order["folder"],
        security=security_of(order["certificate"], order["key"]),
        host="127.0.0.1",
        dashboard=False,
        dashboard_address="127.0.0.1:0",
        plugins=(OrchestraWorkerPlugin(records),),
        death_timeout=20,
    )
    await worker
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: asyncio.ensure_future(worker.close(executor_wait=False)))
    await worker.finished()


def be_worker(orders: int, records: int | None) -> NoReturn:
    """Serve, then end the process: what is still running in a thread at the end does not hold it up."""
    exit_code = 0
    try:
        for descriptor in (orders, *(() if records is None else (records,))):
            os.set_inheritable(descriptor, False)
        asyncio.run(serve(orders, records))
    except Exception as error:
        sys.stderr.write(f"worker ends: {error!r}\n")
        exit_code = 1
    finally:
        sys.stderr.flush()
        os._exit(exit_code)


def main() -> None:
    """Read the command line."""
    records = os.environ.pop(RECORDS_VARIABLE, None)
    orders = int(sys.argv[1])
    sys.argv[1:] = []
    be_worker(orders, int(records) if records is not None else None)


if __name__ == "__main__":
    main()
