"""What figures over 100,000 runs cost, and what a write waits for while a quarter of them is being deleted."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.model.events import RunCreated
from orchestra_nb.model.identifiers import new_id, run_name
from orchestra_nb.model.retention import Horizon
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.services.retention import RetentionService
from orchestra_nb.store.database import Database, open_database
from orchestra_nb.store.many_rows import insert_many
from orchestra_nb.store.run_history import RunHistory
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.run_tables import runs
from orchestra_nb.store.stored_records import run_to_row
from tests.benchmarks.measurement import Measurement, alternate, summarise

_RUNS = 100_000
_DAYS = 120
_STATES = [State.COMPLETED] * 9 + [State.FAILED]
#: What a loop of services waits at least between two of its steps.
_STEP_SECONDS = 0.02


def measure(repeats: int, folder: Path) -> list[Measurement]:
    """Return rows for the statistics and for the writes."""
    path = folder / "upkeep.db"
    database = open_database(f"sqlite:///{path}")
    fill(database)
    history = RunHistory(database)
    ours, plain = alternate(lambda: _milliseconds(history.runs), lambda: _milliseconds(lambda: _read(path)), repeats)
    quiet = _write_latencies(database, threading.Event(), 200)
    busy = _latencies_during_deletion(database, folder)
    database.close()
    return [
        summarise(f"stats over {_RUNS:,} runs", "sqlite3, reading the rows", ours, plain),
        summarise("a write while old runs are deleted", "a write without that", busy, quiet, compare="added"),
        summarise("the slowest of these", "", [max(busy)], None),
    ]


def fill(database: Database) -> None:
    """Store 100,000 runs of the last 120 days."""
    rng, now = random.Random(1), datetime.now(UTC)
    records = []
    for number in range(_RUNS):
        at = now - timedelta(days=_DAYS) * (1 - number / _RUNS)
        run_id = new_id(at, rng.getrandbits(74))
        record = Run(
            run_id=run_id,
            name=run_name(run_id),
            flow_name=f"flow-{number % 20}",
            kind=RunKind.NOTEBOOK,
            state=rng.choice(_STATES),
            created_at=at,
            due_at=at,
            started_at=at + timedelta(seconds=rng.random()),
            ended_at=at + timedelta(seconds=30 * rng.random()),
            parameters={"alpha": 0.1},
            deployment=f"deployment-{number % 10}",
        )
        records.append(run_to_row(record))
    with database.write(durable=False) as connection:
        insert_many(connection, runs, tuple(records[0]), records)


def _read(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT run_id, state, flow_name, deployment, started_at, ended_at FROM runs").fetchall()


def _latencies_during_deletion(database: Database, folder: Path) -> list[float]:
    stop = threading.Event()
    cleaner = threading.Thread(target=_delete, args=(database.url, folder, stop))
    cleaner.start()
    latencies = _write_latencies(database, stop, None)
    cleaner.join()
    return latencies


def _delete(url: str, folder: Path, stop: threading.Event) -> None:
    database = open_database(url)
    try:
        service = RetentionService(
            database,
            lambda now: Horizon.of(now, runs_days=90, logs_days=30, results_days=365),
            folder / "outputs",
            settle_seconds=0,
        )
        while (wanted := service.step(now := datetime.now(UTC))) is not None and wanted < now + timedelta(minutes=1):
            time.sleep(_STEP_SECONDS)
    finally:
        database.close()
        stop.set()


def _write_latencies(database: Database, stop: threading.Event, number: int | None) -> list[float]:
    store = RunStore(database)
    latencies: list[float] = []
    while not stop.is_set() and (number is None or len(latencies) < number):
        now = datetime.now(UTC)
        run = Run(
            run_id=fresh_id(now), name="x", flow_name="new", kind=RunKind.FLOW, state=State.PENDING, created_at=now
        )
        latencies.append(_milliseconds(lambda run=run: store.apply([RunCreated(run=run)])))
        time.sleep(0.01)
    return latencies


def _milliseconds(call) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3
