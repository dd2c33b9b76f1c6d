"""Several users at one server, known by an identity provider as a JupyterHub's: roles, and whose things are whose."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deployments_of import deploy
from example_runs import UPGRADE, run_of
from jupyter_server.serverapp import ServerApp
from slow_flow import SlowFlow
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect
from traitlets.config import Config
from user_headers import HeaderIdentity, NotMallory

from orchestra_nb.acting_user import process_user
from orchestra_nb.errors import InvalidSetting, NotFound, NotYours
from orchestra_nb.model.access import AccessRules, Person
from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.events import DeadLetterAdded, RunCreated
from orchestra_nb.model.notifications import NotificationRule
from orchestra_nb.model.states import State
from orchestra_nb.operations.api_tokens import create_token
from orchestra_nb.rest import endpoint as endpoints
from orchestra_nb.rest.catalogue import ENDPOINTS
from orchestra_nb.rest.endpoint import Role
from orchestra_nb.rest.ownership import own_things
from orchestra_nb.server.run_events import RUN_STATE
from orchestra_nb.settings import load_settings, load_settings_with_origins
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.notification_store import NotificationStore
from tests.faults.notebook_command import notebook_of
from tests.patience import PATIENCE_SECONDS

API = "orchestra/api/v1"
NOW = datetime.now(UTC)
NOTEBOOK = json.dumps(notebook_of())
ROLES = {"root": "admin", "alice": "author", "bob": "author", "group:ops": "runner", "*": "viewer"}

Call = Callable[..., Awaitable[tuple[int, dict]]]

#: What each path is for owners_only, where something other than a GET is sent to it: a new one needs a place here.
OWNED_BY_PATH = {
    "/runs/{run}/cancel",
    "/runs/{run}/suspend",
    "/runs/{run}/retry",
    "/runs/{run}/resume",
    "/runs/{run}/state",
    "/runs/{run}/tasks/{task}/cancel",
    "/runs/{run}/inputs",
    "/deployments/{name}",
    "/deployments/{name}/runs",
    "/deployments/{name}/update",
    "/deployments/{name}/pause",
    "/deployments/{name}/resume",
    "/deployments/{name}/rollback",
    "/deployments/{name}/backfill",
    "/deployments/{name}/schedules",
    "/deployments/{name}/schedules/{number}",
    "/deployments/{name}/schedules/{number}/pause",
    "/deployments/{name}/schedules/{number}/resume",
    "/dead-letters/{letter}/discard",
    "/dead-letters/{letter}/retry",
    "/notifications/deliveries/{number}/retry",
    "/notifications/deliveries/{number}/discard",
    "/notifications/rules/{name}",
    "/notifications/rules/{name}/pause",
    "/notifications/rules/{name}/resume",
    "/receipts/{number}/retry",
    "/receipts/{number}/discard",
    "/webhooks/{name}",
    "/webhooks/{name}/pause",
    "/webhooks/{name}/resume",
    "/webhooks/{name}/rotate",
}
#: They act on what is anybody's.
ADMIN_ONLY = {
    "/automations",
    "/automations/{name}",
    "/automations/{name}/pause",
    "/automations/{name}/resume",
    "/limits",
    "/limits/{name}",
    "/pools",
    "/pools/{name}",
    "/pools/{name}/pause",
    "/pools/{name}/resume",
}
#: They look at each thing that would change, or that is to be started.
CHECKS_ITSELF = {"/files", "/webhooks"}
#: They change nothing, make what is the caller's own, or change what is for all of their role.
NEEDS_NO_OWNER = {
    "/automations/read",
    "/automations/{name}/test",
    "/notebooks/plan",
    "/notebooks/runs",
    "/notebooks/task-line/read",
    "/notebooks/task-line/write",
    "/notifications/channels",
    "/notifications/channels/{name}",
    "/notifications/channels/{name}/test",
    "/notifications/rules",
    "/secrets/{name}",
    "/tokens",
    "/tokens/{name}",
    "/variables/{name}",
}


@pytest.fixture
def access() -> dict[str, object]:
    return {"roles": ROLES}


@pytest.fixture
def jp_server_config(jp_server_config: Config, access: dict[str, object]) -> Config:
    jp_server_config.ServerApp.identity_provider_class = HeaderIdentity
    jp_server_config.ServerApp.authorizer_class = NotMallory
    jp_server_config.OrchestraExtension.update(access)
    return jp_server_config


@pytest.fixture
def call(jp_serverapp, http_server_client, jp_base_url) -> Call:
    """Call the API as a user, with groups where ``user`` is ``name/group``."""

    async def call(
        user: str, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict]:
        name, _, group = user.partition("/")
        answer = await http_server_client.fetch(
            f"{jp_base_url}{API}/{path}",
            method=method,
            headers={**({"X-User": name, "X-Groups": group} if user else {}), **(headers or {})},
            body=None if body is None else json.dumps(body),
            allow_nonstandard_methods=True,
            raise_error=False,
            follow_redirects=False,
        )
        return answer.code, json.loads(answer.body)

    return call


@pytest.mark.parametrize(
    ("user", "role"),
    [
        pytest.param("eve", Role.VIEWER, id="everybody"),
        pytest.param("carol/ops", Role.RUNNER, id="by a group"),
        pytest.param("alice", Role.AUTHOR, id="by name"),
        pytest.param("alice/ops", Role.AUTHOR, id="the highest"),
        pytest.param("root", Role.ADMIN, id="admin"),
    ],
)
async def test_a_role_opens_what_it_may_and_nothing_else(call: Call, user: str, role: Role) -> None:
    wrong = {}
    for endpoint in ENDPOINTS:
        path = endpoint.url_path(dict.fromkeys(endpoint.path_parameters, "1")).lstrip("/")
        code, answer = await call(user, endpoint.method, path, {} if endpoint.body_type is not None else None)
        was_refused = code == 403 and f"needs the role {endpoint.role}" in answer["detail"]
        if was_refused == (endpoint.role.rank <= role.rank) or code >= 500:
            wrong[endpoint.name] = (code, answer)

    assert wrong == {}


async def test_who_is_not_logged_in_or_refused_by_the_servers_own_authorizer_gets_nothing(
    call: Call, jp_serverapp
) -> None:
    assert (await call("", "GET", "runs"))[0] == 403
    token = {"Authorization": f"token {jp_serverapp.identity_provider.token}"}
    assert (await call("", "GET", "runs", headers=token))[0] == 403  # the provider alone says who calls
    assert (await call("mallory", "GET", "runs"))[0] == 403
    assert (await call("eve", "GET", "runs"))[0] == 200


async def test_only_who_may_deploy_names_code_that_makes_a_cluster(
    call: Call, store, store_url: str, jp_root_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", store_url)
    (jp_root_dir / "n.ipynb").write_text(NOTEBOOK)
    token = create_token(store, "ci", ["runs:write"], expires_at=None, actor="test", now=NOW)[1].get()
    bearer = {"Authorization": f"Bearer {token}"}
    made = '{"class": "subprocess.Popen", "args": "false"}'

    async def run(user: str, cluster: str, headers: dict[str, str] | None = None) -> tuple[int, str, list[dict]]:
        body = {"path": "n.ipynb", "cluster": cluster, "cache": True, "parallel": True}  # so that nothing starts
        code, answer = await call(user, "POST", "notebooks/runs", body, headers)
        return code, answer["detail"], answer["errors"]

    refused = [
        await run("carol/ops", made),
        await run("carol/ops", "{class: subprocess.Popen, args: 'false'}"),
        await run("", made, bearer),
    ]
    await call("root", "POST", "pools", {"name": "lab", "kind": "dask", "cluster": "tcp://127.0.0.1:1"})
    elsewhere = [await run("carol/ops", "tcp://127.0.0.1:2"), await run("", "tls://127.0.0.1:1/", bearer)]
    passed = [
        await run("alice", made),
        await run("alice", "tcp://127.0.0.1:2"),
        await run("carol/ops", "local"),
        await run("", "tcp://127.0.0.1:1/", bearer),
    ]

    for code, detail, errors in refused:
        assert (code, [error["pointer"] for error in errors]) == (422, ["#/cluster"])
        assert "needs the role author, and you have the role runner" in detail
        assert "OrchestraExtension.cluster" in detail
    assert [(code, [error["pointer"] for error in errors]) for code, _, errors in passed] == [(422, ["#/parallel"])] * 4
    for code, detail, errors in elsewhere:
        assert (code, [error["pointer"] for error in errors]) == (422, ["#/cluster"])
        assert "is no cluster of this server" in detail
        assert "needs the role author, and you have the role runner" in detail


async def test_without_owners_only_a_file_changes_what_is_anybodys(call: Call, store) -> None:
    deploy(store, "nightly", owner="alice")

    code, answer = await call("bob", "POST", "files", {"text": "deployments: []\nautomations: []", "prune": True})

    assert (code, [(step["name"], step["action"]) for step in answer["steps"]]) == (200, [("nightly", "delete")])
    assert (await call("bob", "GET", "deployments/nightly"))[0] == 404


async def test_everybody_is_told_who_they_are(call: Call, store) -> None:
    made = create_token(store, "ci", ["runs:read", "runs:write"], expires_at=None, actor="test", now=NOW)[1].get()

    told = [
        (await call("alice/ops", "GET", "me"))[1],
        (await call("", "GET", "me", headers={"Authorization": f"Bearer {made}"}))[1],
    ]

    assert told == [
        {"user": "alice", "actor": "user alice", "role": "author", "is_owners_only": False},
        {"user": "token ci", "actor": "token ci", "role": "runner", "is_owners_only": False},
    ]


async def test_a_group_is_nobodys_name(call: Call) -> None:
    code, answer = await call("group:ops", "POST", "runs/x/cancel")

    assert (code, answer["detail"]) == (403, "This needs the role runner, and you have the role viewer.")


OF_ANA = {"ana": "admin", "service ana": "admin", "token ci": "admin", "*": "viewer"}


@pytest.mark.parametrize("access", [{"roles": OF_ANA}], ids=["of ana"])
async def test_the_idempotency_keys_of_a_service_are_not_those_of_the_user_of_its_name(call: Call) -> None:
    key = {"Idempotency-Key": "k"}
    pool = {"name": "gpu"}

    by_user = [(await call("ana", "POST", "pools", pool, key))[0] for _ in range(2)]
    by_service = await call("ana", "POST", "pools", pool, key | {"X-Kind": "service"})

    assert by_user == [201, 201]
    assert (by_service[0], by_service[1]["code"]) == (409, "name_taken")


@pytest.mark.parametrize("access", [{"roles": OF_ANA}], ids=["of ana"])
async def test_no_user_is_taken_for_a_service_or_a_token_by_a_name(call: Call) -> None:
    users = ["ana", "service ana", "token ci", "user service ana"]

    told = [(await call(user, "GET", "me"))[1] for user in users]
    service = (await call("ana", "GET", "me", headers={"X-Kind": "service"}))[1]

    assert [(one["user"], one["role"]) for one in (*told, service)] == [
        ("ana", "admin"),
        ("user service ana", "viewer"),
        ("user token ci", "viewer"),
        ("user user service ana", "viewer"),
        ("service ana", "admin"),
    ]


async def test_the_stream_is_for_viewers_and_tells_me_of_my_runs_alone(
    call: Call, store, http_server, jp_http_port, jp_base_url, http_server_client
) -> None:
    address = f"localhost:{jp_http_port}{jp_base_url}{API}/stream"
    refused = await http_server_client.fetch(f"{jp_base_url}{API}/stream", headers=dict(UPGRADE), raise_error=False)
    request = HTTPRequest(f"ws://{address}?owner=me&parts=runs", headers={"X-User": "alice"})
    socket = await websocket_connect(request)
    hello = json.loads(await socket.read_message())

    store.apply([RunCreated(run=run_of(1, owner="bob"))])
    store.apply([RunCreated(run=run_of(2, owner="alice"))])
    told = json.loads(await asyncio.wait_for(socket.read_message(), PATIENCE_SECONDS))

    assert refused.code == 403
    assert hello["view"] == {"owner": "alice", "parts": ["runs"]}
    assert [run["name"] for run in told["runs"]] == [run_of(2).name]
    socket.close()


async def test_a_run_belongs_to_who_asked_for_it_and_lists_can_be_cut_to_ones_own(call: Call, store) -> None:
    deploy(store, "nightly", owner="alice")

    of_bob = (await call("bob", "POST", "deployments/nightly/runs", {}))[1]
    of_ops = (await call("carol/ops", "POST", "deployments/nightly/runs", {}))[1]
    mine = (await call("bob", "GET", "runs?owner=me&fields=name,owner"))[1]["runs"]
    hers = (await call("bob", "GET", "runs?owner=carol&fields=run_id"))[1]["runs"]
    shown = (await call("eve", "GET", "deployments/nightly"))[1]

    assert (of_bob["owner"], of_ops["owner"], shown["owner"]) == ("bob", "carol", "alice")
    assert mine == [{"name": of_bob["name"], "owner": "bob"}]
    assert hers == [{"run_id": of_ops["run_id"]}]
    [entry] = (await call("root", "GET", "audit?actor=user+bob"))[1]["entries"]
    assert (entry["action"], entry["target"], entry["run_id"]) == ("run_deployment", "nightly", of_bob["run_id"])


async def test_events_for_all_who_listen_have_ids_and_no_names_where_there_are_roles(
    jp_serverapp: ServerApp, store, http_server_client, jp_base_url, http_server, jp_http_port
) -> None:
    address = f"ws://localhost:{jp_http_port}{jp_base_url}api/events/subscribe"
    socket = await websocket_connect(HTTPRequest(address, headers={"X-User": "nobody-known"}))
    reading = asyncio.ensure_future(socket.read_message())
    made: list[str] = []

    async with asyncio.timeout(PATIENCE_SECONDS):
        while not reading.done():  # what happened before somebody listened is not told
            run = run_of(len(made) + 1, name="secret-fox", owner="alice", deployment="merger", deployment_version=1)
            store.apply([RunCreated(run=run)])
            made.append(run.run_id)
            await asyncio.wait([reading], timeout=0.2)
    told = json.loads(reading.result())
    socket.close()

    assert (told["schema_id"], told["run_id"] in made, told["state"]) == (RUN_STATE, True, run.state)
    assert {told[name] for name in ("owner", "actor", "deployment", "pool")} == {None}
    assert not {"secret-fox", "alice", "merger", run_of(1).flow_name} & set(map(str, told.values()))


class TestOwnersOnly:
    """Those who are no admins change only what is theirs, or shared with them; what they see: test_owners_only.py."""

    @pytest.fixture
    def access(self) -> dict[str, object]:
        return {"roles": ROLES, "owners_only": True, "sharing": {"alice": ["group:ops"]}}

    @pytest.fixture
    def things(self, store) -> None:
        deploy(store, "nightly", owner="alice")
        deploy(store, "legacy", owner=None)
        store.apply([RunCreated(run=run_of(1, owner="alice", driver_id="d")), RunCreated(run=run_of(2, driver_id="d"))])

    @pytest.mark.parametrize(
        ("user", "code"),
        [("alice", 202), ("bob", 404), ("carol/ops", 202), ("root", 202), ("eve", 403)],
    )
    async def test_a_run_is_stopped_by_its_owner_by_whom_it_is_shared_with_and_by_admins(
        self, call: Call, things, store, user: str, code: int
    ) -> None:
        answered = await call(user, "POST", f"runs/{run_of(1).name}/cancel")

        assert answered[0] == code
        assert len(store.cancel_requests("d")) == int(code == 202)

    async def test_what_is_nobodys_is_for_admins(self, call: Call, things) -> None:
        refused = await call("alice", "POST", f"runs/{run_of(2).name}/cancel")

        assert (refused[0], refused[1]["code"]) == (404, "run_not_found")
        assert (await call("alice", "POST", "deployments/legacy/pause"))[0] == 404
        assert (await call("root", "POST", "deployments/legacy/pause"))[0] == 200

    async def test_no_call_sees_or_changes_somebody_elses_deployment(self, call: Call, things) -> None:
        seen = {(await call("bob", "GET", path))[0] for path in ("deployments/nightly", f"runs/{run_of(1).name}")}
        changing = [
            endpoint
            for endpoint in ENDPOINTS
            if endpoint.method != "GET"
            and endpoint.path.startswith("/deployments/{name}")
            and endpoint.name != "deploy"
        ]
        bodies = {"roll_back": {"version": 1}, "add_schedule": {"every": "1h"}, "replace_schedule": {"every": "1h"}}
        bodies["backfill_deployment"] = {"begin": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
        refused = {}
        for endpoint in changing:
            names = {"name": "nightly", "number": 1, "version": 1}
            path = endpoint.url_path({name: names[name] for name in endpoint.path_parameters}).lstrip("/")
            body = bodies.get(endpoint.name, {}) if endpoint.body_type is not None else None
            refused[endpoint.name] = (await call("bob", endpoint.method, path, body))[1].get("code")

        assert seen == {404}
        assert len(changing) >= 10
        assert set(refused.values()) == {"deployment_not_found"}, refused
        replaced = await call("bob", "PUT", "deployments/nightly", {"flow": "m:f"})
        assert (replaced[0], replaced[1]["code"], "alice" in replaced[1]["detail"]) == (403, "not_yours", False)

    async def test_what_acts_on_everybodys_things_is_for_admins(self, call: Call, things) -> None:
        automation = {"name": "tidy", "when": {"event": "orders.*"}, "do": [{"pause": "nightly"}]}

        refused = [
            (await call("bob", method, path, body))[1].get("code")
            for method, path, body in (
                ("POST", "automations", automation),
                ("PUT", "automations/tidy", automation),
                ("DELETE", "automations/tidy", None),
                ("POST", "webhooks", {"name": "hook", "event": "pushed"}),
                ("POST", "pools", {"name": "bobs"}),
                ("PATCH", "pools/default", {"concurrency": 1}),
                ("POST", "limits", {"name": "bobs", "limit": 1}),
                ("POST", "files", {"text": "pools: [{name: bobs}]"}),
            )
        ]
        made = (await call("root", "POST", "automations", automation))[0]
        tried = [(await call(user, "POST", "automations/tidy/test", {}))[0] for user in ("root", "bob")]

        assert refused == ["not_yours"] * 8
        assert (made, tried) == (201, [200, 404])

    async def test_a_deployment_that_became_somebody_elses_meanwhile_stays_so(
        self, call: Call, store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        flow = SlowFlow(tmp_path)
        flow.stop()

        late = asyncio.ensure_future(call("bob", "PUT", "deployments/report", {"flow": "slow.py:load"}))
        await flow.wait_until_begun()
        deploy(store, "report", owner="alice")
        flow.go_on()
        code, answer = await late

        assert (code, answer["code"]) == (403, "not_yours")
        kept = DeploymentStore(store.database).get("report")
        assert (kept.owner, kept.version, kept.spec.flow_name) == ("alice", 1, "report")

    async def test_a_file_changes_nothing_where_something_of_it_became_somebody_elses_meanwhile(
        self, call: Call, store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        flow = SlowFlow(tmp_path)
        flow.stop()
        text = "deployments: [{name: mine, flow: 'slow.py:load'}, {name: report, flow: 'slow.py:load'}]"

        late = asyncio.ensure_future(call("bob", "POST", "files", {"text": text}))
        await flow.wait_until_begun()
        deploy(store, "report", owner="alice")
        flow.go_on()
        code, answer = await late

        assert (code, answer["code"]) == (403, "not_yours")
        assert [one.name for one in DeploymentStore(store.database).list_deployments()] == ["report"]

    async def test_webhooks_and_their_messages_are_seen_by_admins(self, call: Call, things) -> None:
        paths = ("webhooks", "webhooks/hook", "receipts")
        made = {"name": "hook", "event": "pushed"}

        assert (await call("root", "POST", "webhooks", made))[0] == 201
        assert [(await call("root", "GET", path))[0] for path in paths] == [200] * 3
        for user in ("alice", "eve"):
            seen = [(await call(user, "GET", path))[1] for path in paths]
            assert (seen[0]["webhooks"], seen[1]["code"], seen[2]["receipts"]) == ([], "webhook_not_found", [])

    @pytest.mark.parametrize(
        ("text", "prune", "is_refused"),
        [
            pytest.param("deployments: []\nautomations: []", True, False, id="pruned with automations"),
            pytest.param("deployments: []", True, False, id="pruned"),
            pytest.param(
                "deployments: [{name: bobs, flow: 'f.py:f'}, {name: nightly, flow: 'f.py:f'}]",
                False,
                True,
                id="replaced",
            ),
            pytest.param(
                "automations: [{name: a, when: {event: e}, do: [{pause: bobs}]}]\n"
                "deployments: [{name: bobs, flow: 'f.py:f'}]",
                False,
                True,
                id="automation",
            ),
            pytest.param("automations: []", True, False, id="automations pruned"),
        ],
    )
    async def test_no_file_changes_or_tells_of_what_is_somebody_elses(
        self, call: Call, things, store, folder: Path, text: str, prune: bool, is_refused: bool
    ) -> None:
        rule = {"name": "kept", "when": {"event": "orders.*"}, "do": [{"pause": "nightly"}]}
        assert (await call("root", "POST", "automations", rule))[0] == 201
        file = {"text": text, "prune": prune}

        async def state() -> list[object]:
            return [(await call("root", "GET", path))[1] for path in ("deployments", "automations")]

        before = await state()
        answers = [await call("bob", "POST", path, file) for path in ("files?plan=true", "files")]
        after = await state()
        by_admin = await call("root", "POST", "files", file)

        for code, answer in answers:
            told = (code, answer["code"] if is_refused else answer["steps"])
            assert told == ((403, "not_yours") if is_refused else (200, [])), answer
            assert "alice" not in json.dumps(answer)
        assert after == before
        assert (by_admin[0], by_admin[1]["is_applied"]) == (200, True), by_admin
        assert await state() != before

    async def test_a_file_of_what_is_ones_own_is_applied(self, call: Call, things, folder: Path) -> None:
        own = "deployments: [{name: bobs, flow: 'f.py:f', triggers: %s, tags: {v: '%s'}}]"
        trigger = "[{name: begun, when: {event: e}}]"

        async def apply(user: str, text: str) -> tuple[int, list[tuple[str, str]]]:
            code, answer = await call(user, "POST", "files", {"text": text})
            return code, [(step["name"], step["action"]) for step in answer.get("steps", ())]

        made = await apply("bob", own % (trigger, 1))
        changed = await apply("bob", own % ("[]", 2))
        unchanged = await apply("bob", own % ("[]", 2))
        refused = [(await apply("alice", own % said))[0] for said in (("[]", 2), ("[]", 3), (trigger, 2))]

        assert made == (200, [("bobs", "create"), ("begun", "create")])
        assert changed == (200, [("bobs", "change"), ("begun", "delete")])
        assert unchanged == (200, [("bobs", "unchanged")])
        assert refused == [403, 403, 403]
        assert (await call("bob", "GET", "deployments/bobs"))[1]["owner"] == "bob"

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / "f.py").write_text("from orchestra_nb import flow\n\n\n@flow\ndef f() -> None: ...\n")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    async def test_a_token_changes_what_it_made_itself(self, call: Call, things, store) -> None:
        made = {
            name: create_token(store, name, scopes, expires_at=None, actor="test", now=NOW)[1].get()
            for name, scopes in (("ci", ["runs:write"]), ("all", ["admin"]))
        }
        store.apply([RunCreated(run=run_of(3, owner="token ci", driver_id="d"))])

        async def cancel(token: str, number: int) -> int:
            headers = {"Authorization": f"Bearer {made[token]}"}
            return (await call("", "POST", f"runs/{run_of(number).name}/cancel", headers=headers))[0]

        assert [await cancel("ci", 3), await cancel("ci", 1), await cancel("all", 1)] == [202, 404, 202]


def test_each_call_that_changes_something_says_whose_that_is(store) -> None:
    tables = (OWNED_BY_PATH, ADMIN_ONLY, CHECKS_ITSELF, NEEDS_NO_OWNER)
    changing = [endpoint for endpoint in ENDPOINTS if endpoint.method != "GET"]
    run = run_of(1, owner="alice")
    letter = DeadLetter(
        run_id=run.run_id, name="t", flow_name="f", ended_as=State.FAILED, attempts=1, message="", created_at=NOW
    )
    store.apply([RunCreated(run=run), DeadLetterAdded(letter=letter)])
    deploy(store, "nightly", owner="alice")
    NotificationStore(store.database).add_rule(NotificationRule(name="nightly", channels=()), NOW)
    bob = endpoints.Call(
        store=store,
        settings=load_settings(),
        actor="bob",
        now=NOW,
        notebook_at=Path,
        place_at=Path,
        owners=frozenset({"bob"}),
    )
    arguments = {"run": run.name, "letter": letter.letter_id, "name": "nightly", "number": 1}

    refused = set()
    for endpoint in changing:
        try:
            own_things(endpoint, bob, arguments)
        except (NotFound, NotYours):
            refused.add(endpoint.name)

    assert {endpoint.path for endpoint in changing} == set().union(*tables)
    assert sum(map(len, tables)) == len(set().union(*tables))
    assert refused == {endpoint.name for endpoint in changing if endpoint.path in OWNED_BY_PATH | ADMIN_ONLY}


class TestNoRules:
    """Without rules nothing changes: whoever is logged in may do what the authorizer allows."""

    @pytest.fixture
    def access(self) -> dict[str, object]:
        return {}

    async def test_everybody_may_everything(self, call: Call, store) -> None:
        store.apply([RunCreated(run=run_of(1, owner="alice"))])

        assert (await call("bob", "POST", f"runs/{run_of(1).name}/cancel"))[0] == 202
        assert (await call("bob", "GET", "audit"))[0] == 200


class TestWrongRules:
    """Rules that are wrong let nobody in: the routes are not there."""

    @pytest.fixture(
        params=[
            pytest.param({"roles": {"alice": "boss"}}, id="no such role"),
            pytest.param({"roles": "alice"}, id="no mapping"),
            pytest.param({"owners_only": True}, id="owners where all are admins"),
            pytest.param({"roles": {"alice": "admin"}, "sharing": {"alice": "bob"}}, id="shared with no list"),
            pytest.param({"roles": {"alice": "admin"}, "keeps_server": "perhaps"}, id="something else"),
        ]
    )
    def access(self, request) -> dict[str, object]:
        return request.param

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        jp_server_config.ServerApp.reraise_server_extension_failures = False  # as in a server of a user
        return jp_server_config

    async def test_nobody_is_served(self, jp_serverapp: ServerApp, http_server_client, jp_base_url) -> None:
        answer = await http_server_client.fetch(
            f"{jp_base_url}{API}/runs", headers={"X-User": "alice"}, raise_error=False
        )

        assert answer.code == 404


def test_rules_name_what_is_wrong_with_them() -> None:
    with pytest.raises(InvalidSetting, match=r"'boss' \(of 'alice'\) is no role. The roles are: viewer, runner"):
        AccessRules.of({"alice": "boss"})
    with pytest.raises(InvalidSetting, match="Set OrchestraExtension.roles, too"):
        AccessRules.of({}, is_owners_only=True)
    assert AccessRules.of({"a": "viewer"}).role_of(Person("b")) is None


def test_links_begin_with_the_address_that_a_hub_tells_unless_a_setting_says_another(monkeypatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_PUBLIC_URL", "https://hub.example.org/user/alice/")
    told, origins = load_settings_with_origins()
    monkeypatch.setenv("ORCHESTRA_PAGES_URL", "https://other.example.org/orchestra/")
    said = load_settings()
    monkeypatch.setenv("JUPYTERHUB_PUBLIC_URL", "")  # as a hub that does not know its own address has it
    monkeypatch.delenv("ORCHESTRA_PAGES_URL")

    assert told.pages_url == "https://hub.example.org/user/alice/orchestra/"
    assert origins["pages_url"] == "JUPYTERHUB_PUBLIC_URL"
    assert said.pages_url == "https://other.example.org/orchestra/"
    assert load_settings().pages_url == ""


def test_a_process_is_of_the_user_of_its_hub_where_there_is_one(monkeypatch) -> None:
    account = process_user()
    monkeypatch.setenv("JUPYTERHUB_USER", "alice")

    assert (process_user(), bool(account), account == "alice") == ("alice", True, False)
