"""1,000 mapped trivial tasks with a cluster to start, beside Prefect with its Dask runner, where that is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tests.benchmarks.hello_cost import run_cold
from tests.benchmarks.measurement import Measurement, summarise

_SCRIPTS = Path(__file__).parent / "mapped"


def measure(environ: dict[str, str]) -> list[Measurement]:
    """Return the row; none without Prefect, which takes minutes."""
    if importlib.util.find_spec("prefect_dask") is None:
        return []
    ours, theirs = (_seconds(environ, script) * 1000 for script in ("with_orchestra", "with_prefect"))
    what, peer = "1,000 mapped tasks, with their cluster", "Prefect: map, its DaskTaskRunner"
    return [summarise(what, peer, [ours], [theirs], bound="<= 0.02 x")]


def _seconds(environ: dict[str, str], script: str) -> float:
    """Run a script and return how long its flow took, as it says."""
    output, _ = run_cold(environ, _SCRIPTS / f"{script}.py")
    return float(output.rpartition("seconds: ")[2].split()[0])
