"""Runs notebooks in order and with cells ahead of their turn, in a process that is as bare as a kernel.

Reads JSON from stdin: a list of lists of sources. A cell whose source begins with ``# long`` is said to take long; each
cell that was sent ahead is waited for before its turn, so nothing depends on time. Prints a list of what both ways left.
"""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import os
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from orchestra_nb.engine.cells_ahead import CellsAhead, NoListener, NoSink
from orchestra_nb.engine.dask_executor import DaskExecutor
from orchestra_nb.engine.flow_runner import FlowRunner
from orchestra_nb.model.ahead_plans import AheadPlan
from orchestra_nb.notebooks.ahead_plan import plan_cells_ahead
from orchestra_nb.notebooks.dataflow import analyse_sources
from orchestra_nb.notebooks.notebook_analysis import NotebookAnalysis

#: What it does, nobody sees in the cells that call it.
_OWN_MODULE = """
import os
import random

KNOWN = []

def note(item):
    KNOWN.append(item)
    return len(KNOWN)

def double(x):
    return 2 * x

def write(path, text):
    with open(path, "a") as file:
        file.write(text)

def is_there(path):
    return os.path.exists(path)

def set_environment(name):
    os.environ[name] = "set"

def draw():
    return random.random()
"""


@dataclass
class Ran:
    """What running a notebook left: each cell's text, which cells took effect from a worker, the notes, the error."""

    texts: list[str] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: str = ""


def plan_of(sources: list[str]) -> AheadPlan:
    analysis = NotebookAnalysis(path="", cells=analyse_sources([("", source) for source in sources]))
    seconds = {index: 10.0 if source.startswith("# long") else 0.01 for index, source in enumerate(sources)}
    return plan_cells_ahead(analysis, sources, seconds, workers=2)


def run(sources: list[str], runner: FlowRunner | None) -> Ran:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    cells = None if runner is None else CellsAhead(namespace, plan_of(sources), runner)
    ran = Ran()
    for index, source in enumerate(sources):
        if cells is not None and runner is not None:
            runner.wait(cells.waited_for())
            step = cells.step(index)
            ran.notes += step.notes
            if step.taken is not None:
                messages = cells.bind().messages
                ran.taken.append(index)
                ran.texts.append("".join(message["text"] for message in messages if message["output_type"] == "stream"))
                continue
        name = f"<cell {index} of {id(ran)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        text = io.StringIO()
        try:
            with contextlib.redirect_stdout(text):
                exec(compile(source, name, "exec"), namespace)
        except Exception as error:
            ran.error = f"cell {index + 1}: {type(error).__name__}: {error}"
        ran.texts.append(text.getvalue())
        if ran.error:
            break
    if cells is not None:
        cells.drop_all()
    return ran


def both(sources: list[str], runner: FlowRunner) -> list[dict[str, Any]]:
    """Run a notebook in both ways, each in a folder, with an environment and modules as they were."""
    found = []
    modules, patched, environ = set(sys.modules), json.dumps, dict(os.environ)
    for how in (None, runner):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "own_module.py").write_text(_OWN_MODULE)
            Path(folder, "data.txt").write_text("one")
            os.chdir(folder)
            sys.path.insert(0, folder)
            found.append(asdict(run(sources, how)))
            sys.path.remove(folder)
            os.chdir("/")
        for name in sys.modules.keys() - modules:
            if name == "own_module":
                del sys.modules[name]
        json.dumps = patched
        os.environ.clear()
        os.environ.update(environ)
    return found


def main() -> None:
    runner = FlowRunner(lambda: DaskExecutor("local"), NoSink(), NoListener())
    results = [both(sources, runner) for sources in json.load(sys.stdin)]
    runner.close()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
