"""Automations: from an event, or the end of a run, to its action, done and logged by a real service."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.measurement import Measurement, summarise

_ROWS = {
    "automation_run": ("event to run of a deployment (median)", ""),
    "automation_run_p95": ("event to run of a deployment (p95)", "<= 500 ms"),
    "automation_emit": ("end of a run to an action (median)", ""),
    "automation_emit_p95": ("end of a run to an action (p95)", "<= 500 ms"),
}


def measure(environ: dict[str, str], folder: Path) -> list[Measurement]:
    """Return a row for each figure; the store is SQLite, or what ``ORCHESTRA_BENCH_STORE`` names."""
    store = environ.get("ORCHESTRA_BENCH_STORE") or f"sqlite:///{folder / 'automations.db'}"
    command = [sys.executable, "-m", "tests.benchmarks.automation_probe"]
    done = subprocess.run(
        command, env=environ | {"ORCHESTRA_STORE_URL": store}, check=True, stdout=subprocess.PIPE, text=True
    )
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    return [
        summarise(_ROWS[figure["name"]][0], "", figure["ours"], None, bound=_ROWS[figure["name"]][1])
        for figure in figures
    ]
