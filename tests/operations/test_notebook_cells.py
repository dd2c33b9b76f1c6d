"""What is known of the cells of a notebook: the last thing counts, whichever way the cell ran."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from orchestra_nb.model.events import CellRunChanged, Event, RunCreated, TaskRunCreated
from orchestra_nb.model.runs import CellRun, ErrorInfo, Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.operations.notebook_cells import NotebookCell, notebook_cells
from orchestra_nb.settings import load_settings
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(sqlite_url: str) -> Iterator[RunStore]:
    database = open_database(sqlite_url)
    yield RunStore(database)
    database.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A notebook without cells: what is known of it is in the store."""
    path = tmp_path / "sales.ipynb"
    path.write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


class History:
    """Writes runs to the store, one after the other, an hour apart."""

    def __init__(self, store: RunStore, path: Path) -> None:
        self._store = store
        self._path = path
        self._count = 0

    def add(self, kind: RunKind, *records: TaskRun | CellRun, path: Path | None = None) -> Run:
        self._count += 1
        run = Run(
            run_id=f"{self._count:032x}",
            name=f"calm-fox-{self._count}",
            flow_name="sales",
            kind=kind,
            state=State.RUNNING,
            created_at=NOON + timedelta(hours=self._count),
            notebook_path=str(path or self._path),
        )
        events: list[Event] = [RunCreated(run=run)]
        for number, record in enumerate(records):
            shift = timedelta(hours=self._count)
            placed = msgspec.structs.replace(
                record,
                run_id=run.run_id,
                started_at=record.started_at and record.started_at + shift,
                ended_at=record.ended_at and record.ended_at + shift,
            )
            if isinstance(placed, TaskRun):
                task_id = f"{self._count:016x}{number:016x}"
                made = msgspec.structs.replace(placed, task_run_id=task_id, created_at=placed.created_at + shift)
                events.append(TaskRunCreated(task_run=made))
            else:
                events.append(CellRunChanged(cell=placed))
        assert all(self._store.apply(events))
        return run


@pytest.fixture
def history(store: RunStore, path: Path) -> History:
    return History(store, path)


def task(cell_id: str | None, seconds: float, state: State = State.COMPLETED, *, is_cached: bool = False) -> TaskRun:
    return TaskRun(
        task_run_id="",
        run_id="",
        name="load",
        state=state,
        created_at=NOON,
        started_at=NOON,
        ended_at=NOON + timedelta(seconds=seconds),
        cell_id=cell_id,
        is_cached=is_cached,
    )


def cell(cell_id: str, seconds: float, state: State = State.COMPLETED, *, index: int = 0) -> CellRun:
    return CellRun(
        run_id="",
        index=index,
        cell_id=cell_id,
        state=state,
        title="load()",
        started_at=NOON,
        ended_at=NOON + timedelta(seconds=seconds),
    )


def known(store: RunStore, path: Path) -> dict[str, NotebookCell]:
    """Return cell id to what is known."""
    found = notebook_cells(store, path, load_settings(), NOON + timedelta(days=1))
    assert found.paths[0] == str(path)
    return {cell.cell_id: cell for cell in found.cells}


def test_nothing_is_known_of_a_notebook_that_never_ran(store: RunStore, path: Path) -> None:
    assert known(store, path) == {}


def test_the_last_thing_that_a_cell_did_counts(store: RunStore, path: Path, history: History) -> None:
    history.add(RunKind.NOTEBOOK, cell("a", 1), cell("b", 2, index=1))
    history.add(RunKind.INTERACTIVE, task("a", 3, State.FAILED))
    history.add(RunKind.NOTEBOOK, cell("b", 4, State.FAILED, index=1))

    found = known(store, path)

    assert {name: (one.state, one.run_name, one.task_run_id is None) for name, one in found.items()} == {
        "a": (State.FAILED, "calm-fox-2", False),
        "b": (State.FAILED, "calm-fox-3", True),
    }


def test_in_a_run_the_task_counts_and_not_the_cell_that_sends_it(store: RunStore, path: Path, history: History) -> None:
    history.add(RunKind.NOTEBOOK, cell("a", 0.01), task("a", 30, State.TIMED_OUT))

    one = known(store, path)["a"]

    assert (one.state, one.name) == (State.TIMED_OUT, "load")


def test_a_cell_is_expected_to_take_what_its_last_ten_successes_took(
    store: RunStore, path: Path, history: History
) -> None:
    history.add(RunKind.INTERACTIVE, task("a", 1000))
    for seconds in (10, 11, 12, 13, 14):
        history.add(RunKind.INTERACTIVE, task("a", seconds))
        history.add(RunKind.NOTEBOOK, cell("a", seconds))
    history.add(RunKind.INTERACTIVE, task("a", 0.01, is_cached=True), task("a", 500, State.FAILED))

    assert known(store, path)["a"].expected_seconds == 12


def test_runs_of_other_notebooks_and_tasks_that_are_no_cells_do_not_count(
    store: RunStore, path: Path, history: History, tmp_path: Path
) -> None:
    history.add(RunKind.INTERACTIVE, task(None, 1))
    history.add(RunKind.INTERACTIVE, task("a", 1), path=tmp_path / "other" / "sales.ipynb")
    history.add(RunKind.NOTEBOOK, cell("a", 1), path=tmp_path / "other" / "sales.ipynb")

    assert known(store, path) == {}


def test_a_link_is_the_same_notebook_and_is_named(
    store: RunStore, path: Path, history: History, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    history.add(RunKind.INTERACTIVE, task("a", 1), path=link / "sales.ipynb")

    found = notebook_cells(store, path, load_settings(), NOON)

    assert found.paths == (str(path), str(link / "sales.ipynb"))
    assert [one.cell_id for one in found.cells] == ["a"]


def test_an_error_is_told_with_the_cell(store: RunStore, path: Path, history: History) -> None:
    error = ErrorInfo(type="KeyError", message="'country'")
    history.add(RunKind.NOTEBOOK, msgspec.structs.replace(cell("a", 1, State.FAILED), error=error))

    found = known(store, path)["a"]

    assert found.error is not None
    assert (found.error.type, found.error.message) == ("KeyError", "'country'")


def test_a_notebook_that_is_gone_has_its_history(store: RunStore, path: Path, history: History) -> None:
    history.add(RunKind.NOTEBOOK, msgspec.structs.replace(cell("a", 1), message="new: it has not run"))
    path.unlink()

    assert known(store, path)["a"].stale == ""
