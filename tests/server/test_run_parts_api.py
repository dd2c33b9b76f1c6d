"""What belongs to runs, over REST: those that they started, questions, names by ids, and their dead letters."""

from __future__ import annotations

import json

import pytest
from example_runs import NOON, run_of, task_of
from tornado.httpclient import HTTPClientError

from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.events import DeadLetterAdded, RunCodeRecorded, RunCreated, TaskRunCreated
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.states import State
from orchestra_nb.model.sweeps import COMBINATION_TAG, SweepRequest
from orchestra_nb.operations.sweep_request import sweep_code
from orchestra_nb.rest.run_parts_endpoints import MOST_IDS
from orchestra_nb.store.run_input_store import RunInputStore

API = ("orchestra", "api", "v1")


async def call(jp_fetch, method: str, *parts: str, body: object = None, **params: object) -> dict:
    data = None if method == "GET" else json.dumps(body or {})
    return json.loads((await jp_fetch(*API, *parts, method=method, body=data, params=params)).body)


async def refusal(jp_fetch, method: str, *parts: str, body: object = None, **params: object) -> dict:
    """Return the problem that a call is answered with."""
    with pytest.raises(HTTPClientError) as refused:
        await call(jp_fetch, method, *parts, body=body, **params)
    return json.loads(refused.value.response.body)


async def test_the_runs_that_a_run_started_come_page_by_page_in_their_order(jp_fetch, store) -> None:
    parent = run_of(1, name="calm-fox", kind=RunKind.FLOW)
    children = [run_of(number, parent_run_id=parent.run_id) for number in (2, 3, 4)]
    store.apply([RunCreated(run=run) for run in (parent, *children, run_of(5))])

    first = await call(jp_fetch, "GET", "runs", "calm-fox", "children", limit=2)
    rest = await call(jp_fetch, "GET", "runs", "calm-fox", "children", limit=2, after=first["next"])
    no_sweep = await refusal(jp_fetch, "GET", "runs", "calm-fox", "sweep")

    assert [run["name"] for run in first["runs"] + rest["runs"]] == [run.name for run in children]
    assert rest["next"] is None
    assert (no_sweep["status"], "calm-fox is no sweep" in no_sweep["detail"]) == (409, True)


@pytest.mark.parametrize("is_recorded", [True, False])
async def test_the_table_of_a_sweep_comes_page_by_page(jp_fetch, store, is_recorded: bool) -> None:
    sweep = run_of(1, name="wide-fox", kind=RunKind.SWEEP)
    children = [
        run_of(number, parent_run_id=sweep.run_id, tags={COMBINATION_TAG: str(index)}, parameters={"n": index})
        for number, index in ((2, 0), (3, 1), (4, 4), (5, 1), (6, 3))
    ]
    request = SweepRequest(path="/n.ipynb", combinations=tuple({"n": index} for index in range(5)), swept=("n",))
    store.apply([RunCreated(run=run) for run in (sweep, *children)])
    if is_recorded:
        store.apply([RunCodeRecorded(code=sweep_code(sweep, request))])
    seen: list[tuple[int, dict[str, int], str | None]] = []
    sizes: list[int] = []
    page: dict = {"next": -1}

    while page["next"] is not None:
        after = {} if page["next"] == -1 else {"after": page["next"]}
        page = await call(jp_fetch, "GET", "runs", "wide-fox", "sweep", limit=2, **after)
        sizes.append(len(page["rows"]))
        seen += [(row["index"], row["parameters"], row["run"] and row["run"]["run_id"]) for row in page["rows"]]

    ids = {0: children[0].run_id, 1: children[3].run_id, 3: children[4].run_id, 4: children[2].run_id}
    indexes = range(5) if is_recorded else sorted(ids)
    assert sizes == ([2, 2, 1] if is_recorded else [2, 2])
    assert seen == [(index, {"n": index}, ids.get(index)) for index in indexes]


async def test_the_executed_notebook_of_a_run_is_read_and_why_there_is_none_is_told(
    jp_fetch, store, calm_fox, tmp_path
) -> None:
    copy = tmp_path / "report.old-owl.ipynb"
    run = run_of(7, name="old-owl", kind=RunKind.NOTEBOOK, output_path=str(copy))
    store.apply([RunCreated(run=run)])
    cell = {"cell_type": "code", "id": "c0", "metadata": {}, "execution_count": 1, "source": "x", "outputs": []}
    cell["outputs"] = [{"output_type": "display_data", "data": {"application/json": "\udc80"}}]
    metadata = {"orchestra": {"run_id": run.run_id, "epoch": 1}}
    document = {"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    copy.write_text(json.dumps(document))

    found = await call(jp_fetch, "GET", "runs", "old-owl", "notebook")
    same = await call(jp_fetch, "GET", "runs", "old-owl", "notebook", attempt=1, known=found["version"])
    none = await refusal(jp_fetch, "GET", "runs", "calm-fox", "notebook")

    assert [(one["cell_id"], one["source"], len(one["outputs"])) for one in found["cells"]] == [("c0", "x", 1)]
    assert (found["attempts"], same["cells"], none["status"]) == ([1], None, 404)


async def test_names_are_read_by_ids_of_those_that_there_are(jp_fetch, store, calm_fox) -> None:
    task = task_of(calm_fox, "load").task_run_id

    found = await call(jp_fetch, "GET", "names", run=f"{calm_fox.run_id},none", task=task)
    many = await refusal(jp_fetch, "GET", "names", run=",".join(map(str, range(MOST_IDS + 1))))

    assert found == {"runs": {calm_fox.run_id: "calm-fox"}, "tasks": {task: "load"}}
    assert many["status"] == 422


async def test_a_question_of_a_run_is_read_and_answered_once(jp_fetch, store) -> None:
    run = run_of(1, name="calm-fox", kind=RunKind.FLOW, state=State.PAUSED)
    store.apply([RunCreated(run=run)])
    schema: dict[str, object] = {"type": "integer"}
    RunInputStore(store.database).ask(RunInput(run_id=run.run_id, key="share", asked_at=NOON, schema=schema))

    wrong = await refusal(jp_fetch, "POST", "runs", "calm-fox", "inputs", body={"value": "many"})
    answered = await call(jp_fetch, "POST", "runs", "calm-fox", "inputs", body={"value": 3, "key": "share"})
    again = await refusal(jp_fetch, "POST", "runs", "calm-fox", "inputs", body={"value": 4, "key": "share"})
    [asked] = (await call(jp_fetch, "GET", "runs", "calm-fox", "inputs"))["inputs"]

    assert (wrong["status"], again["status"]) == (422, 409)
    assert (answered["value"], asked["value"], asked["key"]) == (3, 3, "share")


async def test_a_dead_letter_tells_what_was_given_and_is_retried_in_a_pool_alone(jp_fetch, store) -> None:
    run = run_of(1, name="calm-fox", kind=RunKind.FLOW, state=State.FAILED, parameters={"region": "EU"})
    task = task_of(run, "load", state=State.FAILED)
    letter = DeadLetter(
        run_id=run.run_id,
        name="report",
        flow_name="report",
        ended_as=State.FAILED,
        attempts=1,
        message="ValueError",
        created_at=NOON,
        inputs={"region": ""},
    )
    store.apply([RunCreated(run=run), TaskRunCreated(task_run=task), DeadLetterAdded(letter=letter)])

    inputs = await call(jp_fetch, "GET", "dead-letters", letter.letter_id, "inputs")
    refused = await refusal(jp_fetch, "POST", "dead-letters", letter.letter_id, "retry")

    assert inputs == {"inputs": {"region": "'EU'"}}
    assert (refused["status"], "`orchestra dead-letters retry " in refused["detail"]) == (409, True)
    assert (await call(jp_fetch, "GET", "dead-letters", letter.letter_id))["state"] == "OPEN"
