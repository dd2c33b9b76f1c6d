"""The process of the local cluster: a Dask scheduler, and a sentinel with one worker for each core.

Started by :func:`orchestra_nb.engine.local_cluster.ensure_local_cluster`. On Linux its workers are forked by a zygote,
which has imported Dask with the host; else they are started first, and import it while the scheduler does. A worker
that dies is replaced at once. It ends when it has had no client and no work for its idle time, or by SIGTERM, and
leaves nothing behind. It listens on loopback only and has no dashboard.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import logging.handlers
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from orchestra_nb.engine.guarded_worker import GuardedWorker, WorkerOrder
from orchestra_nb.engine.local_cluster import FOLDER_PREFIX, LocalCluster, LocalWorker, process_started_at, write_record
from orchestra_nb.version import __version__

if TYPE_CHECKING:
    from distributed import Scheduler

    from orchestra_nb.engine.worker_zygote import WorkerZygote

_LOG_BYTES = 1_000_000
_END_GRACE_SECONDS = 1.0
#: A worker that lived shorter than this is replaced only after a pause, lest a broken environment spin.
_SHORT_LIFE_SECONDS = 5.0
_RESTART_PAUSE_SECONDS = 3.0
#: Whoever started the cluster gets at least so long to connect, however short the idle time and slow the machine.
_FIRST_CLIENT_SECONDS = 10.0
#: After an idle cluster has taken its record away, a client that had just read it gets so long to appear.
_FAREWELL_SECONDS = 0.5

#: Dask's settings for the scheduler of the local cluster.
_SCHEDULER_CONFIG: dict[str, object] = {
    # the sentinels tell of deaths; a worker whose interpreter is held for long is not dead
    "distributed.scheduler.worker-ttl": None,
    "distributed.scheduler.http.routes": [],
    # the ledger keeps user code from running twice; what waited on a dying worker just goes elsewhere
    "distributed.scheduler.allowed-failures": 3,
    "distributed.scheduler.events-cleanup-delay": "10s",
    # an attempt waits for its worker while another one is free: it is moved at once
    "distributed.scheduler.work-stealing-interval": "100ms",
    # Dask looks fifty times a second whether its loop is held, which is most of what an idle process costs
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "1h",
    # so many messages are kept on each connection, for debugging Dask: results would be among them
    "distributed.admin.low-level-log-length": 10,
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.host-cpu": False,
    "distributed.comm.retry.count": 0,
}

_log = logging.getLogger("orchestra_nb.cluster")


class ClusterHost:
    """Runs the cluster until it is idle or told to end."""

    def __init__(
        self, record_path: Path, log_path: Path, workers: int, idle_seconds: float, zygote: WorkerZygote | None
    ) -> None:
        self._record_path = record_path
        self._log_path = log_path
        self._idle_seconds = idle_seconds
        self._count = workers
        self._zygote = zygote
        self._folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
        self._workers: dict[str, GuardedWorker] = {}
        self._keepers: set[asyncio.Task[None]] = set()
        self._order: asyncio.Future[WorkerOrder]
        self._serial = 0
        self._ending = asyncio.Event()
        self._scheduler: Scheduler

    async def run(self, ready: int) -> None:
        """Start everything, say so on the descriptor ``ready``, and return when the cluster has ended."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        self._order = loop.create_future()
        try:
            for _ in range(self._count):
                self._keep_worker()
            await asyncio.sleep(0)
            await asyncio.gather(*(worker.started.wait() for worker in self._workers.values()))
            await self._start_scheduler()
            self._write_record()
            os.write(ready, b"ready\n")
            os.close(ready)
            await self._wait_for_end()
        finally:
            await self._end()

    async def _start_scheduler(self) -> None:
        import dask
        from distributed import Scheduler
        from distributed.system import MEMORY_LIMIT

        from orchestra_nb.engine.local_certificates import new_certificate, security_of
        from orchestra_nb.engine.scheduler_plugin import OrchestraSchedulerPlugin

        dask.config.set({**_SCHEDULER_CONFIG, "temporary-directory": str(self._folder)})
        certificate, key = new_certificate()
        self._plugin = OrchestraSchedulerPlugin(order_kill=self._order_kill)
        self._scheduler = await Scheduler(
            host="127.0.0.1",
            port=0,
            protocol="tls",
            security=security_of(certificate, key),
            dashboard=False,
            dashboard_address="127.0.0.1:0",
            plugins=(self._plugin,),
        )
        self._order.set_result(
            WorkerOrder(self._scheduler.address, certificate, key, MEMORY_LIMIT // self._count, self._folder)
        )

    def _keep_worker(self) -> None:
        self._serial += 1
        name = f"worker-{self._serial}"
        worker = GuardedWorker(
            name, self._folder, _log, lambda runs: self._plugin.call_runs(name, runs), zygote=self._zygote
        )
        self._workers[worker.name] = worker
        task = asyncio.ensure_future(self._keep(worker))
        self._keepers.add(task)
        task.add_done_callback(self._keepers.discard)

    async def _keep(self, worker: GuardedWorker) -> None:
        """Run one worker to its end, tell the ledger how it ended, and put another in its place."""
        began_at = time.monotonic()
        try:
            reason = await worker.run(self._order, on_started=self._write_record)
            if self._order.done():
                self._plugin.worker_exited(worker.name, reason, worker.exit_code, worker.chunk)
        finally:
            del self._workers[worker.name]
        if self._ending.is_set():
            return
        _log.warning("%s: %s; it is replaced", worker.name, reason)
        if time.monotonic() - began_at < _SHORT_LIFE_SECONDS and not worker.was_used:
            await asyncio.sleep(_RESTART_PAUSE_SECONDS)
        if not self._ending.is_set():
            self._keep_worker()
        await worker.wait_until_gone()
        shutil.rmtree(worker.folder, ignore_errors=True)

    def _order_kill(self, name: str, key: str, state: str, grace_seconds: float) -> None:
        if worker := self._workers.get(name):
            worker.order({"stop": key, "state": state, "grace": grace_seconds})

    def _write_record(self) -> None:
        if not self._order.done() or self._ending.is_set():
            return
        order = self._order.result()
        record = LocalCluster(
            address=order.address,
            pid=os.getpid(),
            process_started_at=process_started_at(os.getpid()) or 0.0,
            certificate=order.certificate,
            key=order.key,
            folder=str(self._folder),
            log_path=str(self._log_path),
            idle_seconds=self._idle_seconds,
            python=sys.prefix,
            version=__version__,
            workers=tuple(LocalWorker(name=worker.name, pid=worker.pid) for worker in self._workers.values()),
            memory_limit_bytes=order.memory_limit,
        )
        write_record(self._record_path, record)

    async def _wait_for_end(self) -> None:
        idle_since = time.monotonic()
        limit_seconds = max(self._idle_seconds, _FIRST_CLIENT_SECONDS)
        while not self._ending.is_set():
            if not self._is_idle():
                idle_since = time.monotonic()
                limit_seconds = self._idle_seconds
            elif time.monotonic() - idle_since >= limit_seconds:
                self._record_path.unlink(missing_ok=True)
                await asyncio.sleep(_FAREWELL_SECONDS)
                if self._is_idle():
                    _log.info("idle for %g s", self._idle_seconds)
                    return
                self._write_record()
            try:
                await asyncio.wait_for(self._ending.wait(), min(1.0, self._idle_seconds / 4 + 0.05))
            except TimeoutError:
                pass

    def _is_idle(self) -> bool:
        clients = set(self._scheduler.clients) - {"fire-and-forget"}
        return not clients and not any(state.processing for state in self._scheduler.workers.values())

    async def _end(self) -> None:
        self._ending.set()
        self._record_path.unlink(missing_ok=True)
        for worker in self._workers.values():
            worker.order({"terminate": _END_GRACE_SECONDS})
        if self._order.done():
            await self._scheduler.close(reason="the local cluster ends")
        else:
            self._order.cancel()
        if self._keepers:
            await asyncio.wait(self._keepers)
        if self._zygote is not None:
            self._zygote.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def main() -> None:
    """Read the command line that :mod:`orchestra_nb.engine.local_cluster` writes, and be the cluster."""
    parser = argparse.ArgumentParser(prog="orchestra local cluster")
    for option in ("--record", "--log", "--lock-file"):
        parser.add_argument(option, type=Path, required=True)
    for option in ("--workers", "--lock", "--ready"):
        parser.add_argument(option, type=int, required=True)
    parser.add_argument("--idle-seconds", type=float, required=True)
    parser.add_argument("--fork", action="store_true")
    options = parser.parse_args()
    if os.fork():  # one thread so far; the host is to be nobody's child
        os._exit(0)
    for descriptor in (options.lock, options.ready):
        os.set_inheritable(descriptor, False)
    os.write(options.ready, f"{os.getpid()}\n".encode())
    zygote: WorkerZygote | None = None
    if options.fork:
        from orchestra_nb.engine.worker_zygote import WorkerZygote as Zygote

        zygote = Zygote.fork(foreign=[options.lock, options.ready])
    handler = logging.handlers.RotatingFileHandler(options.log, maxBytes=_LOG_BYTES, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])

    async def run() -> None:
        host = ClusterHost(options.record, options.log, options.workers, options.idle_seconds, zygote)
        await host.run(options.ready)

    asyncio.run(run())
    for path in (options.log, options.log.with_suffix(".log.1"), options.lock_file):
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
