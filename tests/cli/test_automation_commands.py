"""``orchestra automations``: made as files say, listed, shown, tried on what happened, and in ``orchestra apply``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deployed_files import PIPELINE, document, printed, refusal

from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.deployments import DeploymentSpec, FlowTarget
from orchestra_nb.operations.automation_actions import AutomationActions
from orchestra_nb.operations.automation_files import read_automation_file
from orchestra_nb.operations.automation_form import automation_form, trigger_words
from orchestra_nb.operations.deployment_files import read_deployment_file, write_deployments
from orchestra_nb.services.automation_service import AutomationService
from orchestra_nb.settings import Settings
from orchestra_nb.store.automation_store import AutomationStore
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore

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

ALL = """
automations:
  - {name: a, when: {success: load}, do: [{pause: load}]}
  - {name: b, when: {state: failed, flow: [x, y], kind: notebook, tags: {team: , tier: gold}, if: rows}, do: [{resume: x}]}
  - {name: c, when: [{event: a}, {state: any}], do: [{cancel: "{{ run.name }}"}]}
  - {name: d, when: {absent: {event: beat}, within: 1h}, do: [{notify: chat, severity: warning}]}
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
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    url = f"sqlite:///{tmp_path / 'orchestra.db'}"
    monkeypatch.setenv("ORCHESTRA_STORE_URL", url)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.yaml").write_text(FILE)
    database = open_database(url)
    target = FlowTarget(entrypoint="flows:refill", working_folder=str(tmp_path))
    spec = DeploymentSpec(name="refill", flow_name="refill", target=target)
    DeploymentStore(database).save(spec, notebook=None, actor="ana", at=NOW)
    yield RunStore(database)
    database.close()


def emit(store: RunStore, number: int, **payload: object) -> None:
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
    assert "'dict object' has no attribute 'rows'" in shown
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


def test_automations_rest_go_on_and_are_deleted(store: RunStore) -> None:
    printed("automations", "create", "-f", "file.yaml")

    assert refusal("automations", "create", "-f", "file.yaml")[:2] == (1, "name_taken")
    assert document("automations", "create", "-f", "file.yaml", "--overwrite") == {
        "automations": [{"name": "refill", "outcome": "unchanged"}]
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
    assert [automation_form(one)["name"] for one in read] == list("abcdefghij")
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
