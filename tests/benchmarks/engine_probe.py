"""The engine's figures, each with its raw peer, in one process: ``python -m tests.benchmarks.engine_probe NAME …``.

Prints one JSON line for each figure: ``{"name", "ours": [ms …], "peer": [ms …] | null, "note"}``.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestra_nb import flow, get_run_logger, task
from orchestra_nb.cache_policies import INPUTS, TASK_SOURCE


@task
def increment(x: int) -> int:
    return x + 1


@task
def sleep_50_ms(x: int) -> int:
    time.sleep(0.05)
    return x


#: milliseconds from the beginning of a task's code to where its driver saw it Running
SEEN_AFTER: list[float] = []


def note_running(task: Any, run: Any, state: Any) -> None:
    SEEN_AFTER.append((datetime.now(UTC) - run.start_time).total_seconds() * 1000)


@task(on_running=[note_running])
def watched(x: int) -> int:
    return x + 1


@task(cache_policy=INPUTS + TASK_SOURCE)
def kept(x: int) -> int:
    return x


@flow
def map_over(what: Any, count: int) -> int:
    return sum(what.map(range(count)).result())


@flow
def chain(count: int) -> int:
    future = increment.submit(0)
    for _ in range(count - 1):
        future = increment.submit(future)
    return future.result()


@flow
def one_by_one(count: int) -> list[float]:
    times = []
    for number in range(count):
        before = time.perf_counter()
        increment.submit(number).result()
        times.append((time.perf_counter() - before) * 1000)
    return times


@flow
def nothing() -> None:
    return None


@flow
def subflows(count: int) -> list[float]:
    return [_timed(nothing) for _ in range(count)]


@flow
def cached(count: int) -> list[float]:
    kept(1)
    return [_timed(lambda: kept(1)) for _ in range(count)]


@flow
def logs(count: int) -> float:
    logger = get_run_logger()
    logger.info("first")
    with open(os.devnull, "w") as quiet:
        stderr, sys.stderr = sys.stderr, quiet
        try:
            total = _timed(lambda: [logger.info("line %s", number) for number in range(count)])
        finally:
            sys.stderr = stderr
    return total / count


def _timed(function: Callable[[], object]) -> float:
    before = time.perf_counter()
    function()
    return (time.perf_counter() - before) * 1000


@contextmanager
def raw_client() -> Iterator[Any]:
    """A plain Dask client on the same local cluster."""
    from distributed import Client, Security

    from orchestra_nb.engine.local_cluster import local_cluster_status

    known = local_cluster_status()
    assert known is not None
    identity = {"tls_ca_file": known.certificate, "tls_client_cert": known.certificate, "tls_client_key": known.key}
    with Client(known.address, security=Security(require_encryption=True, **identity)) as client:
        yield client


def add_one(x: int) -> int:
    return x + 1


def wait_50_ms(x: int) -> int:
    time.sleep(0.05)
    return x


def raw_map(client: Any, function: Callable[[int], int], count: int) -> None:
    client.gather(client.map(function, range(count), pure=False))


def raw_chain(client: Any, count: int) -> None:
    future = client.submit(add_one, 0, pure=False)
    for _ in range(count - 1):
        future = client.submit(add_one, future, pure=False)
    future.result()


def measure_mapped(client: Any, repeats: int) -> dict[str, object]:
    ours, peer = [], []
    for _ in range(min(repeats, 3)):
        ours.append(_timed(lambda: map_over(increment, 10_000)))
        peer.append(_timed(lambda: raw_map(client, add_one, 10_000)))
    return {"ours": ours, "peer": peer, "note": "10,000 mapped trivial tasks, tracked and stored"}


def measure_mapped_50_ms(client: Any, repeats: int) -> dict[str, object]:
    ours = [_timed(lambda: map_over(sleep_50_ms, 1000))]
    peer = [_timed(lambda: raw_map(client, wait_50_ms, 1000))]
    return {"ours": ours, "peer": peer, "note": "1,000 mapped tasks of 50 ms"}


def measure_chain(client: Any, repeats: int) -> dict[str, object]:
    ours, peer = [], []
    for _ in range(repeats):
        ours.append(_timed(lambda: chain(200)))
        peer.append(_timed(lambda: raw_chain(client, 200)))
    return {"ours": ours, "peer": peer, "note": "a chain of 200 dependent tasks"}


def measure_submit(client: Any, repeats: int) -> dict[str, object]:
    ours = one_by_one(20 * repeats)
    peer = [_timed(lambda: client.submit(add_one, 1, pure=False).result()) for _ in range(20 * repeats)]
    return {"ours": ours, "peer": peer, "note": ".submit().result()"}


def measure_cached(client: Any, repeats: int) -> dict[str, object]:
    return {"ours": cached(20 * repeats), "peer": None, "note": "a cached task's hit"}


def measure_subflow(client: Any, repeats: int) -> dict[str, object]:
    return {"ours": subflows(10 * repeats), "peer": None, "note": "a subflow's call"}


def measure_logs(client: Any, repeats: int) -> dict[str, object]:
    return {"ours": [logs(5000) for _ in range(repeats)], "peer": None, "note": "a log record"}


def measure_running(client: Any, repeats: int) -> dict[str, object]:
    ours = []
    for _ in range(repeats):
        SEEN_AFTER.clear()
        map_over(watched, 1000)
        ours.append(statistics.quantiles(SEEN_AFTER, n=20)[-1])
    return {"ours": ours, "peer": None, "note": "Running seen by the driver, p95 of 1,000 trivial tasks"}


def measure_stored(client: Any, repeats: int) -> dict[str, object]:
    before = _store_bytes()
    map_over(increment, 10_000)
    return {"ours": [(_store_bytes() - before) / 10_000], "peer": None, "note": "bytes stored for a trivial task run"}


def measure_memory(client: Any, repeats: int) -> dict[str, object]:
    map_over(increment, 1000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = _timed(lambda: map_over(increment, 100_000)) / 1000
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 100_000
    return {
        "ours": [grown],
        "peer": None,
        "note": f"bytes of memory for each of 100,000 mapped tasks ({seconds:.0f} s)",
    }


def _store_bytes() -> int:
    path = os.environ["ORCHESTRA_STORE_URL"].removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Path(path).stat().st_size


FIGURES: dict[str, Callable[[Any, int], dict[str, object]]] = {
    "map": measure_mapped,
    "map_50_ms": measure_mapped_50_ms,
    "chain": measure_chain,
    "submit": measure_submit,
    "cached": measure_cached,
    "subflow": measure_subflow,
    "logs": measure_logs,
    "running": measure_running,
    "stored": measure_stored,
    "memory": measure_memory,
}


def main() -> None:
    """Measure what is named and print it."""
    repeats, *names = sys.argv[1:]
    map_over(increment, 50)  # starts the cluster
    with raw_client() as client:
        raw_map(client, add_one, 50)
        for name in names or FIGURES:
            figure = FIGURES[name](client, int(repeats))
            print(json.dumps({"name": name, **figure}), flush=True)
            median = statistics.median(figure["ours"])  # type: ignore[arg-type]
            print(f"{name}: {median:.2f}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
