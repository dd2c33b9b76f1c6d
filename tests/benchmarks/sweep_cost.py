"""Twenty runs of a notebook with other parameters: one sweep beside papermill in two processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.measurement import Measurement, summarise

_RUNS = 20
_PROCESSES = 2
#: What two of papermill's users' processes do: each imports it once and runs its half, one after another.
_PEER = """
import sys, papermill
start, stop, step = map(int, sys.argv[1:4])
for number in range(start, stop, step):
    papermill.execute_notebook(
        "swept.ipynb", f"papermill_{number}.ipynb", {"number": number}, progress_bar=False, log_output=False
    )
"""


def measure(environ: dict[str, str], folder: Path) -> list[Measurement]:
    """Return one row: wall time of twenty runs. Once: it takes about a minute."""
    (folder / "swept.ipynb").write_text(json.dumps(_notebook()), encoding="utf-8")
    numbers = ",".join(map(str, range(_RUNS)))
    command = [str(Path(sys.executable).parent / "orchestra"), "run", "swept.ipynb", "swept_out"]

    before = time.perf_counter()
    subprocess.run([*command, "--sweep", f"number={numbers}"], cwd=folder, env=environ, check=True, capture_output=True)
    ours = (time.perf_counter() - before) * 1000

    before = time.perf_counter()
    peers = [
        subprocess.Popen(
            [sys.executable, "-c", _PEER, str(start), str(_RUNS), str(_PROCESSES)],
            cwd=folder,
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for start in range(_PROCESSES)
    ]
    assert [peer.wait() for peer in peers] == [0] * _PROCESSES
    peer = (time.perf_counter() - before) * 1000
    return [summarise("20 runs with other parameters", "papermill in 2 processes", [ours], [peer], bound="<= 0.15 x")]


def _notebook() -> dict[str, object]:
    def cell(name: str, source: str, *tags: str) -> dict[str, object]:
        fields = {"cell_type": "code", "id": name, "execution_count": None, "outputs": [], "source": source}
        return fields | {"metadata": {"tags": list(tags)}}

    kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cells = [cell("parameters", "number = 0", "parameters"), cell("work", "number ** 2")]
    return {"cells": cells, "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}
