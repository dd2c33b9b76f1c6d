"""A one-cell notebook from the shell, `orchestra run` beside papermill's command line: cold, and with a service up."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.measurement import Measurement, alternate, summarise


def measure(environ: dict[str, str], repeats: int, folder: Path) -> list[Measurement]:
    """Return two rows: wall time of both commands on the same notebook."""
    notebook = folder / "one_cell.ipynb"
    notebook.write_text(json.dumps(_one_cell()), encoding="utf-8")
    commands = Path(sys.executable).parent

    def timed(*command: str) -> float:
        before = time.perf_counter()
        subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
        return (time.perf_counter() - before) * 1000

    ours, peer = alternate(
        lambda: timed(str(commands / "orchestra"), "run", notebook.name, "orchestra_out.ipynb"),
        lambda: timed(str(commands / "papermill"), notebook.name, "papermill_out.ipynb", "--no-progress-bar"),
        repeats,
    )
    cold = summarise("orchestra run, one cell, cold", "papermill (command)", ours, peer, bound="at most 0.5 x")
    service = subprocess.Popen(
        [str(commands / "orchestra"), "serve", "--no-server"],
        cwd=folder,
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert service.stderr is not None
        assert "Ready" in service.stderr.readline()

        def served() -> float:
            time.sleep(2)  # as between a user's commands
            return timed(str(commands / "orchestra"), "run", notebook.name, "orchestra_out.ipynb")

        served()
        ours = [served() for _ in range(repeats)]
    finally:
        service.terminate()
        service.communicate()
    warm = summarise("the same with a service up", "papermill (command)", ours, peer, bound="at most 0.15 x")
    return [cold, warm]


def _one_cell() -> dict[str, object]:
    cell = {"cell_type": "code", "id": "one", "execution_count": None, "metadata": {}, "outputs": [], "source": "1 + 1"}
    kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": [cell], "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}
