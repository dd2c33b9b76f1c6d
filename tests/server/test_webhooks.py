"""Webhooks at a real server: who may send, what a message starts, and that it starts it once."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from webhook_messages import body_of, github, slack, standard

from orchestra_nb.model.automation_decisions import hops_of_event, hops_of_tags
from orchestra_nb.model.deployments import DeploymentSpec, NotebookTarget
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.states import State
from orchestra_nb.model.webhooks import ReceiptState, Webhook, WebhookScheme
from orchestra_nb.operations import webhooks
from orchestra_nb.settings import load_settings
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from tests.faults.notebook_command import code_cell, notebook_of

NOW = datetime.now(UTC)
SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
PAYLOAD = {"region": "EU", "items": [1, 2], "n": 7, "code": "__import__('os').getcwd()"}


@pytest.fixture
def etl(store: RunStore, tmp_path: Path) -> str:
    """A deployment of a notebook with a text and a number as parameters."""
    parameters = {**code_cell("region = 'US'\ncount: int = 1"), "metadata": {"tags": ["parameters"]}}
    spec = DeploymentSpec(name="etl", flow_name="etl", target=NotebookTarget(path=str(tmp_path / "etl.ipynb")))
    notebook = json.dumps(notebook_of(parameters, code_cell("print(region, count)")))
    DeploymentStore(store.database).save(spec, notebook=notebook, actor="test", at=NOW)
    return spec.name


@pytest.fixture
def make(jp_serverapp, store: RunStore, etl: str) -> Callable[..., str]:
    """Make a webhook, and return its secret."""

    def make(name: str = "orders", secret: str | None = None, **fields: object) -> str:
        if "event" not in fields:
            fields = {"deployment": etl, "parameters": {"region": "{{ payload.region }}"}, **fields}
        given = None if secret is None else Secret(secret)
        webhook = Webhook(name=name, **fields)  # type: ignore[arg-type]
        return webhooks.create_webhook(store, webhook, given, load_settings(), now=NOW).secret.get()

    return make


@pytest.fixture
def send(http_server_client: AsyncHTTPClient, jp_base_url: str) -> Callable[..., object]:
    """Send a message as somebody whom the server does not know."""

    async def send(headers: dict[str, str], body: bytes, name: str = "orders", **options: object) -> HTTPResponse:
        path = f"{jp_base_url}orchestra/api/v1/webhooks/{name}"
        options = {"method": "POST", "body": body, "headers": headers, "raise_error": False, **options}
        return await http_server_client.fetch(path, **options)

    return send


def answer(response: HTTPResponse) -> dict:
    return json.loads(response.body)


async def test_a_signed_message_runs_the_deployment_with_what_it_says(make, send, store: RunStore) -> None:
    secret = make(
        parameters={"region": "{{ payload.region }}-{{ headers['X-Sender'] }}", "count": "{{ payload.n * 2 }}"}
    )
    body = body_of(PAYLOAD)

    response = await send({**standard(secret, body), "X-Sender": "crm"}, body)

    run = store.list_runs(limit=10)[0]
    assert response.code == 202, response.body
    assert answer(response) == {
        "delivery": 1,
        "state": "ACCEPTED",
        "run": {"run_id": run.run_id, "name": run.name},
    }
    assert (run.deployment, run.state, run.parameters) == ("etl", State.SCHEDULED, {"region": "EU-crm", "count": 14})


async def test_s10_no_message_counts_whose_signature_is_absent_wrong_cut_or_of_another_secret(
    make, send, store: RunStore
) -> None:
    secret, other = make(), make("other")
    body = body_of(PAYLOAD)
    right = standard(secret, body)
    signature = right["webhook-signature"]
    unsigned = {name: value for name, value in right.items() if name != "webhook-signature"}
    messages = {
        "nothing at all": ({}, body, "orders"),
        "absent": (unsigned, body, "orders"),
        "wrong": ({**right, "webhook-signature": "v1," + "A" * 43 + "="}, body, "orders"),
        "cut": ({**right, "webhook-signature": signature[:-4]}, body, "orders"),
        "without its version": ({**right, "webhook-signature": signature.removeprefix("v1,")}, body, "orders"),
        "of another version": ({**right, "webhook-signature": signature.replace("v1,", "v1a,")}, body, "orders"),
        "no ASCII": ({**right, "webhook-signature": "v1,é"}, body, "orders"),
        "another secret": (standard(other, body), body, "orders"),
        "another body": (right, body + b" ", "orders"),
        "another id": ({**right, "webhook-id": "msg_2"}, body, "orders"),
        "another scheme": (github(secret, body), body, "orders"),
        "a cookie": ({**unsigned, "Cookie": "_xsrf=1"}, body, "orders"),
        "an unknown webhook": (right, body, "nobody"),
        "an impossible name": (right, body, "%00"),
    }

    responses = {what: await send(*message) for what, message in messages.items()}

    assert {what: response.code for what, response in responses.items() if response.code != 401} == {}
    assert len({response.body for response in responses.values()}) == 1
    assert len({frozenset(set(response.headers) - {"Date", "Content-Length"}) for response in responses.values()}) == 1
    assert (store.list_runs(limit=10), webhooks.list_receipts(store)) == ([], [])


async def test_s11_a_right_signature_counts_five_minutes_and_no_longer(make, send, store: RunStore) -> None:
    secret = make()
    body = body_of(PAYLOAD)

    def at(text: str) -> dict[str, str]:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        digest = hmac.new(key, f"msg_1.{text}.".encode() + body, hashlib.sha256).digest()
        return {
            "webhook-id": "msg_1",
            "webhook-timestamp": text,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }

    now = time.time()
    refused = {
        text: (await send(at(text), body)).code
        for text in ("", "NaN", "nan", "inf", "1e9", "-1", f"{now:.1f}", f"{now - 302:.0f}", f"{now + 310:.0f}")
    }
    absent = at("")
    del absent["webhook-timestamp"]
    without = (await send(absent, body)).code
    accepted = [(await send(standard(secret, body, name=str(off), off_seconds=off), body)).code for off in (-290, 299)]

    assert (set(refused.values()), without) == ({401}, 401)
    assert accepted == [202, 202]
    assert len(store.list_runs(limit=10)) == 2


async def test_s12_a_message_that_comes_twice_or_fifty_times_at_once_starts_one_run(
    make, send, store: RunStore
) -> None:
    secret = make()
    body = body_of(PAYLOAD)

    together = await asyncio.gather(*(send(standard(secret, body), body) for _ in range(50)))
    later = await send(standard(secret, body, off_seconds=-5), body)
    other = await send(standard(secret, body, name="msg_2"), body)

    assert {response.code for response in (*together, later, other)} == {202}
    assert len({response.body for response in (*together, later)}) == 1
    first, second = answer(later)["run"], answer(other)["run"]
    assert sorted(run.run_id for run in store.list_runs(limit=100)) == sorted([first["run_id"], second["run_id"]])


async def test_the_same_message_at_two_webhooks_starts_a_run_at_each(make, send, store: RunStore) -> None:
    secret = make()
    make("other", secret)
    body = body_of(PAYLOAD)

    codes = [(await send(standard(secret, body), body, name)).code for name in ("orders", "other")]

    assert codes == [202, 202]
    assert len(store.list_runs(limit=10)) == 2


async def test_github_signs_in_its_way(make, send, store: RunStore) -> None:
    secret = make(scheme=WebhookScheme.GITHUB, condition="{{ headers['x-github-event'] == 'push' }}")
    body = body_of({"region": "EU"})
    right = github(secret, body)
    digest = right["X-Hub-Signature-256"]

    ping = await send(github(secret, body, name="1", event="ping"), body)
    pushes = await asyncio.gather(*(send(right, body) for _ in range(10)))
    refused = [
        (await send(headers, body)).code
        for headers in (
            {**right, "X-Hub-Signature-256": digest.removeprefix("sha256=")},
            {**right, "X-Hub-Signature-256": digest[:-1]},
            {name: value for name, value in right.items() if name != "X-GitHub-Delivery"},
            {**right, "X-GitHub-Delivery": ""},
        )
    ]

    assert (ping.code, answer(ping)) == (202, {"delivery": 1, "state": "IGNORED"})
    assert len({push.body for push in pushes}) == 1
    assert [run.parameters["region"] for run in store.list_runs(limit=10)] == ["EU"]
    assert refused == [401] * 4


async def test_slack_signs_in_its_way_and_sends_an_event_again_with_another_time(make, send, store: RunStore) -> None:
    make("chat", SLACK_SECRET, scheme=WebhookScheme.SLACK, parameters={"region": "{{ payload.text }}"})
    command, event = b"text=EU+west&token=x", body_of({"event_id": "Ev1", "text": "US"})
    form = "application/x-www-form-urlencoded"

    right = slack(SLACK_SECRET, command, kind=form)
    commands = [await send(right, command, "chat") for _ in range(2)]
    events = [await send(slack(SLACK_SECRET, event, off_seconds=off), event, "chat") for off in (-60, 0)]
    challenge = body_of({"type": "url_verification", "challenge": "3eZbrw1aB"})
    tried = await send(slack(SLACK_SECRET, challenge), challenge, "chat")
    refused = [
        (await send(headers, command, "chat")).code
        for headers in (
            slack(SLACK_SECRET, command, off_seconds=-302),
            {**right, "X-Slack-Request-Timestamp": "NaN"},
            {**right, "X-Slack-Signature": right["X-Slack-Signature"][:-2]},
        )
    ]

    assert [response.code for response in (*commands, *events)] == [202] * 4
    assert commands[0].body == commands[1].body
    assert events[0].body == events[1].body
    assert sorted(str(run.parameters["region"]) for run in store.list_runs(limit=10)) == ["EU west", "US"]
    assert (tried.code, answer(tried)) == (200, {"challenge": "3eZbrw1aB"})
    assert refused == [401] * 3


@pytest.mark.parametrize("size", [1_000_001, 5_000_000])
@pytest.mark.parametrize("name", ["orders", "nobody"])
async def test_a_message_over_a_megabyte_is_413_whoever_sends_it(make, send, size: int, name: str) -> None:
    secret = make()
    body = b'"' + b"x" * (size - 2) + b'"'

    signed = await send(standard(secret, body), body, name)
    unsigned = await send({}, body, name)

    assert (signed.code, unsigned.code) == (413, 413)
    assert signed.body == unsigned.body


async def test_a_message_of_a_megabyte_is_taken(make, send, store: RunStore) -> None:
    secret = make()
    start, end = b'{"region": "EU", "rest": "', b'"}'
    body = start + b"x" * (1_000_000 - len(start) - len(end)) + end

    response = await send(standard(secret, body), body)

    assert response.code == 202, response.body
    assert len(store.list_runs(limit=10)) == 1


@pytest.mark.parametrize(
    ("parameters", "body", "words"),
    [
        pytest.param({"region": "{{ payload.absent }}"}, b"{}", "absent", id="a field that is not there"),
        pytest.param({"region": "{{ payload.region }}"}, b"no JSON", "neither JSON nor a form", id="no JSON"),
        pytest.param({"count": "{{ payload.n }}"}, b'{"n": "many"}', "count", id="a text for a number"),
        pytest.param({"place": "{{ payload }}"}, b"{}", "place", id="an unknown parameter"),
        pytest.param({"region": "{{ payload.__class__.__mro__ }}"}, b"{}", "__class__", id="out of the sandbox"),
        pytest.param({"region": "{{ ''.__class__ }}!"}, b"{}", "unsafe", id="out of the sandbox as text"),
        pytest.param({"region": "{{ 1 // 0 }}"}, b"{}", "ZeroDivisionError", id="an error of the template"),
        pytest.param({"region": "{{ payload.x }}"}, b'{"x": ' + b"[" * 900 + b"]" * 900 + b"}", "region", id="deep"),
    ],
)
async def test_a_message_that_cannot_start_its_run_is_a_dead_letter_with_the_reason(
    make, send, store: RunStore, parameters: dict[str, str], body: bytes, words: str
) -> None:
    secret = make(parameters=parameters)

    response = await send(standard(secret, body), body)

    receipt = webhooks.list_receipts(store)[0]
    assert response.code == 422
    assert answer(response) == {"delivery": 1, "state": "DEAD"}
    assert (receipt.state, receipt.run_id) == (ReceiptState.DEAD, None)
    assert words in receipt.reason
    assert store.list_runs(limit=10) == []


async def test_a_dead_letter_is_tried_again_by_hand_or_when_it_is_sent_again(
    make, send, store: RunStore, etl, tmp_path: Path
) -> None:
    secret = make(parameters={"region": "{{ payload.region }}"})
    DeploymentStore(store.database).delete(etl)
    body = body_of(PAYLOAD)
    dead = [await send(standard(secret, body, name=name), body) for name in ("by hand", "again", "discarded")]
    webhooks.discard_message(store, 3, actor="me", now=NOW)
    spec = DeploymentSpec(name="etl", flow_name="etl", target=NotebookTarget(path=str(tmp_path / "etl.ipynb")))
    notebook = json.dumps(notebook_of({**code_cell("region = ''"), "metadata": {"tags": ["parameters"]}}))
    DeploymentStore(store.database).save(spec, notebook=notebook, actor="test", at=NOW)

    retried = webhooks.retry_message(store, 1, load_settings(), actor="me", now=NOW)
    again = await send(standard(secret, body, name="again"), body)
    discarded = await send(standard(secret, body, name="discarded"), body)
    known = await send(standard(secret, body, name="by hand"), body)

    assert [response.code for response in dead] == [422] * 3
    assert (retried.state, retried.closed_by, again.code) == (ReceiptState.ACCEPTED, "me", 202)
    assert (answer(discarded)["state"], answer(known)["run"]["run_id"]) == ("DISCARDED", retried.run_id)
    assert len(store.list_runs(limit=10)) == 2


async def test_values_arrive_as_they_were_sent(make, send, store: RunStore) -> None:
    names = {name: f"{{{{ payload.{name} }}}}" for name in PAYLOAD}
    secret = make(event="orders.sent", parameters={**names, "all": "{{ payload }}"}, resource="order.{{ payload.n }}")
    body = body_of(PAYLOAD)

    responses = [await send(standard(secret, body), body) for _ in range(3)]

    [event] = CustomEventStore(store.database).newest_events()
    assert {response.body for response in responses} == {responses[0].body}
    assert answer(responses[0])["event"] == {"event_id": event.event_id}
    assert (event.event, event.resource) == ("orders.sent", {"id": "order.7"})
    assert event.payload == {**PAYLOAD, "all": PAYLOAD}


async def test_a_message_of_an_automation_counts_its_hops_on(make, send, store: RunStore) -> None:
    secret, events = make(), make("events", event="orders.imported")
    body = body_of(PAYLOAD)

    await send({**standard(secret, body), "Orchestra-Hops": "3"}, body)
    await send({**standard(events, body), "Orchestra-Hops": "4"}, body, "events")
    await send({**standard(secret, body, name="m2"), "Orchestra-Hops": "many"}, body)

    plain, counted = store.list_runs(limit=10)
    assert (hops_of_tags(counted.tags), hops_of_tags(plain.tags)) == (3, 0)
    (event,) = CustomEventStore(store.database).newest_events(event="orders.imported")
    assert hops_of_event(event) == 4


async def test_the_secret_and_the_body_are_not_readable_in_the_store(make, send, store: RunStore) -> None:
    secret = make(parameters={"region": "{{ payload.absent }}"})
    body = body_of({"password": "open sesame"})
    headers = {**standard(secret, body), "Authorization": "token sesame-2"}

    assert (await send(headers, body)).code == 422

    assert store.database.path is not None
    written = b"".join(path.read_bytes() for path in store.database.path.parent.iterdir())
    assert b"orders" in written
    for hidden in (secret, "open sesame", "sesame-2", headers["webhook-signature"]):
        assert hidden.encode() not in written


async def test_another_secret_takes_the_place_of_the_old_one(make, send, store: RunStore) -> None:
    old = make()
    body = body_of(PAYLOAD)

    new = webhooks.rotate_secret(store, "orders", None, key_place=load_settings().secret_key_place, now=NOW)
    codes = [(await send(standard(secret, body), body)).code for secret in (old, new.get())]

    assert codes == [401, 202]


async def test_the_old_secret_is_accepted_until_its_time(make, send, store: RunStore) -> None:
    oldest = make()
    body = body_of(PAYLOAD)
    given = {"key_place": load_settings().secret_key_place}
    now = datetime.now(UTC)

    old = webhooks.rotate_secret(store, "orders", None, now=now, overlap=timedelta(hours=1), **given).get()
    during = [(await send(standard(secret, body), body)).code for secret in (oldest, old)]
    # made two hours ago, the overlap of an hour is over
    new = webhooks.rotate_secret(
        store, "orders", None, now=now - timedelta(hours=2), overlap=timedelta(hours=1), **given
    ).get()
    after = [
        (await send(standard(secret, body, name=f"m-{n}"), body)).code for n, secret in enumerate((oldest, old, new))
    ]

    assert (during, after) == ([202, 202], [401, 401, 202])


async def test_a_message_in_parts_is_taken_and_is_413_when_they_are_too_much(make, send, store: RunStore) -> None:
    secret = make()
    body = body_of(PAYLOAD)

    async def parts(write: Callable[[bytes], object], number: int) -> None:
        for _ in range(number):
            await write(body)  # type: ignore[misc]

    def producer(number: int) -> dict[str, object]:
        return {"body_producer": lambda write: parts(write, number)}

    taken = await send(standard(secret, body), None, **producer(1))
    too_much = await send(standard(secret, body), None, **producer(1_000_001 // len(body) + 1))

    assert (taken.code, too_much.code) == (202, 413)
    assert len(store.list_runs(limit=10)) == 1


class TestUnusableStore:
    """A store that cannot be read."""

    @pytest.fixture
    def store_url(self, tmp_path: Path) -> str:
        (tmp_path / "broken.db").write_text("this is no database, and it is long enough to look like one" * 100)
        return f"sqlite:///{tmp_path / 'broken.db'}"

    async def test_senders_are_to_try_again_and_hear_nothing_of_it(self, jp_serverapp, send, tmp_path: Path) -> None:
        response = await send({}, b"{}")

        assert response.code == 503
        assert str(tmp_path).encode() not in response.body
        assert answer(response)["detail"]


async def test_a_webhook_is_changed_and_keeps_its_secret_and_its_messages(
    make, send, jp_fetch, store: RunStore
) -> None:
    secret = make(event="orders.sent", condition="{{ payload.n > 10 }}")
    body = body_of(PAYLOAD)
    await send(standard(secret, body), body)

    async def change(name: str, **changes: object) -> tuple[int, dict]:
        answered = await jp_fetch(
            f"orchestra/api/v1/webhooks/{name}", method="PATCH", body=json.dumps(changes), raise_error=False
        )
        return answered.code, json.loads(answered.body)

    make("taken")
    renamed = await change("orders", new_name="sales", condition="")
    runs = await change("sales", deployment="etl", parameters={"region": "{{ payload.region }}", "town": "{{ 1 }}"})
    gone, here = (
        await send(standard(secret, body, name="m2"), body),
        await send(standard(secret, body, name="m3"), body, name="sales"),
    )
    refused = {
        place: await change("sales", **changes)
        for place, changes in {
            "": {},
            "#/deployment": {"deployment": "nobody"},
            "#/condition": {"condition": "{{ payload. }}"},
            "#/resource": {"resource": "x"},
            "#/new_name": {"new_name": "a/b"},
        }.items()
    }
    taken = await change("sales", new_name="taken")

    assert (renamed[0], renamed[1]["webhook"]) == (200, {"name": "sales", "event": "orders.sent"})
    assert renamed[1]["address"].endswith("/webhooks/sales")
    assert (runs[0], "town" in runs[1]["warnings"][0], runs[1]["webhook"].get("event")) == (200, True, None)
    assert (gone.code, here.code) == (401, 422)  # the deployment does not take a town
    await change("sales", parameters={"region": "{{ payload.region }}"})
    assert answer(await send(standard(secret, body, name="m3"), body, name="sales"))["run"]["name"]
    assert [(one.message_id, one.webhook) for one in webhooks.list_receipts(store)] == [
        ("m3", "sales"),
        ("msg_1", "sales"),
    ]
    assert {place: code for place, (code, _) in refused.items() if code not in (404, 422)} == {}
    assert [{one["pointer"] for one in said.get("errors", ())} for _, said in refused.values()] == [
        {place} - {""} for place in refused
    ]
    assert (taken[0], taken[1]["code"]) == (409, "name_taken")


async def test_the_messages_of_a_paused_webhook_are_ignored_and_no_more_tried(
    make, send, jp_fetch, store: RunStore
) -> None:
    secret = make()
    body = body_of(PAYLOAD)

    async def post(what: str) -> dict:
        return json.loads((await jp_fetch(f"orchestra/api/v1/webhooks/orders/{what}", method="POST", body="")).body)

    paused = await post("pause")
    ignored = await send(standard(secret, body, name="m1"), body)
    unsigned = await send({}, body)
    resumed = await post("resume")
    again = await send(standard(secret, body, name="m1"), body)
    taken = await send(standard(secret, body, name="m2"), body)

    assert (paused["webhook"]["is_paused"], resumed["webhook"].get("is_paused", False)) == (True, False)
    assert [one.code for one in (ignored, unsigned, again, taken)] == [202, 401, 202, 202]
    assert [answer(one)["state"] for one in (ignored, again, taken)] == ["IGNORED", "IGNORED", "ACCEPTED"]
    assert [(one.message_id, one.reason) for one in webhooks.list_receipts(store)] == [
        ("m2", ""),
        ("m1", "The webhook was paused."),
    ]
    assert len(store.list_runs()) == 1


async def test_what_may_not_fit_is_refused_where_that_is_asked_and_nothing_is_made(
    jp_fetch, store: RunStore, make: Callable[..., str]
) -> None:
    make("known")
    path = "/orchestra/api/v1/webhooks"
    new = {"name": "orders", "deployment": "etl", "parameters": {"m": "{{ payload.m }}"}}

    async def ask(method: str, at: str, body: dict[str, object], **query: str) -> tuple[int, dict[str, object]]:
        answer = await jp_fetch(at, method=method, body=json.dumps(body), params=query, raise_error=False)
        return answer.code, json.loads(answer.body)

    refused = await ask("POST", path, new, refuse_warnings="true")
    names = [one.webhook.name for one in webhooks.list_webhooks(store)]
    unchanged = await ask("PATCH", f"{path}/known", {"parameters": {"m": "{{ 1 }}"}}, refuse_warnings="true")
    kept = webhooks.show_webhook(store, "known").webhook.parameters
    made = await ask("POST", path, new)

    warning = "parameters of etl: The notebook has no parameter 'm'. Its parameters are: region, count."
    for code, problem in (refused, unchanged):
        assert (code, problem["code"], problem["detail"]) == (422, "warnings_refused", warning)
    assert (names, kept) == (["known"], {"region": "{{ payload.region }}"})
    assert (made[0], made[1]["warnings"]) == (201, [warning])
