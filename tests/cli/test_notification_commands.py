"""``orchestra notifications``: channels whose addresses nobody sees, rules, and the outbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from webhook_receiver import PASSWORD, TOKEN, WebhookReceiver, receiving

from orchestra_nb.cli.main import main
from orchestra_nb.model.events import RunCreated, RunStateChanged
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.services.notification_service import NotificationService
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore

NOW = datetime.now(UTC)


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Iterator[RunStore]:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", sqlite_url)
    monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "secret.key"))
    database = open_database(sqlite_url)
    yield RunStore(database)
    database.close()


def orchestra(*words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["notifications", *words], input=stdin)


def printed(*words: str, stdin: str | None = None) -> str:
    result = orchestra(*words, stdin=stdin)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def document(*words: str, stdin: str | None = None) -> dict[str, object]:
    found: dict[str, object] = json.loads(printed(*words, "--json", stdin=stdin))
    return found


def refusal(*words: str, stdin: str | None = None) -> tuple[int, str]:
    result = orchestra(*words, stdin=stdin)
    assert isinstance(result.exception, SystemExit)
    return result.exit_code, result.stderr


def fail_a_run(store: RunStore, tmp_path: Path, policy: RetryPolicy) -> None:
    """Let a run fail, and a service tell of it once."""
    run = Run(
        run_id=f"{1:032x}",
        name="calm-fox",
        flow_name="train",
        kind=RunKind.NOTEBOOK,
        state=State.RUNNING,
        created_at=NOW,
    )
    failed = RunStateChanged(run_id=run.run_id, state=State.FAILED, at=NOW, message="ValueError: no rows")
    store.apply([RunCreated(run=run), failed])
    work_once(store, tmp_path, policy)


def work_once(store: RunStore, tmp_path: Path, policy: RetryPolicy) -> None:
    service = NotificationService(store, tmp_path / "secret.key", policy=policy)
    service.step(datetime.now(UTC) + timedelta(seconds=1))
    service.close()


def test_a_channel_is_added_from_a_pipe_and_its_address_is_shown_nowhere(
    store: RunStore, receiver: WebhookReceiver
) -> None:
    added = printed("channels", "add", "chat", "--allow-private", stdin=f"{receiver.url()}\n")
    listed = printed("channels", "ls")
    documents = document("channels", "ls")

    assert added.startswith(f"chat is json://127.0.0.1:{receiver.port}/••••.")
    assert listed.split("\n")[1].split()[:3] == ["chat", f"json://127.0.0.1:{receiver.port}/••••", "allowed"]
    shown = f"{added}{listed}{documents}"
    assert [secret for secret in (PASSWORD, TOKEN, "ana") if secret in shown] == []


def test_a_channel_is_added_from_the_environment(
    store: RunStore, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_URL", receiver.url())

    document("channels", "add", "chat", "--allow-private", "--url-env", "CHAT_URL")

    assert printed("channels", "test", "chat") == "chat took the message.\n"
    assert receiver.titles == ["Orchestra NB: a test"]
    assert refusal("channels", "add", "two", "--url-env", "NOT_SET") == (
        2,
        "The environment variable NOT_SET is not set, or empty.\n",
    )


def test_a_test_says_what_came_back(store: RunStore, receiver: WebhookReceiver) -> None:
    printed("channels", "add", "chat", "--allow-private", stdin=receiver.url())
    receiver.status = 404

    result = orchestra("channels", "test", "chat", "--json")

    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["is_sent"]) == (1, False)
    assert "error=404" in answer["answer"]
    code, message = refusal("channels", "test", "chat")
    assert (code, message.startswith("chat did not take the message: ")) == (1, True)


def test_addresses_that_cannot_be_used_are_refused(store: RunStore, receiver: WebhookReceiver) -> None:
    assert refusal("channels", "add", "chat", stdin="nosuch://x")[0] == 2
    assert refusal("channels", "add", "chat", stdin="")[0] == 2
    code, message = refusal("channels", "add", "chat", stdin=receiver.url())
    assert (code, "127.0.0.1 is not an address of the open internet" in message) == (2, True)
    assert document("channels", "ls") == {"channels": []}


def test_a_channel_gets_another_address_only_when_that_is_asked_for(store: RunStore) -> None:
    printed("channels", "add", "chat", stdin="json://example.org/a")

    code, message = refusal("channels", "add", "chat", stdin="json://example.com/b")
    assert (code, "Pass --overwrite" in message) == (1, True)
    printed("channels", "add", "chat", "--overwrite", stdin="json://example.com/b")

    (channel,) = document("channels", "ls")["channels"]  # type: ignore[misc]
    assert channel["shown"] == "json://example.com/••••"


def test_a_rule_is_paused_resumed_and_changed(store: RunStore) -> None:
    printed("channels", "add", "chat", stdin="json://example.org/a")
    printed("rules", "add", "team", "--channel", "chat")

    assert printed("rules", "pause", "team").startswith("team tells of nothing.")
    assert "team (paused)" in printed("rules", "ls")
    assert printed("rules", "resume", "team") == "team tells chat of changes of health.\n"
    code, message = refusal("rules", "add", "team", "--channel", "chat", "--on", "end")
    assert (code, "Pass --overwrite" in message) == (1, True)
    printed("rules", "add", "team", "--channel", "chat", "--on", "end", "--overwrite")
    (rule,) = document("rules", "ls")["rules"]  # type: ignore[misc]
    assert (rule["occasion"], rule["is_paused"]) == ("end", False)
    printed("rules", "pause", "team")
    said = printed("rules", "add", "team", "--channel", "chat", "--on", "failure", "--overwrite")
    assert said == "team tells chat of each failure when it is resumed.\n"
    (rule,) = document("rules", "ls")["rules"]  # type: ignore[misc]
    assert (rule["occasion"], rule["is_paused"]) == ("failure", True)
    assert refusal("rules", "pause", "none")[0] == 3


def test_rules_are_added_listed_and_deleted(store: RunStore) -> None:
    printed("channels", "add", "chat", stdin="json://example.org/a")

    assert printed("rules", "add", "team", "--channel", "chat") == "team tells chat of changes of health.\n"
    added = orchestra(
        *(
            "rules",
            "add",
            "ops",
            "--channel",
            "chat",
            "--state",
            "crashed",
            "--late",
            "10m",
            "--flow",
            "etl-*",
            "--kind",
            "flow",
        ),
        *("--tag", "team=a", "--tag", "nightly", "--child-runs"),
    )
    assert (added.exit_code, added.stderr) == (0, "ops: no flow 'etl-*' has run or is deployed yet\n")

    lines = [line.split("  ") for line in printed("rules", "ls").splitlines()]
    assert [[cell.strip() for cell in line if cell.strip()] for line in lines[1:]] == [
        ["ops", "chat", "CRASHED, late by 10 min", "flow etl-*, kind flow, tag team=a, tag nightly, with child runs"],
        ["team", "chat", "changes of health", "all"],
    ]
    code, message = refusal("channels", "delete", "chat")
    assert (code, message) == (1, "Rules send to the channel 'chat': ops, team. Delete them first.\n")
    printed("rules", "delete", "team")
    printed("rules", "delete", "ops")
    printed("channels", "delete", "chat")
    assert [refusal("rules", "delete", "team")[0], refusal("channels", "delete", "chat")[0]] == [3, 3]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--channel", "nobody"], 3),
        (["--channel", "chat", "--on", "none"], 2),
        (["--channel", "chat", "--late", "soon"], 2),
        (["--channel", "chat", "--title", "{{ run.nmae }}"], 2),
        ([], 2),
    ],
    ids=["no such channel", "never", "no duration", "a template", "no channel"],
)
def test_rules_that_cannot_be_used_are_refused(store: RunStore, words: list[str], code: int) -> None:
    printed("channels", "add", "chat", stdin="json://example.org/a")

    assert orchestra("rules", "add", "team", *words).exit_code == code
    assert document("rules", "ls") == {"rules": []}


def test_a_duration_without_a_unit_is_said_to_be_seconds(store: RunStore) -> None:
    printed("channels", "add", "chat", stdin="json://example.org/a")

    told = orchestra("rules", "add", "bare", "--channel", "chat", "--late", "10")
    silent = orchestra("rules", "add", "clear", "--channel", "chat", "--late", "10m")

    assert (told.exit_code, told.stderr.split(". ")[0]) == (0, "--late 10: a number without a unit is in seconds")
    assert silent.stderr == ""


def test_a_rule_is_named_once(store: RunStore) -> None:
    printed("channels", "add", "chat", stdin="json://example.org/a")
    printed("rules", "add", "team", "--channel", "chat")

    assert refusal("rules", "add", "team", "--channel", "chat")[0] == 1


def test_a_dead_letter_is_listed_shown_and_sent_again(
    store: RunStore, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    printed("channels", "add", "chat", "--allow-private", stdin=receiver.url())
    printed("rules", "add", "team", "--channel", "chat")
    assert printed("outbox", "ls") == "No notifications wait. --all lists those that were sent, too.\n"
    receiver.status = 500
    fail_a_run(store, tmp_path, RetryPolicy())

    line = printed("outbox", "ls", "--dead").splitlines()[1].split()
    assert line[:5] == ["1", "dead", "chat", "team", "calm-fox"]
    shown = printed("outbox", "show", "1")
    assert shown.startswith("1  train failed  dead\n")
    assert "calm-fox of train is FAILED: ValueError: no rows" in shown
    assert [secret for secret in (PASSWORD, TOKEN) if secret in shown + printed("outbox", "ls")] == []

    receiver.status = 200
    assert printed("outbox", "retry", "1") == "1 is sent once more.\n"
    work_once(store, tmp_path, RetryPolicy())

    assert document("outbox", "ls") == {"notifications": []}
    (sent,) = document("outbox", "ls", "--all", "--run", "calm-fox")["notifications"]  # type: ignore[misc]
    assert (sent["state"], sent["error"], sent["run"]) == ("SENT", "", "calm-fox")
    assert f"run         calm-fox  ({sent['run_id']})" in shown
    for verb in ("retry", "discard"):
        assert refusal("outbox", verb, "1") == (1, "The notification 1 is sent.\n")
    assert [refusal("outbox", "show", number)[0] for number in ("2", "99999999999999999999")] == [3, 2]


def test_a_message_that_waits_is_discarded(store: RunStore, receiver: WebhookReceiver, tmp_path: Path) -> None:
    printed("channels", "add", "chat", "--allow-private", stdin=receiver.url())
    printed("rules", "add", "team", "--channel", "chat")
    receiver.status = 500
    fail_a_run(store, tmp_path, RetryPolicy(retries=7, delays_seconds=(3600.0,)))

    assert document("outbox", "show", "1")["attempts"] == 1
    assert printed("outbox", "retry", "1") == "1 is sent once more.\n"
    work_once(store, tmp_path, RetryPolicy(retries=7, delays_seconds=(3600.0,)))
    assert document("outbox", "show", "1")["attempts"] == 1  # it was tried anew, and has all its tries again
    assert printed("outbox", "discard", "1") == "1 is discarded.\n"

    shown = document("outbox", "show", "1")
    assert (shown["state"], str(shown["closed_by"]).startswith("command line of ")) == ("DISCARDED", True)
