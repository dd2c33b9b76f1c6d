"""The REST API as its document describes it: deployments, what follows runs, what is shared, and bad requests."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import importlib
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from example_runs import NOON, run_of, task_of
from jsonschema import Draft202012Validator
from slow_flow import SlowFlow
from tornado.httpclient import HTTPClientError

from orchestra_nb.errors import PreconditionFailed
from orchestra_nb.model.artifacts import StoredArtifact
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.deployments import DeploymentSpec, NotebookTarget
from orchestra_nb.model.events import DeadLetterAdded, RunCreated, TaskRunCreated
from orchestra_nb.model.states import State
from orchestra_nb.operations.api_tokens import create_token
from orchestra_nb.operations.audit_trail import list_audit
from orchestra_nb.operations.json_encoding import encode_json
from orchestra_nb.rest import shared_endpoints
from orchestra_nb.rest.catalogue import ENDPOINTS
from orchestra_nb.rest.conditional_calls import MATCHED_METHODS, Conditions, answer_call, etag_of
from orchestra_nb.rest.endpoint import Call
from orchestra_nb.rest.openapi import openapi_document, openapi_json
from orchestra_nb.rest.shared_endpoints import VariableValue
from orchestra_nb.server.rest_handler import RestHandler
from orchestra_nb.settings import load_settings
from orchestra_nb.store.artifact_store import ArtifactStore
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.service_tables import notifications, webhook_receipts
from orchestra_nb.store.variable_store import VariableStore
from tests.faults.notebook_command import notebook_of
from tests.patience import PATIENCE_SECONDS

API = "orchestra/api/v1"


async def call(jp_fetch, method: str, path: str, body: object = None, **params: object):
    """Return what a call answers, once it is what the document says that it answers."""
    answer = await jp_fetch(
        f"{API}{path}",
        method=method,
        params=params,
        body=None if body is None else json.dumps(body),
        allow_nonstandard_methods=True,
    )
    document = openapi_document()
    (endpoint,) = (one for one in ENDPOINTS if one.method == method and one.pattern.fullmatch(path))
    said = document["paths"][endpoint.path][method.lower()]["responses"][str(answer.code)]
    schema = said["content"]["application/json"]["schema"] | {"components": document["components"]}
    found = json.loads(answer.body)
    if "fields" not in params:
        Draft202012Validator(schema).validate(found)
    return found


def needed(module: str):
    """Return a module for tests, which is there at least where the tests are of record."""
    try:
        return importlib.import_module(module)
    except ImportError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"{module} is not installed: `pip install -e .[test]`")


async def problem(jp_fetch, method: str, path: str, body: str | None = None, **params: object) -> tuple[int, str, str]:
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch(f"{API}{path}", method=method, params=params, body=body, allow_nonstandard_methods=True)
    assert refused.value.response is not None
    found = json.loads(refused.value.response.body)
    return found["status"], found["code"], found["detail"]


async def test_the_document_is_served_and_names_every_route_of_the_server(jp_fetch, jp_serverapp) -> None:
    answer = await jp_fetch(f"{API}/openapi.json")

    document = json.loads(answer.body)
    said = {
        (method.upper(), path, operation["operationId"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert document["openapi"] == "3.1.0"
    assert {one for one in said if "x-role" in document["paths"][one[1]][one[0].lower()]} == {
        (endpoint.method, endpoint.path, endpoint.name) for endpoint in ENDPOINTS
    }
    assert len({name for *_, name in said}) == len(said)
    assert _routes_said(document) == _routes_served(jp_serverapp)
    for path in {endpoint.path for endpoint in ENDPOINTS if endpoint.method == "GET"}:
        assert any(one["name"] == "fields" for one in document["paths"][path]["get"]["parameters"])


def _routes_said(document: dict) -> set[tuple[str, str]]:
    """Method and path of what is no endpoint, with ``*`` for what may be anything."""
    return {
        (method.upper(), re.sub(r"\{\w+\}", "*", path))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "x-role" not in operation and path != "/openapi.json"
    }


def _routes_served(app) -> set[tuple[str, str]]:
    extension = app.extension_manager.extension_apps["orchestra_nb"]
    (served,) = extension
    found = set()
    for pattern, handler, *_ in served.handlers:
        _, is_below, path = pattern.partition("/orchestra/api/v1")
        if is_below and handler is not RestHandler:
            methods = {name: getattr(handler, name.lower()) for name in set(handler.SUPPORTED_METHODS) - {"OPTIONS"}}
            own = [name for name, method in methods.items() if not _is_inherited(name.lower(), method)]
            found |= {(name, path.replace("([^/]+)", "*")) for name in own}
    return found


def _is_inherited(name: str, method) -> bool:
    """Whether a method is one that no handler has, or that of the endpoints."""
    return method.__module__.startswith("tornado.") or method is getattr(RestHandler, name)


def test_the_document_is_valid() -> None:
    validator = needed("openapi_spec_validator")

    validator.validate(json.loads(openapi_json()))


async def test_shared_things_are_set_read_changed_and_removed(jp_fetch, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "secret.key"))

    await call(jp_fetch, "PUT", "/variables/threshold", {"value": [1, {"a": None}], "tags": ["x"]})
    await call(jp_fetch, "PUT", "/variables/with blank", {"value": 1})
    await call(jp_fetch, "POST", "/limits", {"name": "api", "limit": 2})
    changed = await call(jp_fetch, "PATCH", "/limits/api", {"limit": 3})
    secret = await call(jp_fetch, "PUT", "/secrets/key", {"value": "hidden"})
    listed = await call(jp_fetch, "GET", "/variables", fields="name,value")

    assert listed == {
        "variables": [{"name": "threshold", "value": [1, {"a": None}]}, {"name": "with blank", "value": 1}],
        "next": None,
    }
    assert (await call(jp_fetch, "GET", "/variables/with blank"))["value"] == 1
    assert (changed["limit"], secret) == (3, {"name": "key", "is_new": True})
    assert "hidden" not in json.dumps(await call(jp_fetch, "GET", "/secrets"))
    assert await call(jp_fetch, "DELETE", "/variables/threshold") == {"deleted": "threshold"}
    assert (await problem(jp_fetch, "GET", "/variables/threshold"))[:2] == (404, "variable_not_found")
    assert [one["limit"]["name"] for one in (await call(jp_fetch, "GET", "/limits"))["limits"]] == ["api"]


async def test_pools_and_tokens_are_made_changed_and_removed(jp_fetch) -> None:
    made = await call(jp_fetch, "POST", "/pools", {"name": "gpu", "concurrency": 2})
    changed = await call(jp_fetch, "PATCH", "/pools/gpu", {"concurrency": None, "paused": True})
    resumed = await call(jp_fetch, "POST", "/pools/gpu/resume")
    token = await call(jp_fetch, "POST", "/tokens", {"name": "box", "scopes": ["worker:gpu"], "days": 1})
    listed = await call(jp_fetch, "GET", "/tokens")

    assert [one["summary"]["concurrency"] for one in (made, changed)] == [2, None]
    assert [one["summary"]["is_paused"] for one in (changed, resumed)] == [True, False]
    assert (await problem(jp_fetch, "PATCH", "/pools/gpu", '{"cluster": "x.Y"}'))[:2] == (422, "invalid_input")
    assert (await call(jp_fetch, "DELETE", "/pools/gpu")) == {"deleted": "gpu"}
    assert [one["name"] for one in (await call(jp_fetch, "GET", "/pools"))["pools"]] == ["default"]
    assert token["text"].startswith("orc_")
    assert token["text"] not in json.dumps(listed)
    assert (await call(jp_fetch, "DELETE", "/tokens/box"))["revoked"] == "box"
    assert (await call(jp_fetch, "GET", "/tokens"))["tokens"] == []


@pytest.mark.parametrize(
    "path",
    [
        "/deployments",
        "/automations",
        "/notifications/channels",
        "/notifications/rules",
        "/notifications/deliveries",
        "/webhooks",
        "/receipts",
        "/dead-letters",
        "/alerts",
        "/artifacts",
        "/assets",
        "/events",
        "/statistics",
    ],
)
async def test_lists_of_an_empty_store_are_as_documented(jp_fetch, path: str) -> None:
    found = await call(jp_fetch, "GET", path)

    assert not any(found.values())


async def pages_of(jp_fetch, path: str, cursor: str, **params: object) -> list[list[dict]]:
    """Return the entries of each page of a list, page by page."""
    pages, following = [], {}
    while True:
        found = await call(jp_fetch, "GET", path, **params, **following)
        pages.append(next(value for value in found.values() if isinstance(value, list)))
        if found["next"] is None:
            return pages
        following = {cursor: found["next"]}


async def test_lists_come_in_pages_that_leave_nothing_out(jp_fetch, store) -> None:
    run = run_of(1, name="calm-fox")
    store.apply([RunCreated(run=run), *(TaskRunCreated(task_run=task_of(run, name)) for name in "abcde")])
    artifacts = ArtifactStore(store.database)
    for number in range(5):
        artifact_id = f"artifact-{number}"
        artifacts.create(
            StoredArtifact(artifact_id=artifact_id, type="markdown", data="x", created_at=NOON, updated_at=NOON)
        )
        letter = DeadLetter(
            run_id=run.run_id,
            epoch=number + 1,
            name="n",
            flow_name="f",
            ended_as=State.FAILED,
            attempts=1,
            message="",
            created_at=NOON,
        )
        store.apply([DeadLetterAdded(letter=letter)])
        event = CustomEvent(event_id=f"event-{number}", event="e", resource={"id": "x"}, occurred_at=NOON)
        CustomEventStore(store.database).add(event)
        await call(jp_fetch, "PUT", f"/variables/v{number}", {"value": number})
    row = {"rule": "r", "run_id": run.run_id, "epoch": 1, "severity": "info", "title": "", "body": "", "error": ""}
    row |= {"channel": "c", "state": "SENT", "attempts": 1, "next_try_at": NOON, "created_at": NOON}
    received = {"webhook": "w", "state": "ACCEPTED", "received_at": NOON, "reason": ""}
    with store.database.write() as connection:
        for number in range(5):
            connection.execute(notifications.insert().values(row | {"moment": str(number)}))
            connection.execute(webhook_receipts.insert().values(received | {"message_id": str(number)}))

    lists = {
        "/artifacts": ("before", "artifact_id", [f"artifact-{number}" for number in (4, 3, 2, 1, 0)]),
        "/events": ("before", "event_id", [f"event-{number}" for number in (4, 3, 2, 1, 0)]),
        "/dead-letters": ("before", "epoch", [5, 4, 3, 2, 1]),
        "/notifications/deliveries": ("before", "number", [5, 4, 3, 2, 1]),
        "/receipts": ("before", "number", [5, 4, 3, 2, 1]),
        "/variables": ("after", "name", [f"v{number}" for number in range(5)]),
        "/runs/calm-fox/tasks": ("after", "name", list("abcde")),
    }
    for path, (cursor, field, expected) in lists.items():
        pages = await pages_of(jp_fetch, path, cursor, limit=2)
        assert [[one[field] for one in page] for page in pages] == [expected[:2], expected[2:4], expected[4:]], path
        assert [len(page) for page in await pages_of(jp_fetch, path, cursor, limit=5)] == [5], path
    gone = await problem(jp_fetch, "GET", "/events", before="event-9")
    assert (gone[0], gone[2]) == (422, "Nothing in this list has the id 'event-9' any more. Begin with its first page.")


async def test_a_schedule_is_previewed(jp_fetch) -> None:
    found = await call(
        jp_fetch, "GET", "/schedules/preview", cron="0 9 * * 1-5", timezone="Europe/Berlin", after="2026-03-27", count=2
    )

    assert found["words"] == "at 09:00, Monday through Friday, Europe/Berlin"
    assert [time["at"] for time in found["fire_times"]] == ["2026-03-27T09:00:00+01:00", "2026-03-30T09:00:00+02:00"]


@pytest.mark.parametrize(
    ("method", "path", "body", "params", "status", "detail"),
    [
        ("GET", "/runs", None, {"limti": 3}, 422, "'limti' is no parameter of this call. Its parameters are: limit, "),
        ("GET", "/runs", None, {"fields": "none"}, 422, "There is no field 'none'. The fields are: run_id,"),
        ("GET", "/runs", None, {"since": "yesterday"}, 422, "since='yesterday': "),
        ("GET", "/runs", None, {"since": "2026-01-01T00:00:00"}, 422, "since='2026-01-01T00:00:00': "),
        ("GET", "/runs", None, {"state": "faild"}, 422, "state='faild' is none of SCHEDULED, PENDING, "),
        ("GET", "/runs", None, {"state": "faild"}, 422, " Did you mean FAILED?"),
        ("GET", "/runs", None, {"deployment": "nosuch"}, 404, "There is no deployment 'nosuch', and no other."),
        ("PUT", "/variables/x", "{", {}, 422, "The body is no JSON: "),
        ("PUT", "/variables/x", f'{{"value": {"[" * 9999}{"]" * 9999}}}', {}, 422, "The body is nested too deeply."),
        ("PUT", "/variables/x", "{}", {}, 422, "The body: Object missing required field `value`."),
        ("PUT", "/variables/x", '{"value": 1, "tag": []}', {}, 422, "unknown field `tag`"),
        ("POST", "/limits", '{"name": "x", "limit": "many"}', {}, 422, "Expected `int`, got `str` - at `$.limit`."),
        ("POST", "/receipts/seven/retry", None, {}, 422, "number='seven' is no whole number."),
        ("DELETE", "/runs", None, {}, 405, "DELETE is not for this route, but GET."),
        ("GET", "/none", None, {}, 404, "There is no such route."),
        ("PUT", "/variables/x", f'{{"value": "{"x" * 4_000_000}"}}', {}, 413, "at most 4,000,000 bytes"),
    ],
)
async def test_a_bad_request_is_told_what_is_wrong(
    jp_fetch, store, method: str, path: str, body: str | None, params: dict, status: int, detail: str
) -> None:
    store.apply([RunCreated(run=run_of(1))])

    found = await problem(jp_fetch, method, path, body, **params)

    assert (found[0], detail in found[2]) == (status, True), found


@pytest.fixture
def etl(store, tmp_path) -> str:
    """A deployment of a notebook."""
    spec = DeploymentSpec(name="etl", flow_name="etl", target=NotebookTarget(path=str(tmp_path / "etl.ipynb")))
    DeploymentStore(store.database).save(spec, notebook=json.dumps(notebook_of()), actor="test", at=NOON)
    return spec.name


async def test_a_run_is_made_once_however_often_it_is_asked_for_with_one_key(jp_fetch, store, etl: str) -> None:
    async def make(body: str, key: str, **headers: str):
        path = f"{API}/deployments/{etl}/runs"
        headers["Idempotency-Key"] = key
        answer = await jp_fetch(path, method="POST", body=body, headers=headers, raise_error=False)
        return answer.code, json.loads(answer.body), answer.headers.get("Idempotency-Replayed")

    async def make_patiently(body: str, key: str):
        while (answer := await make(body, key))[0] == 409:
            assert answer[1]["code"] == "call_in_progress"
        return answer

    _, token = create_token(store, "ci", ("runs:write",), expires_at=None, actor="me", now=NOON)
    as_ci = {"Authorization": f"Bearer {token.get()}"}
    racing = await asyncio.gather(*(make_patiently("{}", "a") for _ in range(3)))
    other_body = await make('{"parameters": {}}', "a")
    others = [await make("{}", "b"), await make("{}", "a", **as_ci), await make("{}", "a", **as_ci)]
    failed = [await make('{"parameters": {"none": 1}}', "c") for _ in range(2)]

    run_ids = [answer[1]["run_id"] for answer in (*racing, *others)]
    assert [answer[0] for answer in (*racing, *others)] == [201] * 6
    assert sorted(str(answer[2]) for answer in racing) == ["None", "true", "true"]
    assert racing[0][1] == racing[1][1] == racing[2][1]
    assert run_ids == [*run_ids[:1] * 3, run_ids[3], *run_ids[4:5] * 2]
    assert {run.run_id for run in store.list_runs()} == set(run_ids)
    assert len(set(run_ids)) == 3
    assert (other_body[0], "'a' was used within a day for another call" in other_body[1]["detail"]) == (422, True)
    assert [answer[0] for answer in failed] == [422, 422]
    assert failed[0][1:] == failed[1][1:]


async def test_while_code_of_users_is_imported_for_a_call_with_a_key_others_write(
    jp_fetch, store, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flow = SlowFlow(tmp_path)
    await call(jp_fetch, "PUT", "/deployments/slow", {"flow": "slow.py:load"})

    async def make(body: str):
        answer = await jp_fetch(
            f"{API}/deployments/slow/runs",
            method="POST",
            body=body,
            headers={"Idempotency-Key": "a"},
            raise_error=False,
        )
        headers = answer.headers.get("Retry-After"), answer.headers.get("Idempotency-Replayed")
        return answer.code, json.loads(answer.body), headers

    flow.stop()
    first = asyncio.ensure_future(make('{"parameters": {"day": 2}}'))
    await flow.wait_until_begun()
    await asyncio.to_thread(VariableStore(store.database).set, "x", 1, (), NOON, may_overwrite=True)
    meanwhile = await make('{"parameters": {"day": 2}}')
    other_body = await make('{"parameters": {"day": 3}}')
    flow.go_on()
    made, again = await first, await make('{"parameters": {"day": 2}}')

    assert (meanwhile[0], meanwhile[1]["code"], meanwhile[2]) == (409, "call_in_progress", ("1", None))
    assert other_body[0] == 422
    assert (made[0], made[2], again[0], again[2]) == (201, (None, None), 201, (None, "true"))
    assert [run.run_id for run in store.list_runs()] == [made[1]["run_id"]] == [again[1]["run_id"]]
    noted = [(entry.action, entry.code) for entry in list_audit(store)[0][::-1]]
    assert noted == [("deploy", ""), ("run_deployment", "invalid_input"), ("run_deployment", "")]


@pytest.mark.parametrize(
    ("path", "headers", "detail"),
    [
        ("/tokens", {"Idempotency-Key": "a"}, "POST /tokens takes no Idempotency-Key"),
        ("/pools", {"Idempotency-Key": "x" * 256}, "is not 1 to 255 printable ASCII characters"),
        ("/pools", {"If-Match": '"x"'}, "POST /pools takes no If-Match"),
    ],
)
async def test_a_condition_that_a_call_does_not_have_is_refused(
    jp_fetch, path: str, headers: dict, detail: str
) -> None:
    body = json.dumps({"name": "a", "scopes": ["admin"]} if path == "/tokens" else {"name": "a"})

    answer = await jp_fetch(f"{API}{path}", method="POST", body=body, headers=headers, raise_error=False)

    assert (answer.code, detail in json.loads(answer.body)["detail"]) == (422, True), answer.body
    assert [one["name"] for one in (await call(jp_fetch, "GET", "/pools"))["pools"]] == ["default"]


async def test_a_thing_is_changed_only_while_it_is_as_the_caller_knows_it(jp_fetch) -> None:
    async def send(method: str, match: str, path: str = "/variables/x", body: object = None):
        body = json.dumps({"value": method} if body is None else body) if method != "DELETE" else None
        headers = {"If-Match": match}
        return (await jp_fetch(f"{API}{path}", method=method, body=body, headers=headers, raise_error=False)).code

    async def etag(path: str = "/variables/x") -> str:
        return (await jp_fetch(f"{API}{path}")).headers["Etag"]

    absent = await send("PUT", "*")
    await call(jp_fetch, "PUT", "/variables/x", {"value": 1})
    old = await etag()
    await call(jp_fetch, "PUT", "/variables/x", {"value": 2})
    new = await etag()
    await call(jp_fetch, "POST", "/limits", {"name": "api", "limit": 2})
    limit = await etag("/limits/api")

    assert (absent, await send("PUT", old), await send("DELETE", old), await send("PUT", f"W/{new}")) == (412,) * 4
    assert (await call(jp_fetch, "GET", "/variables/x"))["value"] == 2
    assert await send("PUT", f"{old}, {new}") == 200
    assert (await send("DELETE", new), await send("DELETE", "*")) == (412, 200)
    assert await send("PUT", "without quotes") == 422
    assert [await send("PATCH", limit, "/limits/api", {"limit": 3}) for _ in range(2)] == [200, 412]


@pytest.mark.parametrize("etag", ["*", '"other"'])
def test_what_takes_its_time_keeps_nobody_from_writing(store, etag: str) -> None:
    set_variable = shared_endpoints.set_variable
    call = Call(store=store, settings=load_settings(), actor="me", now=NOON, notebook_at=Path, place_at=Path)
    set_variable.function(call, name="x", body=VariableValue(value=1))

    @functools.wraps(set_variable.function)
    def set_slowly(call: Call, name: str, body: VariableValue) -> object:
        with ThreadPoolExecutor(1) as threads:
            threads.submit(store.apply, [RunCreated(run=run_of(1))]).result(PATIENCE_SECONDS)
        return set_variable.function(call, name, body)

    endpoint = dataclasses.replace(set_variable, function=set_slowly, is_one_transaction=False)
    asked = {"name": "x", "body": VariableValue(value=2)}
    with contextlib.nullcontext() if etag == "*" else pytest.raises(PreconditionFailed):
        answer_call(endpoint, call, asked, Conditions(caller="me", etags=(etag,)))

    assert len(store.list_runs()) == (etag == "*")


def test_what_has_changed_while_another_change_was_prepared_is_not_overwritten(store) -> None:
    set_variable = shared_endpoints.set_variable
    call = Call(store=store, settings=load_settings(), actor="me", now=NOON, notebook_at=Path, place_at=Path)
    set_variable.function(call, name="x", body=VariableValue(value=1))
    known = etag_of(encode_json(shared_endpoints.get_variable.function(call, name="x")))

    @functools.wraps(set_variable.function)
    def set_slowly(call: Call, name: str, body: VariableValue) -> object:
        with ThreadPoolExecutor(1) as threads:
            threads.submit(set_variable.function, call, name, VariableValue(value=2)).result(PATIENCE_SECONDS)
        return set_variable.function(call, name, body)

    endpoint = dataclasses.replace(set_variable, function=set_slowly, is_one_transaction=False)
    asked = {"name": "x", "body": VariableValue(value=3)}
    with pytest.raises(PreconditionFailed):
        answer_call(endpoint, call, asked, Conditions(caller="me", etags=(known,)))

    assert shared_endpoints.get_variable.function(call, name="x").value == 2


def _automation(number: int) -> dict:
    return {"when": {"event": "x"}, "do": [{"emit": "y", "resource": "z"}], "description": str(number)}


def _deployment(number: int) -> dict:
    return {"notebook": notebook_of(), "notebook_path": "a.ipynb", "description": str(number), "schedules": []}


#: Call that may take its time before it changes what was read, to its path and its body.
_PREPARED = {
    "deploy": ("/deployments/d", _deployment),
    "replace_automation": ("/automations/a", _automation),
    "update_webhook": ("/webhooks/w", lambda number: {"condition": str(number)}),
    "replace_pool": ("/pools/p", lambda number: {"description": str(number)}),
    "update_pool": ("/pools/p", lambda number: {"description": str(number)}),
}


async def test_of_several_who_change_what_they_know_at_once_one_does(jp_fetch) -> None:
    read = {one.path for one in ENDPOINTS if one.method == "GET"}
    changing = [one for one in ENDPOINTS if one.method in MATCHED_METHODS and one.path in read]
    assert {one.name for one in changing if not one.is_one_transaction} == set(_PREPARED)
    await call(jp_fetch, "PUT", "/deployments/d", _deployment(0))
    await call(jp_fetch, "PUT", "/automations/a", _automation(0))
    await call(jp_fetch, "POST", "/webhooks", {"name": "w", "event": "x"})
    await call(jp_fetch, "POST", "/pools", {"name": "p"})

    async def send(method: str, path: str, body: dict, etag: str) -> int:
        headers = {"If-Match": etag}
        answer = await jp_fetch(
            f"{API}{path}", method=method, body=json.dumps(body), headers=headers, raise_error=False
        )
        return answer.code

    for name, (path, body_of) in _PREPARED.items():
        (endpoint,) = (one for one in ENDPOINTS if one.name == name)
        for round_ in range(3):
            etag = (await jp_fetch(f"{API}{path}")).headers["Etag"]
            bodies = [body_of(10 * round_ + number + 1) for number in range(6)]
            codes = await asyncio.gather(*(send(endpoint.method, path, body, etag) for body in bodies))

            assert sorted(codes) == [200, *[412] * 5], name
            kept = json.dumps(await call(jp_fetch, "GET", path))
            winner = bodies[codes.index(200)]
            assert json.dumps(str(winner.get("description", winner.get("condition")))) in kept, name


@pytest.mark.parametrize("has_token", [True, False], ids=["known", "unknown"])
async def test_a_body_that_is_too_large_is_refused_before_it_is_read(
    jp_serverapp, http_server, jp_http_port, jp_base_url, jp_auth_header, has_token: bool
) -> None:
    head = [
        f"PUT {jp_base_url}{API}/variables/x HTTP/1.1",
        "Host: localhost",
        *(f"{name}: {value}" for name, value in jp_auth_header.items() if has_token),
    ]

    async def answer_to(*rest: str, body: bytes = b"") -> str:
        reader, writer = await asyncio.open_connection("localhost", jp_http_port)
        writer.write("\r\n".join([*head, *rest, "", ""]).encode() + body)
        line = (await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS)).decode()
        writer.close()
        return line.split()[1]

    chunk = b"%x\r\n%b\r\n" % (1_000_000, b"x" * 1_000_000)
    # of none of these is the whole body sent, but of the last
    said = await answer_to("Content-Length: 4000001")
    huge = await answer_to("Content-Length: 99999999999999999999999")
    in_parts = await answer_to("Transfer-Encoding: chunked", body=chunk * 5 + b"0\r\n\r\n")

    assert (said, in_parts) == ("413", "413" if has_token else "403")
    assert huge in ("400", "413")


async def test_what_a_caller_has_already_is_not_sent_again(jp_fetch, store) -> None:
    store.apply([RunCreated(run=run_of(1))])
    first = await jp_fetch(f"{API}/runs", params={"1764158000000": ""})  # as Jupyter's front ends keep caches out

    again = await jp_fetch(f"{API}/runs", headers={"If-None-Match": first.headers["Etag"]}, raise_error=False)
    store.apply([RunCreated(run=run_of(2))])
    changed = await jp_fetch(f"{API}/runs", headers={"If-None-Match": first.headers["Etag"]})

    assert (again.code, again.body, changed.code) == (304, b"", 200)


async def test_every_list_has_an_etag(jp_fetch, store) -> None:
    store.apply([RunCreated(run=run_of(1))])
    paths = {one.path for one in ENDPOINTS if one.method == "GET" and "{" not in one.path}
    assert len(paths) > 15

    for path in sorted(
        # these must be given something, or change by the moment
        {*paths, "/openapi.json"}
        - {"/asset", "/schedules/preview", "/notebooks/parameters", "/notebooks/cells", "/clusters"}
    ):
        first = await jp_fetch(f"{API}{path}")
        headers = {"If-None-Match": f'"other", {first.headers["Etag"]}'}
        assert (await jp_fetch(f"{API}{path}", headers=headers, raise_error=False)).code == 304, path


async def test_a_time_at_the_begin_of_all_time_is_one(jp_fetch, store) -> None:
    CustomEventStore(store.database).add(CustomEvent(event_id="a", event="e", resource={"id": "x"}, occurred_at=NOON))

    found = await call(jp_fetch, "GET", "/events", since="0001-01-01T00:00:00+23:00")

    assert [one["event_id"] for one in found["events"]] == ["a"]
