"""The REST routes for runs: what they answer, and how they refuse."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from example_runs import NOON, run_of, task_of
from tornado.httpclient import HTTPClientError

from orchestra_nb.model.dead_letters import DeadLetter, LetterState
from orchestra_nb.model.deployments import DeploymentSpec, FlowTarget, NotebookTarget
from orchestra_nb.model.events import (
    CellRunChanged,
    DeadLetterAdded,
    DriverStarted,
    LogsWritten,
    RunCodeRecorded,
    RunCreated,
    RunStateChanged,
    TaskRunCreated,
    TaskRunStateChanged,
)
from orchestra_nb.model.run_code import RunCode
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.runs import CellRun, Driver, ErrorInfo, LogLine, RunKind, TaskRun
from orchestra_nb.model.states import State, is_by_hand
from orchestra_nb.model.stop_requests import StopKind
from orchestra_nb.services.process_watch import boot_id, process_started_at
from orchestra_nb.store.dead_letter_store import DeadLetterStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_input_store import RunInputStore
from orchestra_nb.store.work_queue import WorkQueue

API = ("orchestra", "api", "v1")


async def read(jp_fetch, *parts: str, **params: object) -> dict:
    response = await jp_fetch(*API, *parts, params=params)
    assert response.headers["Content-Type"] == "application/json"
    return json.loads(response.body)


async def problem(jp_fetch, *parts: str, method: str = "GET", **params: object) -> dict:
    """Return the body of an answer that must be a problem."""
    body = b"" if method == "POST" else None
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch(*API, *parts, params=params, method=method, body=body)
    response = refused.value.response
    assert response.headers["Content-Type"] == "application/problem+json"
    answer = json.loads(response.body)
    assert answer["status"] == response.code
    return answer


async def test_runs_are_listed_page_by_page_the_newest_first(jp_fetch, store) -> None:
    store.apply([RunCreated(run=run_of(number)) for number in range(1, 8)])

    pages = [await read(jp_fetch, "runs", limit=3)]
    while pages[-1]["next"] is not None:
        pages.append(await read(jp_fetch, "runs", limit=3, before=pages[-1]["next"]))

    names = [[run["name"] for run in page["runs"]] for page in pages]
    assert names == [
        ["calm-fox-7", "calm-fox-6", "calm-fox-5"],
        ["calm-fox-4", "calm-fox-3", "calm-fox-2"],
        ["calm-fox-1"],
    ]


async def test_runs_are_sorted_as_is_asked_page_by_page(jp_fetch, store) -> None:
    began = [2, None, 3, 1]
    store.apply(
        [
            RunCreated(run=run_of(number, started_at=None if at is None else NOON.replace(minute=at)))
            for number, at in enumerate(began, 1)
        ]
    )

    async def pages(sort: str) -> list[list[int]]:
        found = [await read(jp_fetch, "runs", limit=2, sort=sort)]
        while found[-1]["next"] is not None:
            found.append(await read(jp_fetch, "runs", limit=2, sort=sort, before=found[-1]["next"]))
        return [[int(run["run_id"], 16) for run in page["runs"]] for page in found]

    assert await pages("-started_at,name") == [[3, 1], [4, 2]]
    assert await pages("started_at") == [[4, 1], [3, 2]]
    assert await pages("created_at") == [[1, 2], [3, 4]]


async def test_runs_are_filtered_by_state_kind_and_flow(jp_fetch, store) -> None:
    store.apply(
        [
            RunCreated(run=run_of(1, state=State.RUNNING)),
            RunCreated(run=run_of(2, state=State.FAILED)),
            RunCreated(run=run_of(3, kind=RunKind.INTERACTIVE)),
            RunCreated(run=run_of(4, flow_name="other")),
        ]
    )

    async def numbers(**params: object) -> list[int]:
        return [int(run["run_id"], 16) for run in (await read(jp_fetch, "runs", **params))["runs"]]

    assert await numbers(state="running,FAILED") == [2, 1]
    assert await numbers(kind="interactive") == [3]
    assert await numbers(flow="other") == [4]


async def test_an_empty_store_lists_nothing(jp_fetch) -> None:
    assert await read(jp_fetch, "runs") == {"runs": [], "next": None, "sequence": 0}


async def test_a_listed_run_counts_its_tasks_and_tags_what_json_lacks(jp_fetch, store, calm_fox) -> None:
    failed = task_of(calm_fox, "load")
    store.apply(
        [
            TaskRunStateChanged(run_id=failed.run_id, task_run_id=failed.task_run_id, state=state, at=NOON)
            for state in (State.RUNNING, State.FAILED)
        ]
    )

    (run,) = (await read(jp_fetch, "runs"))["runs"]

    assert run["tasks"] == {"total": 2, "done": 1, "failed": 1}
    assert run["parameters"] == {"region": "EU", "limit": {"$float": "inf"}}


@pytest.mark.parametrize("by", ["id", "name"])
async def test_a_run_is_read_with_its_tasks(jp_fetch, store, calm_fox, by: str) -> None:
    load = task_of(calm_fox, "load")
    error = ErrorInfo(type="ValueError", message="no such region", line=3)
    for state in (State.RUNNING, State.FAILED):
        change = TaskRunStateChanged(
            run_id=load.run_id, task_run_id=load.task_run_id, state=state, at=NOON, error=error, attempt=1, worker="w1"
        )
        store.apply([change])

    answer = await read(jp_fetch, "runs", calm_fox.run_id if by == "id" else calm_fox.name)

    assert (answer["run"]["run_id"], answer["run"]["created_at"]) == (calm_fox.run_id, "2026-11-02T12:01:00Z")
    assert [(task["name"], task["state"], task["attempt"], task["worker"]) for task in answer["tasks"]] == [
        ("load", "FAILED", 1, "w1"),
        ("plot", "PENDING", 0, None),
    ]
    assert answer["tasks"][0]["error"] == {
        "type": "ValueError",
        "message": "no such region",
        "cell": None,
        "line": 3,
        "source_line": None,
        "traceback": None,
    }
    assert (answer["cells"], answer["sequence"] > 0) == ([], True)
    assert await read(jp_fetch, "runs", calm_fox.name, "tasks") == {"tasks": answer["tasks"], "next": None}


async def test_a_task_expects_the_time_that_it_took_before(jp_fetch, store, calm_fox) -> None:
    earlier = run_of(0)
    load = task_of(earlier, "load")
    store.apply([RunCreated(run=earlier), TaskRunCreated(task_run=load)])
    for state, minute in ((State.RUNNING, 1), (State.COMPLETED, 3)):
        at = NOON.replace(minute=minute)
        store.apply([TaskRunStateChanged(run_id=load.run_id, task_run_id=load.task_run_id, state=state, at=at)])

    tasks = (await read(jp_fetch, "runs", calm_fox.name))["tasks"]

    assert [task["expected_seconds"] for task in tasks] == [120.0, None]


async def test_logs_are_read_in_pages_and_by_task(jp_fetch, store, calm_fox) -> None:
    load = task_of(calm_fox, "load")
    lines = tuple(
        LogLine(run_id=calm_fox.run_id, at=NOON, message=f"line {number}", task_run_id=owner)
        for number, owner in enumerate([None, load.task_run_id, None, load.task_run_id])
    )
    store.apply([LogsWritten(lines=lines)])

    first = await read(jp_fetch, "runs", "calm-fox", "logs", limit=3)
    rest = await read(jp_fetch, "runs", "calm-fox", "logs", after=first["next"])
    of_task = await read(jp_fetch, "runs", "calm-fox", "logs", task="load")

    assert [line["message"] for line in first["lines"]] == ["line 0", "line 1", "line 2"]
    assert [line["message"] for line in rest["lines"]] == ["line 3"]
    assert [line["message"] for line in of_task["lines"]] == ["line 1", "line 3"]
    assert (await read(jp_fetch, "runs", "calm-fox", "logs", after=rest["next"]))["next"] == rest["next"]


async def test_a_cancel_request_reaches_the_driver_with_who_asked(jp_fetch, store) -> None:
    run = run_of(1, name="calm-fox", driver_id="driver-1")
    load = task_of(run, "load")
    store.apply([RunCreated(run=run), TaskRunCreated(task_run=load)])

    of_task = await jp_fetch(*API, "runs", "calm-fox", "tasks", load.task_run_id, "cancel", method="POST", body=b"")
    of_run = await jp_fetch(*API, "runs", "calm-fox", "cancel", method="POST", body=b"")

    assert [(answer.code, json.loads(answer.body)) for answer in (of_task, of_run)] == [
        (202, {"cancelled": run.run_id}),
        (202, {"cancelled": run.run_id}),
    ]
    requests = store.cancel_requests("driver-1")
    assert [(request.run_id, request.task_run_id) for request in requests] == [
        (run.run_id, load.task_run_id),
        (run.run_id, None),
    ]
    assert all(request.actor.startswith("user ") for request in requests)


async def test_a_run_is_asked_to_suspend_itself_once(jp_fetch, store) -> None:
    run = run_of(1, name="calm-fox", driver_id="driver-1", kind=RunKind.FLOW, state=State.RUNNING)
    code = RunCode(run_id=run.run_id, entrypoint="m:f", parameters_json="{}", pickle=None, working_folder="/")
    store.apply([RunCreated(run=run), RunCodeRecorded(code=code)])

    answers = [await jp_fetch(*API, "runs", "calm-fox", "suspend", method="POST", body=b"") for _ in range(2)]
    cancelled = await jp_fetch(*API, "runs", "calm-fox", "cancel", method="POST", body=b"")

    assert [(answer.code, json.loads(answer.body)) for answer in answers] == [(202, {"suspended": run.run_id})] * 2
    assert cancelled.code == 202
    requests = store.cancel_requests("driver-1")
    assert [(request.run_id, request.kind) for request in requests] == [
        (run.run_id, StopKind.SUSPEND),
        (run.run_id, StopKind.CANCEL),
    ]


def deployed(store) -> dict[str, object]:
    """Return what a run has of a deployment that is in the store."""
    target = FlowTarget(entrypoint="flows:report", working_folder="/")
    spec = DeploymentSpec(name="nightly", flow_name="report", target=target)
    DeploymentStore(store.database).save(spec, notebook=None, actor="ana", at=NOON)
    return {"deployment": "nightly", "deployment_version": 1, "kind": RunKind.FLOW, "pool": "default"}


async def posted(jp_fetch, *parts: str, body: object = None) -> tuple[int, dict]:
    """Return the status and the body of an answer to a POST, also of one that is a problem."""
    text = json.dumps({} if body is None else body)
    answer = await jp_fetch(*API, *parts, method="POST", body=text, raise_error=False)
    return answer.code, json.loads(answer.body)


async def test_a_run_of_a_deployment_is_retried_in_its_pool_and_no_other_is(jp_fetch, store) -> None:
    of_deployment = run_of(1, name="calm-fox", state=State.FAILED, **deployed(store))
    runs = [
        of_deployment,
        run_of(2, name="old-owl", state=State.FAILED),
        run_of(3, name="wild-hen", state=State.COMPLETED),
    ]
    store.apply([RunCreated(run=run) for run in runs])

    retried = await posted(jp_fetch, "runs", "calm-fox", "retry", body={"note": "mended"})
    again = await posted(jp_fetch, "runs", "calm-fox", "retry")
    of_shell = await posted(jp_fetch, "runs", "old-owl", "retry")
    well = await posted(jp_fetch, "runs", "wild-hen", "retry")

    assert retried == (
        202,
        {
            "run_id": of_deployment.run_id,
            "name": "calm-fox",
            "state": "SCHEDULED",
            "epoch": 2,
            "pool": "default",
            "message": "waits for a service, and none is up: `orchestra serve` starts one",
        },
    )
    change = store.state_changes(of_deployment.run_id)[-1]
    assert change.actor.startswith("user ")
    assert change.message == f"retried by {change.actor}: mended"
    assert [place.run_id for place in WorkQueue(store.database).waiting()] == [of_deployment.run_id]
    assert [(status, body["code"]) for status, body in (again, of_shell, well)] == [
        (409, "invalid_transition"),
        (409, "conflict"),
        (409, "invalid_transition"),
    ]
    assert "`orchestra runs retry old-owl` does" in of_shell[1]["detail"]
    attempts = (await read(jp_fetch, "runs", "calm-fox", "attempts"))["attempts"]
    assert [(one["number"], one["state"], one["opened_by"], one["started_at"]) for one in attempts] == [
        (1, "FAILED", "", None),
        (2, "SCHEDULED", change.actor, None),
    ]


def deployed_notebook(store, name: str, *, is_cached: bool) -> dict:
    """Return what a run has of a deployed notebook that is in the store."""
    spec = DeploymentSpec(name=name, flow_name="report", target=NotebookTarget(path="/n.ipynb", is_cached=is_cached))
    DeploymentStore(store.database).save(spec, notebook="{}", actor="ana", at=NOON)
    return {"deployment": name, "deployment_version": 1, "kind": RunKind.NOTEBOOK, "pool": "default"}


async def test_the_notebook_of_a_run_is_resumed_from_a_cell_where_cells_were_kept(jp_fetch, store) -> None:
    kept, bare = (deployed_notebook(store, name, is_cached=name == "kept") for name in ("kept", "bare"))
    runs = [
        run_of(1, name="calm-fox", state=State.COMPLETED, **kept),
        run_of(2, name="old-owl", state=State.FAILED, **bare),
        run_of(3, name="wild-hen", state=State.FAILED, **kept | {"parameters": {"key": {"$secret": "api"}}}),
        run_of(4, name="slow-cat", state=State.FAILED, **deployed(store)),
        run_of(5, name="new-ant", state=State.RUNNING, **kept),
        run_of(6, name="lost-elk", state=State.CRASHED, **kept),
    ]
    cells = [
        CellRun(run_id=run.run_id, index=index, cell_id=f"id-{index}", state=State.COMPLETED)
        for run in runs[:5]
        for index in range(3)
    ]
    store.apply([*(RunCreated(run=run) for run in runs), *(CellRunChanged(cell=cell) for cell in cells)])

    wrong = await posted(jp_fetch, "runs", "calm-fox", "retry", body={"from_cell": "4"})
    resumed = await posted(jp_fetch, "runs", "calm-fox", "retry", body={"from_cell": "id-2", "note": "new prices"})
    refused = [
        await posted(jp_fetch, "runs", name, "retry", body={"from_cell": "3"})
        for name in ("old-owl", "wild-hen", "slow-cat", "new-ant", "lost-elk")
    ]
    asked = [
        await read(jp_fetch, "runs", name, "resumption", cell=cell)
        for name, cell in (("old-owl", "1"), ("old-owl", "id-2"), ("lost-elk", "id-2"))
    ]
    whole = [(await read(jp_fetch, "runs", name, "resumption"))["forecast"] for name in ("old-owl", "wild-hen")]
    first = await posted(jp_fetch, "runs", "old-owl", "retry", body={"from_cell": "1"})

    assert (wrong[0], wrong[1]["errors"]) == (422, [{"pointer": "#/from_cell", "detail": "No cell of this run."}])
    assert "has no cell '4'. Its cells, by number and id: 1 (id-0), 2 (id-1), 3 (id-2)." in wrong[1]["detail"]
    assert (resumed[0], resumed[1]["state"], resumed[1]["epoch"]) == (202, "SCHEDULED", 2)
    again = await read(jp_fetch, "runs", "calm-fox")
    assert again["run"]["fresh_from_index"] == 2
    change = store.state_changes(runs[0].run_id)[-1]
    assert change.message == f"resumed from cell 3 by {change.actor}: new prices"
    said = (
        "it ran without --cache",
        "it has secret parameters",
        "flow in Python, which has no cells",
        "RUNNING",
        "never came to its cells",
    )
    assert [(status, words in body["detail"]) for (status, body), words in zip(refused, said, strict=True)] == [
        (409, True)
    ] * 5
    assert [answer["problem"] for answer in asked] == ["", refused[0][1]["detail"], refused[4][1]["detail"]]
    assert [answer["instead_cell"] for answer in asked] == [None, "id-0", None]
    assert [(one["cells"], one["cells_because"]) for one in whole] == [(3, "no_cache"), (3, "secrets")]
    assert first[0] == 202


async def test_the_flow_of_a_run_is_resumed_from_a_task(jp_fetch, store) -> None:
    of_pool = deployed(store)
    runs = [
        run_of(1, name="calm-fox", state=State.RUNNING, **of_pool),
        run_of(2, name="old-owl", state=State.RUNNING, kind=RunKind.FLOW),
        run_of(3, name="wild-hen", state=State.RUNNING, kind=RunKind.TASK),
        run_of(4, name="slow-cat", state=State.RUNNING, kind=RunKind.NOTEBOOK),
        run_of(5, name="new-ant", state=State.RUNNING, **of_pool),
    ]
    tasks = [
        TaskRun(
            task_run_id=f"{run.name}-{name}",
            run_id=run.run_id,
            name=name,
            state=State.COMPLETED,
            created_at=NOON,
            keeps_result=name != "load-0",
        )
        for run in runs
        for name in ("load-0", "model-0", "model-1")
    ]
    ended = [RunStateChanged(run_id=run.run_id, state=State.COMPLETED, at=NOON) for run in runs[:4]]
    code = RunCodeRecorded(code=RunCode(run_id=runs[1].run_id, entrypoint="/flows.py:sales", parameters_json="{}"))
    store.apply(
        [*(RunCreated(run=run) for run in runs), *(TaskRunCreated(task_run=task) for task in tasks), code, *ended]
    )

    wrong = await posted(jp_fetch, "runs", "calm-fox", "retry", body={"from_task": "model-2"})
    both = await posted(jp_fetch, "runs", "calm-fox", "retry", body={"from_task": "model", "from_cell": "1"})
    answers = [
        await read(jp_fetch, "runs", name, "resumption", task="model") for name in ("calm-fox", "old-owl", "wild-hen")
    ]
    asked = [answer["problem"] for answer in answers]
    well = await read(jp_fetch, "runs", "calm-fox", "resumption")
    refused = [
        await posted(jp_fetch, "runs", name, "retry", body={"from_task": "model"})
        for name in ("old-owl", "new-ant", "wild-hen", "slow-cat")
    ]
    resumed = await posted(jp_fetch, "runs", "calm-fox", "retry", body={"from_task": "model", "note": "new prices"})

    assert (wrong[0], wrong[1]["errors"]) == (422, [{"pointer": "#/from_task", "detail": "No task of this run."}])
    assert "has no task 'model-2'. Its tasks: load, model." in wrong[1]["detail"]
    assert both[0] == 422
    assert asked == ["", refused[0][1]["detail"], refused[2][1]["detail"]]
    assert [answer["command"] for answer in answers] == ["", "orchestra runs retry old-owl --from model", ""]
    repeated = [{"name": "load", "runs": 1}]
    assert [answer["forecast"]["tasks"] for answer in answers] == [repeated, repeated, []]
    assert "there is nothing to retry" in well["problem"]
    said = ("`orchestra runs retry old-owl --from model` does", "RUNNING", "of a task alone", "name a cell of it")
    assert [(status, words in body["detail"]) for (status, body), words in zip(refused, said, strict=True)] == [
        (409, True)
    ] * 4
    assert (resumed[0], resumed[1]["state"], resumed[1]["epoch"]) == (202, "SCHEDULED", 2)
    again = (await read(jp_fetch, "runs", "calm-fox"))["run"]
    assert (again["fresh_from_task"], again["fresh_since"] is not None) == ("model", True)
    change = store.state_changes(runs[0].run_id)[-1]
    assert change.message == f"resumed from task model by {change.actor}: new prices"


async def test_how_a_flow_of_no_deployment_is_run_anew_is_told_where_its_code_was_kept(jp_fetch, store) -> None:
    runs = [
        run_of(1, name="calm-fox", state=State.COMPLETED, kind=RunKind.FLOW),
        run_of(2, name="old-owl", state=State.FAILED, kind=RunKind.FLOW),
        run_of(3, name="wild-hen", state=State.COMPLETED, kind=RunKind.FLOW),
        run_of(4, name="slow-cat", state=State.COMPLETED, kind=RunKind.FLOW),
        run_of(5, name="new-ant", state=State.COMPLETED, **deployed(store)),
    ]
    codes = [
        RunCode(run_id=runs[0].run_id, entrypoint="/jobs/sales.py:sales", parameters_json="{}"),
        RunCode(run_id=runs[1].run_id, entrypoint="jobs:sales", parameters_json="{}", working_folder="/elsewhere"),
        RunCode(run_id=runs[2].run_id, entrypoint="/jobs/sales.py:sales", missing="its parameters could not be kept"),
    ]
    for name, entrypoint in (("nightly", "/jobs/sales.py:sales"), ("weekly", "jobs:sales")):
        target = FlowTarget(entrypoint=entrypoint, working_folder="/jobs")
        DeploymentStore(store.database).save(
            DeploymentSpec(name=name, flow_name="sales", target=target), notebook=None, actor="ana", at=NOON
        )
    store.apply([*(RunCreated(run=run) for run in runs), *(RunCodeRecorded(code=code) for code in codes)])

    told = [(await read(jp_fetch, "runs", run.name, "resumption"))["new_run"] for run in runs]

    nothing = {"deployment": None, "command": ""}
    assert told == [
        {"deployment": "nightly", "command": "orchestra runs again calm-fox"},
        {"deployment": None, "command": "orchestra runs again old-owl"},
        *[nothing] * 3,
    ]


async def test_a_paused_run_is_told_what_it_asks_for_once_it_fits(jp_fetch, store) -> None:
    run = run_of(1, name="calm-fox", state=State.PAUSED, driver_id="driver-1", kind=RunKind.FLOW)
    store.apply([RunCreated(run=run)])
    number = {"type": "integer"}
    schema = {"type": "object", "properties": {"rows": number, "columns": number}, "required": ["rows"]}
    inputs = RunInputStore(store.database)
    inputs.ask(RunInput(run_id=run.run_id, key="size", asked_at=NOON, schema=schema))

    wrong = await posted(jp_fetch, "runs", "calm-fox", "resume", body={"input": {"rows": "x", "columns": None}})
    missing = await posted(jp_fetch, "runs", "calm-fox", "resume", body={"input": {"columns": 2}})
    nothing = await posted(jp_fetch, "runs", "calm-fox", "resume")
    told = await posted(jp_fetch, "runs", "calm-fox", "resume", body={"input": {"rows": 3}, "key": "size"})
    late = await posted(jp_fetch, "runs", "calm-fox", "resume", body={"input": {"rows": 4}})

    assert (wrong[0], wrong[1]["code"]) == (422, "invalid_input")
    assert "at $.columns: None is not of type 'integer'; at $.rows: 'x' is not of type 'integer'" in wrong[1]["detail"]
    assert wrong[1]["errors"] == [
        {"pointer": "#/input/rows", "detail": "'x' is not of type 'integer'"},
        {"pointer": "#/input/columns", "detail": "None is not of type 'integer'"},
    ]
    assert missing[1]["errors"] == [{"pointer": "#/input/rows", "detail": "'rows' is a required property"}]
    assert (nothing[0], "asks for a value" in nothing[1]["detail"]) == (422, True)
    assert (told[0], told[1]["state"], told[1]["message"]) == (202, "PAUSED", "")
    assert (late[0], late[1]["code"]) == (404, "input_not_found")
    (question,) = inputs.of_run(run.run_id)
    assert question.value == {"rows": 3}
    assert str(question.answered_by).startswith("user ")


async def test_a_suspended_run_is_resumed_in_its_pool_and_left_alone_where_no_service_can(jp_fetch, store) -> None:
    runs = [
        run_of(1, name="calm-fox", state=State.PAUSED, **deployed(store)),
        run_of(2, name="old-owl", state=State.PAUSED, kind=RunKind.FLOW),
    ]
    store.apply([RunCreated(run=run) for run in runs])
    inputs = RunInputStore(store.database)
    for run in runs:
        inputs.ask(RunInput(run_id=run.run_id, key="n", asked_at=NOON, schema={"type": "integer"}))

    wrong = await posted(jp_fetch, "runs", "calm-fox", "resume", body={"input": "three"})
    resumed = await posted(jp_fetch, "runs", "calm-fox", "resume", body={"input": 3})
    of_shell = await posted(jp_fetch, "runs", "old-owl", "resume", body={"input": 3})

    assert wrong[0] == 422
    assert (resumed[0], resumed[1]["state"], resumed[1]["epoch"]) == (202, "SCHEDULED", 2)
    assert [place.run_id for place in WorkQueue(store.database).waiting()] == [runs[0].run_id]
    assert (of_shell[0], "`orchestra runs resume old-owl` runs it" in of_shell[1]["detail"]) == (409, True)
    assert inputs.of_run(runs[1].run_id)[0].answered_at is None


async def test_what_has_ended_cannot_be_cancelled(jp_fetch, store, calm_fox) -> None:
    ends = [RunStateChanged(run_id=calm_fox.run_id, state=state, at=NOON) for state in (State.RUNNING, State.COMPLETED)]
    store.apply(ends)

    refused = await problem(jp_fetch, "runs", "calm-fox", "cancel", method="POST")

    assert refused == {
        "type": "urn:orchestra-nb:conflict",
        "title": "Conflict",
        "status": 409,
        "detail": "Run calm-fox has ended already (COMPLETED): nothing to cancel.",
        "code": "conflict",
    }


@pytest.mark.parametrize(
    ("path", "code"),
    [
        pytest.param("runs/nobody", "run_not_found", id="run"),
        pytest.param("runs/nobody/tasks", "run_not_found", id="tasks"),
        pytest.param("runs/nobody/logs", "run_not_found", id="logs"),
        pytest.param("runs/calm-fox/logs?task=nothing", "task_not_found", id="task"),
        pytest.param("runs/calm-fox/parameters", "not_found", id="unknown route"),
        pytest.param("", "not_found", id="the API's root"),
    ],
)
async def test_what_does_not_exist_is_404(jp_fetch, calm_fox, path: str, code: str) -> None:
    path, _, query = path.partition("?")

    refused = await problem(jp_fetch, path, **dict(part.split("=") for part in query.split("&") if part))

    assert (refused["status"], refused["code"]) == (404, code)


async def test_values_that_json_or_utf8_can_hardly_hold_are_answered(jp_fetch, store) -> None:
    odd = {"large": 2**70, "bytes": "a\udc80b", "control": "\x00\x1b", "list": [float("-inf"), None]}
    store.apply([RunCreated(run=run_of(1, parameters=odd))])

    (run,) = (await read(jp_fetch, "runs"))["runs"]

    assert run["parameters"] == {**odd, "list": [{"$float": "-inf"}, None]}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "bad",
    [
        pytest.param("..%2f..%2fetc%2fpasswd", id="parent folder"),
        pytest.param("%2fetc%2fpasswd", id="absolute"),
        pytest.param("~", id="home"),
        pytest.param("a%00b", id="NUL"),
        pytest.param("%ff%fe", id="no UTF-8"),
        pytest.param("x" * 5000, id="5,000 characters"),
        pytest.param("%3Cimg%20src=x%20onerror=alert(1)%3E", id="markup"),
        pytest.param("%E2%80%AEgnp.exe", id="right to left"),
        pytest.param("'%20OR%20''='", id="SQL"),
    ],
)
async def test_s21_a_bad_run_id_is_refused_and_never_a_server_error(
    jp_serverapp, http_server_client, jp_auth_header, jp_base_url, calm_fox, bad: str, method: str
) -> None:
    path = f"{jp_base_url}orchestra/api/v1/runs/{bad}" + ("/cancel" if method == "POST" else "")

    response = await http_server_client.fetch(
        path, method=method, body=b"" if method == "POST" else None, headers=jp_auth_header, raise_error=False
    )

    assert response.code in (400, 404)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert b"Traceback" not in response.body


@pytest.mark.parametrize(
    ("path", "params"),
    [
        pytest.param("runs", {"limit": "0"}, id="limit of none"),
        pytest.param("runs", {"limit": "100000"}, id="limit too large"),
        pytest.param("runs", {"limit": "many"}, id="limit in words"),
        pytest.param("runs", {"limit": "1e2"}, id="limit as a float"),
        pytest.param("runs", {"limit": "٣"}, id="limit in other digits"),
        pytest.param("runs", {"before": "yesterday"}, id="before no id"),
        pytest.param("runs", {"before": ""}, id="before nothing"),
        pytest.param("runs", {"state": "HAPPY"}, id="unknown state"),
        pytest.param("runs", {"kind": "dream"}, id="unknown kind"),
        pytest.param("runs", {"sort": "message"}, id="sort by what has no index"),
        pytest.param("runs", {"sort": "name,-name"}, id="sort twice"),
        pytest.param("runs", {"sort": "name", "before": "0" * 32}, id="next of another sort"),
        pytest.param("runs", {"sort": "name", "before": "é"}, id="no next"),
        pytest.param("runs/calm-fox/logs", {"after": "-1"}, id="negative sequence"),
        pytest.param("runs/calm-fox/logs", {"after": "9" * 19}, id="sequence beyond 64 bits"),
        pytest.param("runs/calm-fox/logs", {"limit": "0"}, id="no lines"),
    ],
)
async def test_a_bad_query_is_422_and_says_what_is_wrong(jp_fetch, calm_fox, path: str, params: dict) -> None:
    refused = await problem(jp_fetch, path, **params)

    assert (refused["status"], refused["code"]) == (422, "invalid_input")
    assert refused["detail"]


async def test_health_tells_the_version_and_that_the_store_works(jp_fetch) -> None:
    from orchestra_nb.version import __version__

    health = await read(jp_fetch, "health")

    assert (health["version"], health["store"], health["message"]) == (__version__, "ok", "")


async def test_the_state_of_a_run_that_has_ended_is_set_by_hand_once(jp_fetch, store) -> None:
    run = run_of(1, name="calm-fox", state=State.FAILED, kind=RunKind.FLOW, message="it broke", ended_at=NOON)
    letter = DeadLetter(
        run_id=run.run_id,
        name="f",
        flow_name="f",
        ended_as=State.FAILED,
        attempts=1,
        message="it broke",
        created_at=NOON,
    )
    of_task = msgspec.structs.replace(letter, task_run_id="load", message="no rows")
    store.apply([RunCreated(run=run), DeadLetterAdded(letter=letter), DeadLetterAdded(letter=of_task)])
    letters = DeadLetterStore(store.database)

    done = await posted(jp_fetch, "runs", "calm-fox", "state", body={"state": "completed", "note": "mended by hand"})
    closed = [one.state for one in letters.list_letters(state=None)]
    again = await posted(jp_fetch, "runs", "calm-fox", "state", body={"state": "COMPLETED"})
    unknown = await posted(jp_fetch, "runs", "calm-fox", "state", body={"state": "RUNNING"})

    assert (done[0], done[1]["state"], done[1]["epoch"]) == (200, "COMPLETED", 1)
    change = store.state_changes(run.run_id)[-1]
    assert (change.from_state, change.to_state) == (State.FAILED, State.COMPLETED)
    assert is_by_hand(change.actor)
    assert change.message == f"set to COMPLETED by {change.actor.removesuffix(', by hand')}: mended by hand"
    assert store.get_run(run.run_id).ended_at == NOON
    assert closed == [LetterState.RESOLVED] * 2
    assert (again[0], again[1]["code"]) == (409, "invalid_transition")
    assert (unknown[0], unknown[1]["errors"][0]["pointer"]) == (422, "#/state")

    for state in ("CANCELLED", "FAILED"):
        await posted(jp_fetch, "runs", "calm-fox", "state", body={"state": state})
    opened = [(one.state, one.message, one.closed_by) for one in letters.list_letters(state=None)]
    message = store.get_run(run.run_id).message
    assert opened == [(LetterState.OPEN, "no rows", None), (LetterState.OPEN, message, None)]


async def test_the_state_of_a_run_that_goes_on_or_waits_is_not_set(jp_fetch, store) -> None:
    now = datetime.now(UTC)
    driver = Driver(
        driver_id="alive",
        kind="shell",
        host="h",
        boot_id="b",
        pid=1,
        process_started_at=1.0,
        heartbeat_at=now,
        lease_until=now + timedelta(minutes=10),
    )
    busy = msgspec.structs.replace(  # on this machine, and its lease ran out while it was busy
        driver,
        driver_id="busy",
        boot_id=boot_id(),
        pid=os.getpid(),
        process_started_at=process_started_at(os.getpid()) or 0.0,
        lease_until=now - timedelta(minutes=1),
        heartbeat_at=now - timedelta(minutes=2),
    )
    going = run_of(1, name="calm-fox", state=State.RUNNING, driver_id=driver.driver_id)
    laboring = run_of(5, name="busy-bee", state=State.RUNNING, driver_id=busy.driver_id)
    lost = run_of(2, name="lost-lynx", state=State.RUNNING, driver_id="gone")
    waiting = run_of(3, name="old-owl", state=State.SCHEDULED)
    suspended = run_of(4, name="shy-shrew", state=State.PAUSED, kind=RunKind.FLOW)
    runs = (going, lost, waiting, suspended, laboring)
    store.apply([*(DriverStarted(driver=one) for one in (driver, busy)), *(RunCreated(run=run) for run in runs)])

    answers = [
        await posted(jp_fetch, "runs", run.name, "state", body={"state": "FAILED"})
        for run in (going, waiting, lost, suspended, laboring)
    ]

    assert [status for status, _ in answers] == [409, 409, 200, 200, 409]
    assert "a process drives it" in answers[0][1]["detail"]
    assert "waits to be started" in answers[1][1]["detail"]
    assert "a process drives it" in answers[4][1]["detail"]
    assert [store.get_run(run.run_id).state for run in (going, waiting, lost, suspended)] == [
        State.RUNNING,
        State.SCHEDULED,
        State.FAILED,
        State.FAILED,
    ]
