"""A flow as a user writes it, in a script of its own, run by a Python of its own: the driver that a test may kill."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import TracebackType

import psutil

from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore
from tests.faults.invariants import is_running
from tests.patience import PATIENCE_SECONDS, eventually

#: What a test sets the timers to: heartbeat, lease, sweep.
TIMERS = {
    "ORCHESTRA_HEARTBEAT_SECONDS": "1",
    "ORCHESTRA_LEASE_SECONDS": "3",
    "ORCHESTRA_SWEEP_SECONDS": "1",
}


class FlowScript:
    """A running script; a context manager that ends it, and closes this process's view of the store.

    Parameters
    ----------
    folder
        The script and its store stand here; what its tasks write they find by their current folder, which is this.
    """

    def __init__(self, folder: Path, source: str, **environ: str) -> None:
        self.folder = folder
        self.path = folder / "flows.py"
        self.path.write_text(textwrap.dedent(source))
        self._environ = {**os.environ, **TIMERS, "ORCHESTRA_STORE_URL": f"sqlite:///{folder / 'runs.db'}", **environ}
        self._store: RunStore | None = None

    def __enter__(self) -> FlowScript:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        if self._store is not None:
            self._store.database.close()

    def start(self) -> None:
        """Run the script (again)."""
        with open(self.folder / "output", "ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(self.path)], cwd=self.folder, env=self._environ, stdout=output, stderr=output
            )

    def wait(self) -> int:
        """Wait until the script has ended; return its exit code."""
        return self.process.wait(PATIENCE_SECONDS)

    @property
    def output(self) -> str:
        """What it wrote."""
        return (self.folder / "output").read_text()

    def wait_for_file(self, name: str) -> str:
        """Wait until a file is there, and return what it holds."""
        path = self.folder / name
        return eventually(lambda: self._alive_or_there(path))

    def wait_for_pids(self, count: int) -> list[int]:
        """Wait until so many tasks have written their process into a file of the folder ``pids``."""
        folder = self.folder / "pids"
        eventually(lambda: True if folder.is_dir() and len(list(folder.iterdir())) >= count else None)
        return sorted({int(path.name) for path in folder.iterdir()})

    def wait_for_watcher(self) -> int:
        """Wait until a watcher stands beside the script."""

        def find() -> int | None:
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):  # one that ends while we look
                    if "driver_watch" in " ".join(child.cmdline()):
                        return child.pid
            return None

        return eventually(find)

    def kill(self) -> None:
        """Send the script the signal that it cannot see."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @property
    def store(self) -> RunStore:
        """The store that it writes, read by this process."""
        if self._store is None:
            eventually(lambda: True if (self.folder / "runs.db").exists() else None)
            self._store = RunStore(open_database(self._environ["ORCHESTRA_STORE_URL"]))
        return self._store

    def newest(self) -> Run | None:
        """Return the newest run, or None."""
        return next(iter(self.store.list_runs(limit=1)), None)

    def ended(self) -> Run:
        """Wait until the newest run has ended."""

        def look() -> Run | None:
            run = self.newest()
            return run if run is not None and run.state.is_terminal else None

        return eventually(look)

    def wait_for_states(self, **counts: int) -> Run:
        """Wait until so many task runs of the newest run are in each of these states."""

        def look() -> Run | None:
            run = self.newest()
            if run is None:
                return None
            states = [task.state for task in self.store.task_runs(run.run_id)]
            return run if all(states.count(State(name)) == count for name, count in counts.items()) else None

        return eventually(look)

    def states(self, run: Run) -> dict[str, State]:
        """Return the state of each task run by name."""
        return {task.name: task.state for task in self.store.task_runs(run.run_id)}

    def _alive_or_there(self, path: Path) -> str | None:
        is_alive = is_running(self.process.pid)  # asked first: it may write the file as the last that it does
        if path.exists():
            return path.read_text()
        assert is_alive, self.output
        return None
