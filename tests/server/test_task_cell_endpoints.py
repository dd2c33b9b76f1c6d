"""Cells of notebooks over the REST API of a real server: what they did last, and the options of tasks as a form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from file_opens import opens_in
from jsonschema import Draft202012Validator
from patience import eventually

from orchestra_nb.model.states import State
from orchestra_nb.notebooks.task_options import OPTIONS
from orchestra_nb.rest.openapi import openapi_document
from orchestra_nb.store.run_store import RunStore

API = "orchestra/api/v1"
CELLS = ("factor = 2", "table = [n * factor for n in range(3)]", "total = sum(table)", "print('no name')")


def write(path: Path, *sources: str) -> None:
    """Write a notebook whose cells are c0, c1, …"""
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
        for n, text in enumerate(sources)
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


@pytest.fixture
def sales(jp_root_dir: Path, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook in the server's root; what its runs keep is in a folder of the test."""
    monkeypatch.setenv("ORCHESTRA_STORE_URL", store_url)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    path = jp_root_dir / "sales.ipynb"
    write(path, *CELLS)
    return path


@pytest.fixture
def call(jp_fetch):
    async def send(route: str, body: object = None, **query: str):
        options = {"method": "GET"} if body is None else {"method": "POST", "body": json.dumps(body)}
        answer = await jp_fetch(f"{API}/{route}", params=query, raise_error=False, **options)
        return answer.code, json.loads(answer.body)

    return send


async def test_a_run_tells_of_each_cell_and_an_edit_makes_what_it_changes_stale(
    call, store: RunStore, sales: Path
) -> None:
    async def run() -> None:
        _, made = await call("notebooks/runs", {"path": "sales.ipynb", "cache": True})
        ended = eventually(lambda: found if (found := store.get_run(made["run_id"])).state.is_terminal else None)
        assert ended.state is State.COMPLETED, ended.message

    await run()
    await run()
    status, first = await call("notebooks/cells", path="sales.ipynb")
    write(sales, "factor = 3", *CELLS[1:])
    _, edited = await call("notebooks/cells", path="sales.ipynb")

    document = openapi_document()
    Draft202012Validator(document["components"]["schemas"]["NotebookCells"] | document).validate(first)
    assert (status, first["paths"]) == (200, [str(sales)])
    assert {cell["cell_id"]: (cell["state"], cell["is_cached"], cell["stale"]) for cell in first["cells"]} == {
        f"c{n}": ("COMPLETED", True, "") for n in range(4)
    }
    stale = {cell["cell_id"]: cell["stale"] for cell in edited["cells"]}
    assert stale["c0"] == "changed: its source is another one"
    assert stale["c1"].startswith("upstream changed (cell 1)")
    assert stale["c2"].startswith("upstream changed (cell 2)")
    assert stale["c3"] == ""


async def test_a_file_that_cells_read_is_read_once_for_all_who_ask_what_still_holds(
    call, store: RunStore, sales: Path
) -> None:
    data = sales.with_name("data.csv")
    data.write_text("1")
    write(sales, f"rows = open({str(data)!r}).read()")
    _, made = await call("notebooks/runs", {"path": "sales.ipynb", "cache": True})
    ended = eventually(lambda: found if (found := store.get_run(made["run_id"])).state.is_terminal else None)
    assert ended.state is State.COMPLETED, ended.message

    with opens_in(data.parent) as opened:
        asked = [(await call("notebooks/cells", path="sales.ipynb"))[1]["cells"][0]["stale"] for _ in range(3)]
        before = opened.count("data.csv")
        data.write_text("2")
        changed = (await call("notebooks/cells", path="sales.ipynb"))[1]["cells"][0]["stale"]

    assert (asked, before) == (["", "", ""], 1)
    assert "data.csv" in changed


async def test_the_options_of_a_task_are_read_and_written(call) -> None:
    status, read = await call("notebooks/task-line/read", {"source": "%%task load --retries 2  # why\nx = 1"})
    _, written = await call(
        "notebooks/task-line/write",
        {"source": "%%task load --retries 2  # why\nx = 1", "name": "load", "values": {"--retries": ["3"]}},
    )

    assert status == 200
    assert (read["is_task"], read["name"], read["values"]) == (True, "load", {"--retries": ["2"]})
    assert [option["option"] for option in read["options"]] == list(OPTIONS)
    assert read["options"][0] == {
        "option": "--retries",
        "help": "run again up to N times after an error (default 0)",
        "example": "3",
        "takes_value": True,
        "value_is_optional": False,
        "may_repeat": False,
    }
    assert written == {"source": "%%task load --retries 3  # why\nx = 1"}


async def test_wrong_options_are_told_at_their_fields(call) -> None:
    body = {"source": "x = 1", "name": "a/b", "values": {"--timeout": ["soon"]}}

    status, problem = await call("notebooks/task-line/write", body)

    assert (status, problem["code"]) == (422, "invalid_task_line")
    assert [error["pointer"] for error in problem["errors"]] == ["#/name", "#/values/--timeout"]


async def test_a_line_that_cannot_be_understood_is_refused(call) -> None:
    status, problem = await call("notebooks/task-line/read", {"source": "%%task --retris 2"})

    assert (status, problem["code"]) == (422, "invalid_task_line")
    assert "Did you mean --retries" in problem["detail"]
