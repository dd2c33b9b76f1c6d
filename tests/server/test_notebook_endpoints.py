"""Notebooks of a real server's root folder over the REST API: what parameters they take, and runs of them."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest
from jsonschema import Draft202012Validator
from jupyter_server.services.contents.manager import ContentsManager
from patience import eventually
from tornado.httpclient import HTTPClientError

from orchestra_nb.model.states import State
from orchestra_nb.rest.openapi import openapi_document
from orchestra_nb.store.run_store import RunStore
from tests.faults.invariants import is_running

API = "orchestra/api/v1"
SECRET = "S3cr3t-hunter2"
CELLS = (
    "from typing import Annotated, Literal\nfrom pydantic import Field\nfrom orchestra_nb.variables import Secret",
    "needed: int  # how many\nshare: Annotated[float, Field(gt=0, le=1)] = 0.5\n"
    'region: Literal["EU", "US"] = "EU"  # where\ntoken: Secret = Secret("kept")',
    f"assert len(token.get()) == {len(SECRET)}\nprint(needed, share, region, token.get())",
)


@pytest.fixture
def sales(jp_root_dir: Path, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook in a folder of the server's root."""
    monkeypatch.setenv("ORCHESTRA_STORE_URL", store_url)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
        for n, text in enumerate(CELLS)
    ]
    cells[1]["metadata"] = {"tags": ["parameters"]}
    path = jp_root_dir / "reports" / "sales.ipynb"
    path.parent.mkdir()
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture
def post(jp_fetch):
    async def send(**body: object):
        answer = await jp_fetch(f"{API}/notebooks/runs", method="POST", body=json.dumps(body), raise_error=False)
        return answer.code, json.loads(answer.body)

    return send


async def test_a_notebook_is_asked_for_its_parameters_and_run_with_some(
    jp_fetch, post, store: RunStore, sales: Path
) -> None:
    declared = json.loads((await jp_fetch(f"{API}/notebooks/parameters", params={"path": "reports/sales.ipynb"})).body)
    values = {"needed": 3, "region": "US", "token": SECRET}
    code, run = await post(path="reports/sales.ipynb", parameters=values)

    command_lines = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    ended = eventually(lambda: found if (found := store.get_run(run["run_id"])).state.is_terminal else None)
    for name, answer in (("ParametersAnswer", declared), ("RunSummary", run)):
        document = openapi_document()
        Draft202012Validator(document["components"]["schemas"][name] | document).validate(answer)
    assert declared["path"] == run["notebook_path"] == str(sales)
    assert declared["schema"]["required"] == ["needed"]
    assert declared["schema"]["properties"]["region"]["enum"] == ["EU", "US"]
    assert [each["help"] for each in declared["parameters"]] == ["how many", "", "where", ""]
    assert "kept" not in json.dumps(declared)
    assert (code, run["parameters"]) == (202, {"needed": 3, "region": "US", "token": "••••"})
    assert ended.state is State.COMPLETED, ended.message
    assert SECRET not in json.dumps(run)
    assert SECRET not in str(command_lines)
    text = Path(ended.output_path).read_text()
    assert "3 0.5 US ••••" in text
    assert SECRET not in text
    # the server collects the driver's process when that has ended
    eventually(lambda: all(is_running(child.pid) for child in psutil.Process().children()))


async def test_each_value_that_does_not_fit_is_told_at_its_place(post, store: RunStore, sales: Path) -> None:
    code, problem = await post(path="reports/sales.ipynb", parameters={"share": 2, "region": "UK"})

    assert (code, problem["code"]) == (422, "invalid_parameters")
    assert problem["errors"] == [
        {"pointer": "#/parameters/needed", "detail": "A value is needed: there is no default."},
        {"pointer": "#/parameters/share", "detail": "It must be at most 1."},
        {"pointer": "#/parameters/region", "detail": 'Write one of "EU", "US".'},
    ]
    assert (
        "Parameter 'share' is declared as Annotated[float, Field(gt=0, le=1)], and was given 2 (int)"
        in (problem["detail"])
    )
    assert store.list_runs(limit=1) == []


async def test_options_that_do_not_go_together_are_told_at_their_place(post, sales: Path) -> None:
    code, problem = await post(path="reports/sales.ipynb", cache=True, parallel=True)

    assert (code, problem["errors"]) == (
        422,
        [{"pointer": "#/parallel", "detail": "Cells are replayed in order, or run ahead: choose one of them."}],
    )


async def test_what_is_no_body_is_told_at_its_place(post, jp_serverapp) -> None:
    code, problem = await post(path="a.ipynb", timeout_seconds=-1)

    assert (code, problem["errors"]) == (
        422,
        [{"pointer": "#/timeout_seconds", "detail": "Expected `float` > 0.0."}],
    )


async def test_s21_only_files_that_jupyter_shows_are_read_or_run(
    post, jp_fetch, sales: Path, jp_root_dir: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.ipynb"
    outside.write_bytes(sales.read_bytes())
    (jp_root_dir / "link.ipynb").symlink_to(outside)
    (jp_root_dir / ".hidden").mkdir()
    for hidden in (jp_root_dir / ".hidden" / "x.ipynb", jp_root_dir / ".x.ipynb"):
        hidden.write_bytes(sales.read_bytes())
    (jp_root_dir / "text.ipynb").write_text("no notebook")
    paths = {
        f"../{outside.name}": "notebook_not_found",
        "reports/../reports/sales.ipynb": "notebook_not_found",
        str(sales): "invalid_input",
        "link.ipynb": "notebook_not_found",
        ".hidden/x.ipynb": "notebook_not_found",
        ".x.ipynb": "notebook_not_found",
        "reports": "notebook_not_found",
        "none.ipynb": "notebook_not_found",
        "nul\0.ipynb": "notebook_not_found",
        "~/outside.ipynb": "notebook_not_found",
        f"..%2f{outside.name}": "notebook_not_found",
        f"{'x' * 5_000}.ipynb": "notebook_not_found",
        "text.ipynb": "invalid_notebook",
    }

    found = {path: (await post(path=path, parameters={"needed": 1, "token": ""}))[1]["code"] for path in paths}
    read = {}
    for path in paths:
        with pytest.raises(HTTPClientError) as refused:
            await jp_fetch("orchestra", "api", "v1", "notebooks", "parameters", params={"path": path})
        read[path] = json.loads(refused.value.response.body)["code"]

    assert found == paths
    assert read == paths


async def test_a_server_without_a_folder_says_so(post, jp_serverapp) -> None:
    jp_serverapp.web_app.settings["contents_manager"] = ContentsManager()

    code, problem = await post(path="sales.ipynb")

    assert (code, problem["code"]) == (409, "conflict")
    assert "ContentsManager keeps them" in problem["detail"]
