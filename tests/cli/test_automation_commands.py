"""``orchestra automations``: made as files say, listed, shown, tried on what happened, and in ``orchestra apply``."""

from __future__ import annotations

import json
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from deployed_files import PIPELINE, document, orchestra, printed, refusal, write_notebook

from orchestra_nb.cli.main import main
from orchestra_nb.errors import NameTaken
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.deployments import DeploymentSpec, FlowTarget
from orchestra_nb.model.events import ValueRecorded
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.operations.automation_actions import AutomationActions
from orchestra_nb.operations.automation_files import read_automation_file
from orchestra_nb.operations.automation_form import automation_form
from orchestra_nb.operations.automation_words import trigger_words
from orchestra_nb.operations.automations import create_automations
from orchestra_nb.operations.deployment_files import read_deployment_file, write_deployments
from orchestra_nb.operations.deployment_plan import apply_plan, make_plan
from orchestra_nb.services.automation_service import AutomationService
from orchestra_nb.services.file_watch_service import FileWatchService
from orchestra_nb.settings import Settings
from orchestra_nb.store.automation_store import AutomationStore
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.work_queue import WorkQueue
from tests.store.deployment_examples import waiting_run

NOW = datetime.now(UTC)

FILE = """
automations:
  - name: refill
    when: {event: orders.*, resource: eu}
    if: event.payload.rows == 0
    do:
      - run: refill
        parameters: {rows: "{{ event.payload.rows + 1 }}"}
      - emit: refilled
        resource: "{{ event.resource.id }}"
"""

FLOW = """
from orchestra_nb import flow

@flow
def refill(rows: int = 0):
    pass
"""

ALL = """
automations:
  - {name: a, when: {success: load}, do: [{pause: load}]}
  - {name: b, when: {state: failed, flow: [x, y], kind: notebook, tags: {team: , tier: gold}, if: rows}, do: [{resume: x}]}
  - {name: c, when: [{event: a}, {state: any}], do: [{cancel: "{{ run.name }}"}]}
  - {name: d, when: {absent: {event: beat}, within: 1h}, do: [{notify: chat, severity: warning}, {move: a, pool: gpu}]}
  - name: e
    description: A run that hangs
    when:
      absent: {state: [COMPLETED, FAILED], child_runs: true, retried: true}
      after: {state: RUNNING}
      within: 90
      for_each: run
    do: [{cancel: "{{ run.run_id }}"}, {retry: old-owl}]
  - {name: f, when: {count: 3, of: {state: crashed}, within: 10m}, if: true, do: [{emit: x, resource: y, payload: {n: [1]}}]}
  - {name: g, when: {all: [{success: a}, {success: b}], within: 1d}, do: [{run: c}], paused: true}
  - {name: h, when: {sequence: [{success: a}, {event: e}], within: 1d}, do: [{run: c, parameters: {n: 1}}]}
  - {name: i, when: {metric: success_rate, of: {deployment: a}, over: 20, below: 0}, do: [{pause: a}]}
  - {name: j, when: {metric: duration, of: {flow: a}, over: 5, above: 1h30m, for_each: flow}, do: [{pause: a}]}
  - {name: k, when: {file: "in/*.csv"}, do: [{run: c, parameters: {path: "{{ file.path }}"}}]}
  - name: l
    when:
      absent: {file: "s3://in/*.csv", every: 1m, settle: 0, storage: {key: {$secret: k}}, existing: true, if: file.size > 1}
      within: 1d
    do: [{pause: a}]
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Iterator[RunStore]:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", sqlite_url)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.yaml").write_text(FILE)
    database = open_database(sqlite_url)
    (tmp_path / "flows.py").write_text(FLOW)
    target = FlowTarget(entrypoint=f"{tmp_path}/flows.py:refill", working_folder=str(tmp_path))
    spec = DeploymentSpec(name="refill", flow_name="refill", target=target)
    DeploymentStore(database).save(spec, notebook=None, actor="ana", at=NOW)
    yield RunStore(database)
    database.close()


def emit(store: RunStore, number: float, **payload: object) -> None:
    at = NOW - timedelta(hours=10 - number)
    event = CustomEvent(
        event_id=f"e{number}", event="orders.new", resource={"id": "eu"}, occurred_at=at, payload=payload
    )
    CustomEventStore(store.database).add(event)


def test_an_automation_is_made_acts_and_shows_what_it_did(store: RunStore) -> None:
    made = printed("automations", "create", "-f", "file.yaml")
    listed = printed("automations", "ls")
    emit(store, 1, rows=0)
    emit(store, 2, rows=5)
    emit(store, 3)
    AutomationService(store, AutomationActions(store, Settings())).step(NOW)
    shown = printed("automations", "show", "refill")

    assert made.startswith("refill  created\n")
    assert "event orders.* of eu" in listed
    assert "run refill, emit refilled" in listed
    assert "event.payload.rows == 0" in listed
    assert "refused" in printed("automations", "ls")
    assert "done  orders.new of eu\n" in shown
    assert "✓ event refilled of eu\n" in shown
    assert "there is no 'rows'" in shown
    (run,) = store.list_runs()
    assert run.parameters == {"rows": 1}
    refused, done = document("automations", "show", "refill")["firings"]
    assert (refused["state"], refused["actions"]) == ("REFUSED", [])
    assert done["actions"][0] == {
        "run": "refill",
        "parameters": {"rows": 1},
        "is_done": True,
        "outcome": f"run {run.name} of deployment refill",
    }
    assert document("automations", "ls")["automations"][0]["last_firing"]["number"] == 2


def test_a_trial_says_what_would_have_been_done_and_does_nothing(store: RunStore) -> None:
    for number, rows in enumerate((0, 0, 5, 0)):
        emit(store, number, rows=rows)
    emit(store, 5)
    printed("automations", "create", "-f", "file.yaml")
    printed("automations", "pause", "refill")

    told = printed("automations", "test", "refill", "--since", (NOW - timedelta(hours=9, minutes=30)).isoformat())
    trial = document("automations", "test", "refill")

    assert "looked at 4 things and acted 2 times. Its condition did not hold 1 time." in told
    assert told.count('run refill  {"parameters": {"rows": 1}}') == 2
    assert "✕ 'event.payload.rows == 0' cannot be used" in told
    assert [firing["is_met"] for firing in trial["firings"]] == [True, True, False, True, True]
    assert trial["firings"][0]["actions"][1] == {"emit": "refilled", "resource": "eu"}
    assert store.list_runs() == []
    assert AutomationStore(store.database).list_firings() == []


def test_a_trial_of_very_much_says_where_it_was_cut_and_goes_on_there(store: RunStore) -> None:
    with store.database.together():
        for number in range(502):
            emit(store, number / 60, rows=0)
    printed("automations", "create", "-f", "file.yaml")

    trial = document("automations", "test", "refill", "--since", "1970-01-01")
    told = orchestra("automations", "test", "refill", "--since", "1970-01-01")
    rest = document("automations", "test", "refill", "--since", trial["until"])

    assert (len(trial["firings"]), trial["looked_at"], trial["is_cut"]) == (500, 500, True)
    assert told.stderr == f"More has happened. To go on from there: --since {trial['until'].replace('Z', '+00:00')}\n"
    assert (len(rest["firings"]), rest["is_cut"]) == (2, False)


def test_a_call_is_shown_as_it_would_be_sent_and_then_put_into_the_outbox(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "call.yaml").write_text("""
automations:
  - name: tell
    when: {event: orders.*}
    do:
      - call_webhook: "{{ event.payload.url }}/{{ event.resource.id }}"
        headers: {X-Api-Key: {$secret: key}, X-Rows: "{{ event.payload.rows }}"}
        json: {rows: "{{ event.payload.rows }}"}
        sign: {$secret: signing}
""")
    made = orchestra("automations", "create", "-f", "call.yaml")
    emit(store, 1, rows=3, url="https://builds.example.org")
    emit(store, 2, rows=3, url="http://169.254.169.254")
    told = printed("automations", "test", "tell")
    AutomationService(store, AutomationActions(store, Settings())).step(NOW)

    assert "tell: there is no secret 'key' yet: `orchestra secrets set key`\ntell: there is no secret 'signing'" in (
        made.stderr
    )
    assert textwrap.dedent("""\
                             call POST https://builds.example.org/eu
                               Content-Type: application/json
                               User-Agent: Orchestra-NB
                               X-Api-Key: •••• (secret key)
                               X-Rows: 3
                               webhook-signature: •••• (secret signing)

                               {"rows": 3}
        """) in told.replace("\n" + " " * 21, "\n")
    assert "✕ 169.254.169.254 is not an address of the open internet. Where that is meant, name the host in" in told
    assert "✓ a call in the outbox: POST https://builds.example.org/eu" in printed("automations", "show", "tell")
    line = printed("notifications", "outbox", "ls").splitlines()[1].split()
    assert line[:5] == ["1", "pending", "https://builds.example.org", "automation", "tell"]
    shown = printed("notifications", "outbox", "show", "1")
    assert (
        'X-Api-Key: •••• (secret key)\nX-Rows: 3\nOrchestra-Hops: 1\nwebhook-signature: •••• (secret signing)\n\n{"rows": 3}\n'
        in shown
    )


def test_files_that_are_there_now_are_shown_and_a_place_that_cannot_be_looked_at(
    store: RunStore, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(7):
        (tmp_path / "in" / f"{number}.csv").write_text("text")
    text = "automations: [{name: a, when: [{file: in/*.csv}, {file: no/*}], do: [{emit: x, resource: y}]}]"
    (tmp_path / "files.yaml").write_text(text)
    printed("automations", "create", "-f", "files.yaml")
    FileWatchService(store.database, lambda storage, owner: storage, start=lambda look: look()).step(datetime.now(UTC))

    told = printed("automations", "test", "a")

    assert f"Now there: 7 files at {tmp_path}/in/*.csv: file://{tmp_path}/in/0.csv, " in told
    assert f"in/4.csv, …\n✕ There is no folder {tmp_path}/no.\n" in told
    assert f"There is no folder {tmp_path}/no." in printed("automations", "ls")
    assert f"✕ There is no folder {tmp_path}/no.  Since " in printed("automations", "show", "a")
    (place, missing) = document("automations", "show", "a")["watches"]
    assert (place["problem"], missing["problem"]) == ("", f"There is no folder {tmp_path}/no.")


def test_parameters_that_the_deployment_does_not_take_are_refused_or_told(store: RunStore, tmp_path: Path) -> None:
    write_notebook(tmp_path / "report.ipynb", "n", parameters="n: int = 1")
    printed("deploy", "report.ipynb")
    wrong = """
automations:
  - {name: a, when: {success: x}, do: [{run: refill, parameters: {rows: five}}, {run: report, parameters: {m: 1}}]}
"""
    doubtful = """
automations:
  - {name: b, when: {success: x}, do: [{run: refill, parameters: {row: "{{ run.name }}", rows: 5}}]}
  - {name: c, when: {success: x}, do: [{run: coming, parameters: {m: ["{{ run.name }}"]}}]}
deployments:
  - {name: coming, notebook: report.ipynb}
"""
    (tmp_path / "wrong.yaml").write_text(wrong)
    (tmp_path / "doubtful.yaml").write_text(doubtful)

    code, _, refused = refusal("automations", "create", "-f", "wrong.yaml")
    same = refusal("apply", "wrong.yaml")[2]
    told = {step["name"]: step["warnings"] for step in document("apply", "doubtful.yaml", "--yes")["steps"]}
    again = document("automations", "create", "-f", "doubtful.yaml", "--overwrite")["automations"]

    assert (code, same) == (2, refused)
    first, second = refused.splitlines()
    assert first.startswith("wrong.yaml:3: automations[0].do[0].parameters: parameters of refill: ")
    assert "rows = 'five'" in first
    assert second == (
        "wrong.yaml:3: automations[0].do[1].parameters: parameters of report: The notebook has no parameter 'm'. Its "
        "parameters are: n."
    )
    row = "parameters of refill: The flow refill has no parameter 'row'. Did you mean 'rows'? Its parameters are: rows."
    m = "parameters of coming: The notebook has no parameter 'm'. Its parameters are: n."
    assert [told["b"][-1], told["c"][-1], told["coming"]] == [row, m, []]
    assert [one["warnings"][-1] for one in again] == [row, m]


def test_automations_rest_go_on_and_are_deleted(store: RunStore) -> None:
    printed("automations", "create", "-f", "file.yaml")

    assert refusal("automations", "create", "-f", "file.yaml")[:2] == (1, "name_taken")
    assert document("automations", "create", "-f", "file.yaml", "--overwrite") == {
        "automations": [{"name": "refill", "outcome": "unchanged", "warnings": []}]
    }
    assert printed("automations", "pause", "refill") == "refill rests.\n"
    assert "refill  unchanged" in printed("automations", "create", "-f", "file.yaml", "--overwrite")
    assert "paused" in printed("automations", "ls")
    assert document("automations", "resume", "refill") == {"name": "refill", "is_active": True}
    assert "It has not acted yet." in printed("automations", "show", "refill")
    assert printed("automations", "delete", "refill") == "refill is no more.\n"
    assert "No automations yet" in printed("automations", "ls")
    for verb in ("show", "pause", "resume", "delete", "test"):
        assert refusal("automations", verb, "refill")[:2] == (3, "automation_not_found")


def test_each_form_is_read_and_written_so_that_reading_gives_the_same(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(ALL)
    read = [entry.automation for entry in read_automation_file("all.yaml")]

    (tmp_path / "again.yaml").write_text(write_deployments([], None, read))
    again = read_deployment_file("again.yaml")

    assert again.automations is not None
    assert [entry.automation for entry in again.automations] == read
    assert [automation_form(one)["name"] for one in read] == list("abcdefghijkl")
    assert [trigger_words(one.trigger) for one in read] == [
        "load COMPLETED",
        "flow x, flow y, notebook, team, tier=gold FAILED if rows",
        "event a or any run in any state",
        "nothing for 1h: event beat",
        "for each run: any run RUNNING, and within 1m30s not: any run COMPLETED or FAILED",
        "3 times within 10m: any run CRASHED",
        "a COMPLETED and b COMPLETED within 1d",
        "a COMPLETED, then event e within 1d",
        "success rate of a over 20 runs below 0",
        "for each flow: duration of flow a over 5 runs above 1h30m",
        f"file {tmp_path}/in/*.csv",
        "nothing for 1d: file s3://in/*.csv if file.size > 1",
    ]


@pytest.mark.parametrize(
    ("automation", "message"),
    [
        ("{name: a, when: {success: x}, do: []}", "2: automations[0]: The automation 'a' does nothing"),
        (
            "{name: a, when: {sucess: x}, do: [{run: b}]}",
            "2: automations[0].when.sucess: what happens has no such field",
        ),
        ("{name: a, when: {}, do: [{run: b}]}", "2: automations[0].when: say what happens"),
        ("{name: a, when: {state: lost}, do: [{run: b}]}", "2: automations[0].when.state: 'lost' is none of"),
        ("{name: a, when: {success: x, state: FAILED}, do: [{run: b}]}", "2: automations[0].when: success says"),
        ("{name: a, when: {count: 0, of: {event: x}, within: 1m}, do: [{run: b}]}", "2: automations[0]: Something"),
        ("{name: a, when: {count: 2, of: {event: x}, within: -1}, do: [{run: b}]}", "2: automations[0].when.within:"),
        ("{name: a, when: {count: 2, of: {event: x}}, do: [{run: b}]}", "2: automations[0].when: Object missing"),
        ("{name: a, when: {metric: duration, of: {event: x}, over: 2}, do: [{run: b}]}", "2: automations[0].when.of:"),
        (
            "{name: a, when: {metric: success_rate, of: {flow: x}, over: 2, below: 80}, do: [{run: b}]}",
            "2: automations[0].when.below: a success rate",
        ),
        ("{name: a, when: {event: x}, if: 'rows =', do: [{run: b}]}", "2: automations[0].if: 'rows =' cannot be used"),
        ("{name: a, when: [{event: x, if: ')'}], do: [{run: b}]}", "2: automations[0].when[0].if: ')' cannot be used"),
        ("{name: a, when: {event: x}, do: [{start: b}]}", "2: automations[0].do[0]: an action is one of run,"),
        ("{name: a, when: {event: x}, do: [{run: b, n: 1}]}", "2: automations[0].do[0].n: run has no such field"),
        ("{name: a, when: {event: x}, do: [{run: '{{ b'}]}", "2: automations[0].do[0]: '{{ b' cannot be used"),
        (
            "{name: a, when: {file: x, every: 0.5}, do: [{run: b}]}",
            "2: automations[0].when.every: files are looked for",
        ),
        (
            "{name: a, when: {file: 'no://x'}, do: [{run: b}]}",
            "2: automations[0].when.file: 'no://x': there is no file",
        ),
        (
            "{name: a, when: {file: 'ftp://u:p@h/x'}, do: [{run: b}]}",
            "2: automations[0].when.file: A URL with a password",
        ),
        (
            "{name: a, when: {file: 's3://x', storage: {secret: s}}, do: [{run: b}]}",
            "2: automations[0].when.file: The option secret holds a secret. Set it with `orchestra secrets set NAME`",
        ),
        (
            "{name: a, when: [{file: /x}, {file: /x, every: 1m}], do: [{run: b}]}",
            "2: automations[0]: /x is watched in two ways",
        ),
        (
            "{name: a, when: {success: refill}, if: run.nmae == 1, do: [{run: refill}]}",
            "2: automations[0].if: 'run.nmae == 1' cannot be used: run has no nmae. Did you mean name?",
        ),
        (
            "{name: a, when: {event: x}, do: [{run: refill, parameters: {n: '{{ evnt.payload }}'}}]}",
            "2: automations[0].do[0]: '{{ evnt.payload }}' cannot be used: there is no evnt. Did you mean event?",
        ),
        (
            "{name: a, when: {file: /x}, do: [{emit: '{{ run.name }}', resource: '{{ file.sise }}'}]}",
            "2: automations[0].do[0]: '{{ run.name }}' cannot be used: there is no run where a file arrives. There are: ",
        ),
        (
            "{name: a, when: {absent: {success: refill}, within: 1h}, do: [{cancel: '{{ run.name }}'}]}",
            "2: automations[0].do[0]: '{{ run.name }}' cannot be used: there is no run where nothing happened.",
        ),
        (
            "{name: a, when: [{event: x, if: file.size > 1}, {file: /x}], do: [{run: refill}]}",
            "2: automations[0].when[0].if: 'file.size > 1' cannot be used: there is no file where an event is emitted",
        ),
        ("{name: a, when: {event: x}, do: [{call_webhook: 'ftp://h'}]}", "2: automations[0].do[0]: This is no address"),
        (
            "{name: a, when: {event: x}, do: [{call_webhook: 'http://10.0.0.1/{{ key }}'}]}",
            "2: automations[0].do[0]: 10.0.0.1 is not an address of the open internet. Where that is meant, name the",
        ),
        (
            "{name: a, when: {event: x}, do: [{call_webhook: 'https://ana:pw@h'}]}",
            "2: automations[0].do[0]: A password in an address would be seen by all",
        ),
        (
            "{name: a, when: {event: x}, do: [{call_webhook: 'https://h', headers: {X-Token: t}}]}",
            "2: automations[0].do[0]: The header X-Token holds a secret. Set all of its text with `orchestra secrets",
        ),
        (
            "{name: a, when: {event: x}, do: [{call_webhook: 'https://h', json: {k: {$secret: s}}}]}",
            "2: automations[0].do[0]: {$secret: …} stands for the address, or for a header",
        ),
        (
            "{name: a, when: {event: x}, do: [{call_webhook: 'https://h', json: {}, text: t}]}",
            "2: automations[0].do[0]: A request has a body of json or of text",
        ),
        (
            "{name: a, when: {event: x}, do: [{call_webhook: 'https://h', method: fetch}]}",
            "2: automations[0].do[0].method: 'fetch' is no method",
        ),
        (
            "{name: a, when: {event: x}, do: [{call_webhook: 'https://h', sign: {secret: s}}]}",
            "2: automations[0].do[0].sign: write {$secret: NAME}.",
        ),
        (
            "{name: a, when: {event: x}, do: [{call_webhook: 'https://h', json: {n: '{{ nme }}'}}]}",
            "2: automations[0].do[0]: '{{ nme }}' cannot be used: there is no nme.",
        ),
        ("{name: a/b, when: {event: x}, do: [{run: b}]}", "2: automations[0].name: 'a/b' is no name"),
        ("{name: a, when: {event: x}, do: [{run: refil}]}", "2: automations[0].do[0]: There is no deployment 'refil'"),
        ("{name: a, when: {event: x}, do: [{notify: chat}]}", "2: automations[0].do[0]: No channel 'chat'"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place_and_nothing_is_made(
    store: RunStore, tmp_path: Path, automation: str, message: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(f"automations:\n  - {automation}\n")

    code, _, said = refusal("automations", "create", "-f", str(path))

    assert code in (2, 3)
    assert said.startswith(f"{path}:{message}"), said
    assert AutomationStore(store.database).list_automations() == []


def test_all_that_is_wrong_with_a_file_is_told_at_once_in_the_order_of_its_lines(
    store: RunStore, tmp_path: Path
) -> None:
    (tmp_path / "orchestra.yaml").write_text("""
automations:
  - name: a
    when: {event: x, iff: 1, resurce: y}
    if: rows =
    do:
      - run: later
      - run: refil
      - start: x
  - name: a
    when: {success: refill}
    do: [{notify: chat}, {run: etl}]
deployments:
  - {name: etl, flow: "pipeline.py:load", retires: 2}
  - {name: other, flow: "missing.py:load"}
""")

    _, _, said = refusal("apply")

    lines = said.splitlines()
    assert [line.removeprefix("orchestra.yaml:").partition(": ")[0] for line in lines] == [
        *("4", "4", "5", "9", "12", "14", "15"),
    ], said
    assert "automations[0].do[2]: an action is one of" in lines[3]
    assert AutomationStore(store.database).list_automations() == []


def test_names_that_nobody_knows_yet_are_told_and_the_automation_is_made(store: RunStore, tmp_path: Path) -> None:
    run = waiting_run("1" * 32, deployment="refill")
    assert WorkQueue(store.database).add(run)
    value = RecordedValue(run_id=run.run_id, name="rows", type="int", recorded_at=NOW, data="1")
    store.apply([ValueRecorded(value=value, epoch=1)])
    (tmp_path / "orchestra.yaml").write_text("""
deployments:
  - {name: etl, flow: "pipeline.py:load", parameters: {region: EU}}
automations:
  - {name: a, when: {success: refil}, do: [{run: etl}]}
  - {name: b, when: [{success: etl}, {state: FAILED, flow: etl}, {state: FAILED, flow: etl2}], do: [{run: etl}]}
  - name: c
    when: {success: refill}
    if: rwos > 0 and rows > 0 and (other is defined) and returned.day == 1
    do: [{run: refill, parameters: {rows: "{{ runs_left }}"}}]
  - {name: d, when: {file: "s3://x/*", storage: {secret: {$secret: aws}}}, do: [{run: etl}]}
""")
    (tmp_path / "pipeline.py").write_text(PIPELINE)

    steps = document("apply", "--yes")["steps"]
    told = printed("apply", "--dry-run")

    warned = {step["name"]: step["warnings"] for step in steps if step["kind"] == "automation"}
    assert warned == {
        "a": ["there is no deployment 'refil' yet. Did you mean refill?"],
        "b": ["no flow 'etl2' has run or is deployed yet. Did you mean etl?"],
        "c": [f"no run of refill has returned {name!r}; they returned rows" for name in ("day", "runs_left", "rwos")],
        "d": ["there is no secret 'aws' yet: `orchestra secrets set aws`"],
    }
    assert "  ! there is no deployment 'refil' yet. Did you mean refill?\n" in told
    assert len(AutomationStore(store.database).list_automations()) == 4


def test_the_example_of_the_help_is_a_file_that_can_be_read(tmp_path: Path) -> None:
    said = CliRunner().invoke(main, ["automations", "create", "--help"]).output
    (tmp_path / "example.yaml").write_text(textwrap.dedent(said[said.index("    automations:") :]))

    (entry,) = read_automation_file(tmp_path / "example.yaml")

    assert (entry.automation.name, len(entry.automation.actions)) == ("refill-when-empty", 2)


def test_automations_stand_beside_deployments_in_a_file(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    deployments = "deployments:\n  - {name: etl, flow: 'pipeline.py:load', parameters: {region: EU}}\n"
    one = "automations:\n  - {name: again, when: {success: etl}, do: [{run: etl}]}\n"
    (tmp_path / "orchestra.yaml").write_text(deployments + one)

    planned = printed("apply", "--dry-run")
    steps = document("apply", "--yes")["steps"]
    (tmp_path / "orchestra.yaml").write_text(deployments + one.replace("do:", "if: rows > 0, do:"))
    changed = printed("apply", "--yes")
    exported = printed("export")
    kept = document("apply", "--yes")["steps"]
    (tmp_path / "orchestra.yaml").write_text(one.replace("again", "another"))
    of_automations = document("apply", "--yes", "--prune", "--dry-run")["steps"]
    (tmp_path / "orchestra.yaml").write_text(f"{deployments}automations: []\n")
    pruned = document("apply", "--yes", "--prune")["steps"]

    assert "+ automation again  create: etl COMPLETED" in planned
    assert [(step["kind"], step["action"]) for step in steps] == [("deployment", "create"), ("automation", "create")]
    assert "if: rows > 0 (new)" in changed
    assert "automations:\n- name: again\n" in exported
    assert {step["action"] for step in kept} == {"unchanged"}
    assert [(step["name"], step["action"]) for step in of_automations] == [("another", "create"), ("again", "delete")]
    assert [(step["name"], step["action"]) for step in pruned] == [
        ("etl", "unchanged"),
        ("refill", "delete"),
        ("again", "delete"),
    ]
    assert json.loads(json.dumps(pruned))


TRIGGERED = """
deployments:
  - name: etl
    flow: "pipeline.py:load"
    parameters: {region: EU}
    triggers:
      - when: {file: "in/*.csv"}
        parameters: {region: "{{ file.name }}"}
      - {name: after-orders, when: [{event: orders.imported}, {success: refill}], if: true, description: By hand}
automations:
  - {name: own, when: {success: etl}, do: [{pause: etl}], deployment: etl}
"""


def test_triggers_stand_below_their_deployment_and_go_when_they_leave_the_file(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    file = tmp_path / "orchestra.yaml"
    file.write_text(TRIGGERED)
    printed("deployments", "delete", "refill")
    automations = AutomationStore(store.database)

    planned = printed("apply", "--dry-run")
    printed("apply", "--yes")
    made = {one.automation.name: automation_form(one.automation) for one in automations.list_automations()}
    printed("automations", "pause", "after-orders")
    again = document("apply", "--yes")["steps"]
    shown = printed("deployments", "show", "etl")
    printed("export", "-o", "exported.yaml", "--force")
    (tmp_path / "alone.yaml").write_text(printed("export", "etl"))

    assert f"+ automation etl-trigger-1  create: file {tmp_path}/in/*.csv\n" in planned
    assert made["etl-trigger-1"] == {
        "name": "etl-trigger-1",
        "when": {"file": f"{tmp_path}/in/*.csv"},
        "do": [{"run": "etl", "parameters": {"region": "{{ file.name }}"}}],
        "deployment": "etl",
    }
    assert sorted(made) == ["after-orders", "etl-trigger-1", "own"]
    assert "\nTrigger after-orders: event orders.imported or refill COMPLETED, if true (paused)\n" in shown
    assert f"\nTrigger etl-trigger-1: file {tmp_path}/in/*.csv\n  parameters            " in shown
    assert {step["action"] for step in again} == {"unchanged"}
    assert {step["action"] for step in document("apply", "--yes", "exported.yaml")["steps"]} == {"unchanged"}
    assert [step["name"] for step in document("apply", "--yes", "alone.yaml")["steps"]] == [
        *("etl", "after-orders", "etl-trigger-1"),
    ]

    file.write_text(TRIGGERED.replace("{{ file.name }}", "US").replace("  - {name: after-orders", "  # -"))
    changed = printed("apply", "--yes")
    assert "~ automation etl-trigger-1  change\n    do: " in changed
    assert '-> [{"run": "etl", "parameters": {"region": "US"}}]' in changed
    assert "- automation after-orders  delete\n" in changed
    file.write_text("deployments: [{name: etl, flow: 'pipeline.py:load', parameters: {region: EU}}]")
    assert "- automation etl-trigger-1  delete\n" in printed("apply", "--yes")
    assert [one.automation.name for one in automations.list_automations()] == ["own"]
    file.write_text("{deployments: [], automations: []}")
    printed("apply", "--yes", "--prune")
    assert automations.list_automations() == []


def test_what_was_done_since_a_file_was_read_stays_done(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    file = tmp_path / "orchestra.yaml"
    file.write_text(TRIGGERED)
    printed("apply", "--yes")
    automations = AutomationStore(store.database)

    file.write_text(TRIGGERED.replace("when: {success: etl}", "when: {success: refill}"))
    plan = make_plan(store, file, Settings(), NOW)
    printed("automations", "pause", "own")
    apply_plan(store, plan, actor="ana", now=NOW)
    own = automations.get("own").automation
    assert (trigger_words(own.trigger), own.is_active) == ("refill COMPLETED", False)

    file.write_text(TRIGGERED.replace("name: after-orders", "name: refill"))
    plan = make_plan(store, file, Settings(), NOW)
    printed("automations", "create", "-f", "file.yaml")
    with pytest.raises(NameTaken, match="'refill' already, which is no trigger of the deployment 'etl'"):
        apply_plan(store, plan, actor="ana", now=NOW)
    assert automations.get("refill").automation.deployment == ""


def test_of_files_with_one_name_in_common_one_is_made_with_all_that_stands_in_it(
    store: RunStore, tmp_path: Path
) -> None:
    begin = threading.Barrier(6)

    def create(number: int) -> list[str] | str:
        path = tmp_path / f"{number}.yaml"
        path.write_text(FILE + f"  - {{name: own-{number}, when: {{event: x}}, do: [{{emit: y, resource: z}}]}}\n")
        begin.wait()
        try:
            made = create_automations(store, path, Settings(), may_replace=False, now=NOW)
        except NameTaken as error:
            return str(error)
        return [one.name for one in made]

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(create, range(6)))

    kept = [one.automation.name for one in AutomationStore(store.database).list_automations()]
    assert [sorted(one) for one in answers if isinstance(one, list)] == [kept]
    assert answers.count("There is an automation 'refill' already.") == 5
    code, _, said = refusal("automations", "create", "-f", "file.yaml")
    assert (code, said) == (1, "There is an automation 'refill' already. Pass --overwrite to replace what is there.")


def test_what_is_wrong_with_triggers_is_told_with_its_line(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    printed("automations", "create", "-f", "file.yaml")
    (tmp_path / "orchestra.yaml").write_text("""
deployments:
  - name: etl
    flow: pipeline.py:load
    triggers:
      - when: {file: "in/*.csv"}
        parameters: {region: "{{ fle.url }}"}
      - wen: {event: x}
      - {name: own, when: {event: x}}
      - {name: refill, when: {event: x}}
  - {name: other, flow: "pipeline.py:load", triggers: {when: {event: x}}}
automations:
  - {name: own, when: {success: etl}, do: [{run: etl}]}
""")

    _, _, said = refusal("apply")

    assert [line.removeprefix("orchestra.yaml:") for line in said.splitlines()] == [
        "7: deployments[0].triggers[0].parameters: '{{ fle.url }}' cannot be used: there is no fle. Did you mean file?",
        "8: deployments[0].triggers[1].wen: a trigger has no such field. Did you mean when?",
        "9: deployments[0].triggers[2].name: there is another automation 'own': orchestra.yaml:13: automations[0].name.",
        "10: deployments[0].triggers[3].name: There is an automation 'refill' already, which is no trigger of the "
        "deployment 'etl'. Give the trigger another name, or delete the automation first.",
        "11: deployments[1].triggers: Expected `array`, got `object`.",
    ]
