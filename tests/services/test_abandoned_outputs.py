"""The executed notebooks of a driver that is taken for dead, also where it turns out to live."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestra_nb.model.events import DriverStarted, RunCreated
from orchestra_nb.model.runs import Driver, Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.output_notebook import OutputNotebook
from orchestra_nb.notebooks.run_output import RunOutput
from orchestra_nb.services.driver_guard import describe_this_process
from orchestra_nb.services.recovery import end_driver
from orchestra_nb.store.database import open_database
from orchestra_nb.store.leases import Leases, has_not_moved
from orchestra_nb.store.run_store import RunStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=27)


@pytest.fixture
def store(any_store_url: str) -> Iterator[RunStore]:
    """A store of each kind."""
    database = open_database(any_store_url)
    yield RunStore(database)
    database.close()


@pytest.fixture
def driver(store: RunStore, tmp_path: Path) -> Driver:
    """A driver on this machine whose process cannot be seen from here, with a run whose output is a link."""
    of_run = Run(
        run_id="run",
        name="run",
        flow_name="f",
        kind=RunKind.NOTEBOOK,
        state=State.RUNNING,
        created_at=NOW,
        driver_id="driver",
        output_path=str(tmp_path / "out.ipynb"),
    )
    here = describe_this_process("kernel", 15, "driver")
    fields = {name: getattr(here, name) for name in here.__struct_fields__}
    fields |= {"host": socket.gethostname(), "boot_id": "of a container", "pid": 123}
    elsewhere = Driver(**{**fields, "heartbeat_at": NOW, "lease_until": NOW + timedelta(seconds=15)})
    store.apply([DriverStarted(driver=elsewhere), RunCreated(run=of_run)])
    (tmp_path / "out.ipynb").symlink_to(attempt_in(tmp_path))
    return elsewhere


def attempt_in(folder: Path) -> Path:
    return folder / "run.1.ipynb"


def begun(path: Path) -> OutputNotebook:
    """Return the executed notebook of a run whose only cell runs, written down."""
    cell: dict[str, Any] = {"cell_type": "code", "id": "a", "source": "x", "metadata": {}, "outputs": []}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    output = OutputNotebook(notebook, path, lambda position: [])
    output.begin(NOW, parameters={}, input_path="in.ipynb", run={"run_id": "run"})
    output.change_cell(0, State.RUNNING, started_at=NOW)
    assert output.save()
    return output


def told_by(path: Path) -> tuple[str | None, str]:
    content = json.loads(path.read_bytes())
    return content["metadata"]["orchestra"].get("state"), content["cells"][0]["metadata"]["papermill"]["status"]


def test_nobody_who_writes_waits_while_the_notebooks_are_made_true(
    store: RunStore, driver: Driver, tmp_path: Path
) -> None:
    begun(tmp_path / "content.ipynb")
    os.mkfifo(attempt_in(tmp_path))  # so that its reader is held up in the middle
    ended: list[list[Run]] = []
    ending = threading.Thread(
        target=lambda: ended.append(end_driver(store, driver, "Silent.", LATER, where=has_not_moved(driver)))
    )
    ending.start()
    other = open_database(store.database.url)
    try:
        with attempt_in(tmp_path).open("wb") as file:  # returns when the reader has it open
            text = (tmp_path / "content.ipynb").read_bytes()
            os.replace(tmp_path / "content.ipynb", attempt_in(tmp_path))  # as its writer does, who lives
            is_renewed = Leases(other).heartbeat("driver", LATER, LATER + timedelta(seconds=15))
            file.write(text)
    finally:
        other.close()
        ending.join()

    assert is_renewed
    assert ended == [[]]
    assert store.get_run("run").state is State.RUNNING


def test_a_notebook_of_a_driver_that_was_silent_for_too_long_says_in_the_end_what_became_of_it(
    store: RunStore, driver: Driver, tmp_path: Path
) -> None:
    output = begun(attempt_in(tmp_path))
    copy = RunOutput(attempt_in(tmp_path), tmp_path / "out.ipynb")
    asked: list[bool] = []

    def is_dead_at_first(connection: object) -> bool:
        asked.append(not asked)
        return asked[-1]

    assert end_driver(store, driver, "Silent.", LATER, where=is_dead_at_first) == []
    assert asked == [True, False]
    assert told_by(tmp_path / "out.ipynb") == ("CRASHED", "failed")
    assert store.get_run("run").state is State.RUNNING

    output.change_cell(0, State.COMPLETED, ended_at=LATER)
    output.finish(LATER, State.COMPLETED, "", None)
    assert output.save(is_last=True)
    copy.keep()

    assert told_by(attempt_in(tmp_path)) == ("COMPLETED", "completed")
    assert told_by(tmp_path / "out.ipynb") == ("COMPLETED", "completed")
    assert (tmp_path / "out.ipynb").is_symlink() is False


def test_a_notebook_that_is_written_while_it_is_read_is_left_to_its_writer(
    store: RunStore, driver: Driver, tmp_path: Path
) -> None:
    output = begun(attempt_in(tmp_path))
    output.save()
    os.rename(attempt_in(tmp_path), tmp_path / "content.ipynb")
    os.mkfifo(attempt_in(tmp_path))
    ending = threading.Thread(target=lambda: end_driver(store, driver, "Silent.", LATER))
    ending.start()

    with attempt_in(tmp_path).open("wb") as file:
        output.change_cell(0, State.COMPLETED, ended_at=LATER)
        output.finish(LATER, State.COMPLETED, "", None)
        assert output.save(is_last=True)
        file.write((tmp_path / "content.ipynb").read_bytes())
    ending.join()

    assert told_by(attempt_in(tmp_path)) == ("COMPLETED", "completed")
