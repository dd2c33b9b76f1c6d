"""A notebook that is run again after an edit of its last cell: `orchestra run --cache` beside papermill, both cold."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.measurement import Measurement, alternate, summarise

#: Heavy cells: each works a second on data of a megabyte that it gives to the next.
_CELLS = 20
_HEAVY = """
began = time.perf_counter()
a{n} = a{before} + 1
while time.perf_counter() - began < 1.0:
    a{n} = np.sort(a{n})[::-1] + 1e-9
print(a{n}.sum())
"""


def measure(environ: dict[str, str], folder: Path) -> list[Measurement]:
    """Return one row: wall time of both commands after the edit; once each, for papermill takes half a minute."""
    notebook = folder / "heavy.ipynb"
    commands = Path(sys.executable).parent

    def timed(*command: str) -> float:
        before = time.perf_counter()
        subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
        return (time.perf_counter() - before) * 1000

    _write(notebook, "print(a20[:3])")
    timed(str(commands / "orchestra"), "run", notebook.name, "kept_out.ipynb", "--cache")
    _write(notebook, "print(a20[:4])")
    ours, peer = alternate(
        lambda: timed(str(commands / "orchestra"), "run", notebook.name, "kept_out.ipynb", "--cache"),
        lambda: timed(str(commands / "papermill"), notebook.name, "papermill_out.ipynb", "--no-progress-bar"),
        1,
    )
    return [summarise("run --cache, last of 20 cells edited", "papermill (command)", ours, peer, bound="at most 0.1 x")]


def _write(path: Path, last: str) -> None:
    first = "import time\nimport numpy as np\na0 = np.arange(125_000.0)"
    sources = [first, *(_HEAVY.format(n=n, before=n - 1) for n in range(1, _CELLS + 1)), last]
    cells = [
        {"cell_type": "code", "id": f"c{n}", "execution_count": None, "metadata": {}, "outputs": [], "source": source}
        for n, source in enumerate(sources)
    ]
    kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    path.write_text(
        json.dumps({"cells": cells, "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5})
    )
