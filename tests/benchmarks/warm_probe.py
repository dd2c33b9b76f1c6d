"""Runs notebooks in this process, ours and papermill's taking turns: ``… NAME REPEATS FOLDER``; prints the times (ms).

The first turn of each, which fills caches and starts what is kept, is not measured; between turns there is a pause, as
there is between a user's runs.
"""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.measurement import alternate

_PAUSE_SECONDS = 0.5
_RUNS = 20


def write_notebook(folder: Path) -> str:
    """Write a notebook with a cell of parameters and one that uses it."""
    cells = [
        {"source": "alpha = 0", "metadata": {"tags": ["parameters"]}, "id": "parameters"},
        {"source": "alpha + 1", "metadata": {}, "id": "one"},
    ]
    kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    common = {"cell_type": "code", "execution_count": None, "outputs": []}
    notebook = {"metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}
    path = folder / "parametrised.ipynb"
    path.write_text(json.dumps({**notebook, "cells": [{**common, **cell} for cell in cells]}), encoding="utf-8")
    return str(path)


def run_ours(path: str, number: int) -> None:
    """Run the notebook once, as our API does."""
    from orchestra_nb.operations.run_notebook import run_notebook

    result = run_notebook(path, parameters={"alpha": number}, output_path=f"{path}.ours-{number}.ipynb")
    assert result.run.state.value == "COMPLETED", result.run.message


def run_papermill(path: str, number: int, provisioner: str = "local-provisioner") -> None:
    """Run the notebook once, as papermill's API does."""
    import papermill
    from jupyter_client.provisioning import KernelProvisionerFactory

    KernelProvisionerFactory.instance().default_provisioner_name = provisioner
    papermill.execute_notebook(path, f"{path}.papermill-{number}.ipynb", {"alpha": number}, progress_bar=False)


def _share(path: str, numbers: list[int]) -> None:
    for number in numbers:
        run_papermill(path, number)


def many_ours(path: str) -> None:
    """Run twenty of them, two at a time."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(run_ours, path, number) for number in range(_RUNS)]:
            done.result()


def many_papermill(path: str) -> None:
    """Run twenty of them, half in each of two processes."""
    context = multiprocessing.get_context("spawn")
    shares = [list(range(_RUNS))[half::2] for half in range(2)]
    processes = [context.Process(target=_share, args=(path, share)) for share in shares]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0


def timed(work: Callable[[], None]) -> float:
    """Return how long something takes (ms), after a pause."""
    time.sleep(_PAUSE_SECONDS)
    before = time.perf_counter()
    work()
    return (time.perf_counter() - before) * 1000


def main() -> None:
    """Measure one row."""
    name, repeats, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    path = write_notebook(folder)
    pairs: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "warm": (lambda: run_ours(path, 1), lambda: run_papermill(path, 1)),
        "provisioner": (lambda: run_papermill(path, 1, "orchestra-fork"), lambda: run_papermill(path, 1)),
        "many": (lambda: many_ours(path), lambda: many_papermill(path)),
    }
    ours, peer = pairs[name]
    if name == "warm":
        ours()  # warm from the second call, ready from the third
    print(json.dumps(alternate(lambda: timed(ours), lambda: timed(peer), repeats)))


if __name__ == "__main__":
    main()
