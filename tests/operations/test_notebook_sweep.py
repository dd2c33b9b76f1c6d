"""What a sweep does without any kernel: it is checked, stopped before it begins, and concluded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from orchestra_nb.cli.sweep_tables import end_of_sweep
from orchestra_nb.errors import InvalidInput, InvalidParameters, StoreUnavailable
from orchestra_nb.model.events import Event, RunReopened, RunStateChanged
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.states import State
from orchestra_nb.model.sweeps import SweepRequest, TypedText
from orchestra_nb.operations.notebook_sweep import NotebookSweep
from orchestra_nb.operations.run_home import StoreHome
from orchestra_nb.operations.sweep_request import checked_sweep, request_of_code, sweep_code
from orchestra_nb.operations.sweep_result import SweepRow
from orchestra_nb.operations.sweep_views import sweep_table
from orchestra_nb.settings import load_settings

NOTEBOOK = """{"cells": [{"cell_type": "code", "id": "p", "metadata": {"tags": ["parameters"]}, "outputs": [],
"execution_count": null, "source": "alpha: float = 1.0\\ncode: str = ''"}], "metadata": {"kernelspec": {"name":
"python3", "display_name": "Python 3", "language": "python"}}, "nbformat": 4, "nbformat_minor": 5}"""


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    path = tmp_path / "train.ipynb"
    path.write_text(NOTEBOOK)
    return path


@pytest.fixture
def home(notebook: Path) -> Iterator[StoreHome]:
    opened = StoreHome(load_settings(), "shell")
    yield opened
    opened.close()


def test_a_sweep_that_is_stopped_before_it_begins_starts_nothing(notebook: Path, home: StoreHome) -> None:
    request = SweepRequest(path=str(notebook), combinations=({"alpha": 1.0}, {"alpha": 2.0}), swept=("alpha",))
    sweep = NotebookSweep(request, home)

    sweep.stop("Interrupted", "SIGINT")
    result = sweep.execute()

    stored = home.store.get_run(result.run.run_id)
    assert (stored.state, stored.message) == (State.CANCELLED, "Interrupted: 0 of 2 runs had completed")
    assert [row.message for row in result.rows] == ["not started", "not started"]
    assert [row.parameters for row in sweep_table(home.store, stored).rows] == [{"alpha": 1.0}, {"alpha": 2.0}]


def test_texts_are_given_their_meaning_by_the_notebook_and_kept_so(notebook: Path) -> None:
    request = SweepRequest(
        path=str(notebook), combinations=({"alpha": TypedText("2"), "code": TypedText("007")},), swept=("alpha",)
    )

    checked = checked_sweep(request, load_settings())

    assert checked.combinations == ({"alpha": 2.0, "code": "007"},)
    home = StoreHome(load_settings(), "shell")
    try:
        run = NotebookSweep(request, home)
        run.stop("Interrupted", "test")
        kept = request_of_code(sweep_code(run.execute().run, checked))
    finally:
        home.close()
    assert (kept.combinations, kept.swept) == (checked.combinations, ("alpha",))


def test_a_secret_that_is_not_stored_is_refused_because_a_retry_would_not_have_it(notebook: Path) -> None:
    request = SweepRequest(path=str(notebook), combinations=({"code": Secret("s3cret")},), swept=())

    with pytest.raises(InvalidParameters, match="must be a stored one") as refused:
        checked_sweep(request, load_settings())

    assert "s3cret" not in str(refused.value)


def stopped_sweep(notebook: Path, home: StoreHome, **options: str) -> NotebookSweep:
    """Return a sweep that starts nothing."""
    request = SweepRequest(path=str(notebook), combinations=({"alpha": 1.0},), swept=("alpha",), **options)
    sweep = NotebookSweep(request, home)
    sweep.stop("Interrupted", "SIGINT")
    return sweep


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (None, "cannot be made: File name too long"),
        ("dangling", "dangling, which is a file"),
        ("train.ipynb", "train.ipynb, which is a file"),
        ("missing/folder", "missing does not exist"),
        ("/proc/folder", "/proc/folder for the executed notebooks cannot be made"),
    ],
    ids=["name", "link", "file", "parent", "system"],
)
def test_a_sweep_whose_folder_cannot_be_made_is_refused_and_leaves_no_run(
    notebook: Path, home: StoreHome, place: str | None, text: str
) -> None:
    notebook.with_name("dangling").symlink_to("nowhere")
    options = {} if place is None else {"output_folder": str(notebook.parent / place)}
    if place is None:  # there is room for the notebook's name, and none for its folder's
        notebook = notebook.rename(notebook.with_name(f"{'n' * 249}.ipynb"))

    with pytest.raises(InvalidInput, match=text):
        stopped_sweep(notebook, home, **options).execute()

    assert home.store.list_runs() == []


def test_a_sweep_whose_folder_is_gone_for_good_stays_as_it_is_when_it_is_retried(
    notebook: Path, home: StoreHome
) -> None:
    place = notebook.with_name("place")
    place.mkdir()
    run = stopped_sweep(notebook, home, output_folder=str(place / "folder")).execute().run
    (place / "folder").rmdir()
    place.rmdir()
    again = stopped_sweep(notebook, home, output_folder=str(place / "folder"))

    with pytest.raises(InvalidInput, match="place does not exist"):
        again.execute_again(run, {}, reopening(run.run_id))

    assert home.store.get_run(run.run_id).epoch == 1


def test_one_run_is_told_as_one(notebook: Path, home: StoreHome) -> None:
    result = stopped_sweep(notebook, home).execute()

    assert result.run.message == "Interrupted: 0 of 1 run had completed"
    assert repr(result).endswith("CANCELLED: 0 of 1 run completed>")
    assert end_of_sweep(result).startswith("  CANCELLED: 0 of 1 run completed in ")


def reopening(run_id: str) -> RunReopened:
    return RunReopened(run_id=run_id, at=datetime.now(UTC), epoch=2, driver_id="", actor="test", message="")


def test_a_stop_that_comes_when_all_runs_have_completed_stops_nothing(notebook: Path, home: StoreHome) -> None:
    run = stopped_sweep(notebook, home).execute().run
    row = SweepRow(0, {"alpha": 1.0}, msgspec.structs.replace(run, state=State.COMPLETED))

    result = stopped_sweep(notebook, home).execute_again(run, {0: row}, reopening(run.run_id))

    stored = home.store.get_run(run.run_id)
    assert (result.run.state, stored.state, stored.epoch) == (State.COMPLETED, State.COMPLETED, 2)


class FullHome(StoreHome):
    """A home whose store takes nothing more after the beginning."""

    def flush(self, timeout_seconds: float) -> bool:
        return False


def test_a_sweep_whose_end_cannot_be_recorded_says_so_and_tells_no_end(notebook: Path) -> None:
    told: list[Event] = []
    home = FullHome(load_settings(), "shell")
    try:
        request = SweepRequest(path=str(notebook), combinations=({"alpha": 1.0},), swept=("alpha",))
        sweep = NotebookSweep(request, home, on_event=told.append)
        sweep.stop("Interrupted", "SIGINT")
        with pytest.raises(StoreUnavailable, match="ended as CANCELLED, but the store could not be written"):
            sweep.execute()
    finally:
        home.close()

    assert [event.state for event in told if isinstance(event, RunStateChanged)] == [State.RUNNING]
