"""Notebook runs whose driver is interrupted, or fails, at any moment: each ends, also where its home has other runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from notebook_files import write_notebook

from orchestra_nb.engine.drivers import current_driver
from orchestra_nb.errors import StopTask
from orchestra_nb.model.events import CellRunChanged, Event, RunCreated, RunOutputWritten, RunStateChanged
from orchestra_nb.model.states import State
from orchestra_nb.operations.notebook_request import NotebookRequest
from orchestra_nb.operations.opening import open_store
from orchestra_nb.operations.run_home import DriverHome, RunHome, StoreHome
from orchestra_nb.operations.run_notebook import NotebookDriver, new_run_id
from orchestra_nb.operations.temporary_store import temporary_store
from orchestra_nb.settings import load_settings
from orchestra_nb.store.run_store import RunStore


@pytest.fixture(params=["a store that is open for several runs", "a driver that is there"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunHome]:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    with temporary_store():
        if "driver" in request.param:
            yield DriverHome(current_driver())
            return
        opened = StoreHome(load_settings(), "shell")
        yield opened
        opened.close()


def stored(home: RunHome) -> RunStore:
    assert home.flush(60)
    return open_store(load_settings())


def raising(error: type[BaseException], is_it: Callable[[Event], bool]) -> Callable[[Event], None]:
    """Return what raises once, in the thread of the driver, when it hears of an event."""
    has_raised = False

    def on_event(event: Event) -> None:
        nonlocal has_raised
        if not has_raised and is_it(event):
            has_raised = True
            raise error

    return on_event


def is_recorded_at_the_end() -> Callable[[Event], bool]:
    """Return what is true of the output that is recorded when all cells have run; one is recorded before."""
    has_run = False

    def is_it(event: Event) -> bool:
        nonlocal has_run
        has_run = has_run or (isinstance(event, CellRunChanged) and event.cell.state.is_terminal)
        return has_run and isinstance(event, RunOutputWritten)

    return is_it


@pytest.mark.parametrize("error", [KeyboardInterrupt, StopTask, ZeroDivisionError])
@pytest.mark.parametrize(
    ("is_it", "has_run"),
    [
        pytest.param(lambda: lambda event: isinstance(event, RunCreated), False, id="just recorded"),
        pytest.param(lambda: lambda event: isinstance(event, CellRunChanged), False, id="while cells run"),
        pytest.param(is_recorded_at_the_end, True, id="while the end is recorded"),
    ],
)
def test_a_run_ends_whatever_happens_to_its_driver(
    error: type[BaseException],
    is_it: Callable[[], Callable[[Event], bool]],
    has_run: bool,
    home: RunHome,
    tmp_path: Path,
) -> None:
    cells = ["x = 1"] if has_run else ["import time\nwhile True: time.sleep(0.05)", "x = 1"]
    path = write_notebook(tmp_path / "train.ipynb", *cells)
    request = NotebookRequest(path=str(path), run_id=new_run_id())
    driver = NotebookDriver(request, on_event=raising(error, is_it()), home=home)

    with pytest.raises(error):
        driver.execute()

    store = stored(home)
    run = store.get_run(request.run_id)
    if error is ZeroDivisionError:
        assert (run.state, run.message) == (State.CRASHED, "What drove the run failed: ZeroDivisionError: ")
    elif has_run:
        assert run.state is State.COMPLETED
    else:
        assert run.state is State.CANCELLED
        assert run.message.startswith("Interrupted")
    assert not [cell for cell in store.cell_runs(run.run_id) if cell.state is State.RUNNING]


def test_an_end_that_is_recorded_stays_as_it_is(home: RunHome, tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "train.ipynb", "x = 1")
    request = NotebookRequest(path=str(path), run_id=new_run_id())
    on_event = raising(OSError, lambda event: isinstance(event, RunStateChanged) and event.state.is_terminal)

    with pytest.raises(OSError):
        NotebookDriver(request, on_event=on_event, home=home).execute()

    assert stored(home).get_run(request.run_id).state is State.COMPLETED
