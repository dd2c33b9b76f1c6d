"""What a notebook costs in a process that runs many: ours and papermill's Python API, and papermill with our kernels."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.measurement import Measurement, summarise

_ROWS = {
    "warm": ("run_notebook, one cell, warm", "papermill (Python API)", "at most 0.08 x"),
    "provisioner": ("papermill, one cell, kernels of orchestra-fork", "papermill, its own kernels", "at most 0.45 x"),
    "many": ("20 runs with parameters, two at once", "papermill in two processes", "at most 0.15 x"),
}


def measure(environ: dict[str, str], repeats: int, folder: Path) -> list[Measurement]:
    """Return a row for each of the figures."""
    rows = []
    for name, (what, peer, bound) in _ROWS.items():
        count = min(repeats, 3) if name == "many" else repeats
        command = [sys.executable, "-m", "tests.benchmarks.warm_probe", name, str(count), str(folder)]
        printed = subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout
        ours, theirs = json.loads(printed.splitlines()[-1])
        rows.append(summarise(what, peer, ours, theirs, bound=bound))
    return rows
