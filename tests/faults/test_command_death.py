"""The command that runs a notebook is killed: its output becomes a file that says how far the run came."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Connection, Engine, event

from orchestra_nb.model.states import State
from orchestra_nb.operations.opening import close_store, open_store
from orchestra_nb.services.recovery import sweep
from orchestra_nb.settings import load_settings
from orchestra_nb.store.database import open_database
from orchestra_nb.store.leases import Leases
from orchestra_nb.store.run_store import RunStore
from tests.faults.invariants import nothing_is_left
from tests.faults.notebook_command import code_cell, notebook_of
from tests.patience import eventually
from tests.processes import words_of

_ENDLESS = "import time\nprint('begun', flush=True)\nwhile True:\n    time.sleep(0.05)"
_TRUTH = {
    "first": ("completed", False),
    "endless": ("failed", True),
    "never": ("pending", None),
}


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    cells = {"first": code_cell("print('first')"), "endless": code_cell(_ENDLESS), "never": code_cell("never = 1")}
    (tmp_path / "n.ipynb").write_text(json.dumps(notebook_of(*(cell | {"id": id_} for id_, cell in cells.items()))))
    return tmp_path / "out.ipynb"


def started(output: Path) -> subprocess.Popen[bytes]:
    """Return the command, in whose output the endless cell is seen to run."""
    command = [sys.executable, "-m", "orchestra_nb", "run", "n.ipynb", output.name]
    process = subprocess.Popen(command, cwd=output.parent, stderr=subprocess.DEVNULL)
    eventually(lambda: (output.is_symlink() and '"begun' in output.read_text()) or None)
    eventually(lambda: _watchers(process) or None)  # it stands beside the command a moment later
    return process


def _watchers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "orchestra_nb.services.driver_watch" in words_of(child)]


def truth_in(output: Path) -> dict[str, Any]:
    """Return what the file says of the run and of its cells, once it is one."""
    eventually(lambda: (output.is_file() and not output.is_symlink()) or None)
    notebook = json.loads(output.read_text())
    cells = {cell["id"]: cell["metadata"]["papermill"] for cell in notebook["cells"]}
    assert [text["text"] for cell in notebook["cells"] for text in cell["outputs"]] == [["first\n"], ["begun\n"]]
    return {
        "state": notebook["metadata"]["orchestra"]["state"],
        "cells": {id_: (cell["status"], cell["exception"]) for id_, cell in cells.items()},
    }


def test_the_output_of_a_killed_command_is_a_file_that_tells_its_end(output: Path) -> None:
    process = started(output)
    left = psutil.Process(process.pid).children(recursive=True)

    process.kill()
    process.wait()

    assert truth_in(output) == {"state": "CRASHED", "cells": _TRUTH}
    nothing_is_left([child.pid for child in left])
    store = open_store()
    (run,) = store.list_runs()
    close_store(store)
    assert (run.state, run.output_path) == (State.CRASHED, str(output))


@pytest.mark.parametrize("is_watched", [True, False], ids=["the watcher lives", "the next command sees it"])
def test_the_output_is_a_file_also_when_the_runner_was_killed_with_its_command(output: Path, is_watched: bool) -> None:
    process = started(output)
    watchers = _watchers(process)
    killed = [child for child in psutil.Process(process.pid).children(recursive=True) if child not in watchers]
    if not is_watched:
        killed += watchers

    for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first, so that none sees another die
        for each in (psutil.Process(process.pid), *killed):
            with contextlib.suppress(psutil.NoSuchProcess):  # it had ended before
                each.send_signal(number)
    process.wait()
    if not is_watched:
        assert output.is_symlink()
        subprocess.run([sys.executable, "-m", "orchestra_nb", "runs", "ls"], check=True, stdout=subprocess.DEVNULL)

    assert truth_in(output) == {"state": "CRASHED", "cells": _TRUTH}
    message = json.loads(output.read_text())["metadata"]["orchestra"]["message"]
    assert f"The shell command (pid {process.pid} on" in message


def stopped(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Stop a command and what it has started, so that none sees another die, and return what it has started."""
    command = psutil.Process(process.pid)
    command.suspend()
    started = command.children(recursive=True)
    for each in started:
        each.suspend()
    return started


def test_who_hears_of_the_end_finds_the_file(output: Path) -> None:
    process = started(output)
    for each in stopped(process):
        each.kill()
    process.kill()
    process.wait()
    database = open_database(load_settings().resolved_store_url)
    files: list[bool] = []

    def look(_: Connection) -> None:
        files.append(output.is_file() and not output.is_symlink())

    event.listen(Engine, "commit", look)
    try:
        (ended,) = sweep(RunStore(database), datetime.now(UTC))
    finally:
        event.remove(Engine, "commit", look)
        database.close()

    assert (ended.state, ended.output_path, files) == (State.CRASHED, str(output), [True])
    assert truth_in(output) == {"state": "CRASHED", "cells": _TRUTH}


def test_a_runner_that_still_writes_is_waited_for_but_not_longer_than_a_lease(output: Path) -> None:
    process = started(output)
    left = stopped(process)
    process.kill()
    process.wait()
    database = open_database(load_settings().resolved_store_url)
    store = RunStore(database)
    (driver,) = Leases(database).drivers_without_end()

    swept = [sweep(store, driver.lease_until + timedelta(seconds=seconds)) for seconds in (0, 1)]
    database.close()
    for each in left:
        each.kill()

    assert [[run.state for run in ended] for ended in swept] == [[], [State.CRASHED]]
    nothing_is_left([child.pid for child in left])
