"""The executed notebook of a run as data: attempts, a file that has not changed, and outputs that are only text."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestra_nb.errors import InvalidNotebook, NotebookNotFound
from orchestra_nb.model.events import RunCreated, RunReopened
from orchestra_nb.model.runs import INJECTED_CELL_ID, Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.operations.executed_notebook import executed_notebook
from orchestra_nb.operations.json_encoding import encode_json
from orchestra_nb.operations.notebook_request import attempts_folder
from orchestra_nb.operations.run_attempts import list_attempts
from orchestra_nb.run_display import outputs_bundle
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    database = open_database(f"sqlite:///{tmp_path / 'orchestra.db'}")
    yield RunStore(database)
    database.close()


def _run(
    store: RunStore, kind: RunKind = RunKind.NOTEBOOK, state: State = State.FAILED, output_path: Path | None = None
) -> Run:
    run = Run(
        run_id="0a" * 16,
        name="calm-fox",
        flow_name="report",
        kind=kind,
        state=state,
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        epoch=2,
        output_path=None if output_path is None else str(output_path),
    )
    store.apply([RunCreated(run=run)])
    return run


def _write(run: Run, attempt: int, *outputs: dict[str, object]) -> None:
    record = {"status": "completed", "duration": 1.5}
    cells = [
        {"cell_type": "markdown", "id": "m0", "metadata": {}, "source": ["# Title\n", "<b>text</b>"]},
        {
            "cell_type": "code",
            "id": "c0",
            "metadata": {"papermill": record},
            "execution_count": 3,
            "source": f"attempt = {attempt}",
            "outputs": list(outputs),
        },
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (attempts_folder() / f"{run.run_id}.{attempt}.ipynb").write_text(json.dumps(document))


def test_the_newest_attempt_is_told_unless_another_is_asked_for(store: RunStore) -> None:
    run = _run(store)
    _write(run, 1)
    _write(run, 2)

    newest = executed_notebook(store, "calm-fox")
    first = executed_notebook(store, "calm-fox", attempt=1)

    assert (newest.attempt, newest.attempts, first.attempt) == (2, (1, 2), 1)
    assert newest.cells is not None
    assert first.cells is not None
    assert [(cell.index, cell.type, cell.status, cell.seconds) for cell in newest.cells] == [
        (None, "markdown", "", None),
        (0, "code", "completed", 1.5),
    ]
    assert (newest.cells[0].source, first.cells[1].source) == ("# Title\n<b>text</b>", "attempt = 1")


def test_code_cells_are_counted_as_in_the_file_of_the_user(store: RunStore) -> None:
    run = _run(store)
    code: dict[str, object] = {"cell_type": "code", "metadata": {}, "source": "", "outputs": []}
    text: dict[str, object] = {"cell_type": "markdown", "metadata": {}, "source": ""}
    cells = (text, {**code, "id": "a"}, {**code, "id": INJECTED_CELL_ID}, text, {**code, "id": "b"})
    (attempts_folder() / f"{run.run_id}.1.ipynb").write_text(_document(*cells))

    told = executed_notebook(store, "calm-fox").cells

    assert told is not None
    assert [(cell.index, cell.number) for cell in told] == [(None, None), (0, 1), (1, 0), (None, None), (2, 2)]


def test_a_file_that_has_not_changed_is_not_told_again(store: RunStore) -> None:
    run = _run(store)
    _write(run, 1)
    known = executed_notebook(store, "calm-fox").version

    same = executed_notebook(store, "calm-fox", known=known)
    _write(run, 1, {"output_type": "stream", "name": "stdout", "text": "more"})
    changed = executed_notebook(store, "calm-fox", known=known)

    assert same.cells is None
    assert changed.cells is not None
    assert changed.version != known


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ({"output_type": "stream", "name": "stderr", "text": ["a\rb", "\x1b[31mred\x1b[0m"]}, ("stderr", "bred")),
        (
            {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\x1b[0;31mE\x1b[0m: v", "end"]},
            ("error", "E: v\nend"),
        ),
        (
            {"output_type": "display_data", "data": {"text/html": "<script>x</script>", "text/plain": "<DataFrame>"}},
            ("result", "<DataFrame>"),
        ),
        (
            {"output_type": "display_data", "data": {"text/html": "<script>x</script>"}},
            ("omitted", "Shown only in the notebook: text/html"),
        ),
        (
            {
                "output_type": "display_data",
                "data": {"text/html": "<tableau>", "text/markdown": "*a*", "text/plain": "M"},
            },
            ("markdown", "*a*"),
        ),
        ({"output_type": "display_data", "data": {"application/json": {"a": [1]}}}, ("result", '{"a":[1]}')),
        (
            {"output_type": "display_data", "data": {"application/json": {"a": "\udc80"}}},
            ("result", '{"a":"\\udc80"}'),
        ),
        ({"output_type": "display_data", "data": {"image/png": PIXEL}}, ("picture", "")),
        ({"output_type": "stream", "text": 3}, ("stdout", "3")),
        ({"output_type": "display_data", "data": "none"}, ("omitted", "Shown only in the notebook: nothing")),
    ],
    ids=[
        "stream",
        "trace",
        "html-with-text",
        "html-alone",
        "markdown",
        "json",
        "no-utf8",
        "picture",
        "number",
        "broken",
    ],
)
def test_what_a_cell_showed_is_text_or_a_picture(
    store: RunStore, output: dict[str, object], told: tuple[str, str]
) -> None:
    _write(_run(store), 1, output)

    cells = executed_notebook(store, "calm-fox").cells

    assert cells is not None
    (shown,) = cells[1].outputs
    assert (shown.kind, shown.text) == told
    assert shown.data == (PIXEL if told[0] == "picture" else "")
    assert shown.html == ""


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"text/html": ["<div><TABLE>", "</TABLE></div>"], "text/plain": "a  b"}, ("result", "a  b", True)),
        ({"text/html": "<table><tr>", "text/markdown": "| a |", "text/plain": "a"}, ("result", "a", True)),
        ({"text/html": "<table></table>"}, ("omitted", "Shown only in the notebook: text/html", True)),
        ({"text/html": f"<table>{'a' * 1_000_000}", "text/plain": "a"}, ("result", "a", False)),
        ({"text/html": "<table>", "image/png": PIXEL}, ("picture", "", False)),
    ],
    ids=["frame", "beside-markdown", "alone", "too-large", "beside-a-picture"],
)
def test_where_a_result_has_a_table_its_html_is_told_too(
    store: RunStore, data: dict[str, object], told: tuple[str, str, bool]
) -> None:
    _write(_run(store), 1, {"output_type": "execute_result", "data": data})

    cells = executed_notebook(store, "calm-fox").cells

    assert cells is not None
    (shown,) = cells[1].outputs
    assert (shown.kind, shown.text, shown.html != "") == told
    assert shown.html in ("", "".join(map(str, data["text/html"])))  # type: ignore[call-overload]


def test_all_that_a_task_cell_showed_is_told_one_by_one(store: RunStore) -> None:
    run = _run(store)
    shown = (
        {"output_type": "stream", "name": "stdout", "text": "loading 300 orders\n"},
        {"output_type": "display_data", "data": {"text/html": "<table></table>", "text/plain": "a  b"}},
        {"output_type": "display_data", "data": {"image/png": PIXEL, "text/plain": "<Figure>"}},
    )
    bundle, _ = outputs_bundle(shown)
    _write(run, 1, {"output_type": "display_data", "data": dict(bundle)})

    cells = executed_notebook(store, "calm-fox").cells

    assert cells is not None
    told = [(output.kind, output.text) for output in cells[1].outputs]
    assert told == [("stdout", "loading 300 orders\n"), ("result", "a  b"), ("picture", "<Figure>")]


def test_of_a_long_text_begin_and_end_are_told(store: RunStore) -> None:
    text = "a" * 30_000 + "z" * 30_000
    _write(_run(store), 1, {"output_type": "stream", "name": "stdout", "text": text})

    cells = executed_notebook(store, "calm-fox").cells

    assert cells is not None
    shown = cells[1].outputs[0].text
    assert shown == "a" * 10_000 + "\n… 40,000 characters are left out …\n" + "z" * 10_000


@pytest.mark.parametrize(
    ("kind", "state", "why"),
    [
        (RunKind.FLOW, State.COMPLETED, "executed no whole notebook"),
        (RunKind.INTERACTIVE, State.COMPLETED, "cells of an open notebook"),
        (RunKind.NOTEBOOK, State.RUNNING, "is not here yet: it is RUNNING"),
        (RunKind.NOTEBOOK, State.COMPLETED, "is not on this machine"),
    ],
    ids=["flow", "cells", "running", "gone"],
)
def test_why_there_is_none_is_said(store: RunStore, kind: RunKind, state: State, why: str) -> None:
    _run(store, kind, state)

    with pytest.raises(NotebookNotFound, match=why):
        executed_notebook(store, "calm-fox")


def test_an_attempt_without_a_file_is_told_with_those_that_have_one(store: RunStore) -> None:
    _write(_run(store), 1)

    with pytest.raises(NotebookNotFound, match=r"attempt 7 of run calm-fox is not here. There are: 1\."):
        executed_notebook(store, "calm-fox", attempt=7)


def _document(*cells: dict[str, object], **orchestra: object) -> str:
    return json.dumps({"cells": cells, "metadata": {"orchestra": orchestra}, "nbformat": 4, "nbformat_minor": 5})


def test_each_attempt_of_a_run_tells_where_its_notebook_was_kept(store: RunStore) -> None:
    run = _run(store)
    at = datetime(2026, 3, 2, tzinfo=UTC)
    store.apply([RunReopened(run_id=run.run_id, epoch=3, at=at, driver_id=None, actor="ana", message="mended")])
    _write(run, 2)

    attempts = list_attempts(store, "calm-fox")

    kept = str(attempts_folder() / f"{run.run_id}.2.ipynb")
    assert [(one.number, one.output_path) for one in attempts] == [(2, kept), (3, None)]


def test_the_attempts_of_a_run_are_told_though_its_copy_is_somebody_elses(store: RunStore, tmp_path: Path) -> None:
    copy = tmp_path / "report.ipynb"
    copy.write_text("no notebook")
    _run(store, output_path=copy)

    assert [(one.number, one.output_path) for one in list_attempts(store, "calm-fox")] == [(2, None)]


def test_a_copy_is_of_the_attempt_that_wrote_it(store: RunStore, tmp_path: Path) -> None:
    copy = tmp_path / "report.ipynb"
    run = _run(store, output_path=copy)  # its second attempt
    copy.write_text(_document(run_id=run.run_id, epoch=1))

    told = executed_notebook(store, "calm-fox")

    assert (told.attempt, told.attempts, told.path) == (1, (1,), str(copy))


@pytest.mark.parametrize("orchestra", [{"run_id": "0b" * 16, "epoch": 2}, {}], ids=["of-another-run", "of-none"])
def test_a_copy_that_is_somebody_elses_by_now_is_not_told(
    store: RunStore, tmp_path: Path, orchestra: dict[str, object]
) -> None:
    copy = tmp_path / "report.ipynb"
    _run(store, output_path=copy)
    copy.write_text(_document(**orchestra))

    with pytest.raises(NotebookNotFound, match="is not on this machine"):
        executed_notebook(store, "calm-fox")


def test_a_file_that_is_too_large_is_not_read(store: RunStore) -> None:
    run = _run(store)
    path = attempts_folder() / f"{run.run_id}.1.ipynb"
    path.touch()
    os.truncate(path, 60_000_000)

    with pytest.raises(InvalidNotebook, match=r"has 60 MB, and up to 50 MB are shown here\. Open it in JupyterLab\."):
        executed_notebook(store, "calm-fox")


def test_a_file_is_read_once_until_it_changes(store: RunStore) -> None:
    run = _run(store)
    path = attempts_folder() / f"{run.run_id}.1.ipynb"
    path.write_text(_document({"cell_type": "raw", "metadata": {}, "source": "one"}))
    mark = path.stat()
    executed_notebook(store, "calm-fox")
    path.write_text(_document({"cell_type": "raw", "metadata": {}, "source": "two"}))
    os.utime(path, ns=(mark.st_atime_ns, mark.st_mtime_ns))  # as if nobody had written

    same = executed_notebook(store, "calm-fox").cells
    os.utime(path)
    changed = executed_notebook(store, "calm-fox").cells

    assert same is not None
    assert changed is not None
    assert (same[0].source, changed[0].source) == ("one", "two")


def test_of_very_many_outputs_and_cells_the_last_are_left_out(store: RunStore) -> None:
    run = _run(store)
    shown = {"output_type": "stream", "name": "stdout", "text": "x"}
    code: dict[str, object] = {"cell_type": "code", "metadata": {}, "source": "", "outputs": [shown] * 45_000}
    (attempts_folder() / f"{run.run_id}.1.ipynb").write_text(_document(code))
    empty: dict[str, object] = {"cell_type": "raw", "metadata": {}, "source": ""}
    (attempts_folder() / f"{run.run_id}.2.ipynb").write_text(_document(*[empty] * 45_000))

    outputs = executed_notebook(store, "calm-fox", attempt=1)
    cells = executed_notebook(store, "calm-fox", attempt=2)

    assert outputs.cells is not None
    assert cells.cells is not None
    assert outputs.cells[0].outputs[-1].kind == "omitted"
    assert cells.cells[-1].source == "5,000 more cells are left out, because the notebook is too large: open it."
    assert all(len(encode_json(one)) < 13_000_000 for one in (outputs, cells))
