"""What is kept of a notebook's run for its retry, without any kernel."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from orchestra_nb.model.secret_values import Secret
from orchestra_nb.operations.notebook_request import NotebookRequest, attempts_folder, prepare
from orchestra_nb.operations.run_notebook import new_run_id
from orchestra_nb.operations.run_snapshot import keep_snapshot, request_again
from orchestra_nb.settings import load_settings

NOTEBOOK = """{"cells": [{"cell_type": "code", "id": "p", "metadata": {"tags": ["parameters"]}, "outputs": [],
"execution_count": null, "source": "alpha: float = 1.0\\ntoken: str = ''"}], "metadata": {"kernelspec": {"name":
"python3", "display_name": "Python 3", "language": "python"}}, "nbformat": 4, "nbformat_minor": 5}"""


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    path = tmp_path / "train.ipynb"
    path.write_text(NOTEBOOK)
    return path


def retried(request: NotebookRequest) -> NotebookRequest:
    """Keep a request as its driver does, and return the one that retries it."""
    prepared = prepare(request, load_settings(), datetime.now(UTC))
    spec = prepared.spec
    keep_snapshot(request, cwd=spec.cwd, kernel_name=spec.kernel_name, output_path=str(prepared.copy_path))
    return request_again(prepared.run)


def test_a_retry_is_asked_for_as_the_run_was(notebook: Path) -> None:
    request = NotebookRequest(
        path=str(notebook),
        run_id=new_run_id(),
        parameters={"alpha": 2.0},
        output_path=str(notebook.with_name("out.ipynb")),
        cwd=str(notebook.parent),
        kernel_name="python3",
        cluster="local",
        is_strict=False,
        is_parallel=True,
        flow_name="nightly",
        timeout_seconds=5.0,
        start_timeout_seconds=7.0,
        cell_timeout_seconds=3.0,
        report_mode=True,
        tags={"team": "a"},
        parent_run_id="parent",
        parent_task_run_id="task",
        owner="alice",
    )

    again = retried(request)

    assert again.snapshot_path is not None
    assert Path(again.snapshot_path).read_text() == NOTEBOOK
    assert again == msgspec.structs.replace(request, snapshot_path=again.snapshot_path, epoch=2)


@pytest.mark.parametrize("output", ["-", "of the attempt"])
def test_a_retry_of_a_run_without_a_copy_makes_none_over_the_first_attempt(notebook: Path, output: str) -> None:
    run_id = new_run_id()
    path = "-" if output == "-" else str(attempts_folder() / f"{run_id}.1.ipynb")

    again = retried(NotebookRequest(path=str(notebook), run_id=run_id, output_path=path))

    prepared = prepare(again, load_settings(), datetime.now(UTC))
    assert again.output_path == "-"
    assert str(prepared.copy_path) == prepared.spec.output_path == str(attempts_folder() / f"{run_id}.2.ipynb")


def test_what_an_earlier_version_kept_is_read(notebook: Path) -> None:
    request = NotebookRequest(path=str(notebook), run_id=new_run_id(), is_cached=True)
    retried(request)
    kept = attempts_folder() / f"{request.run_id}.source.json"
    own = str(attempts_folder() / f"{request.run_id}.1.ipynb")
    old = {"output_path": own, "cwd": "/", "kernel_name": "python3", "is_strict": False, "is_cached": True}
    kept.write_text(json.dumps(old))

    again = request_again(prepare(request, load_settings(), datetime.now(UTC)).run)

    assert (again.output_path, again.cwd, again.kernel_name) == ("-", "/", "python3")
    assert (again.is_strict, again.is_cached, again.report_mode) == (False, True, False)


def test_no_secret_and_no_parameter_is_kept(notebook: Path) -> None:
    request = NotebookRequest(path=str(notebook), run_id=new_run_id(), parameters={"token": Secret("s3cret")})

    retried(request)

    kept = json.loads((attempts_folder() / f"{request.run_id}.source.json").read_bytes())
    assert (kept["parameters"], kept["parameter_texts"]) == ({}, {})
