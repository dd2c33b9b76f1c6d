"""The benchmarks: `make bench`, or `python -m tests.benchmarks [--repeats N] [--json FILE] [NAME …]`.

Each figure stands beside its raw peer, measured in the same run with the two taking turns: trust the ratios. Everything
happens in a temporary folder, with a local cluster and a store of its own, and bytecode caches are on, as for a user.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import (
    analysis_cost,
    automation_cost,
    browser_cost,
    command_cost,
    engine_cost,
    extension_cost,
    hello_cost,
    import_cost,
    kept_cells,
    mapped_cost,
    notebook_cost,
    parallel_cost,
    schedule_cost,
    service_cost,
    sweep_cost,
    task_round_trip,
    upkeep_cost,
    warm_cost,
)
from tests.benchmarks.measurement import Measurement, print_table

NAMES = (
    "import",
    "load_ext",
    "task",
    "run",
    "notebook",
    "parallel",
    "warm",
    "cache",
    "sweep",
    "hello",
    "analyse",
    "schedule",
    "service",
    "automation",
    "upkeep",
    "mapped",
    "engine",
    "scale",
    "browser",
)


def isolated_environ(folder: Path) -> dict[str, str]:
    """Return this process's environment with every folder of Jupyter, IPython and Orchestra in ``folder``."""
    foreign = ("ORCHESTRA_", "JUPYTER", "JPY_", "IPYTHON", "PYTHONDONTWRITEBYTECODE")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    places = {
        "HOME": "home",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "jupyter",
        "ORCHESTRA_RUNTIME_DIR": "run",
    }
    for variable, name in places.items():
        (folder / name).mkdir(mode=0o700)
        environ[variable] = str(folder / name)
    return environ


def run(names: list[str], environ: dict[str, str], repeats: int, folder: Path) -> list[Measurement]:
    """Return the measurements with these names, in the order of ``NAMES``."""
    benchmarks = {
        "import": lambda: import_cost.measure(environ, repeats),
        "load_ext": lambda: extension_cost.measure(environ, repeats),
        "task": lambda: task_round_trip.measure(environ, repeats),
        "run": lambda: command_cost.measure(environ, repeats, folder),
        "parallel": lambda: parallel_cost.measure(environ, min(repeats, 3), folder),
        "notebook": lambda: notebook_cost.measure(environ, repeats, folder),
        "warm": lambda: warm_cost.measure(environ, repeats, folder),
        "cache": lambda: kept_cells.measure(environ, folder),
        "sweep": lambda: sweep_cost.measure(environ, folder),
        "hello": lambda: hello_cost.measure(environ, repeats),
        "analyse": lambda: analysis_cost.measure(environ, repeats),
        "schedule": lambda: schedule_cost.measure(environ, repeats),
        "service": lambda: service_cost.measure(environ, folder),
        "automation": lambda: automation_cost.measure(environ, folder),
        "upkeep": lambda: upkeep_cost.measure(repeats, folder),
        "mapped": lambda: mapped_cost.measure(environ),
        "engine": lambda: engine_cost.measure(environ, repeats, folder),
        "scale": lambda: engine_cost.measure_scale(environ, folder),
        "browser": lambda: browser_cost.measure(environ, repeats, folder),
    }
    rows: list[Measurement] = []
    for name in NAMES:
        if name in names:
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            rows += benchmarks[name]()
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="which to measure; all without one")
    parser.add_argument("--repeats", type=int, default=7, help="repetitions of the slow ones; quick ones do more")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onb-bench-", dir="/tmp") as temporary:
        folder = Path(temporary)
        environ = isolated_environ(folder)
        try:
            rows = run(options.names or list(NAMES), environ, options.repeats, folder)
        finally:
            stop = [sys.executable, "-m", "orchestra_nb", "cluster", "stop"]
            subprocess.run(stop, env=environ, check=False, capture_output=True)
    print_table(rows)
    if options.json:
        options.json.write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
