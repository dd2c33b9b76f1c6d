"""A first script, ``python hello.py``, cold: with a cluster to start and the store to make, beside raw Dask and Prefect."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.measurement import Measurement, alternate, summarise

_SCRIPTS = Path(__file__).parent / "hello"
#: Its server may need longer than it would wait, and shall not ask the network.
_PREFECT = {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
_STOP = [sys.executable, "-m", "orchestra_nb", "cluster", "stop"]


def measure(environ: dict[str, str], repeats: int) -> list[Measurement]:
    """Return a row for each peer that is installed."""
    bounds = {"with_dask": "<= 1.30 x"}
    peers = {"with_dask": "raw Dask: LocalCluster, submit, result"}
    if importlib.util.find_spec("prefect") is not None:
        bounds["with_prefect"], peers["with_prefect"] = "<= 0.15 x", "Prefect: flow, submit, result"
    rows = []
    for peer, words in peers.items():
        ours, theirs = alternate(
            lambda: _cold(environ, "with_orchestra"), lambda peer=peer: _cold(environ, peer), min(repeats, 3)
        )
        rows.append(summarise("python hello.py, cold, with its cluster", words, ours, theirs, bound=bounds[peer]))
    direct, dask = alternate(
        lambda: _cold(environ, "called_directly"), lambda: _cold(environ, "with_dask"), min(repeats, 3)
    )
    rows.append(summarise("python hello.py, cold, the task called directly", peers["with_dask"], direct, dask))
    return rows


def _cold(environ: dict[str, str], script: str) -> float:
    """Return how long a script takes (ms)."""
    output, milliseconds = run_cold(environ, _SCRIPTS / f"{script}.py")
    assert "Hello, world!" in output, output
    return milliseconds


def run_cold(environ: dict[str, str], script: Path) -> tuple[str, float]:
    """Run a script with folders of its own and no cluster; return what it printed, and how long it took (ms)."""
    with tempfile.TemporaryDirectory(prefix="onb-hello-", dir="/tmp") as folder:
        places = {"JUPYTER_DATA_DIR": "data", "ORCHESTRA_RUNTIME_DIR": "run", "PREFECT_HOME": "prefect"}
        for name in places.values():
            Path(folder, name).mkdir(mode=0o700)
        fresh = {**environ, **{variable: str(Path(folder, name)) for variable, name in places.items()}}
        fresh |= _PREFECT
        fresh |= {"ORCHESTRA_STORE_URL": f"sqlite:///{folder}/data/runs.db", "PYTHONPATH": os.getcwd()}
        try:
            before = time.perf_counter()
            command = [sys.executable, str(script)]
            done = subprocess.run(command, env=fresh, cwd=folder, check=False, capture_output=True, text=True)
            milliseconds = (time.perf_counter() - before) * 1000
        finally:
            subprocess.run(_STOP, env=fresh, check=False, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"{script.name} ended with {done.returncode}: {done.stderr}")
        return done.stdout, milliseconds
