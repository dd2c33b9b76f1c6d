"""One of everything that a store can have, all of one user: each name, text and value of hers has "zebra" in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from example_runs import run_of, task_of

from orchestra_nb.acting_user import acting_as
from orchestra_nb.model.artifacts import StoredArtifact
from orchestra_nb.model.assets import AssetProperties, Materialization
from orchestra_nb.model.audit import Via, entry_of
from orchestra_nb.model.automations import Automation, Happens, RunDeployment, RunMatch
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.deployments import DeploymentSchedule, DeploymentSpec, NotebookTarget
from orchestra_nb.model.events import (
    CellRunChanged,
    DeadLetterAdded,
    LogsWritten,
    RunCodeRecorded,
    RunCreated,
    RunStateChanged,
    TaskRunCreated,
    TaskRunStateChanged,
    ValueRecorded,
)
from orchestra_nb.model.limits import ConcurrencyLimit
from orchestra_nb.model.notifications import NotificationRule
from orchestra_nb.model.questions import Asker
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.run_code import RunCode
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.runs import CellRun, ErrorInfo, LogLine, Run, RunKind
from orchestra_nb.model.schedules import IntervalSchedule
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.states import State
from orchestra_nb.model.sweeps import COMBINATION_TAG, SweepRequest
from orchestra_nb.model.webhooks import ReceiptState, Webhook
from orchestra_nb.model.work_pools import DockerPlace, WorkPool
from orchestra_nb.operations.api_tokens import create_token
from orchestra_nb.operations.audit_trail import note
from orchestra_nb.operations.sweep_request import sweep_code
from orchestra_nb.settings import SecretKeyPlace
from orchestra_nb.store.artifact_store import ArtifactStore
from orchestra_nb.store.asset_store import AssetStore
from orchestra_nb.store.automation_store import AutomationStore
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.notification_store import NotificationStore
from orchestra_nb.store.pool_store import PoolStore
from orchestra_nb.store.run_input_store import RunInputStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.secret_key import load_secret_key
from orchestra_nb.store.secret_store import SecretStore
from orchestra_nb.store.service_tables import automation_firings, notifications
from orchestra_nb.store.slot_store import SlotStore
from orchestra_nb.store.webhook_receipts import Outcome, WebhookReceipts
from orchestra_nb.store.webhook_store import WebhookStore
from orchestra_nb.store.work_queue import WorkQueue
from tests.faults.notebook_command import notebook_of

#: What stands in all that is hers, in capitals or not.
MARK = "zebra"
OWNER = "alice"
DEPLOYMENT, FLOW, ASSET = "zebra-nightly", "zebra-flow", "s3://zebra/table"
#: The beginning of the ids of all her runs and task runs.
ID_MARK = "2eb2a000"


def zebra_run(number: int, **fields: object) -> Run:
    """Return a run of hers."""
    said = {"name": f"zebra-fox-{number}", "flow_name": FLOW, "created_at": datetime.now(UTC), "owner": OWNER}
    return run_of(number, run_id=f"{ID_MARK}{number:024x}", **{**said, **fields})


FINISHED, SWEEP, CHILD, WAITING, GOING = 1, 2, 3, 4, 5


class ZebraThings:
    """Puts them into a store, and knows by which names they could be asked for."""

    def __init__(self, store: RunStore, folder: Path, key_place: SecretKeyPlace) -> None:
        self._store = store
        self._folder = folder
        self._key = load_secret_key(key_place)
        self._now = datetime.now(UTC)
        self.names: dict[str, list[str]] = {}
        with acting_as(OWNER, is_alone=True):
            self._deploy()
            self._run()
            self._make()
            self._tell()

    def _deploy(self) -> None:
        database = self._store.database
        spec = DeploymentSpec(
            name=DEPLOYMENT,
            flow_name=FLOW,
            target=NotebookTarget(path=str(self._folder / "zebra.ipynb")),
            description="zebra",
            job_variables={"env": {"ZEBRA": "zebra"}},
            schedules=(
                DeploymentSchedule(schedule=IntervalSchedule(every_seconds=3600), parameters={"zebra": "zebra"}),
            ),
        )
        job: dict[str, object] = {"image": "img:1", "volumes": [f"{self._folder}:{self._folder}"]}
        PoolStore(database).create(WorkPool(name="boxes", place=DockerPlace(job=job)), self._now)
        self.names["pool"] = ["default", "boxes"]  # the operator's
        deployments = DeploymentStore(database)
        deployments.save(spec, notebook=json.dumps(notebook_of()), actor=f"user {MARK}", at=self._now)
        trigger = Automation(
            name="zebra-trigger",
            trigger=Happens(matches=(RunMatch(flow_names=(FLOW,)),)),
            actions=(RunDeployment(deployment=DEPLOYMENT),),
            deployment=DEPLOYMENT,
        )
        AutomationStore(database).save(trigger, self._now, may_replace=False, trigger_of=DEPLOYMENT)
        self.names["deployment"], self.names["automation"] = [DEPLOYMENT], [trigger.name]

    def _run(self) -> None:
        of_deployment = {"deployment": DEPLOYMENT, "deployment_version": 1}
        output = self._folder / "zebra-output.ipynb"
        finished = zebra_run(
            FINISHED,
            state=State.PENDING,
            parameters={"zebra": "zebra"},
            tags={"zebra": "zebra"},
            notebook_path=str(self._folder / "zebra.ipynb"),
            output_path=str(output),
            **of_deployment,
        )
        cell = {"cell_type": "code", "id": "c0", "metadata": {}, "execution_count": 1, "source": "zebra", "outputs": []}
        metadata = {"orchestra": {"run_id": finished.run_id, "epoch": 1}}
        output.write_text(json.dumps({"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
        sweep = zebra_run(SWEEP, kind=RunKind.SWEEP, state=State.RUNNING)
        child = zebra_run(
            CHILD,
            parent_run_id=sweep.run_id,
            tags={COMBINATION_TAG: "0"},
            parameters={"n": "zebra"},
            state=State.RUNNING,
        )
        request = SweepRequest(path="/zebra.ipynb", combinations=({"n": "zebra"},), swept=("n",))
        going = zebra_run(GOING, state=State.RUNNING, driver_id="d", pool="default", **of_deployment)
        tasks = [task_of(finished, "zebra-load", task_run_id=f"{ID_MARK}{9:024x}")]
        error = ErrorInfo(type="ValueError", message="zebra")
        after = self._now + timedelta(seconds=1)
        self._store.apply(
            [
                *(RunCreated(run=run) for run in (finished, sweep, child, going)),
                RunCodeRecorded(code=sweep_code(sweep, request)),
                RunCodeRecorded(
                    code=RunCode(
                        run_id=tasks[0].task_run_id,
                        parameters_json='{"args": ["zebra"], "kwargs": {}}',
                        working_folder="/zebra",
                        call="zebra",
                    )
                ),
                RunStateChanged(run_id=finished.run_id, state=State.RUNNING, at=self._now),
                *(TaskRunCreated(task_run=task) for task in tasks),
                *(
                    TaskRunStateChanged(
                        run_id=finished.run_id,
                        task_run_id=tasks[0].task_run_id,
                        state=state,
                        at=after,
                        attempt=attempt,
                        error=error if state is not State.RUNNING else None,
                        message="zebra",
                    )
                    for state, attempt in (
                        (State.RUNNING, 1),
                        (State.RETRYING, 1),
                        (State.RUNNING, 2),
                        (State.FAILED, 2),
                    )
                ),
                CellRunChanged(
                    cell=CellRun(run_id=finished.run_id, index=0, cell_id="c0", state=State.FAILED, title="zebra")
                ),
                LogsWritten(
                    lines=(LogLine(run_id=finished.run_id, at=self._now, level=20, logger="zebra", message="zebra"),)
                ),
                ValueRecorded(
                    value=RecordedValue(
                        run_id=finished.run_id,
                        name="zebra",
                        type="str",
                        recorded_at=self._now,
                        data='"zebra"',
                        summary="zebra",
                    )
                ),
                RunStateChanged(run_id=finished.run_id, state=State.FAILED, at=after, message="zebra"),
                DeadLetterAdded(
                    letter=DeadLetter(
                        run_id=finished.run_id,
                        task_run_id=tasks[0].task_run_id,
                        name="zebra-load",
                        flow_name=FLOW,
                        ended_as=State.FAILED,
                        attempts=2,
                        message="zebra",
                        created_at=after,
                    )
                ),
            ]
        )
        waiting = zebra_run(
            WAITING,
            state=State.SCHEDULED,
            pool="default",
            due_at=self._now - timedelta(hours=1),
            occurrence="2026-01-01T00:00:00Z",
            **of_deployment,
        )
        assert WorkQueue(self._store.database).add(waiting)
        runs = (finished, sweep, child, waiting, going)
        self.names["run"] = [word for run in runs for word in (run.run_id, run.name)]
        self.names["task"] = [tasks[0].task_run_id, tasks[0].name]
        self.names["letter"] = [tasks[0].task_run_id]
        self.names["value"], self.names["flow"] = ["zebra"], [FLOW]

    def _make(self) -> None:
        database, run_id = self._store.database, zebra_run(FINISHED).run_id
        artifact = StoredArtifact(
            artifact_id=f"{ID_MARK}{7:024x}",
            type="markdown",
            data="zebra",
            created_at=self._now,
            updated_at=self._now,
            key="zebra-key",
            description="zebra",
            run_id=run_id,
        )
        ArtifactStore(database).create(artifact)
        made = Materialization(asset_key=ASSET, at=self._now, upstream=("s3://zebra/raw",), run_id=run_id)
        AssetStore(database).record(made, AssetProperties(name="zebra"))
        event = CustomEvent(
            event_id=f"{ID_MARK}{8:024x}",
            event="zebra.ran",
            resource={"id": "zebra"},
            occurred_at=self._now,
            run_id=run_id,
        )
        CustomEventStore(database).add(event)
        RunInputStore(database).ask(RunInput(run_id=run_id, key="zebra", asked_at=self._now, description="zebra"))
        slots = SlotStore(database)
        slots.create_limit(ConcurrencyLimit(name="db", limit=2), self._now)
        slots.acquire(["db"], 1, "zebra", self._now, 3600.0, asker=Asker(run_id=zebra_run(GOING).run_id))
        SecretStore(database, self._key).set("zebra-secret", Secret("zebra"), self._now, OWNER)
        self.names["artifact"] = [artifact.artifact_id, "zebra-key"]
        self.names["asset"], self.names["secret"] = [ASSET], ["zebra-secret"]

    def _tell(self) -> None:
        database, run_id = self._store.database, zebra_run(FINISHED).run_id
        channels = NotificationStore(database, self._key)
        channels.set_channel("team", Secret("json://localhost"), shown="json://…", may_be_private=True, at=self._now)
        channels.add_rule(NotificationRule(name="zebra-rule", channels=("team",), flow_names=(FLOW,)), self._now)
        message = {"channel": "team", "attempts": 8, "next_try_at": self._now, "created_at": self._now}
        message |= {"severity": "failure", "title": "zebra", "body": "zebra", "error": "zebra", "state": "DEAD"}
        about = {"rule": "zebra-rule", "run_id": run_id, "epoch": 1, "moment": "m"}
        firing = {
            "automation": "zebra-trigger",
            "key": "k",
            "at": self._now,
            "about": "zebra",
            "hops": 1,
            "actions": [],
        }
        firing |= {"run_id": run_id, "state": "DONE", "message": "zebra", "attempts": 1, "decided_at": self._now}
        with database.write() as connection:
            number = connection.execute(notifications.insert().values(message | about)).inserted_primary_key[0]
            connection.execute(automation_firings.insert().values(firing))
        hook = Webhook(name="zebra-hook", deployment=DEPLOYMENT)
        WebhookStore(database, self._key).add(hook, Secret("zebra"), self._now, OWNER)
        outcome = Outcome(state=ReceiptState.DEAD, reason="zebra", message=Secret("zebra"))
        receipt = WebhookReceipts(database, self._key).settle("zebra-hook", "zebra", outcome, self._now)
        note(
            self._store, entry_of("deploy", DEPLOYMENT, at=self._now, actor=f"user {OWNER}", via=Via.API, origin="lab")
        )
        self.names["webhook"], self.names["delivery"] = [hook.name], [str(number)]
        said = {"expires_at": None, "actor": f"user {OWNER}", "now": self._now, "owner": OWNER}
        token, _ = create_token(self._store, "zebra-token", ["runs:read"], **said)
        self.names["rule"], self.names["token"] = ["zebra-rule"], [token.name, token.token_id]
        self.names["receipt"], self.names["schedule"] = [str(receipt.number)], ["1"]
