"""A Dask cluster that somebody else runs: a scheduler and workers under nannies, started by Dask's own commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

import orchestra_nb
from tests.patience import PATIENCE_SECONDS, eventually

#: Dask's own choice, 8787, may be taken by another test's.
_ANY_PORT = ("--dashboard-address", ":0")
_ROOT = Path(orchestra_nb.__file__).parents[1]


class ForeignCluster:
    """The processes. Its workers have a data folder of their own, as those of another machine have."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self._record = folder / "scheduler.json"
        self.environment: Mapping[str, str] = {
            **os.environ,
            "PYTHONPATH": str(_ROOT),
            "JUPYTER_DATA_DIR": str(folder / "data of the workers"),
            "WHERE": "on a worker",
        }
        self.scheduler = self._start("scheduler", "--scheduler-file", str(self._record), "--port", "0", *_ANY_PORT)
        self.nannies: list[subprocess.Popen[bytes]] = []
        for _ in range(workers):
            self.add_worker()
        self.address: str = eventually(self._address)
        eventually(lambda: True if len(self.worker_pids()) == workers else None)

    def add_worker(self) -> None:
        """Start one more, of one thread."""
        name = f"far-{len(self.nannies)}"
        words = ("--scheduler-file", str(self._record), "--nthreads", "1", "--name", name)
        self.nannies.append(self._start("worker", *words))

    def worker_pids(self) -> list[int]:
        """Return the process of each worker."""
        from distributed import Client

        make_client: Any = Client
        with make_client(self.address, set_as_default=False) as client:
            return [int(pid) for pid in client.run(os.getpid).values()]

    def close(self) -> None:
        """Kill all of it, the nannies before their workers: in good order that takes seconds."""
        workers = [child for nanny in self.nannies for child in children_of(nanny)]
        for process in (*self.nannies, *workers, self.scheduler):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for nanny in self.nannies:
            nanny.wait()
        self.scheduler.wait()
        psutil.wait_procs(workers, timeout=PATIENCE_SECONDS)

    def _start(self, command: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{command}", "--no-dashboard", *words],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def _address(self) -> str | None:
        try:
            address: str = json.loads(self._record.read_text())["address"]
        except (FileNotFoundError, ValueError):
            return None
        return address


def children_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the processes that a process has started; none where it has ended."""
    try:
        return psutil.Process(process.pid).children()
    except psutil.NoSuchProcess:
        return []


@contextmanager
def foreign_cluster(folder: Path, workers: int = 2) -> Iterator[ForeignCluster]:
    """Give a cluster that ends with the block."""
    cluster = ForeignCluster(folder, workers)
    try:
        yield cluster
    finally:
        cluster.close()
