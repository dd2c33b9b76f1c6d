"""Values in what cells showed: our own, scrapbook's, papermill's, and those of task cells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from orchestra_nb.model.recorded_values import VALUE_MIME, RecordedValue, from_output, to_output
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.notebooks.recorded_outputs import RecordedOutputs, values_of_notebook

AT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def ours(name: str, value: int, at: datetime = AT) -> dict[str, Any]:
    record = RecordedValue(run_id="r", name=name, type="int", recorded_at=at, data=str(value), summary=str(value))
    return {VALUE_MIME: to_output(record), "text/plain": f"{name} = {value}"}


def shown(*bundles: dict[str, Any]) -> dict[str, Any]:
    outputs = [{"output_type": "display_data", "data": data, "metadata": {}} for data in bundles]
    return {"cell_type": "code", "source": "", "outputs": outputs}


def notebook(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": {"orchestra": {"run_id": "r"}}}


@pytest.mark.parametrize(
    "value",
    [
        RecordedValue(run_id="r", name="a", type="list", recorded_at=AT, data="[1, 2]", size_bytes=6, summary="[1, 2]"),
        RecordedValue(run_id="r", name="none", type="NoneType", recorded_at=AT, data="null", cell_index=3),
        RecordedValue(run_id="r", name="t", type="DataFrame", recorded_at=AT, serializer="arrow", data="QUJD"),
        RecordedValue(
            run_id="r",
            name="p",
            type="Point",
            recorded_at=AT,
            serializer="pickle",
            readable_json='{"x": 1}',
            reference=ResultReference(url="/x", digest="d", serializer="pickle", size_bytes=1, created_at=AT),
        ),
    ],
    ids=lambda value: value.name,
)
def test_a_value_comes_back_from_a_notebook_as_it_was(value: RecordedValue) -> None:
    assert from_output(to_output(value), run_id="r", cell_index=value.cell_index) == value


@pytest.mark.parametrize("damaged", [None, 3, {}, {"version": 1}, ours("a", 1)[VALUE_MIME] | {"recorded_at": "soon"}])
def test_a_damaged_value_is_passed_over(damaged: Any) -> None:
    assert from_output(damaged) is None
    assert values_of_notebook(notebook(shown({VALUE_MIME: damaged}))) == {}


def test_of_a_name_that_is_there_twice_the_last_value_counts() -> None:
    later = msgspec.structs.replace(
        RecordedValue(run_id="r", name="a", type="int", recorded_at=AT, data="2", summary="2"), cell_index=1
    )

    found = values_of_notebook(notebook(shown(ours("a", 1), ours("b", 5)), shown(ours("a", 2))))

    assert list(found) == ["a", "b"]
    assert found["a"] == later


def test_values_of_scrapbook_and_of_papermill_are_read() -> None:
    def scrap(name: str, data: object, encoder: str) -> dict[str, Any]:
        scrap = {"name": name, "data": data, "encoder": encoder, "version": 1}
        return {"application/scrapbook.scrap.json+json": scrap}

    found = values_of_notebook(
        notebook(
            shown(
                scrap("number", 3.5, "json"),
                scrap("word", "hello", "text"),
                scrap("frame", "QUJD", "pandas"),
                scrap("figure", None, "display"),
            ),
            shown({"application/papermill.record+json": {"old": [1, 2]}}),
        )
    )

    assert {name: value.readable for name, value in found.items() if not value.unreadable} == {
        "number": 3.5,
        "word": "hello",
        "old": [1, 2],
    }
    assert "scrapbook wrote it with its encoder 'pandas'" in found["frame"].unreadable
    assert "figure" not in found


def test_a_value_of_a_task_cell_is_told_once_however_often_its_display_is_sent() -> None:
    told: list[RecordedValue] = []
    outputs = RecordedOutputs("r", told.append)
    nested = {"application/vnd.orchestra.outputs.v1+json": {"outputs": shown(ours("x", 1))["outputs"]}}
    message = {"msg_type": "update_display_data", "content": {"data": nested}}

    outputs.take(message, 4)
    outputs.take(message, 4)
    outputs.take({"msg_type": "stream", "content": {"text": "x"}}, 4)
    outputs.take({"msg_type": "display_data", "content": {"data": ours("y", 2)}}, 4)

    assert [(value.name, value.cell_index) for value in told] == [("x", None), ("y", 4)]
