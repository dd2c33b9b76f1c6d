"""What automations do, done: each action once, however often it is tried."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.automation_decisions import actor_of, related_of, tags_of
from orchestra_nb.model.automation_log import LoggedAction, LoggedFiring
from orchestra_nb.model.automations import (
    CancelRun,
    EmitEvent,
    Notify,
    PauseDeployment,
    ResumeDeployment,
    RetryRun,
    RunDeployment,
)
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.deployments import DeploymentVersion, NotebookTarget, deployed_run
from orchestra_nb.model.events import RunReopened
from orchestra_nb.operations.deployment_preparation import check_parameters
from orchestra_nb.operations.deployments import find_deployment, pause_deployment, resume_deployment
from orchestra_nb.operations.run_again import check_retry, close_letters
from orchestra_nb.operations.runs import cancel_run, find_run
from orchestra_nb.settings import Settings
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.outbox_store import OutboxStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.work_queue import WorkQueue

#: What is longer is cut: services refuse long texts.
_LONGEST_TITLE: Final = 250
_LONGEST_BODY: Final = 8_000


class AutomationActions:
    """Performs actions; an instance is what the automation service calls."""

    def __init__(self, store: RunStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def __call__(self, firing: LoggedFiring, logged: LoggedAction, now: datetime) -> str:
        """Do one action, and return what was done, in words.

        Raises
        ------
        OrchestraError
            It cannot be done; the message says why.
        """
        action = logged.action
        match action:
            case RunDeployment():
                return self._run(firing, logged.id, action, now)
            case PauseDeployment(deployment=name):
                return f"paused deployment {pause_deployment(self._store, name, now).name}"
            case ResumeDeployment(deployment=name):
                return f"resumed deployment {resume_deployment(self._store, name, now).name}"
            case CancelRun(run=run):
                return f"cancelled run {cancel_run(self._store, run, actor=actor_of(firing.automation), now=now).name}"
            case RetryRun(run=run):
                return self._retry(firing, run, now)
            case Notify():
                return self._notify(firing, logged.id, action, now)
            case EmitEvent():
                return self._emit(firing, logged.id, action, now)

    def _run(self, firing: LoggedFiring, run_id: str, action: RunDeployment, now: datetime) -> str:
        deployment = find_deployment(self._store, action.deployment)
        version = DeploymentStore(self._store.database).version(deployment.name, deployment.version)
        run = deployed_run(
            version.spec,
            version.version,
            run_id=run_id,
            now=now,
            due_at=now,
            cluster=self._settings.cluster,
            parameters=self._parameters(version, action.parameters),
        )
        run = msgspec.structs.replace(run, tags={**run.tags, **tags_of(firing.automation, firing.hops)})
        WorkQueue(self._store.database).add(run, version.spec.pool, version.spec.priority)
        return f"run {run.name} of deployment {deployment.name}"

    def _parameters(self, version: DeploymentVersion, given: Mapping[str, object]) -> dict[str, object]:
        """Return parameters that fit. Those of a flow its run checks: here that would take a process of its own."""
        if given and isinstance(version.spec.target, NotebookTarget):
            return check_parameters(version.spec, version.notebook, given, self._settings)
        return dict(given)

    def _retry(self, firing: LoggedFiring, id_or_name: str, now: datetime) -> str:
        run = find_run(self._store, id_or_name)
        actor = actor_of(firing.automation)
        message = f"retried by {actor} ({firing.number})"
        if any(change.message == message for change in self._store.state_changes(run.run_id)):
            return f"run {run.name} again"  # it was, before its end was written
        check_retry(self._store, run.run_id)
        if run.deployment is None or run.deployment_version is None:
            raise InvalidInput(f"Run {run.name} is of no deployment: a service cannot run it again.")
        spec = DeploymentStore(self._store.database).version(run.deployment, run.deployment_version).spec
        again = RunReopened(
            run_id=run.run_id, at=now, epoch=run.epoch + 1, driver_id=None, actor=actor, message=message
        )
        if not WorkQueue(self._store.database).add_again(again, now, spec.pool, spec.priority):
            return f"run {run.name} is run again already"
        close_letters(self._store, run, actor)
        return f"run {run.name} again"

    def _notify(self, firing: LoggedFiring, action_id: str, action: Notify, now: datetime) -> str:
        title = " ".join((action.title or f"{firing.automation}: {firing.about}").split())
        body = action.body or f"{firing.about}\n\nLook: orchestra automations show {firing.automation}"
        OutboxStore(self._store.database).add(
            actor_of(firing.automation),
            action.channel,
            run_id=firing.run_id or "",
            moment=action_id,
            severity=action.severity,
            title=title[:_LONGEST_TITLE],
            body=body.strip()[:_LONGEST_BODY],
            at=now,
        )
        return f"a message to channel {action.channel}"

    def _emit(self, firing: LoggedFiring, event_id: str, action: EmitEvent, now: datetime) -> str:
        event = CustomEvent(
            event_id=event_id,
            event=action.event,
            resource={"id": action.resource},
            occurred_at=now,
            related=(related_of(firing.automation, firing.hops),),
            payload=action.payload,
        )
        CustomEventStore(self._store.database).add(event)
        return f"event {action.event} of {action.resource}"
