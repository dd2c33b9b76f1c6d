"""The engine: mapping, chains, single tasks, caches, subflows and logs, beside raw Dask on the same local cluster.

One process measures all of it (:mod:`tests.benchmarks.engine_probe`), so that its cluster is started once.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.measurement import Measurement, summarise

_DASK = "raw Dask"
#: Figure of the probe to (what its peer does, the bound, its unit).
_FIGURES = {
    "map": (f"{_DASK}: Client.map, gather", "<= 0.30 x", "ms"),
    "map_50_ms": (f"{_DASK}: Client.map, gather", "<= 1.10 x", "ms"),
    "chain": (f"{_DASK}: submit", "<= 1.50 x", "ms"),
    "submit": (f"{_DASK}: submit(f).result()", "<= 1.30 x", "ms"),
    "cached": ("", "<= 5 ms", "ms"),
    "subflow": ("", "<= 20 ms", "ms"),
    "logs": ("", "<= 0.06 ms", "ms"),
    "running": ("", "<= 100 ms", "ms"),
    "stored": ("", "<= 1,024 bytes", "bytes"),
    "memory": ("", "<= 1,024 bytes", "bytes"),
}


def measure(environ: dict[str, str], repeats: int, folder: Path) -> list[Measurement]:
    """Return a row for each figure but those of :func:`measure_scale`."""
    return _measure(environ, repeats, folder, [name for name in _FIGURES if name != "memory"])


def measure_scale(environ: dict[str, str], folder: Path) -> list[Measurement]:
    """Return the row of 100,000 mapped tasks: minutes on a busy machine."""
    return _measure(environ, 1, folder, ["memory"])


def _measure(environ: dict[str, str], repeats: int, folder: Path, names: list[str]) -> list[Measurement]:
    command = [sys.executable, "-m", "tests.benchmarks.engine_probe", str(repeats), *names]
    store = {"ORCHESTRA_STORE_URL": f"sqlite:///{folder / 'engine.db'}"}
    done = subprocess.run(command, env=environ | store, check=True, stdout=subprocess.PIPE, text=True)
    rows = []
    for line in done.stdout.splitlines():
        figure = json.loads(line)
        peer, bound, unit = _FIGURES[figure["name"]]
        rows.append(summarise(figure["note"], peer, figure["ours"], figure["peer"], bound=bound, unit=unit))
    return rows
