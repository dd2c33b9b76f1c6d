"""What cells show, sorted and bounded, and the file that tells it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest

from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.cell_outputs import CellOutputs
from orchestra_nb.notebooks.output_collector import OutputCollector
from orchestra_nb.notebooks.output_notebook import OutputNotebook, close_abandoned
from orchestra_nb.notebooks.stream_text import StreamText, as_left_by_terminal
from orchestra_nb.notebooks.widget_states import WidgetStates

START = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def message(kind: str, parent: str = "one", **content: Any) -> dict[str, Any]:
    return {"msg_type": kind, "parent_header": {"msg_id": parent}, "content": content}


def stream(text: str, name: str = "stdout", parent: str = "one") -> dict[str, Any]:
    return message("stream", parent, name=name, text=text)


def display(
    text: str, display_id: str | None = None, parent: str = "one", kind: str = "display_data"
) -> dict[str, Any]:
    transient = {} if display_id is None else {"display_id": display_id}
    return message(kind, parent, data={"text/plain": text}, metadata={}, transient=transient)


def collected(*messages: dict[str, Any]) -> OutputCollector:
    collector = OutputCollector(lambda index: None, lambda index, name, text: None)
    collector.open_cell(0, "one")
    collector.open_cell(1, "two")
    for each in messages:
        collector.take(each)
    return collector


def shown(collector: OutputCollector, index: int = 0) -> list[str]:
    return [
        output["text"] if output["output_type"] == "stream" else output["data"]["text/plain"]
        for output in collector.outputs(index)
    ]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([stream("a"), stream("b\n"), stream("c", "stderr"), stream("d")], ["ab\n", "c", "d"], id="merged"),
        pytest.param([stream("1%\r"), stream("50%\r"), stream("100%\n"), stream("x")], ["100%\nx"], id="overwritten"),
        pytest.param([stream("a\r\nb\r\n")], ["a\nb\n"], id="line-ends-of-windows"),
        pytest.param([stream("a"), message("clear_output", wait=False), stream("b")], ["b"], id="cleared"),
        pytest.param([stream("a"), message("clear_output", wait=True)], ["a"], id="waits-to-clear"),
        pytest.param([stream("a"), message("clear_output", wait=True), display("b")], ["b"], id="cleared-by-the-next"),
        pytest.param([display("a", "x"), display("b", "x", kind="update_display_data")], ["b"], id="updated"),
        pytest.param([display("a", "x"), display("b", "x")], ["b", "b"], id="shown-again-is-the-same-display"),
        pytest.param([display("a", "y", kind="update_display_data")], [], id="update-of-the-unknown"),
        pytest.param([stream("a", parent="somebody else")], [], id="of-no-cell"),
        pytest.param([message("execute_input", code="1"), message("comm_open", comm_id="1")], [], id="shows-nothing"),
    ],
)
def test_messages_become_outputs(messages: list[dict[str, Any]], expected: list[str]) -> None:
    assert shown(collected(*messages)) == expected


def test_a_display_is_updated_in_another_cell_and_told_as_changed_there() -> None:
    changed: list[int] = []
    collector = OutputCollector(changed.append, lambda index, name, text: None)
    collector.open_cell(0, "one")
    collector.open_cell(1, "two")

    collector.take(display("a", "x"))
    collector.take(display("b", "x", parent="two", kind="update_display_data"))

    assert (shown(collector), changed) == (["b"], [0, 0])


def test_a_cleared_display_is_not_updated_any_more() -> None:
    collector = collected(display("a", "x"), message("clear_output", wait=False), stream("z"))

    collector.take(display("b", "x", kind="update_display_data"))

    assert shown(collector) == ["z"]


def test_what_a_thread_shows_after_its_cell_stands_under_that_cell() -> None:
    collector = collected(stream("second", parent="two"), stream("late"))

    assert (shown(collector), shown(collector, 1)) == (["late"], ["second"])


def test_endless_output_keeps_head_and_tail_and_says_what_was_cut() -> None:
    outputs = CellOutputs(max_characters=20_000)

    for number in range(10_000):
        outputs.append_stream("stdout", f"line {number}\n")
    outputs.append({"output_type": "error", "ename": "E", "evalue": "", "traceback": []})

    parts = outputs.as_list()
    text = "".join(part.get("text", "") for part in parts)
    assert len(text) < 150_000
    assert text.startswith("line 0\nline 1\n")
    assert text.endswith("line 9999\n")
    assert parts[1]["name"] == "stderr"
    assert parts[1]["text"] == "\n[0.1 MB of this cell's output were cut here]\n"
    assert parts[-1]["output_type"] == "error"


def test_a_cut_line_of_many_megabytes_is_bounded_too() -> None:
    outputs = CellOutputs(max_characters=1_000_000)

    outputs.append_stream("stdout", "x" * 30_000_000)

    assert sum(len(output["text"]) for output in outputs.as_list()) < 1_200_000


def test_an_open_widget_is_kept_with_its_buffers_and_a_closed_one_is_not() -> None:
    widgets = WidgetStates()
    state = {"_model_name": "IntSlider", "_model_module": "@jupyter-widgets/controls", "value": 1}

    for comm_id in ("kept", "closed"):
        opened = message("comm_open", comm_id=comm_id, target_name="jupyter.widget", data={"state": dict(state)})
        widgets.take(opened)
    update = message("comm_msg", comm_id="kept", data={"state": {"value": 2}, "buffer_paths": [["image"]]})
    widgets.take({**update, "buffers": [b"\x01\x02"]})
    widgets.take(message("comm_close", comm_id="closed", data={}))

    metadata: Any = widgets.metadata()
    states = metadata["application/vnd.jupyter.widget-state+json"]["state"]
    assert list(states) == ["kept"]
    assert states["kept"]["state"]["value"] == 2
    assert states["kept"]["buffers"] == [{"data": "AQI=", "encoding": "base64", "path": ["image"]}]


def written(
    path: Path,
    outputs: dict[int, list[dict[str, Any]]] | None = None,
    *,
    outputs_of: Callable[[int], list[dict[str, Any]]] | None = None,
    on_written: Callable[[int], None] = lambda position: None,
) -> OutputNotebook:
    def cell(kind: str, source: str, number: int, **more: Any) -> dict[str, Any]:
        return {"cell_type": kind, "id": f"c{number}", "metadata": {}, "source": source, **more}

    old = {"outputs": [{"output_type": "stream", "name": "stdout", "text": "old"}], "execution_count": 7}
    cells = [cell("markdown", "# Title\ntext", 0), cell("code", "a = 1\na", 1, **old), cell("code", "b", 2, **old)]
    cells.insert(
        0, {**cell("markdown", "An Exception was encountered", 9), "metadata": {"tags": ["papermill-error-cell-tag"]}}
    )
    notebook: dict[str, Any] = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    output = OutputNotebook(
        notebook, path, outputs_of or (lambda position: (outputs or {}).get(position, [])), on_written
    )
    output.begin(START, parameters={"n": 1}, input_path="in.ipynb", run={"run_id": "r", "state": "RUNNING"})
    return output


def statuses(path: Path) -> list[tuple[str, object]]:
    cells = json.loads(path.read_text())["cells"]
    return [(cell["metadata"]["papermill"]["status"], cell["metadata"]["papermill"]["exception"]) for cell in cells]


def test_the_beginning_clears_what_an_earlier_run_left(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"

    written(path).save()

    notebook = json.loads(path.read_text())
    assert statuses(path) == [("pending", None)] * 3
    assert [cell.get("outputs") for cell in notebook["cells"]] == [None, [], []]
    assert notebook["cells"][1]["execution_count"] is None
    assert notebook["metadata"]["papermill"]["parameters"] == {"n": 1}


def test_the_metadata_is_papermill_s_and_says_how_it_went(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    output = written(path)

    output.change_cell(0, State.COMPLETED)
    output.change_cell(1, State.RUNNING, started_at=START)
    output.change_cell(1, State.CRASHED, ended_at=START + timedelta(seconds=2))
    output.finish(START + timedelta(seconds=3), State.CRASHED, "The kernel died", ErrorInfo(type="E", message=""))
    output.save(is_last=True)

    notebook = json.loads(path.read_text())
    assert statuses(path) == [("completed", None), ("failed", True), ("pending", None)]
    assert notebook["cells"][1]["metadata"]["papermill"]["duration"] == 2.0
    assert notebook["metadata"]["papermill"]["duration"] == 3.0
    assert notebook["metadata"]["papermill"]["exception"] is True
    assert notebook["metadata"]["orchestra"] == {"run_id": "r", "state": "CRASHED", "message": "The kernel died"}


@pytest.mark.parametrize("odd_numbers", [[], [float("nan"), float("-inf")]], ids=["json", "what-only-python-writes"])
def test_the_file_is_laid_out_as_nbformat_does_it(tmp_path: Path, odd_numbers: list[float]) -> None:
    path = tmp_path / "out.ipynb"
    data = {
        "text/html": "<p>\nä",
        "image/png": "aWs=\n",
        "application/json": {"a": [1, {}, []], "b": '\x7f\u2028"', "n": [1e300, 10**30, *odd_numbers]},
        "image/svg+xml": "<svg>\n</svg>",
    }
    outputs: dict[int, list[dict[str, Any]]] = {
        1: [
            {"output_type": "stream", "name": "stdout", "text": "a\nb"},
            {"output_type": "display_data", "data": data, "metadata": {}},
        ]
    }
    output = written(path, outputs)

    output.save()

    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    assert text == nbformat.writes(notebook) + "\n"  # type: ignore[no-untyped-call]


def test_a_cell_that_shows_something_new_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    outputs: dict[int, list[dict[str, Any]]] = {}
    output = written(path, outputs)
    output.save()

    outputs[1] = [{"output_type": "stream", "name": "stdout", "text": "new"}]
    output.cell_shows(1)
    output.save()

    assert json.loads(path.read_text())["cells"][1]["outputs"][0]["text"] == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.ipynb"]


def test_half_a_surrogate_pair_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    output = written(path, {1: [{"output_type": "stream", "name": "stdout", "text": "a\udc80"}]})

    output.save()

    assert json.loads(path.read_text())["cells"][1]["outputs"][0]["text"] == ["a\udc80"]


def test_a_file_whose_writer_was_killed_is_put_right(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    output = written(path)
    output.change_cell(1, State.RUNNING, started_at=START)
    output.save()

    close_abandoned(path, START + timedelta(seconds=9), State.CRASHED, "The process ended")

    notebook = json.loads(path.read_text())
    assert [status for status, _ in statuses(path)] == ["pending", "failed", "pending"]
    assert notebook["metadata"]["orchestra"]["state"] == "CRASHED"
    assert notebook["metadata"]["papermill"]["end_time"] is not None


def test_a_file_that_is_not_there_cannot_be_put_right(tmp_path: Path) -> None:
    close_abandoned(tmp_path / "missing.ipynb", START, State.CRASHED, "gone")

    assert list(tmp_path.iterdir()) == []


def test_a_million_drawings_of_a_progress_bar_are_one_line_and_nothing_is_cut() -> None:
    outputs = CellOutputs(max_characters=20_000)

    for number in range(20_000):
        outputs.append_stream("stderr", f"\r{number / 200:6.2f}% " + "#" * 60)
    outputs.append_stream("stderr", "\ndone\n")

    assert outputs.as_list() == [
        {"output_type": "stream", "name": "stderr", "text": "100.00% " + "#" * 60 + "\ndone\n"}
    ]
    assert outputs.size < 2_000


def test_a_long_line_of_dots_is_kept_whole() -> None:
    outputs = CellOutputs(max_characters=1_000_000)

    for _ in range(100_000):
        outputs.append_stream("stdout", ".")

    assert outputs.as_list() == [{"output_type": "stream", "name": "stdout", "text": "." * 100_000}]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param(["100%\r", "7"], "700%", id="shorter-overwrites-its-part"),
        pytest.param(["a\r", "\nb"], "a\nb", id="line-end-in-two-pieces"),
        pytest.param(["a\r\r\nb\r\n"], "a\nb\n", id="many-returns-before-a-line-end"),
        pytest.param(["\x1b[31mlong red\x1b[0m\r", "\x1b[32mok\x1b[0m"], "\x1b[32mok\x1b[0m", id="colours"),
        pytest.param(["1/9", "\b\b\b2/9", "\b\b\b3/9\n"], "3/9\n", id="backspaces"),
        pytest.param(["\b\bx"], "x", id="backspaces-at-the-beginning"),
        pytest.param(["kept\n", "1%\r2%\r", "3%\r"], "kept\n3%", id="last-return-stands"),
        pytest.param(["\r98 ##", "\r9", "9 #", "#\r1", "00 ##"], "100 ##", id="drawings-in-many-pieces"),
    ],
)
def test_text_is_kept_as_a_terminal_leaves_it(pieces: list[str], expected: str) -> None:
    text = StreamText()

    for piece in pieces:
        text.add(piece)

    assert text.text() == expected
    assert as_left_by_terminal("".join(pieces)) == expected


def test_a_display_that_changes_a_million_times_costs_what_it_shows_last() -> None:
    changes: list[int] = []
    collector = OutputCollector(changes.append, lambda index, name, text: None, max_characters=100_000)
    collector.open_cell(0, "one")

    for number in range(20_000):
        collector.take(display(f"{number}" + "x" * 1_000, "bar"))
        collector.take(message("clear_output", wait=True))
    collector.take(display("x" * 5_000, "bar", kind="update_display_data"))

    assert shown(collector) == ["x" * 5_000]


def test_displays_with_ever_new_ids_do_not_pile_up() -> None:
    collector = collected()

    for number in range(5_000):
        collector.take(message("clear_output", wait=True))
        collector.take(display("x", f"id {number}"))

    assert shown(collector) == ["x"]
    assert len(collector._displays) == 1


def test_a_rich_output_that_is_too_large_leaves_out_its_largest_forms() -> None:
    outputs = CellOutputs(max_characters=1_000_000)
    data = {"text/plain": "<Map>", "text/html": "x" * 5_000_000, "image/png": "y" * 400_000}

    outputs.append({"output_type": "display_data", "data": data, "metadata": {}})

    (output,) = outputs.as_list()
    assert output["data"] == {
        "text/plain": "<Map>\n[left out, as it is too large: text/html of 5.0 MB]",
        "image/png": "y" * 400_000,
    }


def test_a_large_output_that_fits_stays_when_little_follows_it() -> None:
    outputs = CellOutputs(max_characters=1_000_000)

    outputs.append({"output_type": "display_data", "data": {"text/html": "x" * 900_000}, "metadata": {}})
    outputs.append_stream("stdout", "done\n")

    assert [output["output_type"] for output in outputs.as_list()] == ["display_data", "stream"]


def test_a_million_tiny_outputs_are_bounded() -> None:
    outputs = CellOutputs(max_characters=1_000_000)

    for number in range(20_000):
        outputs.append({"output_type": "display_data", "data": {"text/plain": str(number)}, "metadata": {}})

    assert len(outputs.as_list()) < 2_100
    assert outputs.as_list()[-1]["data"] == {"text/plain": "19999"}


def test_an_error_of_many_megabytes_is_shortened() -> None:
    outputs = CellOutputs(max_characters=1_000_000)

    outputs.append_error("ValueError", "v" * 50_000_000, ["line"] * 1_000_000)

    (error,) = outputs.as_list()
    assert len(error["evalue"]) < 20_000
    assert len(error["traceback"]) == 1_001
    assert "999,000 lines of this traceback were cut here" in error["traceback"][500]


def test_what_is_written_is_not_kept_in_memory_and_a_late_word_still_finds_its_place(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    collector = OutputCollector(
        lambda index: output.cell_shows(index),
        lambda index, name, text: None,
        fetch=lambda index: output.read_outputs(index),
    )
    output = written(path, outputs_of=collector.outputs, on_written=collector.put_away)
    collector.open_cell(1, "one")
    collector.open_cell(2, "two")
    collector.take(stream("first\n"))
    collector.take(display("shown"))
    output.change_cell(1, State.COMPLETED)
    output.save()
    assert 1 not in collector._cells

    collector.take(stream("late\n"))
    output.save(is_last=True)

    outputs = json.loads(path.read_text())["cells"][1]["outputs"]
    assert [part.get("text") or part["data"]["text/plain"] for part in outputs] == [["first\n"], ["shown"], ["late\n"]]


@pytest.mark.parametrize("by", ["who saves it as a notebook", "who destroys it"])
def test_a_file_that_somebody_writes_into_is_put_right(tmp_path: Path, by: str) -> None:
    path = tmp_path / "out.ipynb"
    collector = OutputCollector(
        lambda index: output.cell_shows(index),
        lambda index, name, text: None,
        fetch=lambda index: output.read_outputs(index),
    )
    output = written(path, outputs_of=collector.outputs, on_written=collector.put_away)
    collector.open_cell(1, "one")
    collector.take(stream("first\n"))
    output.change_cell(1, State.COMPLETED)
    output.save()

    notebook = json.loads(path.read_text())
    path.write_text(json.dumps(notebook) if by == "who saves it as a notebook" else "{")
    output.save(is_last=True)

    (left,) = json.loads(path.read_text())["cells"][1]["outputs"]
    lost = "[somebody else wrote into this file while the notebook ran: what this cell had shown is lost]\n"
    assert left["text"] == ["first\n" if by == "who saves it as a notebook" else lost]


def test_a_file_whose_writer_was_killed_while_it_wrote_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    outputs = {1: [{"output_type": "stream", "name": "stdout", "text": "kept\n"}]}
    output = written(path, outputs)
    source = json.loads(json.dumps({**output._notebook, "cells": output.cells}))
    output.change_cell(0, State.COMPLETED)
    output.change_cell(1, State.COMPLETED, started_at=START, ended_at=START)
    output.change_cell(2, State.RUNNING, started_at=START)
    output.save()
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b'"id": "c2"')])

    close_abandoned(path, START + timedelta(seconds=9), State.CRASHED, "The process ended", source)

    notebook = nbformat.reads(path.read_text(), as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    assert [status for status, _ in statuses(path)] == ["completed", "completed", "failed"]
    assert notebook["cells"][1]["outputs"][0]["text"] == "kept\n"
    assert "was killed" in notebook["cells"][2]["outputs"][0]["text"]
    assert notebook["metadata"]["orchestra"]["state"] == "CRASHED"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="none"),
        pytest.param("a\nb\\n\n\n", id="backslashes"),
        pytest.param("a\x0cb\x85c\u2028d\ré\udc80\x00", id="other-line-ends"),
        pytest.param("x" * 300_000 + "\n" + "line\n" * 100_000, id="many-blocks"),
    ],
)
def test_texts_of_streams_are_laid_out_as_nbformat_does_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "out.ipynb"

    written(path, {1: [{"output_type": "stream", "name": "stdout", "text": text}] * 2}).save()

    found = path.read_bytes().decode()
    notebook = json.loads(found)
    assert (
        found == json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True).replace("\udc80", r"\udc80") + "\n"
    )
    assert ["".join(output["text"]) for output in notebook["cells"][1]["outputs"]] == [text, text]
