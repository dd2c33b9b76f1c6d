"""Four independent cells of a second: `orchestra run --parallel` on a cluster that is up, beside the run in order."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.measurement import Measurement, alternate, summarise


def measure(environ: dict[str, str], repeats: int, folder: Path) -> list[Measurement]:
    """Return one row: wall time of both commands on the same notebook."""
    sources = ["import time", *(f"time.sleep(1)\nresult_{number} = {number}" for number in range(4))]
    cells = [
        {"cell_type": "code", "id": f"c{n}", "execution_count": None, "metadata": {}, "outputs": [], "source": source}
        for n, source in enumerate([*sources, "print(result_0 + result_1 + result_2 + result_3)"])
    ]
    notebook = folder / "four_seconds.ipynb"
    notebook.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    orchestra = [sys.executable, "-m", "orchestra_nb"]
    environ = {**environ, "ORCHESTRA_CLUSTER_WORKERS": "4"}
    subprocess.run([*orchestra, "cluster", "stop"], env=environ, check=True, capture_output=True)
    subprocess.run([*orchestra, "cluster", "start"], env=environ, check=True, capture_output=True)

    def timed(*words: str) -> float:
        before = time.perf_counter()
        subprocess.run(
            [*orchestra, "run", notebook.name, "out.ipynb", *words],
            cwd=folder,
            env=environ,
            check=True,
            capture_output=True,
        )
        return (time.perf_counter() - before) * 1000

    ours, peer = alternate(lambda: timed("--parallel"), timed, repeats)
    subprocess.run([*orchestra, "cluster", "stop"], env=environ, check=True, capture_output=True)
    return [summarise("orchestra run --parallel, 4 cells of 1 s", "orchestra run (in order)", ours, peer)]
