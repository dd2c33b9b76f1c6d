"""What is seen in a real Chromium: JupyterLab's start with us and without, and the pages under load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.measurement import Measurement, summarise

_TESTS = Path(__file__).parent.parent

#: By name: what, its peer, the design's bound, the unit, and how ours is compared.
_ROWS = {
    "start": ("JupyterLab's start with the extension", "without", "+100 ms at most", "ms", "added"),
    "extension": ("the extension, compressed", "", "<= 250 KB", "KB", "ratio"),
    "widget": ("the widget, compressed", "", "<= 60 KB", "KB", "ratio"),
    "paint": ("a state change to its paint (p95)", "", "<= 300 ms", "ms", "ratio"),
    "graph": ("a graph of 1,000 nodes laid out and drawn", "", "<= 100 ms", "ms", "ratio"),
    "mapped": ("the page of a run with 10,000 mapped tasks, opened", "", "<= 1,000 ms", "ms", "ratio"),
    "frame": ("a frame of it while 100 tasks a second change (p95)", "", "<= 50 ms", "ms", "ratio"),
    "frame_max": ("the longest of these frames", "", "", "ms", "ratio"),
    "list": ("GET of a list of 100,000 runs (p95)", "", "<= 100 ms", "ms", "ratio"),
    "list_paint": ("the page with that list, first painted", "", "<= 1,000 ms", "ms", "ratio"),
    "tabs": ("server's part of a core with 20 tabs on one run", "", "<= 20 %", "%", "ratio"),
}


def measure(environ: dict[str, str], repeats: int, folder: Path) -> list[Measurement]:
    """Return a row for each figure."""
    place = folder / "browser"
    place.mkdir()
    command = [sys.executable, "-m", "tests.benchmarks.browser_probe", str(place), str(repeats)]
    # its helpers are those of the browser's tests
    paths = os.pathsep.join(map(str, (_TESTS.parent, _TESTS, _TESTS / "browser")))
    done = subprocess.run(command, env=environ | {"PYTHONPATH": paths}, check=True, stdout=subprocess.PIPE, text=True)
    rows = []
    for line in done.stdout.splitlines():
        figure = json.loads(line)
        what, peer, bound, unit, compare = _ROWS[figure["name"]]
        rows.append(summarise(what, peer, figure["ours"], figure.get("peer"), compare=compare, bound=bound, unit=unit))
    return rows
