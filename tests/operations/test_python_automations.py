"""Automations as Python says them: the same records as files give, and deployments with triggers of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from orchestra_nb.automations import (
    Automation,
    CallWebhook,
    CancelFlowRun,
    CompoundTrigger,
    DeploymentEventTrigger,
    EmitEvent,
    EventTrigger,
    FileTrigger,
    MetricTrigger,
    MoveDeployment,
    PauseDeployment,
    PauseWorkPool,
    Posture,
    ResumeDeployment,
    ResumeWorkPool,
    RetryFlowRun,
    RunDeployment,
    RunTrigger,
    SendNotification,
    SequenceTrigger,
    SuspendFlowRun,
)
from orchestra_nb.errors import AutomationNotFound, DeploymentNotFound, InvalidInput, NameTaken
from orchestra_nb.operations.automation_files import read_automation_file
from orchestra_nb.operations.deployments import delete_deployment
from orchestra_nb.store.automation_store import AutomationStore
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.run_store import RunStore

HOUR = timedelta(hours=1)
LOADED = RunTrigger(success="load")
#: Each trigger with what files write.
TRIGGERS = [
    (LOADED, "{success: load}"),
    (EventTrigger(expect={"prefect.flow-run.Failed"}), "{state: FAILED}"),
    (
        EventTrigger(
            expect=["run.timed_out", "prefect.flow-run.Crashed"],
            match_related=[
                {"prefect.resource.role": "deployment", "prefect.resource.name": "load"},
                {"prefect.resource.role": "tag", "prefect.resource.name": "gold"},
            ],
            for_each={"prefect.resource.id"},
            threshold=3,
            within=HOUR,
        ),
        "{count: 3, of: {state: [TIMED_OUT, CRASHED], deployment: load, tags: {gold: }}, within: 1h, for_each: run}",
    ),
    (EventTrigger(expect="orders.*", match={"prefect.resource.id": "eu"}), "{event: orders.*, resource: eu}"),
    (
        EventTrigger(expect="beat", posture=Posture.Proactive, within=90, for_each="resource"),
        "{absent: {event: beat}, within: 90, for_each: resource}",
    ),
    (
        RunTrigger(state=["COMPLETED", "FAILED"], posture=Posture.Proactive, after={"run.running"}, within="2h"),
        "{absent: {state: [COMPLETED, FAILED]}, after: {state: RUNNING}, within: 2h}",
    ),
    (EventTrigger(expect="b", after="a", within=HOUR), "{sequence: [{event: a}, {event: b}], within: 1h}"),
    (
        RunTrigger(state="FAILED", flow="f", kind="notebook", tags=["t"], child_runs=True, retried=True, condition="x"),
        "{state: FAILED, flow: f, kind: notebook, tags: {t: }, child_runs: true, retried: true, if: x}",
    ),
    (
        FileTrigger(file="s3://in/*", every=60, settle=0, storage={"key": {"$secret": "k"}}, existing=True),
        "{file: 's3://in/*', every: 1m, settle: 0, storage: {key: {$secret: k}}, existing: true}",
    ),
    (CompoundTrigger(triggers=[LOADED, EventTrigger(expect="e")]), "[{success: load}, {event: e}]"),
    (
        CompoundTrigger(require="all", triggers=[LOADED, RunTrigger(success="b")], within=HOUR, for_each="flow"),
        "{all: [{success: load}, {success: b}], within: 1h, for_each: flow}",
    ),
    (
        SequenceTrigger(triggers=[LOADED, {"event": "e"}], within="1d"),
        "{sequence: [{success: load}, {event: e}], within: 1d}",
    ),
    (
        MetricTrigger(metric="success_rate", of=RunTrigger(deployment="load"), over=20, below=0.9),
        "{metric: success_rate, of: {deployment: load}, over: 20, below: 0.9}",
    ),
    (
        MetricTrigger(metric="duration", of=RunTrigger(), over=5, above=HOUR, for_each="flow"),
        "{metric: duration, of: {deployment: '*'}, over: 5, above: 1h, for_each: flow}",
    ),
]
ACTIONS = [
    (
        CallWebhook(
            "https://h/{{ key }}",
            method="put",
            headers={"X-N": 3, "X-Key": {"$secret": "k"}},
            json={"n": [1]},
            sign={"$secret": "s"},
            allow_private=["h"],
        ),
        "{call_webhook: 'https://h/{{ key }}', method: PUT, headers: {X-N: 3, X-Key: {$secret: k}}, json: {n: [1]}, "
        "sign: {$secret: s}, allow_private: h}",
    ),
    (CallWebhook({"$secret": "u"}), "{call_webhook: {$secret: u}}"),
    (CallWebhook("https://h", text="t"), "{call_webhook: 'https://h', text: t}"),
    (CallWebhook("https://h", json={}), "{call_webhook: 'https://h', json: {}}"),
    (RunDeployment("load", {"n": 1}), "{run: load, parameters: {n: 1}}"),
    (PauseDeployment("load"), "{pause: load}"),
    (ResumeDeployment("load"), "{resume: load}"),
    (MoveDeployment("load", "gpu"), "{move: load, pool: gpu}"),
    (PauseWorkPool("gpu"), "{pause_pool: gpu}"),
    (ResumeWorkPool("gpu"), "{resume_pool: gpu}"),
    (CancelFlowRun(), "{cancel: '{{ run.run_id }}'}"),
    (SuspendFlowRun("fox"), "{suspend: fox}"),
    (RetryFlowRun("owl"), "{retry: owl}"),
    (
        SendNotification("chat", "subject", "body", "warning"),
        "{notify: chat, title: subject, body: body, severity: warning}",
    ),
    (EmitEvent("e", "r", {"n": [1]}), "{emit: e, resource: r, payload: {n: [1]}}"),
]
MODULE = """
from orchestra_nb import flow

@flow
def triggered(path: str = ""):
    return path
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    url = f"sqlite:///{tmp_path / 'orchestra.db'}"
    monkeypatch.setenv("ORCHESTRA_STORE_URL", url)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    database = open_database(url)
    yield RunStore(database)
    database.close()


def test_what_python_says_is_what_files_say_there_and_back(tmp_path: Path) -> None:
    actions = f"[{', '.join(text for _, text in ACTIONS)}]".replace("{{ run.run_id }}", "{{ key }}")
    lines = [f"  - {{name: a{n}, when: {text}, do: {actions}}}" for n, (_, text) in enumerate(TRIGGERS)]
    (tmp_path / "all.yaml").write_text("automations:\n" + "\n".join(lines))
    said = [action if not isinstance(action, CancelFlowRun) else CancelFlowRun("{{ key }}") for action, _ in ACTIONS]

    read = [entry.automation for entry in read_automation_file(tmp_path / "all.yaml")]
    made = [Automation(name=f"a{n}", trigger=trigger, actions=said) for n, (trigger, _) in enumerate(TRIGGERS)]

    assert [one._entry().automation for one in made] == read
    assert [Automation.of(record) for record in read] == made
    assert [Automation(**_python(yaml.safe_load(line[4:]))) for line in lines] == made


def _python(form: dict[str, object]) -> dict[str, object]:
    return {"name": form["name"], "trigger": form["when"], "actions": form["do"]}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"trigger": {"sucess": "x"}}, r"automation a: when\.sucess: what happens has no such field"),
        ({"condition": "rows ="}, "automation a: if: 'rows =' cannot be used"),
        ({"actions": [{"start": "x"}]}, r"automation a: do\[0\]: an action is one of run,"),
        ({"actions": []}, "automation a: The automation 'a' does nothing"),
        ({"trigger": "load"}, "'load' is no trigger"),
        ({"trigger": EventTrigger(expect=["run.failed", "x"])}, "two triggers"),
        ({"trigger": EventTrigger(expect="x", threshold=2)}, r"needs within=…"),
        ({"trigger": EventTrigger(expect="x", for_each="id")}, "for_each counts"),
        ({"trigger": EventTrigger(expect="x", match={"name": "y"})}, "by the id of a resource"),
        ({"trigger": EventTrigger(expect="run.failed", match_related={"role": "worker"})}, "match_related has a role"),
        ({"trigger": SequenceTrigger(triggers=[LOADED])}, "within=… is missing"),
        ({"trigger": CompoundTrigger(triggers=[LOADED, LOADED, LOADED], require="two")}, "require is 'any' or 'all'"),
    ],
)
def test_what_cannot_be_is_told(fields: dict[str, object], message: str) -> None:
    said = {"name": "a", "trigger": LOADED, "actions": [CancelFlowRun()], **fields}

    with pytest.raises(InvalidInput, match=message):
        Automation(**said).form()  # type: ignore[arg-type]


def test_an_automation_is_created_read_updated_and_deleted(store: RunStore) -> None:
    automation = Automation(name="refill", trigger=LOADED, actions=[EmitEvent("empty", "load")], condition="rows == 0")

    with pytest.raises(AutomationNotFound):
        automation.update()
    automation.create()
    with pytest.raises(NameTaken, match="Pass overwrite=True to replace it"):
        automation.create()
    assert Automation.read("refill") == automation
    with pytest.raises(DeploymentNotFound, match=r"automation other: do\[0\]: There is no deployment 'refill'"):
        Automation(name="other", trigger=LOADED, actions=RunDeployment("refill")).create()
    automation.condition = "rows < 5"
    automation.update().disable()
    kept = Automation.read("refill")
    assert (kept.condition, kept.enabled, kept == automation) == ("rows < 5", False, True)
    assert kept.enable().enabled
    assert (automation.delete(), automation.delete()) == (True, False)


def test_a_deployment_has_triggers_of_its_own_which_go_with_it(
    store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "triggered_flows.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    import triggered_flows  # type: ignore[import-not-found]

    flow = triggered_flows.triggered
    kept = AutomationStore(store.database)
    Automation(name="mine", trigger=LOADED, actions=[EmitEvent("e", "r")]).create()
    arrived = FileTrigger(file="/in/*.csv", parameters={"path": "{{ file.path }}"}, name="on-file")
    with pytest.raises(InvalidInput, match="Two triggers have one name"):
        flow.deploy(name="etl", triggers=[arrived, arrived])
    with pytest.raises(InvalidInput, match=r"automation etl-trigger-1: do\[0\].parameters: .* has no parameter 'pth'"):
        flow.deploy(name="etl", triggers=[FileTrigger(file="/in/*.csv", parameters={"pth": "x"})])
    with pytest.raises(NameTaken, match="'mine' already, which is no trigger of the deployment 'etl'"):
        flow.deploy(name="etl", triggers=[FileTrigger(file="/in/*.csv", name="mine")])
    assert [one.automation.name for one in kept.list_automations()] == ["mine"]
    assert (kept.get("mine").automation.deployment, DeploymentStore(store.database).list_deployments()) == ("", [])

    flow.deploy(name="etl", triggers=[arrived, DeploymentEventTrigger(expect="go", enabled=False)])

    owned = {one.automation.name: Automation.of(one.automation) for one in kept.list_automations()}
    assert list(owned) == ["etl-trigger-2", "mine", "on-file"]
    assert owned["on-file"].actions == [RunDeployment("etl", {"path": "{{ file.path }}"})]
    assert (owned["on-file"].deployment, owned["etl-trigger-2"].enabled) == ("etl", False)
    flow.deploy(name="etl")
    assert len(kept.list_automations()) == 3
    with pytest.warns(UserWarning, match="automation etl-trigger-1: parameters of etl: .* has no parameter 'pth'"):
        flow.deploy(name="etl", triggers=[FileTrigger(file="/in/*.csv", parameters={"pth": "{{ file.path }}"})])
    flow.deploy(name="etl", triggers=[arrived])
    assert [one.automation.name for one in kept.list_automations()] == ["mine", "on-file"]
    delete_deployment(store, "etl", actor="ana", now=kept.get("on-file").updated_at)
    assert [one.automation.name for one in kept.list_automations()] == ["mine"]
    sys.modules.pop("triggered_flows", None)
