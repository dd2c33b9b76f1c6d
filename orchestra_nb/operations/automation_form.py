"""What an automation says, as people read and write it: the form of files, and words."""

from __future__ import annotations

from typing import Any, Final

from orchestra_nb.model.automations import (
    Absent,
    Action,
    Automation,
    CallWebhook,
    CancelRun,
    EmitEvent,
    EventMatch,
    FileMatch,
    Happens,
    Match,
    Metric,
    MoveDeployment,
    Notify,
    PauseDeployment,
    PausePool,
    Repeated,
    ResumeDeployment,
    ResumePool,
    RetryRun,
    RunDeployment,
    SuspendRun,
    Together,
    Trigger,
)
from orchestra_nb.model.durations import write_duration
from orchestra_nb.model.secret_values import SECRET_KEY
from orchestra_nb.model.states import State

#: The word for runs in whichever state.
_ANY_STATE: Final = "any"


def automation_form(automation: Automation) -> dict[str, Any]:
    """Return what an automation says, without what goes without saying."""
    form = {
        "name": automation.name,
        "description": automation.description,
        "when": _trigger_form(automation.trigger),
        "if": automation.condition,
        "do": [action_form(action) for action in automation.actions],
        "paused": not automation.is_active,
        "deployment": automation.deployment,
    }
    return _said(form)


def trigger_form(automation: Automation, number: int) -> dict[str, Any]:
    """Return what a trigger of a deployment says in its list, where it is of this number, from 1."""
    form = automation_form(automation)
    (action,) = form.pop("do")
    deployment = form.pop("deployment")
    if automation.name == usual_trigger_name(deployment, number):
        del form["name"]
    return {**form, "parameters": action["parameters"]} if "parameters" in action else form


def usual_trigger_name(deployment: str, number: int) -> str:
    """Return the name of a trigger that has none of its own."""
    return f"{deployment}-trigger-{number}"


def action_form(action: Action) -> dict[str, Any]:
    """Return what an action says."""
    match action:
        case RunDeployment():
            return _said({"run": action.deployment, "parameters": action.parameters})
        case PauseDeployment():
            return {"pause": action.deployment}
        case ResumeDeployment():
            return {"resume": action.deployment}
        case MoveDeployment():
            return {"move": action.deployment, "pool": action.pool}
        case PausePool():
            return {"pause_pool": action.pool}
        case ResumePool():
            return {"resume_pool": action.pool}
        case CancelRun():
            return {"cancel": action.run}
        case SuspendRun():
            return {"suspend": action.run}
        case RetryRun():
            return {"retry": action.run}
        case Notify():
            severity = "" if action.severity == "info" else action.severity
            return _said({"notify": action.channel, "title": action.title, "body": action.body, "severity": severity})
        case CallWebhook():
            return _call_form(action)
        case EmitEvent():
            return _said({"emit": action.event, "resource": action.resource, "payload": action.payload})


def _call_form(call: CallWebhook) -> dict[str, Any]:
    form = _said(
        {
            "call_webhook": call.url,
            "method": "" if call.method == "POST" else call.method,
            "headers": call.headers,
            "text": call.text,
            "sign": {SECRET_KEY: call.signed_with} if call.signed_with else None,
            "allow_private": list(call.private_hosts),
        }
    )
    return form if call.json is None else {**form, "json": call.json}


def _trigger_form(trigger: Trigger) -> Any:
    match trigger:
        case Happens(matches=(one,)):
            return _match_form(one)
        case Happens(matches=matches):
            return {"any": [_match_form(one) for one in matches]}
        case Absent():
            form: dict[str, Any] = {
                "absent": _match_form(trigger.expected),
                "within": write_duration(trigger.within_seconds),
                "after": None if trigger.after is None else _match_form(trigger.after),
            }
        case Repeated():
            form = {
                "count": trigger.count,
                "of": _match_form(trigger.match),
                "within": write_duration(trigger.within_seconds),
            }
        case Together():
            name = "sequence" if trigger.is_ordered else "all"
            form = {
                name: [_match_form(one) for one in trigger.matches],
                "within": write_duration(trigger.within_seconds),
            }
        case Metric():
            form = {"metric": trigger.figure, "of": _match_form(trigger.match), "over": trigger.over}
            for side in ("below", "above"):
                if (bound := getattr(trigger, side)) is not None:
                    form[side] = bound if trigger.figure == "success_rate" else write_duration(bound)
            return form | ({} if trigger.for_each is None else {"for_each": trigger.for_each})
    return _said(form | {"for_each": trigger.for_each})


def _match_form(match: Match) -> dict[str, Any]:
    if isinstance(match, EventMatch):
        event = {"event": _one_or_more(match.names) or "*", "resource": _one_or_more(match.resources)}
        return _said(event | {"if": match.condition})
    if isinstance(match, FileMatch):
        usual = FileMatch(url=match.url)
        return _said(
            {
                "file": match.url,
                "every": _unusual(match.every_seconds, usual.every_seconds),
                "settle": _unusual(match.settle_seconds, usual.settle_seconds),
                "storage": match.storage,
                "existing": match.has_existing,
                "if": match.condition,
            }
        )
    is_success = match.states == (State.COMPLETED,) and match.deployments
    form = _said(
        {
            "success": _one_or_more(match.deployments) if is_success else "",
            "state": "" if is_success else _one_or_more(tuple(state.value for state in match.states)),
            "deployment": "" if is_success else _one_or_more(match.deployments),
            "flow": _one_or_more(match.flow_names),
            "kind": _one_or_more(tuple(kind.value for kind in match.kinds)),
            "tags": match.tags,
            "child_runs": match.has_child_runs,
            "retried": match.has_retried,
            "if": match.condition,
        }
    )
    return form or {"state": _ANY_STATE}


def _one_or_more(names: tuple[str, ...]) -> str | list[str]:
    return names[0] if len(names) == 1 else list(names)


def _unusual(seconds: float, usual: float) -> str | None:
    return None if seconds == usual else write_duration(seconds)


def _said(form: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in form.items() if value not in (None, "", [], {}, False)}
