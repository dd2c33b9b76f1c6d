"""Who is no admin sees only what is theirs, or shared with them, whatever they ask and however they ask it."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from deployments_of import deploy, service
from example_runs import UPGRADE, run_of
from sqlalchemy import select, update
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect
from traitlets.config import Config
from user_headers import HeaderIdentity, OnlyReading
from webhook_messages import standard
from zebra_things import ASSET, DEPLOYMENT, FINISHED, FLOW, GOING, ID_MARK, MARK, ZebraThings, zebra_run

from orchestra_nb.acting_user import acting_as
from orchestra_nb.model.events import LogsWritten, RunCreated, RunStateChanged
from orchestra_nb.model.questions import Asker, GetSecret, SetSecret
from orchestra_nb.model.runs import LogLine
from orchestra_nb.model.states import State
from orchestra_nb.operations.api_tokens import create_token
from orchestra_nb.operations.automation_actions import AutomationActions
from orchestra_nb.operations.deployment_plan import apply_plan, plan_deployment
from orchestra_nb.operations.run_services import RunServices
from orchestra_nb.operations.storage_options import storage_options
from orchestra_nb.rest.catalogue import ENDPOINTS
from orchestra_nb.rest.endpoint import Endpoint
from orchestra_nb.rest.other_routes import ROUTES
from orchestra_nb.services.automation_service import AutomationService
from orchestra_nb.services.file_watch_service import FileWatchService
from orchestra_nb.services.notification_service import NotificationService
from orchestra_nb.settings import load_settings
from orchestra_nb.store.automation_store import AutomationStore
from orchestra_nb.store.file_watch_store import FileWatchStore
from orchestra_nb.store.pool_store import PoolStore
from orchestra_nb.store.service_tables import deployments
from orchestra_nb.store.table_basics import metadata
from tests.faults.notebook_command import code_cell, notebook_of
from tests.patience import PATIENCE_SECONDS

API = "orchestra/api/v1"
ROLES = {"root": "admin", "alice": "author", "bob": "author", "carol": "runner", "group:ops": "viewer", "eve": "viewer"}

Ask = Callable[..., Awaitable[tuple[int, str]]]
#: A path with its query.
Question = str

#: Parameter of a path, or of a query, to what of hers could stand there. Of a path the word before it says what it is.
OF_PATHS = {
    "runs": "run",
    "tasks": "task",
    "values": "value",
    "flows": "flow",
    "deployments": "deployment",
    "dead-letters": "letter",
    "automations": "automation",
    "deliveries": "delivery",
    "webhooks": "webhook",
    "artifacts": "artifact",
    "secrets": "secret",
    "receipts": "receipt",
    "rules": "rule",
    "schedules": "schedule",
    "pools": "pool",
    "tokens": "token",
}
OF_QUERIES = {"run": "run", "task": "task", "flow": "flow", "deployment": "deployment", "webhook": "webhook"}
#: What else a query of an endpoint needs, or is worth asking.
QUERIES = {
    "show_asset": [{"key": ASSET}],
    "read_names": [{"run": f"{ID_MARK}{FINISHED:024x}"}, {"task": f"{ID_MARK}{9:024x}"}],
    "try_automation": [{"since": "2026-01-01T00:00:00Z"}],
    "read_resumption": [{"cell": "1"}],
    "list_runs": [{"owner": "alice"}, {"flow": "zeb*"}, {"tag": "zebra"}, {"sort": "flow"}, {"state": "FAILED"}],
    "list_dead_letters": [{"all": "true"}],
    "list_events": [{"event": "zebra.*"}, {"resource": "zebra"}],
    "read_statistics": [{"tasks": "true"}, {"name": FLOW}],
    "preview_schedule": [{"every": "1h"}],
}
#: They show nothing that is anybody's.
SHOW_NOTHING = {
    "show_me",
    "preview_schedule",
    "list_variables",
    "get_variable",
    "list_channels",
    "list_clusters",
    "list_pools",
    "list_pool_kinds",
    "show_limit",
    "show_parameters",
    "show_notebook_cells",
}
#: What is everybody's, or nobody's: for admins alone.
FOR_ADMINS = {"list_audit", "read_metrics"}
#: Her own secrets: what is everybody's is all that others see.
FOR_HER_ALONE = {"list_secrets"}
#: Not of what is shared.
NOT_SHARED = FOR_HER_ALONE | {"list_tokens"}
#: Of other routes, these answer GET and are walked, too.
ROUTES_READ = ("read_health", "read_presence", "read_openapi", "read_metrics")


@pytest.fixture
def access() -> dict[str, object]:
    return {"roles": ROLES, "owners_only": True, "sharing": {"alice": ["group:ops"]}}


@pytest.fixture
def jp_server_config(jp_server_config: Config, access: dict[str, object]) -> Config:
    jp_server_config.ServerApp.identity_provider_class = HeaderIdentity
    jp_server_config.OrchestraExtension.update(access)
    return jp_server_config


@pytest.fixture
def ask(jp_serverapp, http_server_client, jp_base_url) -> Ask:
    """Ask the API as a user, with groups where ``user`` is ``name/group``; return the status and the text."""

    async def ask(
        user: str, path: str, method: str = "GET", body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        name, _, group = user.partition("/")
        answer = await http_server_client.fetch(
            f"{jp_base_url}{API}/{path}",
            method=method,
            headers={**({"X-User": name, "X-Groups": group} if user else {}), **(headers or {})},
            body=None if body is None else json.dumps(body),
            allow_nonstandard_methods=True,
            raise_error=False,
        )
        return answer.code, answer.body.decode()

    return ask


@pytest.fixture
def zebras(store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ZebraThings:
    monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "key"))
    return ZebraThings(store, tmp_path, load_settings().secret_key_place)


def questions_of(endpoint: Endpoint[..., Any], names: dict[str, list[str]]) -> Iterator[Question]:
    """Yield how an endpoint may be asked, with each name of hers where it could stand."""
    words = endpoint.path.lstrip("/").split("/")
    places = [names[OF_PATHS[kind]] if kind in OF_PATHS else ["default"] for kind, _ in _parameters(words)]
    for values in itertools.product(*places):
        path = endpoint.url_path(dict(zip(endpoint.path_parameters, values, strict=True))).lstrip("/")
        fields = () if endpoint.query_type is None else endpoint.query_type.__struct_fields__
        said = [{field: name} for field in fields if field in OF_QUERIES for name in names[OF_QUERIES[field]]]
        for query in ({}, *said, *QUERIES.get(endpoint.name, ())):
            yield f"{path}?{urlencode(query)}" if query else path


def _parameters(words: list[str]) -> list[tuple[str, str]]:
    return [(before, word) for before, word in itertools.pairwise(words) if word.startswith("{")]


def all_questions(names: dict[str, list[str]]) -> dict[str, list[Question]]:
    """Return endpoint, or other route, to how it is asked, for all that are asked with GET."""
    found = {endpoint.name: list(questions_of(endpoint, names)) for endpoint in ENDPOINTS if endpoint.method == "GET"}
    return found | {route.name: [route.path.lstrip("/")] for route in ROUTES if route.name in ROUTES_READ}


def is_of_hers(text: str) -> bool:
    return MARK in text.lower() or ID_MARK in text


def of_nobody(text: str, names: dict[str, list[str]]) -> str:
    """Return a question, or an answer, with names that nothing has in the place of hers."""
    for kind in ("delivery", "receipt"):
        for number in names[kind]:
            text = re.sub(rf"(deliveries/|receipts/|otification |essage ){number}\b", r"\g<1>99", text)
    return text.replace(MARK, "quagga").replace(ID_MARK, "2eb2b000")


async def shown(ask: Ask, user: str, names: dict[str, list[str]], **headers: str) -> dict[str, list[str]]:
    """Return endpoint to the questions whose answers show something of hers."""
    found: dict[str, list[str]] = {}
    for name, questions in all_questions(names).items():
        for question in questions:
            code, text = await ask(user, question, headers=headers)
            assert code < 500, (user, question, text)
            if code == 200 and is_of_hers(text):
                found.setdefault(name, []).append(question)
    return found


class TestAnyStore:
    """It is the database that leaves out what is not seen, so each kind has to."""

    @pytest.fixture
    def store_url(self, any_store_url: str) -> str:
        return any_store_url

    async def test_nothing_of_hers_is_in_any_answer_to_another_user(self, ask: Ask, zebras: ZebraThings) -> None:
        by_admin = await shown(ask, "root", zebras.names)
        by_herself = await shown(ask, "alice", zebras.names)
        by_whom_she_shares_with = await shown(ask, "frank/ops", zebras.names)

        every = all_questions(zebras.names)
        assert every.keys() - by_admin.keys() == SHOW_NOTHING | FOR_HER_ALONE | {"read_presence", "read_openapi"}
        assert by_admin.keys() - by_herself.keys() == FOR_ADMINS
        assert by_herself.keys() - by_admin.keys() == FOR_HER_ALONE
        assert by_herself.keys() - by_whom_she_shares_with.keys() == NOT_SHARED
        for user in ("bob", "eve"):
            for name, questions in every.items():
                for question in questions:
                    code, text = await ask(user, question)
                    other = of_nobody(question, zebras.names)
                    if other == question:
                        assert not is_of_hers(text), (user, name, question, text)
                    else:
                        there = (code, of_nobody(text, zebras.names))
                        assert there == await ask(user, other), (user, name, question)

    async def test_what_is_hers_is_not_there_for_whoever_would_change_it(
        self, ask: Ask, store, zebras: ZebraThings
    ) -> None:
        # as the server does by itself at some time after its start
        AutomationStore(store.database).decide_who_is_heard(lambda owner: ROLES.get(owner) == "admin")
        before = rows_of(store)

        differing = {}
        for endpoint in ENDPOINTS:
            if endpoint.method == "GET" or endpoint.name in MAKES_ITS_OWN:
                continue
            for question in questions_of(endpoint, zebras.names):
                body = None if endpoint.body_type is None else BODIES.get(endpoint.name, {})
                code, text = await ask("bob", question, endpoint.method, body)
                told = code, of_nobody(text, zebras.names)
                of_none = json.loads(of_nobody(json.dumps(body), zebras.names))
                other = await ask("bob", of_nobody(question, zebras.names), endpoint.method, of_none)
                if told != other or code not in (403, 404):
                    differing[question] = (told, other)

        assert not differing, "\n".join(f"{question}: {answers}" for question, answers in differing.items())
        assert rows_of(store) == before


#: A body with which a call is read; those that are not here take an empty one.
BODIES = {
    "set_run_state": {"state": "COMPLETED"},
    "answer_input": {"value": 1},
    "backfill_deployment": {"begin": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"},
    "add_schedule": {"every": "1h"},
    "replace_schedule": {"every": "1h"},
    "replace_automation": {"when": {"event": "e"}, "do": [{"pause": "nightly"}]},
    "create_automation": {"name": "a", "when": {"event": "e"}, "do": [{"pause": "nightly"}]},
    "create_pool": {"name": "p"},
    "create_limit": {"name": "l", "limit": 1},
    "create_webhook": {"name": "w", "deployment": DEPLOYMENT},
    "create_channel": {"name": "c", "address": "json://localhost"},
    "set_channel": {"address": "json://localhost"},
    "set_secret": {"value": "v"},
    "set_variable": {"value": 1},
    "apply_file": {"text": "deployments: []", "prune": True},
    "run_notebook": {"path": "n.ipynb"},
}
#: They make something new, and touch nothing that is there; or change what all who have their role share.
MAKES_ITS_OWN = {
    "deploy",
    "add_rule",
    "create_token",
    "apply_file",
    "run_notebook",
    "plan_notebook",
    "read_task_line",
    "read_automation_text",
    "write_task_line",
    "set_rule",
    "set_secret",
    "set_variable",
    "unset_variable",
    "delete_channel",
    "try_channel",
}


def rows_of(store) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of each table, but of what is written of calls themselves."""
    with store.database.connect() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
            if table.name not in ("audit_entries", "kept_answers")
        }


async def test_the_stream_has_the_runs_of_who_listens_and_those_that_are_shared_with_them(
    ask: Ask, store, zebras: ZebraThings, http_server, jp_http_port, jp_base_url
) -> None:
    address = f"ws://localhost:{jp_http_port}{jp_base_url}{API}/stream"
    by_user = {
        user: await websocket_connect(HTTPRequest(address, headers={"X-User": user, "X-Groups": group}))
        for user, group in (("bob", ""), ("frank", "ops"), ("root", ""))
    }
    hellos = [json.loads(await socket.read_message()) for socket in by_user.values()]
    going = zebra_run(GOING)
    line = LogLine(run_id=going.run_id, at=going.created_at, level=20, logger="zebra", message="zebra")

    store.apply([LogsWritten(lines=(line,)), RunCreated(run=run_of(2, name="alice-too", owner="alice"))])
    store.apply([RunCreated(run=run_of(3, name="of-bob", owner="bob"))])
    told: dict[str, set[str]] = {}
    async with asyncio.timeout(PATIENCE_SECONDS):
        for user, socket in by_user.items():
            told[user] = set()
            while "of-bob" not in told[user] and not (user == "frank" and "alice-too" in told[user]):
                text = await socket.read_message()
                assert user != "bob" or not is_of_hers(text)
                message = json.loads(text)
                told[user] |= {run["name"] for run in message["runs"]} | set(message["logs"])
            socket.close()

    assert {name: value for name, value in hellos[0].items() if name == "hello"} == {"hello": True}
    assert told == {
        "bob": {"of-bob"},
        "frank": {"alice-too", going.run_id},
        "root": {"of-bob", "alice-too", going.run_id},
    }


async def test_the_stream_of_a_run_of_somebody_elses_is_that_of_none(
    zebras: ZebraThings, http_server_client, jp_serverapp, jp_base_url
) -> None:
    async def open_stream(run: str) -> tuple[int, dict]:
        answer = await http_server_client.fetch(
            f"{jp_base_url}{API}/stream?run={run}", headers={**UPGRADE, "X-User": "bob"}, raise_error=False
        )
        return answer.code, json.loads(answer.body)

    code, problem = await open_stream(zebra_run(FINISHED).name)
    _, of_none = await open_stream("quagga-fox-1")

    assert code == 404
    assert json.loads(json.dumps(problem).replace(MARK, "quagga")) == of_none


async def test_a_run_is_of_the_name_that_its_user_knows(ask: Ask, store) -> None:
    runs = [run_of(number, name="calm-fox", owner=owner, driver_id="d") for number, owner in ((1, "bob"), (2, "alice"))]
    store.apply([RunCreated(run=run) for run in runs])

    seen = [json.loads((await ask(user, "runs/calm-fox"))[1])["run"]["run_id"] for user in ("bob", "alice", "root")]
    stopped = [(await ask(user, "runs/calm-fox/cancel", "POST"))[0] for user in ("bob", "alice")]

    assert seen == [runs[0].run_id, runs[1].run_id, runs[1].run_id]
    assert stopped == [202, 202]
    assert {request.run_id for request in store.cancel_requests("d")} == {run.run_id for run in runs}


async def test_counts_and_waits_are_true_of_what_all_run(ask: Ask, store, zebras: ZebraThings) -> None:
    await ask("root", "pools/default", "PATCH", {"concurrency": 1})
    deploy(store, "of-bob", "bob")
    run = json.loads((await ask("bob", "deployments/of-bob/runs", "POST", {}))[1])
    PoolStore(store.database).serve(service(store), ["default"], "here", 1)

    message = json.loads((await ask("bob", f"runs/{run['run_id']}"))[1])["run"]["message"]
    pool = json.loads((await ask("bob", "pools/default"))[1])
    [limit] = json.loads((await ask("bob", "limits"))[1])["limits"]

    assert message == "waits for its turn: 1 run of the pool default goes on, and 1 may"
    assert [one["name"] for one in pool["waiting"]] == [run["name"]]
    assert [(one["occupied"], one["holder"], one["run_id"]) for one in limit["held"]] == [(1, "", None)]


class TestOwnThings:
    """Secrets, webhooks and triggers are their user's own."""

    @pytest.fixture(autouse=True)
    def key(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store_url: str) -> None:
        monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "key"))
        monkeypatch.setenv("ORCHESTRA_STORE_URL", store_url)

    async def test_a_secret_of_ones_own_is_for_ones_own_runs_and_comes_before_that_of_all(
        self, ask: Ask, store
    ) -> None:
        for user, text in (("root", "of all"), ("alice", "hers"), ("carol", "carols")):
            assert (await ask(user, "secrets/db", "PUT", {"value": text}))[0] == 200
        assert (await ask("alice", "secrets/only-hers", "PUT", {"value": "x"}))[0] == 200
        owners = {1: "alice", 2: "bob", 3: "carol", 4: None}
        store.apply([RunCreated(run=run_of(number, owner=owner)) for number, owner in owners.items()])
        services = RunServices(lambda: store)

        given = {
            owner: services.answer(GetSecret(name="db"), Asker(run_id=run_of(number).run_id)).text
            for number, owner in owners.items()
        }
        refused = services.answer(GetSecret(name="only-hers"), Asker(run_id=run_of(2).run_id))
        listed = {
            user: [(one["name"], one["owner"]) for one in json.loads((await ask(user, "secrets"))[1])["secrets"]]
            for user in ("root", "alice", "bob", "carol")
        }

        assert given == {"alice": "hers", "bob": "of all", "carol": "carols", None: "of all"}
        assert refused.code == "SecretNotFound"
        assert listed == {
            "root": [("db", None)],
            "alice": [("db", None), ("db", "alice"), ("only-hers", "alice")],
            "bob": [("db", None)],
            "carol": [("db", "carol")],
        }
        assert (await ask("eve", "secrets/db", "PUT", {"value": "x"}))[0] == 403
        assert [(await ask("bob", "secrets/db", "DELETE"))[0], (await ask("alice", "secrets/db", "DELETE"))[0]] == [
            404,
            200,
        ]
        assert json.loads((await ask("root", "secrets"))[1])["secrets"][0]["name"] == "db"

    async def test_a_run_that_sets_a_secret_sets_the_one_that_it_reads(self, ask: Ask, store) -> None:
        for user, name in (("root", "token"), ("bob", "token"), ("bob", "only-his")):
            assert (await ask(user, f"secrets/{name}", "PUT", {"value": f"{name} of {user}"}))[0] == 200
        runs = {owner: run_of(number, owner=owner) for number, owner in ((1, "bob"), (2, "carol"))}
        store.apply([RunCreated(run=run) for run in runs.values()])
        services = RunServices(lambda: store)

        def given(owner: str, name: str) -> str | None:
            answer = services.answer(GetSecret(name=name), Asker(run_id=runs[owner].run_id))
            return getattr(answer, "text", None)

        def put(owner: str, name: str, text: str) -> bool:
            return services.answer(SetSecret(name=name, text=text), Asker(run_id=runs[owner].run_id)).has_changed

        is_new = put("bob", "token", "refreshed")
        read = given("bob", "token"), given("carol", "token")
        by_another = put("carol", "token", "carol's"), given("bob", "token"), given("carol", "token")
        of_none = put("carol", "only-his", "for all"), given("bob", "only-his"), given("carol", "only-his")

        assert (is_new, read) == (False, ("refreshed", "token of root"))
        assert by_another == (False, "refreshed", "carol's")
        assert of_none == (True, "only-his of bob", "for all")

    async def test_no_parameter_of_a_run_is_given_somebody_elses_secret(
        self, ask: Ask, store, jp_root_dir: Path
    ) -> None:
        declared = code_cell("from orchestra_nb.variables import Secret\nword: Secret = Secret('')", "parameters")
        document = notebook_of(declared)
        (jp_root_dir / "n.ipynb").write_text(json.dumps(document))
        await ask("alice", "secrets/hers", "PUT", {"value": "x"})
        deploy(store, "of-bob", "bob", document)
        deploy(store, "of-alice", "alice", document)
        parameters = {"parameters": {"word": {"$secret": "hers"}}}

        code, text = await ask("bob", "notebooks/runs", "POST", {"path": "n.ipynb", **parameters})
        of_deployment = await ask("bob", "deployments/of-bob/runs", "POST", parameters)
        by_herself = await ask("alice", "deployments/of-alice/runs", "POST", parameters)

        assert [(code, json.loads(text)["code"]), (of_deployment[0], json.loads(of_deployment[1])["code"])] == [
            (404, "secret_not_found")
        ] * 2
        assert by_herself[0] == 201, by_herself

    async def test_a_webhook_is_made_for_a_deployment_of_ones_own_and_belongs_to_its_owner(
        self, ask: Ask, store, http_server_client, jp_base_url
    ) -> None:
        deploy(store, "of-bob", "bob")
        deploy(store, "of-alice", "alice")

        async def make(user: str, **said: str) -> tuple[int, dict]:
            code, text = await ask(user, "webhooks", "POST", {"name": f"hook-of-{user}", **said})
            return code, json.loads(text)

        refused = [
            (code, answer["code"])
            for code, answer in (
                await make("bob", deployment="of-alice"),
                await make("bob", deployment="nothing"),
                await make("bob", event="pushed"),
            )
        ]
        code, made = await make("bob", deployment="of-bob")
        by_admin = (await make("root", deployment="of-bob"))[0]

        async def send(name: str) -> tuple[int, dict]:
            body = b'{"n": 1}'
            answer = await http_server_client.fetch(
                f"{jp_base_url}{API}/webhooks/hook-of-bob",
                method="POST",
                body=body,
                headers=standard(made["secret"], body, name=name),
                raise_error=False,
            )
            return answer.code, json.loads(answer.body)

        accepted = await send("msg_1")
        [run] = [run for run in store.list_runs() if run.deployment == "of-bob"]
        with store.database.write() as connection:
            connection.execute(update(deployments).where(deployments.c.name == "of-bob").values(owner="alice"))
        taken = await send("msg_2")

        assert refused == [(404, "deployment_not_found"), (404, "deployment_not_found"), (403, "not_yours")]
        assert (code, by_admin, accepted[0], run.owner) == (201, 201, 202, "bob")
        assert taken[0] == 422
        seen = {
            user: [one["webhook"]["name"] for one in json.loads((await ask(user, "webhooks"))[1])["webhooks"]]
            for user in ("root", "alice", "bob")
        }
        assert seen == {"root": ["hook-of-bob", "hook-of-root"], "alice": [], "bob": ["hook-of-bob"]}
        assert [(await ask(user, "receipts/2/discard", "POST"))[0] for user in ("alice", "bob")] == [404, 200]

    async def test_a_webhook_that_an_admin_has_start_something_else_is_not_its_former_owners(
        self, ask: Ask, store, http_server_client, jp_base_url
    ) -> None:
        for user in ("bob", "carol"):
            deploy(store, f"of-{user}", user)
        for name in ("moved", "emits", "kept"):
            assert (await ask("bob", "webhooks", "POST", {"name": name, "deployment": "of-bob"}))[0] == 201
        assert (await ask("root", "webhooks", "POST", {"name": "nobodys", "deployment": "of-bob"}))[0] == 201
        secret = json.loads((await ask("bob", "webhooks/moved/rotate", "POST", {}))[1])["secret"]

        for name, changes in (
            ("moved", {"deployment": "of-carol"}),
            ("emits", {"event": "pushed"}),
            ("kept", {"condition": "true"}),
            ("nobodys", {"deployment": "of-carol"}),
        ):
            code, text = await ask("root", f"webhooks/{name}", "PATCH", changes)
            assert code == 200, text
        body = b'{"n": 1}'
        sent = await http_server_client.fetch(
            f"{jp_base_url}{API}/webhooks/moved",
            method="POST",
            body=body,
            headers=standard(secret, body),
            raise_error=False,
        )
        seen = {
            user: [
                (one["webhook"]["name"], one["owner"])
                for one in json.loads((await ask(user, "webhooks"))[1])["webhooks"]
            ]
            for user in ("root", "bob", "carol")
        }
        by_bob = [
            (await ask("bob", path, method, body))[0]
            for path, method, body in (
                ("webhooks/emits", "PATCH", {"condition": "true"}),
                ("webhooks/emits/rotate", "POST", {}),
                ("webhooks/moved", "PATCH", {"condition": "true"}),
            )
        ]

        assert (sent.code, [run.owner for run in store.list_runs()]) == (202, ["carol"])
        assert seen == {
            "root": [("emits", None), ("kept", "bob"), ("moved", "carol"), ("nobodys", None)],
            "bob": [("kept", "bob")],
            "carol": [("moved", "carol")],
        }
        assert by_bob == [404] * 3

    async def test_a_trigger_hears_of_its_owners_runs_alone(
        self, ask: Ask, store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "f.py").write_text("from orchestra_nb import flow\n\n\n@flow\ndef f() -> None: ...\n")
        monkeypatch.chdir(tmp_path)
        triggers = [{"name": "after", "when": {"state": "COMPLETED", "flow": "report"}}]
        for user, name in (("bob", "of-bob"), ("root", "of-root")):
            body = {"flow": "f.py:f", "triggers": [{**triggers[0], "name": f"after-{name}"}]}
            code, text = await ask(user, f"deployments/{name}", "PUT", body)
            assert code == 200, text

        for number, owner in ((1, "alice"), (2, "bob")):
            run = run_of(number, owner=owner, state=State.RUNNING)
            store.apply([RunCreated(run=run)])
            store.apply([RunStateChanged(run_id=run.run_id, state=State.COMPLETED, at=datetime.now(UTC))])
        service = AutomationService(store, AutomationActions(store, load_settings()))
        service.step(datetime.now(UTC) + timedelta(minutes=1))

        firings = {
            name: [
                one["run_id"] for one in json.loads((await ask("root", f"automations/{name}/firings"))[1])["firings"]
            ]
            for name in ("after-of-bob", "after-of-root")
        }
        assert firings == {
            "after-of-bob": [run_of(2).run_id],
            "after-of-root": [run_of(2).run_id, run_of(1).run_id],
        }
        assert [(await ask(user, "automations/after-of-bob"))[0] for user in ("bob", "alice")] == [200, 404]

    @pytest.mark.parametrize("changed_by", ["nobody", "an admin", "a command", "a command just now"])
    async def test_a_trigger_hears_of_its_owners_runs_alone_whoever_saved_it(
        self, ask: Ask, store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed_by: str
    ) -> None:
        (tmp_path / "f.py").write_text("from orchestra_nb import flow\n\n\n@flow\ndef f() -> None: ...\n")
        monkeypatch.chdir(tmp_path)

        def said(flow: str) -> dict[str, object]:
            return {"flow": "f.py:f", "triggers": [{"name": "after", "when": {"state": "COMPLETED", "flow": flow}}]}

        async def deploy_over_server(user: str, flow: str) -> None:
            code, text = await ask(user, "deployments/of-bob", "PUT", said(flow))
            assert code == 200, text

        def deploy_by_command(flow: str) -> None:
            with acting_as("bob"):
                now = datetime.now(UTC)
                plan = plan_deployment(store, "of-bob", said(flow), load_settings(), now)
                apply_plan(store, plan, actor="test", now=now)

        if changed_by == "a command just now":
            assert (await ask("bob", "me"))[0] == 200
            deploy_by_command("report")  # and the server has not looked again
        elif changed_by == "an admin":
            await deploy_over_server("bob", "other")
            await deploy_over_server("root", "report")
        else:
            deploy_by_command("report")  # before the server looks into the store, as before an upgrade
            assert (await ask("bob", "me"))[0] == 200
        if changed_by == "a command":
            assert (await ask("bob", "deployments/of-bob", "DELETE"))[0] == 200
            deploy_by_command("report")
            await deploy_over_server("bob", "report")

        for number, owner in ((1, "alice"), (2, "bob")):
            run = run_of(number, owner=owner, state=State.RUNNING)
            store.apply([RunCreated(run=run)])
            store.apply([RunStateChanged(run_id=run.run_id, state=State.COMPLETED, at=datetime.now(UTC))])
        service = AutomationService(store, AutomationActions(store, load_settings()))
        service.step(datetime.now(UTC) + timedelta(minutes=1))

        firings = json.loads((await ask("root", "automations/after/firings"))[1])["firings"]
        assert [one["run_id"] for one in firings] == [run_of(2).run_id]

    async def test_a_trigger_that_waits_for_files_looks_with_its_owners_secret(
        self, ask: Ask, store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "f.py").write_text("from orchestra_nb import flow\n\n\n@flow\ndef f() -> None: ...\n")
        monkeypatch.chdir(tmp_path)
        for user, name in (("root", "s3"), ("bob", "s3"), ("bob", "his")):
            assert (await ask(user, f"secrets/{name}", "PUT", {"value": f"{name} of {user}"}))[0] == 200
        storage = {"key": {"$secret": "s3"}, "secret": {"$secret": "his"}}
        answers = {}
        for user in ("bob", "alice"):
            when = {"file": f"memory://{user}/*", "storage": storage}
            body = {"flow": "f.py:f", "triggers": [{"name": f"files-of-{user}", "when": when}]}
            code, answers[user] = await ask(user, f"deployments/of-{user}", "PUT", body)
            assert code == 200, answers[user]
        used = []

        def resolved(storage: Mapping[str, object], owner: str | None) -> Mapping[str, object]:
            used.append(storage_options(store, storage, load_settings(), owner))
            return {}

        FileWatchService(store.database, resolved, start=lambda look: look()).step(datetime.now(UTC))

        problems = {watch.automation: watch.problem for watch in FileWatchStore(store.database).list_watches()}
        assert {user: "there is no secret 'his' yet" in text for user, text in answers.items()} == {
            "bob": False,
            "alice": True,
        }
        assert used == [{"key": "s3 of bob", "secret": "his of bob"}]
        assert problems["files-of-alice"].startswith("No secret 'his'.")
        told = {
            user: json.loads((await ask("root", f"automations/files-of-{user}/test", "POST", {}))[1])["files"][0]
            for user in ("alice", "bob")
        }
        assert told["alice"]["problem"].startswith("No secret 'his'.")
        assert "secret" not in told["bob"]["problem"]

    async def test_a_rule_tells_of_its_owners_runs_alone_and_is_theirs(self, ask: Ask, store) -> None:
        channel = {"name": "team", "address": "json://localhost", "allow_private": True}
        assert (await ask("root", "notifications/channels", "POST", channel))[0] == 201
        for user, path, body in (
            ("bob", "notifications/rules", {"name": "of-bob", "channels": ["team"], "owner": "alice"}),
            ("root", "notifications/rules", {"name": "of-all", "channels": ["team"], "occasion": "failure"}),
            ("bob", "notifications/rules/of-bob", {"channels": ["team"], "states": ["FAILED"]}),
        ):
            code, text = await ask(user, path, "PUT", body)
            assert code == 200, text
        refused = [
            (await ask("alice", path, method, body))[0]
            for path, method, body in (
                ("notifications/rules", "PUT", {"name": "of-bob", "channels": ["team"]}),
                ("notifications/rules/of-bob", "PUT", {"channels": ["team"]}),
                ("notifications/rules/of-bob", "DELETE", None),
                ("notifications/rules/of-all/pause", "POST", None),
            )
        ]

        for number, owner in ((1, "alice"), (2, "bob")):
            run = run_of(number, owner=owner, state=State.RUNNING)
            store.apply([RunCreated(run=run)])
            store.apply([RunStateChanged(run_id=run.run_id, state=State.FAILED, at=datetime.now(UTC))])
        with closing(NotificationService(store, load_settings().secret_key_place)) as service:
            service.step(datetime.now(UTC))

        deliveries = json.loads((await ask("root", "notifications/deliveries"))[1])["deliveries"]
        listed = {
            user: [
                (one["name"], one.get("owner"))
                for one in json.loads((await ask(user, "notifications/rules"))[1])["rules"]
            ]
            for user in ("root", "alice", "bob")
        }
        assert refused == [409, 403, 404, 404]
        assert sorted((one["rule"], one["run_id"]) for one in deliveries) == [
            ("of-all", run_of(1).run_id),
            ("of-all", run_of(2).run_id),
            ("of-bob", run_of(2).run_id),
        ]
        assert listed == {"root": [("of-all", None), ("of-bob", "bob")], "alice": [], "bob": [("of-bob", "bob")]}

    async def test_no_advice_tells_of_what_is_somebody_elses(
        self, ask: Ask, store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        zebras = ZebraThings(store, tmp_path, load_settings().secret_key_place)
        (tmp_path / "f.py").write_text("from orchestra_nb import flow\n\n\n@flow\ndef f() -> None: ...\n")
        monkeypatch.chdir(tmp_path)
        told: dict[str, list[object]] = {}

        for mark in (MARK, "quagga"):
            names = {"flow": f"{mark}-flow", "deployment": [f"{mark}-nightly", f"{mark}-nightli"]}
            when = {"deployment": f"{mark}-nightly", "if": "returned.x > 1"}
            calls = [
                ("notifications/rules", {"name": f"of-{mark}", "channels": ["team"], "flow_names": [names["flow"]]}),
                (f"notifications/rules/of-{mark}", {"channels": ["team"], "deployments": names["deployment"]}),
                ("deployments/of-bob?plan=true", {"flow": "f.py:f", "triggers": [{"name": "t", "when": when}]}),
            ]
            told[mark] = []
            for path, body in calls:
                code, text = await ask("bob", path, "PUT", body)
                told[mark].append((code, of_nobody(text, zebras.names)))

        assert told[MARK] == told["quagga"]
        assert [code for code, _ in told[MARK]] == [200] * 3, told[MARK]

    async def test_a_token_sees_what_it_made_and_what_is_shared_with_it(self, ask: Ask, store) -> None:
        tokens = {
            name: create_token(store, name, scopes, expires_at=None, actor="test", now=datetime.now(UTC))[1].get()
            for name, scopes in (("ci", ["runs:read"]), ("all", ["admin"]))
        }
        runs = [run_of(1, owner="alice"), run_of(2, owner="token ci"), run_of(3)]
        store.apply([RunCreated(run=run) for run in runs])

        seen = {
            name: [run["name"] for run in json.loads((await ask("", "runs", headers=bearer(text)))[1])["runs"]]
            for name, text in tokens.items()
        }

        assert seen == {"ci": [runs[1].name], "all": [run.name for run in reversed(runs)]}

    async def test_a_token_acts_for_its_user_and_for_nobody_else(self, ask: Ask, store) -> None:
        store.apply([RunCreated(run=run_of(number, owner=owner)) for number, owner in ((1, "alice"), (2, "bob"))])
        deploy(store, "of-bob", "bob")

        async def make(user: str, **said: object) -> tuple[int, dict]:
            code, text = await ask(
                user, "tokens", "POST", {"name": "mine", "scopes": ["runs:read", "runs:write"], **said}
            )
            return code, json.loads(text)

        refused = {
            "as a viewer": await make("eve"),
            "for somebody else": await make("bob", owner="alice"),
            "for all": await make("bob", scopes=["admin"]),
            "for workers": await make("bob", scopes=["worker"]),
        }
        code, made = await make("bob")
        by_admin = (await make("root", name="of-alice", owner="alice", scopes=["runs:read"]))[1]
        headers = {"Authorization": f"Bearer {made['text']}"}
        seen = [run["name"] for run in json.loads((await ask("", "runs", headers=headers))[1])["runs"]]
        run = json.loads((await ask("", "deployments/of-bob/runs", "POST", {}, headers))[1])
        of_alice = json.loads((await ask("", "runs", headers=bearer(by_admin["text"])))[1])["runs"]
        minted = await ask("", "tokens", "POST", {"name": "more", "scopes": ["runs:read"]}, headers)
        listed = {
            user: [(one["name"], one["owner"]) for one in json.loads((await ask(user, "tokens"))[1])["tokens"]]
            for user in ("root", "alice", "bob", "eve")
        }
        revoked = [(await ask(user, "tokens/mine", "DELETE"))[0] for user in ("alice", "bob")]
        after = await ask("", "runs", headers=headers)

        assert {name: code for name, (code, _) in refused.items()} == dict.fromkeys(refused, 422)
        assert (code, made["token"]["owner"], seen) == (201, "bob", [run_of(2).name])
        assert (run["owner"], [one["name"] for one in of_alice]) == ("bob", [run_of(1).name])
        assert (minted[0], json.loads(minted[1])["code"]) == (403, "scope_missing")
        assert listed == {
            "root": [("mine", "bob"), ("of-alice", "alice")],
            "alice": [("of-alice", "alice")],
            "bob": [("mine", "bob")],
            "eve": [],
        }
        assert (revoked, after[0]) == ([404, 200], 401)
        [entry] = json.loads((await ask("root", "audit?action=run_deployment"))[1])["entries"]
        assert entry["actor"] == "token mine"


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


class TestTokensAndRoles:
    """A token that acts for a user may no more than they may now, whatever they might when it was made."""

    @pytest.fixture
    def access(self) -> dict[str, object]:
        return {
            "roles": {"root": "admin", "alice": "author", "bob": "viewer", "group:ops": "runner"},
            "owners_only": True,
        }

    async def test_a_token_loses_what_its_user_has_lost(self, ask: Ask, store) -> None:
        store.apply([RunCreated(run=run_of(number, owner=owner)) for number, owner in ((1, "bob"), (2, None))])

        async def codes(owner: str, *scopes: str) -> dict[str, int]:
            _, text = create_token(
                store, f"of-{owner}", scopes, expires_at=None, actor="root", now=datetime.now(UTC), owner=owner
            )
            asked = {"runs": "GET", f"runs/{run_of(1).run_id}/cancel": "POST", "audit": "GET", "tokens": "GET"}
            return {
                path.split("/")[-1]: (await ask("", path, method, headers=bearer(text.get())))[0]
                for path, method in asked.items()
            }

        bob = await codes("bob", "runs:read", "runs:write")
        gone = await codes("gone", "runs:read", "runs:write")
        author = await codes("alice", "admin")
        admin = await codes("root", "admin")
        _, text = create_token(
            store, "as-admin", ["admin"], expires_at=None, actor="root", now=datetime.now(UTC), owner="bob"
        )
        seen = json.loads((await ask("", "runs", headers=bearer(text.get())))[1])["runs"]
        refused = await ask("", f"runs/{run_of(1).run_id}/cancel", "POST", headers=bearer(text.get()))
        me = json.loads((await ask("", "me", headers=bearer(text.get())))[1])

        assert bob == {"runs": 200, "cancel": 403, "audit": 403, "tokens": 403}
        assert gone == dict.fromkeys(bob, 403)
        assert author == {"runs": 200, "cancel": 404, "audit": 403, "tokens": 403}
        assert admin == {"runs": 200, "cancel": 202, "audit": 200, "tokens": 200}
        assert ([run["name"] for run in seen], me["role"]) == ([run_of(1).name], "viewer")
        told = "This needs the role runner, and bob, for whom 'as-admin' acts, has the role viewer by name."
        assert (refused[0], json.loads(refused[1])["detail"]) == (403, told)

    async def test_nobody_makes_a_token_by_a_role_of_a_group_of_which_it_is_not_told(self, ask: Ask) -> None:
        async def make(user: str, scope: str) -> tuple[int, str]:
            code, text = await ask(user, "tokens", "POST", {"name": f"{user[0]}-{scope[5:]}", "scopes": [scope]})
            return code, text

        by_group = await make("frank/ops", "runs:read")
        more, less = await make("bob/ops", "runs:write"), await make("bob/ops", "runs:read")

        assert [code for code, _ in (by_group, more, less)] == [422, 422, 201]
        assert "You have your role by a group, and no token is told of groups" in by_group[1]
        assert "you have the role viewer without your groups" in more[1]
        assert (await ask("", "runs", headers=bearer(json.loads(less[1])["text"])))[0] == 200


class TestOnlyReading:
    """S9: roles allow what an authorizer of the server's own does not, which lets everybody look only."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        jp_server_config.ServerApp.authorizer_class = OnlyReading
        return jp_server_config

    async def test_s9_nobody_changes_what_is_theirs_nor_makes_a_token_that_would(self, ask: Ask, store) -> None:
        create_token(store, "mine", ["runs:read"], expires_at=None, actor="root", now=datetime.now(UTC), owner="carol")
        body = {"name": "more", "scopes": ["runs:write"], "days": None}

        made = await ask("carol", "tokens", "POST", body)
        revoked = await ask("carol", "tokens/mine", "DELETE")
        answers = [
            await ask("carol", endpoint.url_path(dict.fromkeys(endpoint.path_parameters, "1")).lstrip("/"), method, {})
            for endpoint in ENDPOINTS
            if (method := endpoint.method) != "GET"
        ]
        listed = json.loads((await ask("carol", "tokens"))[1])["tokens"]

        assert [code for code, _ in (made, revoked, *answers)] == [403] * (len(answers) + 2)
        assert "The server's authorizer allows you to look only (execute on orchestra)." in made[1]
        assert [one["name"] for one in listed] == ["mine"]


class TestWithoutOwnersOnly:
    """Where nothing is said of owners, everybody who has a role sees everything, as ever."""

    @pytest.fixture
    def access(self) -> dict[str, object]:
        return {"roles": ROLES}

    async def test_each_user_sees_all(self, ask: Ask, zebras: ZebraThings) -> None:
        by_admin = await shown(ask, "root", zebras.names)
        by_bob = await shown(ask, "bob", zebras.names)

        assert by_admin.keys() - by_bob.keys() == {"list_audit", "list_tokens"}
        assert {name: by_admin[name] for name in by_bob} == by_bob
