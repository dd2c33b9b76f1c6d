"""Scripts with flows, run as processes of their own on a store of their own, and the shell's commands beside them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from command_here import run_here
from new_stores import new_sqlite_store
from patience import PATIENCE_SECONDS
from warm_service import ORCHESTRA

import orchestra_nb
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.store.database import open_database
from orchestra_nb.store.event_log import ChangeWatcher
from orchestra_nb.store.run_store import RunStore

_ROOT = Path(orchestra_nb.__file__).parents[1]

#: Commands that read and write the store, and no more.
_STARTING_NOTHING = {
    ("dead-letters", "ls"),
    ("dead-letters", "show"),
    ("runs", "cancel"),
    ("runs", "ls"),
    ("runs", "results"),
    ("runs", "resume"),
    ("runs", "show"),
    ("runs", "suspend"),
}


class FlowScripts:
    """A folder with scripts, and the store that their runs stand in."""

    def __init__(self, folder: Path, store: RunStore) -> None:
        self.folder = folder
        self.store = store
        self._processes: list[subprocess.Popen[str]] = []
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(_ROOT),
            "ORCHESTRA_STORE_URL": store.database.url,
            "ORCHESTRA_TASK_RUNNER": "threads",
            "JUPYTER_DATA_DIR": str(folder / "data"),
        }

    def write(self, name: str, source: str) -> Path:
        """Write a script and return its path."""
        path = self.folder / name
        path.write_text(textwrap.dedent(source))
        return path

    @contextmanager
    def started(self, source: str, name: str = "script.py") -> Iterator[subprocess.Popen[str]]:
        """Give a running script; it is killed at the end if it has not ended."""
        with self._process(str(self.write(name, source))) as process:
            yield process

    def run(self, source: str, name: str = "script.py") -> subprocess.CompletedProcess[str]:
        """Run a script to its end."""
        return self.call(str(self.write(name, source)))

    def orchestra(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the shell to its end: in this process, which is sooner, where it starts nothing."""
        if words[:2] in _STARTING_NOTHING:
            return run_here(*words, folder=self.folder, environ=self.environment)
        return self.call(*ORCHESTRA[1:], *words)

    def refused(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command that is refused before it starts anything: in this process, which is sooner."""
        return run_here(*words, folder=self.folder, environ=self.environment)

    @contextmanager
    def orchestra_started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Give a running command of the shell."""
        with self._process("-m", "orchestra_nb", *words) as process:
            yield process

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments to its end."""
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def wait_for_run(self, state: State, epoch: int = 1) -> Run:
        """Wait until the oldest run is in this state, and return it."""

        def find() -> Run | None:
            runs = self.store.list_runs()
            is_there = bool(runs) and runs[-1].state is state and runs[-1].epoch == epoch
            return runs[-1] if is_there else None

        return self.wait_for(find, f"a run that is {state} in epoch {epoch}")

    def wait_for(self, find: Callable[[], Run | None], what: str) -> Run:
        """Wait until a function of the store finds something."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with closing(ChangeWatcher(self.store.database)) as watcher:
            while True:
                # whether somebody is left who could bring it about is asked before looking
                is_over = bool(self._processes) and all(process.poll() is not None for process in self._processes)
                if (found := find()) is not None:
                    return found
                seen = [(run.flow_name, run.state, run.message) for run in self.store.list_runs()]
                in_vain = is_over or time.monotonic() >= deadline
                assert not in_vain, f"waited in vain for {what}; there is {seen}"
                watcher.wait(1.0)

    def states(self, run_id: str) -> list[tuple[int, str]]:
        """Return (epoch, state) of a run's own history."""
        changes = self.store.state_changes(run_id)
        return [(change.epoch, change.to_state.value) for change in changes if change.task_run_id is None]

    @contextmanager
    def _process(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        try:
            yield process
        finally:
            self._processes.remove(process)
            if process.poll() is None:
                process.kill()
            process.communicate()


@contextmanager
def flow_scripts(folder: Path) -> Iterator[FlowScripts]:
    """Give a folder for scripts with a new SQLite store."""
    database = open_database(new_sqlite_store(folder / "orchestra.db"))
    try:
        yield FlowScripts(folder, RunStore(database))
    finally:
        database.close()
