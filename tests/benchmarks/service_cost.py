"""Deployments: from due to started, claims and finishes through the queue, and many schedules that are due at once.

Prefect and jupyter-scheduler look every ten seconds for what is due, so half of that passes in the median.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.measurement import Measurement, summarise

_POLLING_MS = 10_000.0
_ROWS = {
    "started": ("due to started, one-cell notebook (median)", "looking every 10 s", "<= 200 ms", "ms"),
    "started_p99": ("due to started (p99)", "looking every 10 s", "<= 1,000 ms", "ms"),
    "queue": ("claim and finish of a run through the queue", "", "<= 2 ms (SQLite), 1 ms (PostgreSQL)", "ms"),
    "recorded": ("10,000 schedules due in one second, all recorded", "", "<= 30 s", "s"),
}
_PEERS = {"started": _POLLING_MS / 2, "started_p99": _POLLING_MS}


def measure(environ: dict[str, str], folder: Path) -> list[Measurement]:
    """Return a row for each figure; the store is SQLite, or what ``ORCHESTRA_BENCH_STORE`` names."""
    store = environ.get("ORCHESTRA_BENCH_STORE") or f"sqlite:///{folder / 'services.db'}"
    command = [sys.executable, "-m", "tests.benchmarks.service_probe"]
    done = subprocess.run(
        command, env=environ | {"ORCHESTRA_STORE_URL": store}, check=True, stdout=subprocess.PIPE, text=True
    )
    rows = []
    for line in done.stdout.splitlines():
        figure = json.loads(line)
        what, peer, bound, unit = _ROWS[figure["name"]]
        peer_ms = [_PEERS[figure["name"]]] if peer else None
        rows.append(summarise(what, peer, figure["ours"], peer_ms, bound=bound, unit=unit))
    return rows
