"""What automations do, done: each action once, however often it is tried."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from orchestra_nb.model.audit import AuditEntry, Via, entry_of
from orchestra_nb.model.automation_decisions import actor_of, related_of, tags_of
from orchestra_nb.model.automation_log import LoggedAction, LoggedFiring
from orchestra_nb.model.automations import (
    HOPS_HEADER,
    CallWebhook,
    CancelRun,
    EmitEvent,
    MoveDeployment,
    Notify,
    PauseDeployment,
    PausePool,
    ResumeDeployment,
    ResumePool,
    RetryRun,
    RunDeployment,
    SuspendRun,
)
from orchestra_nb.model.counted import counted
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.deployments import DeploymentVersion, NotebookTarget, deployed_run
from orchestra_nb.model.webhook_calls import call_title
from orchestra_nb.operations.audit_trail import noted
from orchestra_nb.operations.deployment_preparation import check_parameters
from orchestra_nb.operations.deployments import (
    find_deployment,
    move_deployment,
    pause_deployment,
    resume_deployment,
)
from orchestra_nb.operations.pool_retries import check_pool_retry, reopen_in_pool
from orchestra_nb.operations.runs import cancel_run, find_run, suspend_run
from orchestra_nb.operations.work_pools import pause_pool, resume_pool
from orchestra_nb.settings import Settings
from orchestra_nb.store.custom_event_store import CustomEventStore
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.outbox_store import OutboxStore
from orchestra_nb.store.run_store import RunStore
from orchestra_nb.store.work_queue import WorkQueue

#: What is longer is cut: services refuse long texts.
_LONGEST_TITLE: Final = 250
_LONGEST_BODY: Final = 8_000


#: Kind of action to what the audit trail calls it, and which of its fields names what it is done to; no field for an
#: address, which may hold a secret.
DEEDS: Final[dict[type, tuple[str, str]]] = {
    RunDeployment: ("run_deployment", "deployment"),
    PauseDeployment: ("pause_deployment", "deployment"),
    ResumeDeployment: ("resume_deployment", "deployment"),
    MoveDeployment: ("deploy", "deployment"),
    PausePool: ("pause_pool", "pool"),
    ResumePool: ("resume_pool", "pool"),
    CancelRun: ("cancel_run", "run"),
    SuspendRun: ("suspend_run", "run"),
    RetryRun: ("retry_run", "run"),
    Notify: ("notify", "channel"),
    CallWebhook: ("call_webhook", ""),
    EmitEvent: ("emit_event", "event"),
}


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
        with noted(self._store, _entry_of(firing, logged, now)):
            return self._done(firing, logged, now)

    def _done(self, firing: LoggedFiring, logged: LoggedAction, now: datetime) -> str:
        action = logged.action
        match action:
            case RunDeployment():
                return self._run(firing, logged.id, action, now)
            case PauseDeployment(deployment=name):
                return f"paused deployment {pause_deployment(self._store, name, now).name}"
            case ResumeDeployment(deployment=name):
                return f"resumed deployment {resume_deployment(self._store, name, now).name}"
            case MoveDeployment(deployment=name, pool=pool):
                moved = move_deployment(self._store, name, pool, actor=actor_of(firing.automation), now=now)
                return f"moved deployment {name} to pool {pool}{_also(moved)}"
            case PausePool(pool=pool):
                return f"paused pool {pause_pool(self._store, pool, now).name}"
            case ResumePool(pool=pool):
                return f"resumed pool {resume_pool(self._store, pool, now).name}"
            case CancelRun(run=run):
                return f"cancelled run {cancel_run(self._store, run, actor=actor_of(firing.automation), now=now).name}"
            case SuspendRun(run=run):
                asked = suspend_run(self._store, run, actor=actor_of(firing.automation), now=now)
                return f"asked run {asked.name} to suspend itself"
            case RetryRun(run=run):
                return self._retry(firing, run, now)
            case Notify():
                return self._notify(firing, logged.id, action, now)
            case CallWebhook():
                return self._call(firing, logged.id, action, now)
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
        WorkQueue(self._store.database).add(run, version.spec.pool, version.spec.priority, version.spec.limits)
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
        if any(change.message == message for change in self._store.state_changes(run.run_id, with_tasks=False)):
            return f"run {run.name} again"  # it was, before its end was written
        run = check_pool_retry(self._store, run.run_id)
        if not reopen_in_pool(self._store, run, actor=actor, message=message, now=now):
            return f"run {run.name} is run again already"
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

    def _call(self, firing: LoggedFiring, action_id: str, call: CallWebhook, now: datetime) -> str:
        sender, run_id = actor_of(firing.automation), firing.run_id or ""
        counted_call = msgspec.structs.replace(call, headers={**call.headers, HOPS_HEADER: str(firing.hops)})
        OutboxStore(self._store.database).add_call(sender, counted_call, run_id=run_id, moment=action_id, at=now)
        return f"a call in the outbox: {call_title(call)}"[:_LONGEST_TITLE]

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


def _entry_of(firing: LoggedFiring, logged: LoggedAction, now: datetime) -> AuditEntry:
    action, name = DEEDS[type(logged.action)]
    return entry_of(
        action,
        getattr(logged.action, name) if name else "",
        at=now,
        actor=actor_of(firing.automation),
        via=Via.SERVICE,
        origin=socket.gethostname(),
        run_id=logged.id if isinstance(logged.action, RunDeployment) else None,
    )


def _also(waiting: int) -> str:
    return f", and {counted(waiting, 'run')} that wait" if waiting > 1 else ", and a run that waits" if waiting else ""
