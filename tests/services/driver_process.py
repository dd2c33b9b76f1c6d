"""A driver in a process of its own, with runs in every state, that a test can kill."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from patience import PATIENCE_SECONDS

import orchestra_nb
from orchestra_nb.model.runs import Run
from orchestra_nb.store.event_log import ChangeWatcher
from orchestra_nb.store.run_store import RunStore

_ROOT = Path(orchestra_nb.__file__ or "").parents[1]

_PROLOGUE = """
import os, signal, sys, threading
from datetime import UTC, datetime
from orchestra_nb.model.events import *
from orchestra_nb.model.runs import *
from orchestra_nb.model.states import State
from orchestra_nb.services.driver_guard import DriverGuard, describe_this_process
from orchestra_nb.settings import Settings
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore

store = RunStore(open_database(sys.argv[1]))
now = datetime.now(UTC)
settings = Settings(heartbeat_seconds=0.2, lease_seconds=1)
asked = []
cancelled = threading.Event()

def on_cancel(request):
    asked.append(request)
    cancelled.set()

def guard_this(**fields):
    return DriverGuard(store, "kernel", on_cancel, driver_id="driver", settings=settings, **fields)

def run_something():
    run = Run(run_id="run", name="calm-fox", flow_name="train", kind=RunKind.INTERACTIVE, state=State.PENDING,
              created_at=now, driver_id="driver")
    tasks = [TaskRun(task_run_id=state.lower(), run_id="run", name=f"is-{state.lower()}", state=State(state),
             created_at=now, attempt=int(state != "PENDING")) for state in ("RUNNING", "PENDING", "RETRYING", "COMPLETED")]
    cells = [CellRun(run_id="run", index=index, cell_id=f"c{index}", state=State(state))
             for index, state in enumerate(("COMPLETED", "RUNNING", "PENDING"))]
    other = Run(run_id="other", name="other", flow_name="other", kind=RunKind.INTERACTIVE, state=State.RUNNING,
                created_at=now, driver_id="another driver")
    store.apply([RunCreated(run=run), RunCreated(run=other), *(TaskRunCreated(task_run=task) for task in tasks)])
    store.apply([CellRunChanged(cell=cell) for cell in cells])
    store.apply([RunStateChanged(run_id="run", state=State.RUNNING, at=now)])

def say(*words):
    print(*words, flush=True)

"""


@contextlib.contextmanager
def driver_process(
    url: str, code: str, *, cwd: Path | None = None, own_group: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """Run code as a driver; the process is killed at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _PROLOGUE + textwrap.dedent(code), url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},  # absolute, wherever the driver runs
        start_new_session=own_group,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[str]) -> str:
    """Return the next thing that the driver said."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    """Let the driver go on from reading a line of its input."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def wait_for(store: RunStore, condition: Callable[[], bool]) -> None:
    """Wait for what somebody writes to the store; the test's own time limit ends a wait in vain."""
    with closing(ChangeWatcher(store.database)) as watcher:
        while not condition():
            watcher.wait(PATIENCE_SECONDS)


def ended_run(store: RunStore, run_id: str = "run") -> Run:
    """Return a run when it has ended."""
    wait_for(store, lambda: store.get_run(run_id).state.is_terminal)
    return store.get_run(run_id)
