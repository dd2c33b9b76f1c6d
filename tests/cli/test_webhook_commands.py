"""``orchestra webhooks``: made with a secret that is shown once, and what became of their messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deployed_files import document, orchestra, printed, refusal, write_notebook

from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.webhook_signatures import secret_of
from orchestra_nb.model.webhooks import ReceiptState, WebhookScheme
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.secret_key import load_secret_key
from orchestra_nb.store.webhook_receipts import KEPT_MESSAGES, Outcome, WebhookReceipts
from orchestra_nb.store.webhook_store import WebhookStore

NOW = datetime.now(UTC)
OWN = secret_of(WebhookScheme.STANDARD, b"x" * 32).get()


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Iterator[RunStore]:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", sqlite_url)
    monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "secret.key"))
    monkeypatch.setenv("COLUMNS", "200")
    database = open_database(sqlite_url)
    yield RunStore(database)
    database.close()


@pytest.fixture
def key(tmp_path: Path) -> bytes:
    return load_secret_key(tmp_path / "secret.key")


def secret_of_webhook(store: RunStore, key: bytes, name: str) -> str:
    secrets = WebhookStore(store.database, key).find_with_secrets(name, Secret("nobody's"), datetime.now(UTC))
    assert secrets[0] is not None
    return secrets[1][0].get()


def dead(store: RunStore, key: bytes, message_id: str, body: str) -> int:
    message = Secret(json.dumps({"headers": {}, "body": body}))
    outcome = Outcome(state=ReceiptState.DEAD, reason="it failed", message=message)
    return WebhookReceipts(store.database, key).settle("orders", message_id, outcome, NOW).number


def test_a_webhook_is_made_shown_and_deleted_and_its_secret_is_shown_once(store: RunStore, key: bytes) -> None:
    made = document("webhooks", "create", "orders", "--event", "orders.sent", "-p", "n={{ payload.n }}")
    shown = document("webhooks", "show", "orders")
    listed = document("webhooks", "ls")["webhooks"]

    assert (made["name"], made["path"]) == ("orders", "/orchestra/api/v1/webhooks/orders")
    assert secret_of_webhook(store, key, "orders") == made["secret"]
    assert made["secret"].startswith("whsec_")
    assert (shown["event"], shown["parameters"], shown["scheme"]) == (
        "orders.sent",
        {"n": "{{ payload.n }}"},
        "standard",
    )
    assert listed == [shown]
    for words in (["show", "orders"], ["ls"], ["show", "orders", "--json"], ["ls", "--json"]):
        assert made["secret"] not in printed("webhooks", *words)
    assert printed("webhooks", "delete", "orders") == "orders is no more.\n"
    assert refusal("webhooks", "show", "orders")[:2] == (3, "webhook_not_found")


def test_a_secret_of_the_sender_is_piped_in_or_read_from_the_environment(
    store: RunStore, key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_SECRET", "8f742231b10e8888abcd99yyyzzz85a5")

    piped = orchestra("webhooks", "create", "a", "--event", "e", "--own-secret", "--json", stdin=f"{OWN}\n")
    read = document("webhooks", "create", "b", "--event", "e", "--scheme", "slack", "--secret-env", "SLACK_SECRET")

    assert json.loads(piped.stdout)["secret"] is read["secret"] is None
    secrets = [secret_of_webhook(store, key, name) for name in ("a", "b")]
    assert secrets == [OWN, "8f742231b10e8888abcd99yyyzzz85a5"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param([], "either a deployment or an event", id="nothing to start"),
        pytest.param(["--event", "e", "--deployment", "d"], "either a deployment or an event", id="two things"),
        pytest.param(["--event", "e", "-p", "x"], "NAME=TEMPLATE", id="no template"),
        pytest.param(["--event", "e", "-p", "x={{ a"], "cannot be used", id="half a template"),
        pytest.param(["--event", "e", "-p", "x={{ a | nofilter }}"], "nofilter", id="an unknown filter"),
        pytest.param(["--event", "e", "-p", "x={{ paylod.x }}"], "paylod", id="an unknown name"),
        pytest.param(["--event", "e", "--when", "{{ header }}"], "header", id="an unknown name in a condition"),
        pytest.param(["--event", "e", "--scheme", "slack"], "Signing Secret", id="no secret of Slack's"),
        pytest.param(["--event", "e", "--secret-env", "NONE"], "not set", id="no such variable"),
        pytest.param(["--event", "e", "--secret-env", "SHORT"], "too short", id="a short secret"),
        pytest.param(["--event", "e", "--secret-env", "ODD"], "Base64", id="a secret of another form"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_stored(
    monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.setenv("SHORT", "whsec_eA==")
    monkeypatch.setenv("ODD", "whsec_???")

    code, _, said = refusal("webhooks", "create", "orders", *words)

    assert code == 2
    assert message in said
    assert document("webhooks", "ls") == {"webhooks": []}


def test_parameters_that_the_deployment_does_not_take_are_refused_or_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_notebook(tmp_path / "report.ipynb", "n", parameters="n: int = 1")
    printed("deploy", "report.ipynb")

    text = refusal("webhooks", "create", "orders", "--deployment", "report", "-p", "n=5")
    unknown = refusal("webhooks", "create", "orders", "--deployment", "report", "-p", "m=5")
    told = orchestra("webhooks", "create", "orders", "--deployment", "report", "-p", "m={{ payload.m }}")

    assert "'n' is declared as int, and was given '5' (str). (A template gives text; {{ 5 }} gives" in text[2]
    assert (unknown[0], "has no parameter 'm'" in unknown[2]) == (2, True)
    assert "orders: parameters of report: The notebook has no parameter 'm'. Its parameters are: n." in told.stderr
    assert "orders takes messages at <server>/orchestra/api/v1/webhooks/orders\n" in told.stdout
    assert "No server with this store is up on this machine: <server> stands for" in told.stderr


def test_a_name_is_given_once_and_fits_into_an_address() -> None:
    document("webhooks", "create", "orders", "--event", "e")

    assert refusal("webhooks", "create", "orders", "--event", "e")[1] == "name_taken"
    assert refusal("webhooks", "create", "a/b", "--event", "e")[1] == "invalid_input"
    assert refusal("webhooks", "create", "x", "--deployment", "absent")[1] == "deployment_not_found"
    assert document("webhooks", "create", "für alle", "--event", "e")["path"].endswith("/f%C3%BCr%20alle")


def test_a_webhook_is_changed_paused_and_goes_on(store: RunStore, key: bytes) -> None:
    made = document("webhooks", "create", "orders", "--event", "orders.sent", "-p", "n={{ payload.n }}", "--paused")

    changed = orchestra("webhooks", "update", "orders", "--name", "sales", "--when", "{{ payload.n }}")
    kept = document("webhooks", "show", "sales")
    resumed = printed("webhooks", "resume", "sales")
    emptied = document("webhooks", "update", "sales", "--no-parameters", "--when", "", "--event", "sold")
    nothing = refusal("webhooks", "update", "sales")
    listed = printed("webhooks", "ls")
    paused = document("webhooks", "pause", "sales")

    assert changed.stdout.startswith(
        "The webhook orders is changed: event orders.sent.\nIt takes messages at <server>/orchestra/api/v1/webhooks/sales"
    )
    assert (kept["is_paused"], kept["parameters"], kept["condition"]) == (
        True,
        {"n": "{{ payload.n }}"},
        "{{ payload.n }}",
    )
    assert secret_of_webhook(store, key, "sales") == made["secret"]
    assert resumed == "The webhook sales goes on.\n"
    assert (emptied["event"], emptied["parameters"], emptied["condition"]) == ("sold", {}, "")
    assert (nothing[:2], "Say what to change of the webhook" in nothing[2]) == ((2, "invalid_input"), True)
    assert listed.splitlines()[1].split()[:5] == ["sales", "standard", "event", "sold", "active"]
    assert paused["is_paused"] is True
    assert refusal("webhooks", "update", "nobody", "--event", "e")[:2] == (3, "webhook_not_found")
    assert refusal("webhooks", "pause", "nobody")[:2] == (3, "webhook_not_found")


def test_rotate_gives_another_secret(store: RunStore, key: bytes) -> None:
    old = document("webhooks", "create", "orders", "--event", "e")["secret"]

    new = document("webhooks", "rotate", "orders")["secret"]

    assert secret_of_webhook(store, key, "orders") == new != old
    assert document("webhooks", "show", "orders")["previous_until"] is None
    assert refusal("webhooks", "rotate", "orders", "--overlap", "soon")[1] == "invalid_input"
    printed("webhooks", "rotate", "orders", "--overlap", "24h")
    assert "The one before it is accepted until " in printed("webhooks", "show", "orders")
    assert refusal("webhooks", "rotate", "absent")[1] == "webhook_not_found"


def test_dead_letters_are_listed_retried_and_discarded(store: RunStore, key: bytes) -> None:
    document("webhooks", "create", "orders", "--event", "e", "-p", "n={{ payload.n }}")
    good, bad = dead(store, key, "m1", '{"n": 1}'), dead(store, key, "m2", "{}")

    listed = document("webhooks", "deliveries", "orders", "--dead")["deliveries"]
    retried = document("webhooks", "retry", str(good))
    again = orchestra("webhooks", "retry", str(bad))
    discarded = document("webhooks", "discard", str(bad))

    assert [(one["number"], one["message_id"], one["state"]) for one in listed] == [
        (bad, "m2", "DEAD"),
        (good, "m1", "DEAD"),
    ]
    assert (retried["state"], retried["reason"], again.exit_code) == ("ACCEPTED", "", 1)
    assert "there is no 'n': it is empty" in again.stderr
    assert discarded["state"] == "DISCARDED"
    for number, verb in ((good, "retry"), (bad, "retry"), (good, "discard")):
        assert refusal("webhooks", verb, str(number))[:2] == (1, "conflict")
    assert refusal("webhooks", "retry", "99")[1] == "webhook_not_found"
    too_large = orchestra("webhooks", "retry", "99999999999999999999")
    assert (too_large.exit_code, "99999999999999999999 is not in the range" in too_large.stderr) == (2, True)
    assert [line.split()[:3] for line in printed("webhooks", "deliveries").splitlines()[1:]] == [
        [str(bad), "orders", "discarded"],
        [str(good), "orders", "accepted"],
    ]


def test_old_messages_are_forgotten_so_that_nobody_fills_the_store(store: RunStore, key: bytes) -> None:
    document("webhooks", "create", "orders", "--event", "e")
    receipts = WebhookReceipts(store.database, key)

    numbers = [dead(store, key, f"m{number}", "{}") for number in range(KEPT_MESSAGES + 3)]

    kept = [number for number in numbers if receipts.get_message(number) is not None]
    assert kept == numbers[3:]
    assert "send it again" in refusal("webhooks", "retry", str(numbers[0]))[2]
