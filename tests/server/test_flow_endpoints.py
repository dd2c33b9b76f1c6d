"""``GET /flows`` and ``GET /flows/{flow}``: how flows have done, and what became of their tasks run by run."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest
from example_runs import NOON, run_of, task_of
from jsonschema import Draft202012Validator
from jupyter_server.services.contents.manager import ContentsManager
from tornado.httpclient import HTTPClientError

from orchestra_nb.model.deployments import DeploymentSpec, NotebookTarget
from orchestra_nb.model.events import CellRunChanged, RunCreated, RunStateChanged, TaskRunCreated
from orchestra_nb.model.runs import CellRun, Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.store.deployment_store import DeploymentStore
from tests.faults.notebook_command import notebook_of

ENDED = {
    1: (State.COMPLETED, 10),
    2: (State.FAILED, 3),
    3: (State.COMPLETED, 20),
}


async def get(jp_fetch, *path: str, **params: str) -> dict:
    response = await jp_fetch("orchestra", "api", "v1", *path, params=params)
    return json.loads(response.body)


def flow_run(number: int) -> Run:
    started = NOON + timedelta(minutes=number)
    return run_of(number, flow_name="sales 2026", kind=RunKind.FLOW, state=State.RUNNING, started_at=started)


def end(run: Run, number: int) -> RunStateChanged:
    state, seconds = ENDED[number]
    return RunStateChanged(run_id=run.run_id, state=state, at=run.started_at + timedelta(seconds=seconds))


def took(run: Run, name: str, seconds: int, state: State = State.COMPLETED, *, is_cached: bool = False, key: str = ""):
    task = task_of(
        run,
        key or name,
        state=state,
        is_cached=is_cached,
        started_at=run.started_at,
        ended_at=run.started_at + timedelta(seconds=seconds),
    )
    own_id = run.run_id[8:] + task.task_run_id[-8:]
    return TaskRunCreated(task_run=msgspec.structs.replace(task, name=name, task_run_id=own_id))


def cells_of(row: dict) -> list[tuple[object, ...] | None]:
    return [cell and (cell["state"], cell["count"], cell["failed"], cell["seconds"]) for cell in row["cells"]]


async def test_a_flow_has_its_last_runs_and_what_became_of_each_task_in_them(jp_fetch, store) -> None:
    first, second, third = runs = [flow_run(number) for number in ENDED]
    waits = run_of(4, flow_name="sales 2026", state=State.SCHEDULED)
    other = run_of(5, flow_name="other")
    store.apply([RunCreated(run=run) for run in (*runs, waits, other)])
    store.apply([took(first, "load", 1), took(first, "fit-0", 4, key="f1"), took(first, "fit-11", 6, key="f2")])
    store.apply([took(second, "load", 2), took(second, "fit-0", 3, State.FAILED, key="f1")])
    store.apply([took(second, "fit-1", 1, key="f2")])
    store.apply([took(third, "2026-10", 5), took(third, "-7", 5), took(third, "load", 0, is_cached=True)])
    store.apply([end(run, number) for number, run in enumerate(runs, 1)])

    found = await get(jp_fetch, "flows", "sales 2026")

    assert [run["run_id"] for run in found["runs"]] == [third.run_id, second.run_id, first.run_id]
    assert {row["name"]: cells_of(row) for row in found["tasks"]} == {
        "2026": [("COMPLETED", 1, 0, 5.0), None, None],
        "-7": [("COMPLETED", 1, 0, 5.0), None, None],
        "load": [("COMPLETED", 1, 0, 0.0), ("COMPLETED", 1, 0, 2.0), ("COMPLETED", 1, 0, 1.0)],
        "fit": [None, ("FAILED", 2, 1, 3.0), ("COMPLETED", 2, 0, 6.0)],
    }
    assert [row["name"] for row in found["tasks"]] == ["2026", "-7", "load", "fit"]
    assert [cell["is_cached"] for cell in found["tasks"][2]["cells"]] == [True, False, False]
    assert found["is_cut"] is False
    flow = found["flow"]
    assert (flow["counted"], round(flow["success_rate"], 3)) == (3, 0.667)
    assert flow["duration"] == {"p50": 10.0, "p95": 20.0}
    assert len((await get(jp_fetch, "flows", "sales 2026", runs="1"))["tasks"]) == 3


async def test_a_notebook_without_tasks_has_its_cells_in_the_place_of_tasks(jp_fetch, store) -> None:
    runs = [run_of(number, state=State.COMPLETED) for number in (1, 2)]
    store.apply([RunCreated(run=run) for run in runs])
    cells = [(0, "a", "Load", State.COMPLETED), (1, "b", "", State.FAILED)]
    given = CellRun(run_id=runs[1].run_id, index=0, cell_id="injected-parameters", state=State.COMPLETED)
    store.apply([_cell(runs[0], *cell) for cell in cells])
    store.apply([CellRunChanged(cell=given), *(_cell(runs[1], index + 1, *cell) for index, *cell in cells)])

    found = await get(jp_fetch, "flows", "report")

    assert [(row["name"], row["cell_number"], [cell["state"] for cell in row["cells"]]) for row in found["tasks"]] == [
        ("Load", 1, ["COMPLETED", "COMPLETED"]),
        ("", 2, ["FAILED", "FAILED"]),
    ]


def _cell(run: Run, index: int, cell_id: str, title: str, state: State) -> CellRunChanged:
    return CellRunChanged(cell=CellRun(run_id=run.run_id, index=index, cell_id=cell_id, title=title, state=state))


async def test_flows_are_listed_with_their_outcomes_and_deployments_also_before_their_first_run(
    jp_fetch, store, tmp_path
) -> None:
    runs = [flow_run(number) for number in ENDED]
    store.apply([*(RunCreated(run=run) for run in runs), *(end(run, number) for number, run in enumerate(runs, 1))])
    spec = DeploymentSpec(name="nightly", flow_name="etl", target=NotebookTarget(path=str(tmp_path / "etl.ipynb")))
    DeploymentStore(store.database).save(spec, notebook=json.dumps(notebook_of()), actor="test", at=NOON)

    listed = await get(jp_fetch, "flows")
    second = await get(jp_fetch, "flows", after="etl", limit="1")

    assert [(one["name"], [run["state"] for run in one["outcomes"]]) for one in listed["flows"]] == [
        ("etl", []),
        ("sales 2026", ["COMPLETED", "FAILED", "COMPLETED"]),
    ]
    deployment = {"name": "nightly", "version": 1, "is_paused": False, "next_at": None}
    assert [one["deployments"] for one in listed["flows"]] == [[deployment], []]
    assert ([one["name"] for one in second["flows"]], second["next"]) == (["sales 2026"], None)
    assert (await get(jp_fetch, "flows", "etl"))["runs"] == []


async def test_a_flow_that_there_is_not_is_not_found(jp_fetch) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await get(jp_fetch, "flows", "none")

    assert refused.value.code == 404
    assert "No run and no deployment has a flow 'none'." in json.loads(refused.value.response.body)["detail"]


async def test_answers_are_as_documented(jp_fetch, store) -> None:
    run = flow_run(1)
    store.apply([RunCreated(run=run), took(run, "load", 1)])
    document = await get(jp_fetch, "openapi.json")

    assert (await get(jp_fetch, "flows", "sales 2026"))["tasks"]
    for path, said in (("flows",), "/flows"), (("flows", "sales 2026"), "/flows/{flow}"):
        answer = document["paths"][said]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        Draft202012Validator({**answer, "components": document["components"]}).validate(await get(jp_fetch, *path))


@pytest.fixture
def namesakes(jp_root_dir, store) -> tuple[str, str]:
    """Two notebooks of one name that ran, and are deployed: the first twice in 10 s, the second once in 600 s."""
    folders = [jp_root_dir / name for name in ("north", "south")]
    paths = []
    for folder in folders:
        folder.mkdir()
        (folder / "report.ipynb").write_text(json.dumps(notebook_of()))
        paths.append(str(folder / "report.ipynb"))
        spec = DeploymentSpec(name=f"of-{folder.name}", flow_name="report", target=NotebookTarget(path=paths[-1]))
        DeploymentStore(store.database).save(spec, notebook=json.dumps(notebook_of()), actor="test", at=NOON)
    for number, (path, seconds) in enumerate([(paths[0], 10), (paths[0], 10), (paths[1], 600)], 1):
        run = run_of(number, state=State.RUNNING, started_at=NOON, notebook_path=path)
        ended = RunStateChanged(run_id=run.run_id, state=State.COMPLETED, at=NOON + timedelta(seconds=seconds))
        store.apply([RunCreated(run=run), took(run, "load", seconds), ended])
    return paths[0], paths[1]


async def test_notebooks_of_one_name_are_told_apart_in_a_flow(jp_fetch, namesakes) -> None:
    north, south = namesakes

    every = await get(jp_fetch, "flows", "report")
    of_north = await get(jp_fetch, "flows", "report", notebook="north/report.ipynb")
    of_south = await get(jp_fetch, "flows", "report", notebook=south)
    (listed,) = (await get(jp_fetch, "flows"))["flows"]

    assert (every["notebook"], [run["notebook_path"] for run in every["runs"]]) == (None, [south, north, north])
    assert (of_north["notebook"], [run["notebook_path"] for run in of_north["runs"]]) == (north, [north, north])
    assert (of_south["notebook"], [run["notebook_path"] for run in of_south["runs"]]) == (south, [south])
    assert [found["flow"]["duration"]["p50"] for found in (of_north, of_south)] == [10.0, 600.0]
    assert [one["name"] for one in of_south["flow"]["deployments"]] == ["of-south"]
    for flow in (every["flow"], of_north["flow"], listed):
        assert flow["notebooks"] == [south, north]


async def test_what_a_task_is_expected_to_take_is_of_its_own_notebook(jp_fetch, store, namesakes) -> None:
    runs = [run_of(number, notebook_path=path) for number, path in enumerate(namesakes, 11)]
    tasks = [task_of(run, "load", task_run_id=run.run_id) for run in runs]
    store.apply([*(RunCreated(run=run) for run in runs), *(TaskRunCreated(task_run=task) for task in tasks)])

    details = [await get(jp_fetch, "runs", run.run_id) for run in runs]

    assert [[task["expected_seconds"] for task in one["tasks"]] for one in details] == [[10.0], [600.0]]


async def test_a_link_to_a_notebook_leads_to_its_runs(jp_fetch, jp_root_dir, namesakes) -> None:
    (jp_root_dir / "linked").symlink_to(jp_root_dir / "south")

    found = await get(jp_fetch, "flows", "report", notebook="linked/report.ipynb")

    assert (found["notebook"], len(found["runs"])) == (namesakes[1], 1)


async def test_runs_are_listed_by_their_notebook(jp_fetch, namesakes) -> None:
    north, south = namesakes

    async def listed(**params: str) -> list[str]:
        return [run["notebook_path"] for run in (await get(jp_fetch, "runs", **params))["runs"]]

    assert await listed(notebook="north/report.ipynb") == [north, north]
    assert await listed(notebook=south, flow="report", sort="name") == [south]
    assert await listed(notebook="/nowhere/report.ipynb") == []


async def test_what_a_notebook_did_is_told_also_when_its_file_is_gone(jp_fetch, jp_root_dir, namesakes) -> None:
    north, _ = namesakes
    (jp_root_dir / "north" / "report.ipynb").unlink()

    found = await get(jp_fetch, "flows", "report", notebook="north/report.ipynb")
    listed = await get(jp_fetch, "runs", notebook="north/report.ipynb")
    never = await get(jp_fetch, "runs", notebook="north/none.ipynb")

    assert (found["notebook"], len(found["runs"])) == (north, 2)
    assert (len(listed["runs"]), never["runs"]) == (2, [])


async def test_a_server_without_files_asks_for_the_absolute_path(jp_fetch, jp_serverapp, namesakes) -> None:
    jp_serverapp.web_app.settings["contents_manager"] = ContentsManager()

    with pytest.raises(HTTPClientError) as refused:
        await get(jp_fetch, "flows", "report", notebook="north/report.ipynb")
    found = await get(jp_fetch, "flows", "report", notebook=namesakes[0])

    told = json.loads(refused.value.response.body)["detail"]
    assert (refused.value.code, len(found["runs"])) == (409, 2)
    assert "so 'north/report.ipynb' names no notebook here. Give its absolute path" in told


@pytest.mark.parametrize(("path", "status"), [("../report.ipynb", 404), (" ", 422), ("x" * 5000, 422)])
async def test_a_notebook_that_there_cannot_be_is_refused(jp_fetch, namesakes, path: str, status: int) -> None:
    for place in (("runs",), ("flows", "report")):
        with pytest.raises(HTTPClientError) as refused:
            await get(jp_fetch, *place, notebook=path)

        assert (place, refused.value.code) == (place, status)
