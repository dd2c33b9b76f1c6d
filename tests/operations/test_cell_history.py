"""How long cells took in earlier runs: by any path of the notebook, and never the time of a replay."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from orchestra_nb.model.events import CellRunChanged, RunCreated
from orchestra_nb.model.runs import CellRun, Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.operations.cell_history import runs_of_notebook, seconds_of
from orchestra_nb.operations.notebook_adoption import times_of_cells
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def store(sqlite_url: str) -> Iterator[RunStore]:
    database = open_database(sqlite_url)
    yield RunStore(database)
    database.close()


def cell(index: int, seconds: float, state: State = State.COMPLETED, *, is_cached: bool = False) -> CellRun:
    return CellRun(
        run_id="",
        index=index,
        cell_id=f"c{index}",
        state=state,
        started_at=NOW,
        ended_at=NOW + timedelta(seconds=seconds),
        is_cached=is_cached,
    )


def add_run(store: RunStore, run_id: str, path: Path, *cells: CellRun) -> None:
    run = Run(
        run_id=run_id,
        name=run_id,
        flow_name=path.stem,
        kind=RunKind.NOTEBOOK,
        state=State.COMPLETED,
        created_at=NOW,
        notebook_path=str(path),
    )
    placed = [CellRunChanged(cell=msgspec.structs.replace(each, run_id=run_id)) for each in cells]
    store.apply([RunCreated(run=run), *placed])


def test_the_runs_of_a_notebook_are_found_by_any_path_of_it(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    add_run(store, "1", tmp_path / "real" / "train.ipynb", cell(0, 1))
    add_run(store, "2", tmp_path / "link" / "train.ipynb", cell(0, 2))
    add_run(store, "3", tmp_path / "train.ipynb", cell(0, 3))

    found = [(run.run_id, len(cells)) for run, cells in runs_of_notebook(store, tmp_path / "link" / "train.ipynb")]

    assert found == [("2", 1), ("1", 1)]


@pytest.mark.parametrize(
    ("record", "seconds"),
    [
        pytest.param(cell(0, 2.5), 2.5, id="ran well"),
        pytest.param(cell(0, 2.5, State.FAILED), None, id="failed"),
        pytest.param(cell(0, 0.01, is_cached=True), None, id="replayed"),
        pytest.param(CellRun(run_id="", index=0, cell_id="c", state=State.COMPLETED), None, id="without times"),
    ],
)
def test_only_a_cell_that_ran_well_tells_how_long_it_takes(record: CellRun, seconds: float | None) -> None:
    assert seconds_of(record) == seconds


def test_a_replay_tells_an_adoption_nothing(store: RunStore, tmp_path: Path) -> None:
    path = tmp_path / "train.ipynb"
    add_run(store, "1", path, cell(0, 30), cell(1, 2))
    add_run(store, "2", path, cell(0, 0.01, is_cached=True), cell(1, 0.01, is_cached=True))

    assert times_of_cells(path, store) == ({"c0": 30.0, "c1": 2.0}, "1")
