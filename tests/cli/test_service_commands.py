"""Variables, secrets, limits, artifacts, assets, dead letters and inputs of runs in the shell."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from orchestra_nb.cli.main import main
from orchestra_nb.model.artifacts import StoredArtifact
from orchestra_nb.model.assets import AssetProperties, Materialization
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.events import DeadLetterAdded, RunCreated, RunStateChanged
from orchestra_nb.model.questions import Asker
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.runs import ErrorInfo, Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.store.artifact_store import ArtifactStore
from orchestra_nb.store.asset_store import AssetStore
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_input_store import RunInputStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.secret_key import load_secret_key
from orchestra_nb.store.secret_store import SecretStore
from orchestra_nb.store.slot_store import SlotStore

NOW = datetime.now(UTC)
THEN = NOW - timedelta(hours=2, minutes=5)
RUN_ID = f"{1:032x}"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Iterator[RunStore]:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", sqlite_url)
    monkeypatch.setenv("ORCHESTRA_SECRET_KEY_FILE", str(tmp_path / "secret.key"))
    database = open_database(sqlite_url)
    store = RunStore(database)
    run = Run(
        run_id=RUN_ID,
        name="calm-fox",
        flow_name="train",
        kind=RunKind.NOTEBOOK,
        state=State.PAUSED,
        created_at=NOW,
    )
    store.apply([RunCreated(run=run)])
    yield store
    database.close()


def orchestra(*words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, words, input=stdin)


def printed(*words: str, stdin: str | None = None) -> str:
    result = orchestra(*words, stdin=stdin)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def document(*words: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(printed(*words, "--json"))
    return found


def refusal(*words: str) -> tuple[int, str]:
    result = orchestra(*words, "--json")
    assert (result.stderr, isinstance(result.exception, SystemExit)) == ("", True)
    return result.exit_code, json.loads(result.stdout)["error"]["code"]


@pytest.mark.parametrize(
    ("words", "text", "empty"),
    [
        (("variables", "ls"), "No variables yet", {"variables": []}),
        (("secrets", "ls"), "No secrets yet", {"secrets": []}),
        (("concurrency", "ls"), "No limits yet", {"limits": []}),
        (("events", "ls"), "No events yet", {"events": []}),
        (("artifacts", "ls"), "No artifacts yet", {"artifacts": []}),
        (("assets", "ls"), "No assets yet", {"assets": []}),
        (("dead-letters", "ls"), "No open dead letters", {"dead_letters": []}),
        (("dead-letters", "ls", "--all"), "No dead letters.", {"dead_letters": []}),
        (("runs", "input", "calm-fox"), "Run calm-fox asks for nothing", {"inputs": []}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_empty_list_says_so(store: RunStore, words: tuple[str, ...], text: str, empty: object) -> None:
    assert text in printed(*words)
    assert document(*words) == empty


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (("variables", "get", "x"), 3, "variable_not_found"),
        (("variables", "unset", "x"), 3, "variable_not_found"),
        (("variables", "set", "a/b", "1"), 2, "invalid_input"),
        (("secrets", "unset", "x"), 3, "secret_not_found"),
        (("concurrency", "update", "x", "--limit", "1"), 3, "limit_not_found"),
        (("concurrency", "update", "x"), 2, "invalid_input"),
        (("concurrency", "delete", "x"), 3, "limit_not_found"),
        (("concurrency", "create", "x", "--limit", "-1"), 2, "invalid_input"),
        (("concurrency", "create", "x"), 2, "usage"),
        (("artifacts", "show", "x"), 3, "artifact_not_found"),
        (("artifacts", "ls", "--run", "x"), 3, "run_not_found"),
        (("assets", "show", "x"), 3, "asset_not_found"),
        (("dead-letters", "show", "x"), 3, "dead_letter_not_found"),
        (("dead-letters", "discard", "x"), 3, "dead_letter_not_found"),
        (("runs", "input", "x"), 3, "run_not_found"),
        (("runs", "input", "calm-fox", "1"), 3, "input_not_found"),
        (("runs", "input", "calm-fox", "1", "--go-on"), 2, "usage"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_does_not_work_is_told_with_its_code(
    store: RunStore, words: tuple[str, ...], exit_code: int, code: str
) -> None:
    assert refusal(*words) == (exit_code, code)


@pytest.mark.parametrize(
    ("word", "value", "text"),
    [
        ("blue", "blue", "blue"),
        ('{"a": [1, null]}', {"a": [1, None]}, '{"a": [1, null]}'),
        ("42", 42, "42"),
        ('"42"', "42", "42"),
        ("NaN", "NaN", '"NaN"'),
        ("null", None, "null"),
        ('"\\u001b[31mred"', "\x1b[31mred", "\\x1b[31mred"),
    ],
)
def test_a_variable_is_set_and_read(store: RunStore, word: str, value: object, text: str) -> None:
    printed("variables", "set", "answer", word)

    assert printed("variables", "get", "answer") == text + "\n"
    assert document("variables", "get", "answer")["value"] == value


def test_variables_are_listed_overwritten_and_unset(store: RunStore) -> None:
    assert printed("variables", "set", "answer", "42", "--tag", "a", "--tag", "b") == "answer is 42\n"

    refused = orchestra("variables", "set", "answer", "43")
    printed("variables", "set", "answer", "44", "--overwrite", "--tag", "a")

    assert (refused.exit_code, refused.stderr) == (
        1,
        "There is a variable 'answer' already. Pass --overwrite to replace its value.\n",
    )
    heading, row = (line.split() for line in printed("variables", "ls").splitlines())
    assert (heading, row[:2], row[-1]) == (["NAME", "TAGS", "CHANGED", "VALUE"], ["answer", "a"], "44")
    (listed,) = document("variables", "ls")["variables"]  # type: ignore[misc]
    assert (listed["name"], listed["value"], listed["tags"]) == ("answer", 44, ["a"])
    assert printed("variables", "unset", "answer") == "answer is no more.\n"
    assert document("variables", "ls") == {"variables": []}


def test_a_secret_comes_from_a_pipe_and_is_shown_nowhere(store: RunStore, tmp_path: Path) -> None:
    shown = [
        printed("secrets", "set", "password", stdin="open sesame\n"),
        printed("secrets", "set", "password", stdin="open sesame 2\r\n"),
        printed("secrets", "ls"),
        printed("secrets", "ls", "--json"),
    ]

    assert shown[:2] == ["password is set.\n", "password is replaced.\n"]
    assert "sesame" not in "".join(shown)
    secrets = SecretStore(store.database, load_secret_key(tmp_path / "secret.key"))
    assert secrets.get("password").get() == "open sesame 2"
    assert printed("secrets", "unset", "password") == "password is no more.\n"


def test_a_secret_is_no_argument(store: RunStore) -> None:
    assert refusal("secrets", "set", "password", "open sesame") == (2, "usage")


def test_an_empty_pipe_sets_no_secret(store: RunStore) -> None:
    refused = orchestra("secrets", "set", "password", stdin="")

    assert refused.exit_code == 2
    assert "Nothing came from the pipe" in refused.stderr


def test_in_a_terminal_a_secret_is_asked_for_unseen(store: RunStore, tmp_path: Path) -> None:
    terminal, program = pty.openpty()
    command = [sys.executable, "-m", "orchestra_nb", "secrets", "set", "password"]
    with subprocess.Popen(
        command, stdin=program, stdout=subprocess.PIPE, stderr=program, env=dict(os.environ), start_new_session=True
    ) as process:
        os.close(program)
        assert process.stdout is not None
        seen = _read_until(terminal, "Value of password: ")
        os.write(terminal, b"open sesame\n")
        seen += _read_until(terminal, "Repeat for confirmation: ")
        os.write(terminal, b"open sesame\n")
        told = process.stdout.read().decode()
    os.close(terminal)

    assert (process.returncode, told) == (0, "password is set.\n")
    assert "sesame" not in seen
    secrets = SecretStore(store.database, load_secret_key(tmp_path / "secret.key"))
    assert secrets.get("password").get() == "open sesame"


def _read_until(terminal: int, text: str) -> str:
    seen = ""
    while text not in seen:
        seen += os.read(terminal, 1000).decode()
    return seen


def test_limits_are_made_changed_shown_and_deleted(store: RunStore) -> None:
    made = printed("concurrency", "create", "db", "--limit", "3", "--slot-decay-per-second", "0.5")
    printed("concurrency", "create", "api", "--limit", "1", "--disable")
    slots = SlotStore(store.database)
    run = store.get_run("calm-fox")
    store.apply([RunCreated(run=msgspec.structs.replace(run, run_id=f"{9:032x}", name="bold-hen"))])
    asker = Asker(run_id=f"{9:032x}", task_run_id="t1")
    slots.acquire(["db"], 2, "h", datetime.now(UTC), 60, asker=asker)

    assert made == "db has 3 slots, 0.5 come back a second.\n"
    assert printed("concurrency", "create", "door", "--limit", "1") == "door has 1 slot.\n"
    printed("concurrency", "delete", "door")
    assert [line.split() for line in printed("concurrency", "ls").splitlines()] == [
        ["NAME", "TAKEN", "RATE", "ACTIVE", "HELD", "BY"],
        ["api", "0/1", "-", "no", "-"],
        ["db", "2/3", "0.5/s", "yes", "t1", "of", "bold-hen"],
    ]
    _, shown = document("concurrency", "ls")["limits"]  # type: ignore[misc]
    assert (shown["name"], shown["limit"], shown["occupied"], shown["held"][0]["holder"]) == ("db", 3, 2, "h")
    assert (shown["held"][0]["run_id"], shown["held"][0]["run"]) == (f"{9:032x}", "bold-hen")

    changed = document("concurrency", "update", "db", "--limit", "5", "--disable")
    assert changed == {"name": "db", "limit": 5, "slot_decay_per_second": 0.5, "is_active": False}
    assert document("concurrency", "update", "db", "--enable")["is_active"] is True
    assert refusal("concurrency", "create", "db", "--limit", "1") == (1, "name_taken")
    assert printed("concurrency", "delete", "db") == "db limits nothing any more.\n"
    assert len(slots.limits(NOW)) == 1


def keep(store: RunStore, artifact_id: str, type_: str, data: object, **fields: object) -> None:
    artifact = StoredArtifact(
        artifact_id=artifact_id,
        type=type_,
        data=data,
        created_at=THEN,
        updated_at=THEN,
        **fields,  # type: ignore[arg-type]
    )
    ArtifactStore(store.database).create(artifact)


def test_artifacts_are_listed_newest_first(store: RunStore) -> None:
    keep(store, "1", "markdown", "# A", key="sales", run_id=RUN_ID)
    keep(store, "2", "markdown", "# B", key="sales", description="Of March")

    assert [line.split() for line in printed("artifacts", "ls").splitlines()] == [
        ["ARTIFACT", "KEY", "VERSION", "TYPE", "RUN", "CREATED", "DESCRIPTION"],
        ["2", "sales", "2", "markdown", "-", "2", "h", "ago", "Of", "March"],
        ["1", "sales", "1", "markdown", "calm-fox", "2", "h", "ago"],
    ]
    (of_run,) = document("artifacts", "ls", "--run", "calm-fox")["artifacts"]  # type: ignore[misc]
    assert (of_run["artifact_id"], of_run["data"]) == ("1", "# A")
    assert document("artifacts", "show", "sales")["data"] == "# B"
    assert document("artifacts", "show", "sales", "--version", "1")["data"] == "# A"


@pytest.mark.parametrize(
    ("type_", "data", "shown"),
    [
        ("markdown", "# A\n\x1b[31m", "# A\n\\x1b[31m\n"),
        ("progress", 42.5, "42.5 %\n"),
        ("table", {"a": [1, 2], "b": ["x"]}, "a  b\n1  x\n2\n"),
        ("table", [{"a": 1}, {"b": None}], "a  b\n1\n   null\n"),
        ("table", [["x", 1.5], [True]], "1     2\nx     1.5\ntrue\n"),
        ("table", [], "\n"),
        (
            "display",
            {"text/html": "<b>", "text/plain": "Rich()"},
            "Rich()\n\nIt is kept as text/html, too: --json prints all.\n",
        ),
        ("image", "https://x.org/p.png", "https://x.org/p.png\n"),
        ("own", {"a": float("inf")}, '{"a": "Infinity"}\n'),
    ],
    ids=["markdown", "progress", "columns", "records", "rows", "empty", "display", "image", "another"],
)
def test_an_artifact_is_shown_by_its_type(store: RunStore, type_: str, data: object, shown: str) -> None:
    keep(store, "1", type_, data, run_id=RUN_ID, task_run_id="t1", description="About it")

    text = printed("artifacts", "show", "1")

    head, _, body = text.partition(" UTC\n\n")
    assert head.splitlines()[:2] == [f"1  version 1  {type_}", "About it"]
    assert body == shown


def test_an_asset_is_shown_with_its_lineage(store: RunStore) -> None:
    assets = AssetStore(store.database)
    sales = Materialization(
        asset_key="s3://b/sales",
        upstream=("s3://b/raw", "s3://b/rates"),
        at=THEN,
        metadata={"rows": float("inf")},
        by="dbt",
        run_id=RUN_ID,
        task_run_id="t1",
    )
    assets.record(sales, AssetProperties(name="Sales", owners=("ana", "bo")))
    assets.record(Materialization(asset_key="s3://b/report", upstream=("s3://b/sales",), at=THEN))

    assert [line.split() for line in printed("assets", "ls").splitlines()] == [
        ["ASSET", "MADE", "FROM"],
        ["s3://b/rates", "-"],
        ["s3://b/raw", "-"],
        ["s3://b/report", "2", "h", "ago", "s3://b/sales"],
        ["s3://b/sales", "2", "h", "ago", "s3://b/raw,", "s3://b/rates"],
    ]
    assert printed("assets", "show", "s3://b/sales").splitlines() == [
        "s3://b/sales",
        "  name          Sales",
        "  owners        ana, bo",
        "  made from     s3://b/rates",
        "                s3://b/raw",
        "  used for      s3://b/report",
        "",
        "MADE     RUN       TASK RUN  BY   METADATA",
        '2 h ago  calm-fox  t1        dbt  {"rows": "Infinity"}',
    ]
    shown = document("assets", "show", "s3://b/report", "--depth", "1")
    assert (shown["upstream"], shown["edges"]) == (["s3://b/sales"], [["s3://b/report", "s3://b/sales"]])
    assert [asset["key"] for asset in document("assets", "ls")["assets"]][-1] == "s3://b/sales"  # type: ignore[attr-defined]


def test_events_are_listed_newest_first_and_filtered(store: RunStore) -> None:
    events = CustomEventStore(store.database)
    for number, (name, resource, hours_ago) in enumerate(
        [("orders.imported", "eu", 50), ("orders.sent", "us", 3), ("stock.counted", "eu", 2)]
    ):
        events.add(
            CustomEvent(
                event_id=str(number),
                event=name,
                resource={"id": resource},
                occurred_at=NOW - timedelta(hours=hours_ago),
                payload={"rows": float("inf")} if number == 1 else {},
                run_id=RUN_ID if number == 1 else None,
                task_run_id="t1" if number == 1 else None,
            )
        )

    def names(*words: str) -> list[str]:
        return [event["event"] for event in document("events", "ls", *words)["events"]]  # type: ignore[attr-defined]

    assert [line.split() for line in printed("events", "ls").splitlines()] == [
        ["EVENT", "RESOURCE", "WHEN", "RUN", "TASK", "RUN", "PAYLOAD"],
        ["stock.counted", "eu", "2", "h", "ago", "-", "-"],
        ["orders.sent", "us", "3", "h", "ago", "calm-fox", "t1", '{"rows":', '"Infinity"}'],
        ["orders.imported", "eu", "2", "d", "ago", "-", "-"],
    ]
    assert names("--event", "orders.*") == ["orders.sent", "orders.imported"]
    assert names("--event", "orders.sent") == ["orders.sent"]
    assert names("--resource", "eu", "--limit", "1") == ["stock.counted"]
    assert names("--resource", "eu") == ["stock.counted", "orders.imported"]
    assert names("--run", "calm-fox") == ["orders.sent"]
    assert names("--since", "1d") == ["stock.counted", "orders.sent"]
    assert orchestra("events", "ls", "--limit", "2").stderr == "These are the newest 2. For more: --limit 10\n"
    assert printed("events", "ls", "--event", "x") == "No event is like that. `orchestra events ls` lists all events.\n"


def test_a_dead_letter_is_shown_and_discarded_once(store: RunStore) -> None:
    letter = DeadLetter(
        run_id=RUN_ID,
        task_run_id="t1",
        name="fit",
        flow_name="train",
        ended_as=State.FAILED,
        attempts=3,
        message="no luck",
        error=ErrorInfo(type="ValueError", message="no luck", traceback="Traceback …"),
        inputs={"data": "file:///r/abc", "lock": None},
        code="train.py:train",
        created_at=THEN,
    )
    store.apply([DeadLetterAdded(letter=letter)])

    assert [line.split() for line in printed("dead-letters", "ls", "--run", "calm-fox").splitlines()][1] == [
        *("t1.1", "fit", "calm-fox", "✕", "Failed", "2", "h", "ago", "no", "luck")
    ]
    shown = printed("dead-letters", "show", "t1")
    assert shown.splitlines()[:2] == ["t1.1  fit of train  ✕ Failed", "no luck"]
    assert "  input       data: file:///r/abc\n  input       lock: not kept\n\nTraceback …\n" in shown
    assert f"  run         calm-fox  ({RUN_ID})\n  task run    t1\n" in shown
    assert document("dead-letters", "show", "t1")["id"] == "t1.1"

    assert printed("dead-letters", "discard", "t1.1", "--note", "known") == "t1.1 is discarded.\n"

    assert refusal("dead-letters", "discard", "t1.1") == (1, "conflict")
    assert document("dead-letters", "ls") == {"dead_letters": []}
    (decided,) = document("dead-letters", "ls", "--all")["dead_letters"]  # type: ignore[misc]
    assert (decided["state"], decided["note"]) == ("DISCARDED", "known")
    assert "discarded by command line of" in printed("dead-letters", "show", "t1")


def test_a_dead_letter_of_a_flow_shows_what_its_run_was_given(store: RunStore) -> None:
    run = Run(
        run_id=f"{3:032x}",
        name="glad-elk",
        flow_name="load",
        kind=RunKind.FLOW,
        state=State.PENDING,
        created_at=NOW,
        parameters={"n": 4},
    )
    letter = DeadLetter(
        run_id=run.run_id,
        name=run.name,
        flow_name="load",
        ended_as=State.FAILED,
        attempts=1,
        message="no",
        inputs={"n": None},
        created_at=NOW,
    )
    store.apply([RunCreated(run=run), DeadLetterAdded(letter=letter)])

    assert "  input       n: 4\n" in printed("dead-letters", "show", run.run_id)


def test_lists_say_that_there_is_more(store: RunStore) -> None:
    for number in range(3):
        keep(store, f"a{number}", "markdown", "text", run_id=RUN_ID)
        letter = DeadLetter(
            run_id=RUN_ID,
            task_run_id=f"t{number}",
            name="fit",
            flow_name="train",
            ended_as=State.FAILED,
            attempts=1,
            message="no",
            created_at=NOW,
        )
        store.apply([DeadLetterAdded(letter=letter)])

    for group in ("artifacts", "dead-letters"):
        assert orchestra(group, "ls", "--limit", "2").stderr == "These are the newest 2. For more: --limit 10\n"
        assert orchestra(group, "ls", "--limit", "3").stderr == ""


def test_a_waiting_input_is_shown_and_answered_once(store: RunStore) -> None:
    inputs = RunInputStore(store.database)
    inputs.ask(RunInput(run_id=RUN_ID, key="rows", asked_at=NOW, schema={"type": "integer"}, description="How many?"))
    inputs.ask(RunInput(run_id=RUN_ID, key="sure", asked_at=NOW + timedelta(seconds=1)))

    assert [line.split() for line in printed("runs", "input", "calm-fox").splitlines()] == [
        ["KEY", "ANSWER", "ASKS"],
        ["rows", "waits", "How", "many?", "(such", "as", "1)"],
        ["sure", "waits", "nothing", "but", "to", "go", "on:", "--go-on"],
    ]
    assert refusal("runs", "input", "calm-fox", "3") == (2, "invalid_input")  # which of the two?
    assert refusal("runs", "input", "calm-fox", "three", "--key", "rows") == (2, "invalid_input")
    told, more = printed("runs", "input", "calm-fox", "3", "--key", "rows").splitlines()
    assert told == "Run calm-fox was told rows."
    assert more == "It is suspended, and asks for more: `orchestra runs input calm-fox` shows what."
    assert document("runs", "input", "calm-fox", "--go-on")["key"] == "sure"
    assert refusal("runs", "input", "calm-fox", "4", "--key", "rows") == (1, "conflict")

    rows, sure = inputs.of_run(RUN_ID)
    assert (rows.value, sure.value, sure.answered_at is not None) == (3, None, True)
    assert rows.answered_by is not None
    assert rows.answered_by.startswith("command line of ")
    assert printed("runs", "input", "calm-fox").splitlines()[1].split()[:4] == ["rows", "3,", "by", "command"]
    assert printed("runs", "input", "calm-fox").splitlines()[2].split()[:4] == ["sure", "go", "on,", "by"]


def test_resuming_without_an_answer_that_is_asked_for_says_how_to_give_one(store: RunStore) -> None:
    schema = {"type": "object", "properties": {"rows": {"type": "integer"}}, "required": ["rows"]}
    RunInputStore(store.database).ask(RunInput(run_id=RUN_ID, key="rows", asked_at=NOW, schema=schema))

    refused = orchestra("runs", "resume", "calm-fox")

    assert refused.exit_code == 2
    assert """`orchestra runs resume calm-fox --input '{"rows": 1}'`""" in refused.stderr


def test_resuming_a_run_that_ended_well_does_not_advise_to_retry_it(store: RunStore) -> None:
    ends = [RunStateChanged(run_id=RUN_ID, state=state, at=NOW) for state in (State.RUNNING, State.COMPLETED)]
    store.apply(ends)

    refused = orchestra("runs", "resume", "calm-fox")

    assert "Run calm-fox has ended: it is COMPLETED.\n" in refused.stderr


def test_a_subflow_of_a_notebook_is_run_again_with_its_notebook(store: RunStore) -> None:
    ends = {"run_id": f"{2:032x}", "at": NOW}
    subflow = Run(
        run_id=f"{2:032x}",
        name="bold-hen",
        flow_name="load",
        kind=RunKind.FLOW,
        state=State.PENDING,
        created_at=NOW,
        parent_run_id=RUN_ID,
    )
    store.apply(
        [
            RunCreated(run=subflow),
            RunStateChanged(state=State.RUNNING, **ends),
            RunStateChanged(state=State.FAILED, message="no", **ends),
        ]
    )

    refused = orchestra("runs", "retry", "bold-hen")

    assert "run calm-fox called it. It ran a whole notebook: run that again with `orchestra run " in refused.stderr
