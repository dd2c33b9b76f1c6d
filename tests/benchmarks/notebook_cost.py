"""Whole notebooks: the overhead of a cell, large outputs, and what the runner needs in memory, beside papermill's API."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.measurement import Measurement, summarise

_CELLS = 200
_LARGE_CELLS = 50
_PROBE = Path(__file__).with_name("notebook_probe.py")


def measure(environ: dict[str, str], repeats: int, folder: Path) -> list[Measurement]:
    """Return the rows: per cell, time and bytes for 50 MB of output, memory for 100 MB; `orchestra run` and engine."""
    notebooks = {
        "trivial": _notebook(["1 + 1"] * _CELLS),
        "large": _notebook(["print('x' * 1_000_000)"] * _LARGE_CELLS),
        "flood": _notebook(["for _ in range(100):\n    print('x' * 1_000_000)"]),
    }
    for name, notebook in notebooks.items():
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")

    def probe(engine: str, name: str) -> dict[str, float]:
        watched = ["--watched"] if name == "flood" else []
        command = [sys.executable, "-W", "ignore", str(_PROBE), engine, f"{name}.ipynb", *watched]
        done = subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True, text=True)
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found

    turns = max(1, repeats // 3)
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(turns):
        for name in notebooks:
            for engine in ("run", "engine", "papermill"):
                found.setdefault((engine, name), []).append(probe(engine, name))

    def row(
        what: str, engine: str, name: str, figure: Callable[[dict[str, float]], float], unit: str, bound: str
    ) -> Measurement:
        ours, peer = ([figure(each) for each in found[side, name]] for side in (engine, "papermill"))
        return summarise(what, "papermill (API)", ours, peer, bound=bound, unit=unit)

    def per_cell(each: dict[str, float]) -> float:
        return each["cells_ms"] / _CELLS

    return [
        row("200 trivial cells, each", "run", "trivial", per_cell, "ms", "at most 0.10 x"),
        row("the same as papermill's engine", "engine", "trivial", per_cell, "ms", ""),
        row("50 cells of 1 MB", "run", "large", lambda each: each["call_ms"], "ms", "at most 0.15 x"),
        row("the same as papermill's engine", "engine", "large", lambda each: each["call_ms"], "ms", ""),
        # the attempt's own file and the copy of it for the user; papermill leaves one file
        row(
            "bytes written for each of two files",
            "run",
            "large",
            lambda each: each["written"] / 2,
            "x size",
            "at most 1.5 x",
        ),
        row("the runner's memory, 100 MB in a cell", "run", "flood", lambda each: each["peak"], "MB", "at most 200 MB"),
    ]


def _notebook(sources: list[str]) -> dict[str, object]:
    cells = [
        {"cell_type": "code", "id": f"c{n}", "execution_count": None, "metadata": {}, "outputs": [], "source": source}
        for n, source in enumerate(sources)
    ]
    kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}
