"""The audit trail at a real server: who did what, from where and with which outcome, and no secret in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from example_runs import run_of
from webhook_messages import body_of, standard

from orchestra_nb.acting_user import process_user
from orchestra_nb.errors import StoreUnavailable
from orchestra_nb.model.audit import AuditEntry, Outcome, Via
from orchestra_nb.model.deployments import DeploymentSpec, NotebookTarget
from orchestra_nb.model.events import RunCreated
from orchestra_nb.model.webhooks import Webhook
from orchestra_nb.operations import webhooks
from orchestra_nb.operations.api_tokens import create_token
from orchestra_nb.operations.audit_trail import list_audit, noted
from orchestra_nb.rest.audited_calls import entry_of
from orchestra_nb.rest.catalogue import ENDPOINTS
from orchestra_nb.settings import load_settings
from orchestra_nb.store.audit_store import AuditStore
from orchestra_nb.store.deployment_store import DeploymentStore
from tests.faults.notebook_command import notebook_of

API = "orchestra/api/v1"
NOW = datetime.now(UTC)
NOTEBOOK = json.dumps(notebook_of())
SECRET = "hunter2-and-more"
#: The end of a token, which is its secret; it may have an underscore in it.
SECRET_CHARACTERS = 43


@pytest.fixture
def fetch(jp_serverapp, http_server_client, jp_base_url, jp_auth_header):
    async def send(method: str, path: str, body: object = None, headers: dict[str, str] | None = None):
        answer = await http_server_client.fetch(
            f"{jp_base_url}{API}/{path}",
            method=method,
            headers=jp_auth_header if headers is None else headers,
            body=None if body is None else json.dumps(body),
            allow_nonstandard_methods=True,
            raise_error=False,
        )
        return answer.code, json.loads(answer.body)

    return send


def trail(store) -> list[AuditEntry]:
    """Return all entries, the oldest first."""
    return list_audit(store, limit=500)[0][::-1]


def told(entry: AuditEntry) -> tuple[str, ...]:
    return entry.actor, entry.action, entry.area, entry.target, entry.outcome.value, entry.code


async def test_each_change_is_noted_with_who_where_what_and_how_it_ended(fetch, store) -> None:
    store.apply([RunCreated(run=run_of(1))])
    _, text = create_token(store, "ci", ["runs:read"], expires_at=None, actor="me", now=NOW)
    reader = {"Authorization": f"Bearer {text.get()}"}
    name = run_of(1).name

    await fetch("PUT", "variables/region", {"value": "EU"})
    await fetch("GET", "variables")
    await fetch("POST", "pools", {"name": "gpu"})
    await fetch("POST", f"runs/{name}/cancel")
    await fetch("POST", f"runs/{name}/cancel", headers=reader)
    await fetch("DELETE", "pools/none")
    await fetch("POST", "pools", {"name": "gpu", "wurst": 1})
    await fetch("POST", "nothing")

    me = f"user {process_user()}"
    entries = trail(store)
    assert [told(entry) for entry in entries] == [
        (me, "set_variable", "variables", "region", "done", ""),
        (me, "create_pool", "pools", "gpu", "done", ""),
        (me, "cancel_run", "runs", name, "done", ""),
        ("token ci", "cancel_run", "runs", name, "refused", "scope_missing"),
        (me, "delete_pool", "pools", "none", "failed", "pool_not_found"),
        (me, "create_pool", "pools", "gpu", "failed", "invalid_input"),
    ]
    assert {(entry.via, entry.origin) for entry in entries} == {(Via.API, "127.0.0.1")}
    assert [entry.run_id for entry in entries if entry.run_id] == [run_of(1).run_id]
    assert all(NOW <= entry.at <= datetime.now(UTC) for entry in entries)


async def test_what_is_undone_is_not_noted_as_done(fetch, store) -> None:
    made = [await fetch("POST", "pools", {"name": "gpu"}) for _ in range(2)]

    assert [code for code, _ in made] == [201, 409]
    assert [entry.outcome.value for entry in trail(store)] == ["done", "failed"]


async def test_a_call_that_is_only_answered_again_is_noted_once(fetch, store, jp_auth_header) -> None:
    headers = {**jp_auth_header, "Idempotency-Key": "6f1c"}

    answers = [await fetch("POST", "pools", {"name": "gpu"}, headers) for _ in range(3)]

    assert {code for code, _ in answers} == {201}
    assert [entry.action for entry in trail(store)] == ["create_pool"]


async def test_of_a_file_each_thing_that_changed_is_noted(fetch, store) -> None:
    def file(text: str) -> dict[str, object]:
        return {"file": "orchestra.yaml", "text": text, "prune": True}

    await fetch("POST", "files", file("pools: [{name: gpu}, {name: cpu}]"))
    await fetch("POST", "files?plan=true", file("pools: []"))
    await fetch("POST", "files", file("pools: [{name: gpu, description: fast}]\nautomations: []"))
    await fetch("POST", "files", file("pools: [{nam: gpu}]"))

    assert [(entry.action, entry.area, entry.target, entry.code) for entry in trail(store)] == [
        ("create_pool", "pools", "gpu", ""),
        ("create_pool", "pools", "cpu", ""),
        ("update_pool", "pools", "gpu", ""),
        ("delete_pool", "pools", "cpu", ""),
        ("apply_file", "files", "orchestra.yaml", "invalid_input"),
    ]


async def test_no_secret_is_in_the_trail(fetch, store, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "key"))

    codes = [
        (await fetch("PUT", "secrets/db", {"value": SECRET}))[0],
        (await fetch("PUT", "variables/x", {"value": SECRET}))[0],
        (await fetch("PUT", "secrets/db", {"value": {"password": SECRET}}))[0],
        (await fetch("POST", "notifications/channels", {"name": "ops", "url": f"json://user:{SECRET}@x.example"}))[0],
        (await fetch("POST", "webhooks", {"name": "hook", "deployment": "none", "secret": SECRET}))[0],
    ]
    token = (await fetch("POST", "tokens", {"name": "ci", "scopes": ["admin"]}))[1]["text"]

    assert (codes[:3], len(trail(store))) == ([200, 200, 422], 6)
    kept = repr(trail(store))
    assert "ops" in kept
    assert [one for one in (SECRET, token, token[-SECRET_CHARACTERS:]) if one in kept] == []


async def test_admins_read_it_in_pages_and_by_what_they_look_for(fetch, store) -> None:
    trail_store = AuditStore(store.database)
    for number in range(25):
        trail_store.add(
            AuditEntry(
                at=NOW - timedelta(hours=25 - number),
                actor=("user alice", "token ci")[number % 2],
                via=(Via.API, Via.CLI)[number % 2],
                origin="10.0.0.7",
                action=("cancel_run", "deploy", "set_secret")[number % 3],
                area="runs",
                target=f"fox-{number}",
                outcome=(Outcome.DONE, Outcome.REFUSED)[number % 5 == 0],
            )
        )
    seen: list[str] = []
    following = ""

    while following is not None:
        page = (await fetch("GET", f"audit?limit=10{following and f'&before={following}'}"))[1]
        seen += [entry["target"] for entry in page["entries"]]
        following = page["next"]

    async def count(query: str) -> int:
        return len((await fetch("GET", f"audit?limit=500&{query}"))[1]["entries"])

    assert seen == [f"fox-{number}" for number in reversed(range(25))]
    assert [
        await count("actor=token+ci"),
        await count("action=deploy"),
        await count("via=api&outcome=refused"),
        await count("target=fox-3"),
        await count("about=deployments"),
        await count(f"since={(NOW - timedelta(hours=5, minutes=1)).isoformat().replace('+00:00', 'Z')}"),
        await count(f"until={(NOW - timedelta(hours=5, minutes=1)).isoformat().replace('+00:00', 'Z')}"),
    ] == [12, 8, 3, 1, 0, 5, 20]
    assert (await fetch("GET", "audit?outcome=wurst"))[0] == 422
    _, text = create_token(store, "ci", ["runs:read", "runs:write"], expires_at=None, actor="me", now=NOW)
    assert (await fetch("GET", "audit", headers={"Authorization": f"Bearer {text.get()}"}))[0] == 403


async def test_what_was_done_to_a_part_of_a_thing_is_found_by_the_thing(fetch) -> None:
    for path in (
        *(
            "deployments/nightly/pause",
            "deployments/nightly/schedules/2/pause",
            "runs/nightly/tasks/load%20of%20it/cancel",
        ),
        *("deployments/nightly/schedules/12/resume", "deployments/a%20of%20nightly/schedules/1/pause"),
        *("deployments/Nightly/schedules/2/pause", "deployments/fortnightly/schedules/2/pause"),
        *("deployments/schedule%20%20of%20nightly/pause", "deployments/night_y/schedules/2/pause"),
    ):
        assert (await fetch("POST", path))[0] == 404

    async def found(target: str, more: str = "") -> list[str]:
        return [one["target"] for one in (await fetch("GET", f"audit?target={target}{more}"))[1]["entries"]]

    nightly = ["schedule 12 of nightly", "task load of it of nightly", "schedule 2 of nightly", "nightly"]
    assert await found("nightly") == nightly
    assert await found("nightly", "&about=deployments&limit=2") == nightly[:1] + nightly[2:3]
    assert await found("a%20of%20nightly") == ["schedule 1 of a of nightly"]
    assert await found("schedule%202%20of%20nightly") == ["schedule 2 of nightly"]


async def test_a_message_of_a_webhook_is_noted_once_and_one_that_nobody_signed_never(
    fetch, store, jp_serverapp, http_server_client, jp_base_url
) -> None:
    spec = DeploymentSpec(
        name="etl", flow_name="etl", target=NotebookTarget(path=f"{store.database.path.parent}/n.ipynb")
    )
    DeploymentStore(store.database).save(spec, notebook=NOTEBOOK, actor="test", at=NOW)
    webhook = Webhook(name="orders", deployment="etl")
    secret = webhooks.create_webhook(store, webhook, None, load_settings(), now=NOW).secret.get()
    body = body_of({"n": 1})
    headers = standard(secret, body)

    codes = [
        (
            await http_server_client.fetch(
                f"{jp_base_url}{API}/webhooks/orders", method="POST", body=body, headers=sent, raise_error=False
            )
        ).code
        for sent in ({}, headers, headers)
    ]

    run = store.list_runs(limit=1)[0]
    assert codes == [401, 202, 202]
    [entry] = trail(store)
    assert told(entry) == ("webhook orders", "receive_message", "webhooks", "orders", "done", "")
    assert entry.run_id == run.run_id


def test_each_endpoint_that_changes_something_has_an_entry() -> None:
    entries = {}
    for endpoint in ENDPOINTS:
        path = endpoint.url_path(dict.fromkeys(endpoint.path_parameters, "a/b"))
        entries[endpoint] = entry_of(endpoint, path, {}, b'{"name": "n"}', actor="me", origin="here", at=NOW)

    missing = {endpoint.name for endpoint, entry in entries.items() if entry is None and endpoint.method != "GET"}
    # nothing is stored
    assert missing == {
        "dry_run_automation",
        "plan_notebook",
        "read_automation_text",
        "read_task_line",
        "write_task_line",
    }
    assert [endpoint.name for endpoint, entry in entries.items() if entry and endpoint.method == "GET"] == []
    assert {entry.target for entry in entries.values() if entry} == {
        *("a/b", "n", "schedule a/b of a/b", "task a/b of a/b")
    }
    deploy = next(endpoint for endpoint in ENDPOINTS if endpoint.name == "deploy")
    assert entry_of(deploy, "/deployments/x", {"plan": "true"}, b"", actor="me", origin="", at=NOW) is None


def test_what_breaks_off_is_noted_as_failed_with_its_code_and_nothing_else(store) -> None:
    entry = AuditEntry(
        at=NOW, actor="me", via=Via.CLI, origin="here", action="a", area="b", target="c" * 300, outcome=Outcome.DONE
    )

    for error in (StoreUnavailable("secret words"), PermissionError(), KeyboardInterrupt(), ZeroDivisionError()):
        with pytest.raises(type(error)), noted(store, entry):
            raise error

    assert [(one.outcome.value, one.code) for one in trail(store)] == [
        ("failed", "store_unavailable"),
        ("refused", "forbidden"),
        ("failed", "interrupted"),
        ("failed", "internal_server_error"),
    ]
    assert {len(one.target) for one in trail(store)} == {200}
