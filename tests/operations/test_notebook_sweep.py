"""What a sweep does without any kernel: it is checked, and stopped before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestra_nb.errors import InvalidParameters
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.states import State
from orchestra_nb.model.sweeps import SweepRequest, TypedText
from orchestra_nb.operations.notebook_sweep import NotebookSweep
from orchestra_nb.operations.run_home import StoreHome
from orchestra_nb.operations.sweep_request import checked_sweep, request_of_code, sweep_code
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
