"""What authors do by the REST API: deploy, change schedules, make automations, channels and webhooks."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from example_runs import NOON
from slow_flow import SlowFlow
from test_rest_api import API, call, problem
from tornado.httpclient import HTTPClientError
from webhook_messages import body_of, standard
from webhook_receiver import TOKEN, receiving

from orchestra_nb.errors import NameTaken
from orchestra_nb.model.automations import Automation, EventMatch, Happens, PauseDeployment
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.operations.automation_actions import AutomationActions
from orchestra_nb.operations.deployment_plan import apply_plan, plan_sent_file
from orchestra_nb.services.automation_service import AutomationService
from orchestra_nb.settings import Settings
from orchestra_nb.store.automation_store import AutomationStore
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.outbox_store import OutboxStore
from orchestra_nb.store.pool_store import PoolStore
from orchestra_nb.store.run_store import RunStore
from tests.faults.notebook_command import code_cell, notebook_of

FLOW = "from orchestra_nb import flow\n\n@flow\ndef load(url: str = '', days: int = 1):\n    return url\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the server, with a flow in it."""
    monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "secret.key"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows.py").write_text(FLOW)
    return tmp_path


def notebook(*sources: str) -> dict[str, Any]:
    parameters = {**code_cell("region = 'EU'"), "metadata": {"tags": ["parameters"]}}
    shown = [{"output_type": "stream", "name": "stdout", "text": "shown"}]
    return notebook_of(parameters, *({**code_cell(source), "outputs": shown} for source in sources))


def steps(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["name"], step["action"]) for step in answer["steps"]]


def test_a_plan_is_done_as_a_whole_or_not_at_all(store: RunStore, folder: Path) -> None:
    text = """
pools: [{name: gpu, kind: local}]
deployments: [{name: d, flow: 'flows.py:load', triggers: [{name: begun, when: {event: e}}]}]
"""
    plan = plan_sent_file(store, "f.yaml", text, {}, Settings(), NOON)
    taken = Automation(
        name="begun", trigger=Happens(matches=(EventMatch(names=("x",)),)), actions=(PauseDeployment(deployment="d"),)
    )
    AutomationStore(store.database).save(taken, NOON, may_replace=False)

    with pytest.raises(NameTaken, match="'begun'"):
        apply_plan(store, plan, actor="test", now=NOON)

    assert [step.action for step in plan.steps] == ["create"] * 3
    assert DeploymentStore(store.database).list_deployments() == []
    assert "gpu" not in [pool.name for pool in PoolStore(store.database).list_pools()]


async def test_an_update_is_made_of_the_version_that_was_read(jp_fetch, store: RunStore, folder: Path) -> None:
    flow = SlowFlow(folder)
    await call(jp_fetch, "PUT", "/deployments/load", {"flow": "slow.py:load"})
    flow.stop()

    late = asyncio.ensure_future(
        problem(jp_fetch, "POST", "/deployments/load/update", json.dumps({"parameters": {"day": 2}}))
    )
    await flow.wait_until_begun()
    deployments = DeploymentStore(store.database)
    changed = msgspec.structs.replace(deployments.get("load").spec, priority=7)
    deployments.save(changed, notebook=None, actor="somebody else", at=NOON)
    flow.go_on()
    status, _, detail = await late

    assert (status, "has version 2 by now, not 1" in detail) == (409, True)
    assert deployments.get("load").spec == changed


async def test_a_notebook_is_deployed_from_its_document(jp_fetch, store: RunStore, folder: Path) -> None:
    deployments = DeploymentStore(store.database)
    body = {
        "notebook": notebook("print(region)"),
        "parameters": {"region": "US"},
        "schedules": [{"cron": "0 7 * * *", "timezone": "Europe/Berlin", "days_off": ["2026-12-25"]}],
        "triggers": [{"when": {"event": "orders.*"}, "parameters": {"region": "{{ event.name }}"}}],
    }

    planned = await call(jp_fetch, "PUT", "/deployments/report", body, plan="true")
    assert (planned["version"], planned["is_applied"]) == (None, False)
    assert steps(planned) == [("report", "create"), ("report-trigger-1", "create")]
    assert (deployments.list_deployments(), AutomationStore(store.database).list_automations()) == ([], [])

    made = await call(jp_fetch, "PUT", "/deployments/report", body)
    again = await call(jp_fetch, "PUT", "/deployments/report", {**body, "name": "report", "triggers": None})
    kept = deployments.version("report", 1)
    assert (made["version"], made["is_applied"], steps(made)) == (1, True, steps(planned))
    assert steps(again) == [("report", "unchanged")]
    assert kept.notebook is not None
    assert "shown" not in kept.notebook
    assert kept.spec.target.path == f"{folder}/report.ipynb"  # type: ignore[union-attr]
    shown = await call(jp_fetch, "GET", "/deployments/report")
    assert (shown["spec"]["schedules"], [one["form"] for one in shown["triggers"]]) == (
        *(body["schedules"], body["triggers"]),
    )

    changed = await call(jp_fetch, "PUT", "/deployments/report", {"notebook": notebook("1", "2"), "triggers": []})
    assert (changed["version"], steps(changed)) == (2, [("report", "change"), ("report-trigger-1", "delete")])
    assert changed["steps"][0]["changes"][-1]["after"] == "1 cell changed, 1 cell added"
    back = await call(jp_fetch, "POST", "/deployments/report/rollback", {"version": 1})
    assert (back["version"], deployments.get("report").spec) == (1, kept.spec)


async def test_a_flow_is_deployed_that_the_server_can_import(jp_fetch, store: RunStore, folder: Path) -> None:
    made = await call(jp_fetch, "PUT", "/deployments/load", {"flow": "flows.py:load", "retries": 2})

    spec = DeploymentStore(store.database).get("load").spec
    assert (made["version"], spec.flow_name, spec.retry.retries) == (1, "load", 2)
    assert spec.target.entrypoint == f"{folder}/flows.py:load"  # type: ignore[union-attr]


#: What cannot be deployed: the body, the status, and how the answer begins.
REFUSED = [
    ({}, 422, "deployment d: a deployment has a notebook or a flow, and one of them."),
    ({"flow": "flows.py:none"}, 404, "deployment d: flow: {folder}/flows.py has no flow 'none'."),
    ({"flow": "flows.py:load", "cache": True}, 422, "deployment d: {folder}/flows.py:load is a flow, and cache is"),
    ({"flow": "flows.py:load", "retires": 1}, 422, "The body: Object contains unknown field `retires`."),
    ({"flow": "flows.py:load", "name": "e"}, 422, "The deployment of this path is 'd', and the body names 'e'."),
    ({"flow": "flows.py:load", "parameters": {"dys": 1}}, 422, "deployment d: parameters: "),
    ({"flow": "flows.py:load", "pool": "gpu"}, 404, "deployment d: pool: "),
    ({"flow": "flows.py:load", "notebook_path": "x"}, 422, "notebook_path says where a notebook stands whose"),
    ({"notebook": {"cells": 3}}, 422, "deployment d: notebook: the notebook: JSON, but no notebook"),
    ({"notebook": notebook("1 +")}, 422, "deployment d: notebook: {folder}/d.ipynb: cell 2 is no"),
    ({"notebook": notebook("1"), "cwd": "none"}, 422, "deployment d: The working folder {folder}/none does not"),
    ({"notebook": notebook("1"), "schedules": [{"cron": "x"}]}, 422, "deployment d: schedules[0]: The cron"),
    ({"notebook": notebook("1"), "schedules": [{"crn": "x"}]}, 422, "The body: Object contains unknown field"),
    ({"notebook": notebook("1"), "triggers": [{"when": {"x": 1}}]}, 422, "deployment d: triggers[0].when.x: "),
    ({"notebook": "a\0.ipynb"}, 422, "deployment d: notebook: '{folder}/a\\x00.ipynb' is no path of a notebook."),
    ({"notebook": notebook("1"), "notebook_path": "a:b"}, 422, "notebook_path: 'a:b' is no path of a notebook"),
    ({"notebook": notebook("1"), "output": f"{'é' * 300}/x"}, 422, "deployment d: The output folder"),
    ({"notebook": notebook("1"), "cwd": "é" * 300}, 422, "deployment d: The working folder"),
    ({"flow": "flows.py:load", "cwd": "x/../a\0/b"}, 422, "deployment d: The working folder"),
    ({"notebook": notebook("1"), "cluster": "2026-02-30"}, 422, "deployment d: '2026-02-30' names no cluster."),
    (
        {"notebook": notebook("1"), "schedules": [{"every": "1h", "exclude": "\0"}]},
        422,
        "deployment d: schedules[0]: '{folder}/\\x00' is no path of a file of days off.",
    ),
    (
        {"flow": "flows.py:load", "triggers": [{"when": {"file": "http://[::1"}}]},
        422,
        "deployment d: triggers[0].when.file: 'http://[::1' is no URL: Invalid IPv6 URL.",
    ),
    (
        {"flow": "flows.py:load", "triggers": [{"when": {"absent": {"event": "x"}, "within": "99999999999d"}}]},
        422,
        "deployment d: triggers[0]: A window is longer than 0 s, and at most 100 years",
    ),
]


async def test_what_cannot_be_deployed_is_refused_with_its_field(jp_fetch, store: RunStore, folder: Path) -> None:
    for body, status, detail in REFUSED:
        code, _, said = await problem(jp_fetch, "PUT", "/deployments/d", json.dumps(body))

        assert code == status, said
        assert said.startswith(detail.replace("{folder}", str(folder))), said
        assert "--" not in said, said  # the options of a command
    assert DeploymentStore(store.database).list_deployments() == []


async def test_schedules_are_added_changed_paused_and_removed_and_what_is_deployed_stays(
    jp_fetch, store: RunStore
) -> None:
    deployments = DeploymentStore(store.database)
    path = "/deployments/report/schedules"
    await call(jp_fetch, "PUT", "/deployments/report", {"notebook": notebook("1"), "schedules": [{"every": "1h"}]})

    added = await call(jp_fetch, "POST", path, {"cron": "0 7 * * *", "parameters": {"region": "FR"}}, version=1)
    paused = await call(jp_fetch, "POST", f"{path}/1/pause")
    resumed = await call(jp_fetch, "POST", f"{path}/1/resume")
    changed = await call(jp_fetch, "PUT", f"{path}/1", {"every": "2h"})
    same = await call(jp_fetch, "PUT", f"{path}/1", {"every": "2h"})
    removed = await call(jp_fetch, "DELETE", f"{path}/1")

    assert (added["version"], [one["parameters"] for one in added["schedules"]]) == (2, [{}, {"region": "FR"}])
    assert [[one["is_active"] for one in done["schedules"]] for done in (paused, resumed)] == [
        *([False, True], [True, True]),
    ]
    assert [(done["version"], done["outcome"]) for done in (changed, same)] == [(5, "changed"), (5, "unchanged")]
    assert [one["words"] for one in removed["schedules"]] == [added["schedules"][1]["words"]]
    assert (await call(jp_fetch, "GET", path))["schedules"] == removed["schedules"]
    versions = deployments.versions("report")
    assert [one.note for one in versions] == [
        *(
            "schedule 1 removed",
            "schedule 1 changed",
            "schedule 1 resumed",
            "schedule 1 paused",
            "a schedule added",
            "",
        ),
    ]
    assert len({one.notebook for one in versions}) == 1

    code, _, said = await problem(jp_fetch, "DELETE", f"{path}/1", version=5)
    assert (code, said.partition(".")[0]) == (409, "The deployment 'report' has version 6 by now, not 5")
    assert (await problem(jp_fetch, "POST", f"{path}/2/pause"))[:2] == (404, "schedule_not_found")
    refused = await problem(jp_fetch, "POST", path, '{"every": "1h", "parameters": {"regon": 1}}')
    assert refused[1:] == ("invalid_parameters", "The notebook has no parameter 'regon'. Did you mean 'region'? Its "
        "parameters are: region.")  # fmt: skip
    assert (await problem(jp_fetch, "POST", path, '{"every": "soon"}'))[:2] == (422, "invalid_schedule")
    assert deployments.get("report").version == 6


async def test_an_automation_is_made_replaced_and_tried(jp_fetch, store: RunStore) -> None:
    await call(jp_fetch, "PUT", "/deployments/load", {"flow": "flows.py:load"})
    form = {
        "name": "tell",
        "when": {"event": "orders.*"},
        "if": "event.payload.rows > 0",
        "do": [{"run": "load", "parameters": {"days": "{{ event.payload.rows }}"}}],
    }

    made = await call(jp_fetch, "POST", "/automations", {**form, "paused": True})
    taken = await problem(jp_fetch, "POST", "/automations", json.dumps(form))
    at = datetime.now(UTC)
    event = CustomEvent(event_id="e1", event="orders.new", resource={"id": "eu"}, occurred_at=at, payload={"rows": 3})
    CustomEventStore(store.database).add(event)
    replaced = await call(jp_fetch, "PUT", "/automations/tell", {**form, "description": "Orders"})
    tried = await call(jp_fetch, "POST", "/automations/tell/test", {})
    caller = [{"call_webhook": "https://h/{{ event.name }}", "headers": {"X-K": {"$secret": "k"}}, "json": {"n": 1}}]
    other = {"when": {"event": "orders.*"}, "do": caller}
    tried_other = await call(jp_fetch, "POST", "/automations/new/test", {"automation": other})

    assert (made["outcome"], taken[:2], replaced["outcome"]) == ("created", (409, "name_taken"), "changed")
    kept = AutomationStore(store.database).get("tell").automation
    assert (kept.description, kept.is_active) == ("Orders", False)
    assert [(one["about"], one["is_met"], one["actions"]) for one in tried["firings"]] == [
        ("orders.new of eu", True, [{"run": "load", "parameters": {"days": 3}}]),
    ]
    assert tried_other["firings"][0]["actions"] == [{**caller[0], "call_webhook": "https://h/orders.new"}]
    assert taken[2] == "There is an automation 'tell' already. PUT /automations/tell replaces it."
    assert (tried["is_cut"], tried_other["is_cut"]) == (False, False)
    assert store.list_runs() == []
    known = {"If-Match": (await jp_fetch(f"{API}/automations/tell")).headers["Etag"]}
    body = json.dumps({**form, "description": "New orders"})
    sent = {"method": "PUT", "body": body, "headers": known, "raise_error": False}
    assert [(await jp_fetch(f"{API}/automations/tell", **sent)).code for _ in range(2)] == [200, 412]
    for method, path, body, said in (
        ("PUT", "/automations/tell", {**form, "do": [{"run": "laod"}]}, "automation tell: do[0]: There is no deploym"),
        ("PUT", "/automations/b", form, "The automation of this path is 'b', and the body names 'tell'."),
        ("POST", "/automations", {**form, "if": "rows ="}, "automation tell: if: 'rows =' cannot be used"),
        ("POST", "/automations", {**form, "wen": {}}, "The body: Object contains unknown field `wen`."),
        ("POST", "/automations/none/test", {}, "No automation 'none'."),
    ):
        assert (await problem(jp_fetch, method, path, json.dumps(body)))[2].startswith(said)


async def test_the_answer_names_what_an_automation_or_a_webhook_says_that_nobody_knows_yet(jp_fetch) -> None:
    await call(jp_fetch, "PUT", "/deployments/load", {"flow": "flows.py:load"})
    parameters = {"dys": "{{ run.name }}"}
    form = {"name": "tell", "when": {"success": "laod"}, "do": [{"run": "load", "parameters": parameters}]}
    webhook = {"name": "orders", "deployment": "load", "parameters": {"dys": "{{ payload.days }}"}}

    made = await call(jp_fetch, "POST", "/automations", form)
    replaced = await call(jp_fetch, "PUT", "/automations/tell", form)
    hooked = await call(jp_fetch, "POST", "/webhooks", webhook)

    unknown, unfit = made["warnings"]
    assert unknown == "there is no deployment 'laod' yet. Did you mean load?"
    assert unfit.startswith("parameters of load: The flow load has no parameter 'dys'. Did you mean 'days'?")
    assert replaced["warnings"] == [unknown, unfit]
    assert hooked["warnings"] == [unfit]


async def test_a_call_is_shown_to_those_who_look_on_without_the_query_of_its_address(jp_fetch, store: RunStore) -> None:
    url = "https://builds.example.org/x?for={{ event.payload.person }}"
    await call(
        jp_fetch, "POST", "/automations", {"name": "tell", "when": {"event": "a"}, "do": [{"call_webhook": url}]}
    )
    at = datetime.now(UTC)
    event = CustomEvent(event_id="e", event="a", resource={"id": "x"}, occurred_at=at, payload={"person": "someone"})
    CustomEventStore(store.database).add(event)
    tried = await call(jp_fetch, "POST", "/automations/tell/test", {})
    AutomationService(store, AutomationActions(store, Settings())).step(datetime.now(UTC))

    seen = [
        await call(jp_fetch, "GET", path)
        for path in ("/automations/tell", "/automations/tell/firings", "/automations", "/notifications/deliveries")
    ]
    seen.append(await call(jp_fetch, "GET", "/automations/tell/trial", since=(at - timedelta(days=1)).isoformat()))

    assert tried["firings"][0]["actions"][0]["call_webhook"] == "https://builds.example.org/x?for=someone"
    for answer in map(json.dumps, seen):
        assert ("https://builds.example.org/x" in answer, "someone" in answer) == (True, False)
    sent = OutboxStore(store.database).get(1)
    assert (sent.title, "x?for=someone" in sent.body) == ("POST https://builds.example.org/x?…", True)


async def test_it_is_looked_for_the_files_of_an_automation_that_is_kept_and_not_of_one_that_is_sent(
    jp_fetch, folder: Path
) -> None:
    (folder / "1.csv").write_text("text")
    form = {"when": {"file": f"{folder}/*.csv"}, "do": [{"emit": "x", "resource": "y"}]}

    sent = await call(jp_fetch, "POST", "/automations/arrived/test", {"automation": form})
    await call(jp_fetch, "POST", "/automations", {"name": "arrived", **form})
    kept = await call(jp_fetch, "POST", "/automations/arrived/test", {})

    ((none,), (found,)) = (sent["files"], kept["files"])
    assert (none["count"], none["problem"].partition(":")[0]) == (None, "It was not looked for files")
    assert (found["count"], found["problem"]) == (1, "")


async def test_a_channel_is_made_tried_and_given_another_address_that_nobody_sees(jp_fetch) -> None:
    with receiving() as receiver:
        address = {"address": receiver.url(), "allow_private": True}
        made = await call(jp_fetch, "POST", "/notifications/channels", {"name": "chat", **address})
        tested = await call(jp_fetch, "POST", "/notifications/channels/chat/test")
        receiver.status = 500
        failed = await call(jp_fetch, "POST", "/notifications/channels/chat/test")
        titles = receiver.titles
        refused = await problem(
            jp_fetch, "PUT", "/notifications/channels/chat", json.dumps({"address": receiver.url()})
        )
    changed = await call(jp_fetch, "PUT", "/notifications/channels/chat", {"address": "json://example.org/x"})

    assert (tested["is_sent"], failed["is_sent"], titles) == (True, False, ["Orchestra NB: a test"] * 2)
    assert refused[:2] == (422, "invalid_input")
    assert TOKEN not in json.dumps([made, tested, failed, refused])
    assert (changed["shown"], changed["may_be_private"]) == ("json://example.org/••••", False)
    assert (await problem(jp_fetch, "POST", "/notifications/channels", json.dumps({"name": "chat", **address})))[
        0
    ] == 409


async def test_a_rule_is_made_changed_and_paused_and_what_is_wrong_is_said_at_its_field(jp_fetch) -> None:
    async def places(path: str, body: dict[str, object]) -> list[str]:
        with pytest.raises(HTTPClientError) as refused:
            await call(jp_fetch, "PUT", path, body)
        assert refused.value.code == 422
        return [one["pointer"] for one in json.loads(refused.value.response.body)["errors"]]

    await call(jp_fetch, "POST", "/notifications/channels", {"name": "chat", "address": "json://example.org/x"})
    rule = {"channels": ["chat"], "occasion": "failure"}
    made = await call(jp_fetch, "PUT", "/notifications/rules/team", rule)
    paused = await call(jp_fetch, "POST", "/notifications/rules/team/pause")
    changed = await call(jp_fetch, "PUT", "/notifications/rules/team", rule | {"late_seconds": 60})
    told = await call(jp_fetch, "PUT", "/notifications/rules/team", rule | {"late_seconds": 60, "is_paused": False})
    await call(jp_fetch, "POST", "/notifications/rules/team/pause")
    resumed = await call(jp_fetch, "POST", "/notifications/rules/team/resume")

    assert made == {"name": "team", "channels": ["chat"], "occasion": "failure"}
    assert paused == made | {"is_paused": True}
    assert changed == paused | {"late_seconds": 60.0}
    assert told == resumed == made | {"late_seconds": 60.0}
    assert (await call(jp_fetch, "GET", "/notifications/rules"))["rules"] == [resumed]
    assert await places("/notifications/rules", rule | {"name": "a/b"}) == ["#/name"]
    assert await places("/notifications/rules/team", rule | {"name": "other"}) == ["#/name"]
    assert await places("/notifications/rules/team", {"channels": []}) == ["#/channels"]
    assert await places("/notifications/rules/team", rule | {"occasion": "none"}) == ["#/occasion"]
    assert await places("/notifications/rules/team", rule | {"late_seconds": 0}) == ["#/late_seconds"]
    assert await places("/notifications/rules/team", rule | {"title": "{{ nothing }}"}) == ["#/title"]
    assert await places("/notifications/rules/team", rule | {"body": "{% if %}"}) == ["#/body"]
    assert (await problem(jp_fetch, "POST", "/notifications/rules/none/pause"))[0] == 404
    assert (await problem(jp_fetch, "PUT", "/notifications/rules/a", '{"channels": ["none"]}'))[0] == 404


async def test_an_automation_is_edited_as_text_and_what_is_wrong_is_said_with_its_line(jp_fetch) -> None:
    text = "name: tell\nwhen: {event: orders.*}\nif: ''\ndo:\n  - emit: orders.seen\n    resource: orders.eu\n"
    read = await call(jp_fetch, "POST", "/automations/read", {"text": text})
    await call(jp_fetch, "POST", "/automations", read["form"])
    shown = await call(jp_fetch, "GET", "/automations/tell/text")
    again = await call(jp_fetch, "POST", "/automations/read", {"text": shown["text"]})
    changed = await call(jp_fetch, "PUT", "/automations/tell", again["form"])
    wrong = json.dumps({"text": text.replace("emit", "emits").replace("when: {event", "when: {evnt")})
    status, _, detail = await problem(jp_fetch, "POST", "/automations/read", wrong)

    assert (read["name"], changed["outcome"]) == ("tell", "unchanged")
    assert (status, [line.split(": ")[0] for line in detail.splitlines()]) == (
        *(422, ["automation.yaml:2", "automation.yaml:5"]),
    )
    assert (await problem(jp_fetch, "POST", "/automations/read", '{"text": "a: [b"}'))[0] == 422
    assert (await problem(jp_fetch, "POST", "/automations/read", '{"text": "[]"}'))[0] == 422
    assert (await problem(jp_fetch, "GET", "/automations/none/text"))[0] == 404


async def test_what_could_not_be_made_is_refused_by_its_trial_with_the_line_and_the_field(jp_fetch) -> None:
    async def refused(path: str, body: dict[str, Any]) -> tuple[int, str, list[str]]:
        with pytest.raises(HTTPClientError) as error:
            await call(jp_fetch, "POST", path, body)
        said = json.loads(error.value.response.body)
        return error.value.code, said["detail"], [one["pointer"] for one in said["errors"]]

    await call(jp_fetch, "PUT", "/deployments/load", {"flow": "flows.py:load"})
    text = "name: tell\nwhen: {success: load}\ndo:\n  - notify: CHANNEL\n"
    form = {"name": "tell", "when": {"success": "load"}, "do": [{"notify": "CHANNEL"}]}
    unfit = text.replace("notify: CHANNEL", "run: load\n    parameters: {dys: 1}")
    said = "do[0]: No channel 'CHANNEL'. `orchestra notifications channels ls` lists them."

    assert await refused("/automations/read", {"text": text}) == (404, f"automation.yaml:4: {said}", ["#/do/0"])
    for path, body in (("/automations", form), ("/automations/tell/test", {"automation": form})):
        assert await refused(path, body) == (404, f"automation tell: {said}", ["#/do/0"])
    status, detail, places = await refused("/automations/read", {"text": unfit})
    assert (status, detail.startswith("automation.yaml:5: do[0].parameters: parameters of load: "), places) == (
        *(422, True, ["#/do/0/parameters"]),
    )
    assert (await refused("/webhooks", {"name": "hook", "deployment": "laod"}))[2] == ["#/deployment"]

    unknown = {"when": {"success": "laod"}, "do": [{"run": "load"}]}
    tried = await call(jp_fetch, "POST", "/automations/new/test", {"automation": unknown})
    assert tried["warnings"] == ["there is no deployment 'laod' yet. Did you mean load?"]


async def test_a_wrong_state_hides_no_wrong_condition(jp_fetch) -> None:
    form = {
        "name": "tell",
        "when": {"deployment": "load", "state": ["faild", "lost"], "if": "run.nme"},
        "if": "run.nme == 1",
        "do": [{"emit": "{{ run.nme }}", "resource": "x"}],
    }

    status, _, detail = await problem(jp_fetch, "POST", "/automations", json.dumps(form))

    assert (status, [line.split(": ")[1] for line in detail.splitlines()]) == (
        *(422, ["when.state", "when.state", "when.if", "if", "do[0]"]),
    )


async def test_a_webhook_is_made_and_takes_messages_that_are_signed_with_the_secret_it_was_answered_with(
    jp_fetch, http_server_client, store: RunStore
) -> None:
    async def send(secret: str, name: str) -> int:
        body = body_of({"rows": 3})
        headers = standard(secret, body, name=name)
        path = urlsplit(made["address"]).path
        sent = await http_server_client.fetch(path, method="POST", body=body, headers=headers, raise_error=False)
        return int(sent.code)

    said = {"name": "orders", "event": "orders.imported", "parameters": {"rows": "{{ payload.rows }}"}}
    made = await call(jp_fetch, "POST", "/webhooks", said)
    first = await send(made["secret"], "m1")
    rotated = await call(jp_fetch, "POST", "/webhooks/orders/rotate", {"overlap_seconds": 0})
    shown = await call(jp_fetch, "GET", "/webhooks/orders")

    assert first == 202
    assert [await send(one["secret"], "m2") for one in (made, rotated)] == [401, 202]
    assert [event.payload for event in CustomEventStore(store.database).newest_events(event="orders.imported")] == [
        *({"rows": 3}, {"rows": 3}),
    ]
    assert (shown["address"], shown["webhook"]["event"]) == (made["address"], "orders.imported")
    assert made["secret"] not in json.dumps([shown, await call(jp_fetch, "GET", "/webhooks")])
    assert (await problem(jp_fetch, "POST", "/webhooks", json.dumps(said)))[:2] == (409, "name_taken")
    assert (await problem(jp_fetch, "POST", "/webhooks", '{"name": "x"}'))[:2] == (422, "invalid_input")
    refused = await problem(jp_fetch, "PUT", "/webhooks/orders", "{}")
    assert (refused[0], refused[2]) == (405, "PUT is not for this route, but DELETE, GET, PATCH, POST.")
    assert await call(jp_fetch, "DELETE", "/webhooks/orders") == {"deleted": "orders"}
    assert (await problem(jp_fetch, "GET", "/webhooks/orders"))[:2] == (404, "webhook_not_found")
