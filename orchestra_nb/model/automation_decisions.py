"""What comes of something that happened: an automation, its state, the happening and the time give state and actions.

Nothing is done here. What is decided is written with its names (the automation and the key of what made it fire), and
whoever performs it does so once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, cast

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.automation_triggers import Fired, TriggerState, advance, advance_time
from orchestra_nb.model.automations import (
    ACTOR_PREFIX,
    AUTOMATION_ROLE,
    AUTOMATION_TAG,
    HOPS_HEADER,
    HOPS_TAG,
    MOST_HOPS,
    Action,
    Automation,
    CallWebhook,
    Happening,
    Match,
    RunDeployment,
    is_about,
    matches_of,
)
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.file_arrivals import FILE_ARRIVED, file_facts
from orchestra_nb.model.json_values import to_json_text
from orchestra_nb.model.jsonable import from_stored
from orchestra_nb.model.runs import Run
from orchestra_nb.model.sandboxed_templates import holds, render
from orchestra_nb.model.webhook_calls import check_call

#: The names that conditions and templates may use of a run.
RUN_FACTS: Final = (
    *("run_id", "name", "flow_name", "kind", "state", "message", "epoch", "deployment", "parameters", "tags"),
    *("created_at", "started_at", "ended_at", "due_at", "notebook_path", "output_path"),
)


class Firing(msgspec.Struct, frozen=True, kw_only=True):
    """What an automation does about something, or why it does nothing.

    Parameters
    ----------
    key
        Names it for ever among those of its automation.
    at
        When what it is about happened.
    about
        What made it fire, in words.
    hops
        How many automations led to what it does, this one included.
    actions
        Rendered; empty where it does nothing.
    refusal
        Why it does nothing although it fired: empty where it acts.
    is_met
        Whether its condition holds; where it does not, nothing is to be said either.
    """

    automation: str
    key: str
    at: datetime
    about: str
    hops: int
    run_id: str | None = None
    actions: tuple[Action, ...] = ()
    refusal: str = ""
    is_met: bool = True


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What comes of a happening, or of time that has passed."""

    state: TriggerState
    firings: tuple[Firing, ...] = ()


def decide(automation: Automation, state: TriggerState, happening: Happening | None, now: datetime) -> Decision:
    """Return what comes of a happening; with None, of the time that has passed until now."""
    if happening is None:
        state, fired = advance_time(state, now)
    else:
        try:
            state, fired = advance(automation.trigger, state, happening, partial(_matches, automation.name))
        except InvalidInput as error:  # the condition of a match
            return Decision(state=state, firings=(_refused(automation, _fired_by(happening), str(error)),))
    return Decision(state=state, firings=tuple(_firing(automation, one) for one in fired))


def could_count(automation: Automation, happening: Happening) -> bool:
    """Tell whether an automation looks at a happening at all, its conditions and states aside. Cheap."""
    return any(is_about(match, happening, automation.name) for match in matches_of(automation.trigger))


def actor_of(automation: str) -> str:
    """Return who did what an automation did, for the history of a run.

    Examples
    --------
    >>> actor_of("refill")
    'automation refill'
    """
    return f"{ACTOR_PREFIX}{automation}"


def tags_of(automation: str, hops: int) -> dict[str, str]:
    """Return the tags of a run that an automation starts, to which so many hops lead."""
    return {AUTOMATION_TAG: automation, HOPS_TAG: str(hops)}


def hops_of_tags(tags: Mapping[str, str]) -> int:
    """Return how many hops led to a run with these tags."""
    return _number(tags.get(HOPS_TAG, ""))


def related_of(automation: str, hops: int) -> dict[str, str]:
    """Return the related resource of an event that an automation emits, to which so many hops lead."""
    return {"id": actor_of(automation), "role": AUTOMATION_ROLE, "hops": str(hops)}


def hops_of_event(event: CustomEvent) -> int:
    """Return how many hops led to an event that an automation emitted; 0 for one of user code."""
    return max((_number(one.get("hops", "")) for one in event.related if one.get("role") == AUTOMATION_ROLE), default=0)


def hops_of_headers(headers: Mapping[str, str]) -> int:
    """Return how many hops led to a message with these headers, whose names are in lower case; 0 for most."""
    return _number(headers.get(HOPS_HEADER.lower(), ""))


def facts_of(automation: str, fired: Fired) -> dict[str, object]:
    """Return what conditions and templates may use: what the run returned stands there by its own names, too."""
    happening = fired.happening
    run = None if happening is None else happening.run
    returned = {} if happening is None else {name: from_stored(value) for name, value in happening.returned.items()}
    return {
        **returned,
        "automation": automation,
        "at": fired.at,
        "key": fired.group,
        "about": _about(fired),
        "event": None if happening is None else _event_facts(happening),
        "run": None if run is None else _run_facts(run),
        "file": None if happening is None or happening.event is None else file_facts(happening.event),
        "returned": returned,
    }


def _matches(automation: str, match: Match, happening: Happening) -> bool:
    if not is_about(match, happening, automation):
        return False
    return not match.condition or holds(match.condition, facts_of(automation, _fired_by(happening)))


def _firing(automation: Automation, fired: Fired) -> Firing:
    facts = facts_of(automation.name, fired)
    try:
        if not holds(automation.condition, facts):
            return msgspec.structs.replace(_refused(automation, fired, "its condition does not hold"), is_met=False)
        actions = tuple(_rendered(action, facts) for action in automation.actions)
    except InvalidInput as error:
        return _refused(automation, fired, str(error))
    plain = _refused(automation, fired, "")
    if plain.hops > MOST_HOPS:
        return msgspec.structs.replace(
            plain, refusal=f"{MOST_HOPS} hops from one automation to the next led here: they start each other"
        )
    return msgspec.structs.replace(plain, actions=actions)


def _refused(automation: Automation, fired: Fired, refusal: str) -> Firing:
    happening = fired.happening
    return Firing(
        automation=automation.name,
        key=fired.key,
        at=fired.at,
        about=_about(fired),
        hops=1 + (0 if happening is None else happening.hops),
        run_id=None if happening is None or happening.run is None else happening.run.run_id,
        refusal=refusal,
    )


def _rendered(action: Action, facts: Mapping[str, object]) -> Action:
    if isinstance(action, CallWebhook):
        return _rendered_call(action, facts)
    fields = msgspec.structs.asdict(action)
    rendered = {name: render(value, facts) for name, value in fields.items()}
    for name, value in fields.items():
        if isinstance(value, str):  # a field of text stays text, whatever its expression is
            rendered[name] = str(rendered[name])
    for name in ("parameters", "payload"):
        to_json_text(rendered.get(name), f"The {name} of the action")
    if isinstance(action, RunDeployment):
        rendered["parameters"] = dict(cast(Mapping[str, object], rendered["parameters"]))
    return type(action)(**rendered)  # type: ignore[arg-type]


def _rendered_call(call: CallWebhook, facts: Mapping[str, object]) -> CallWebhook:
    def text(value: str | dict[str, str], place: str) -> str | dict[str, str]:
        return _text(render(value, facts), place) if isinstance(value, str) else value

    rendered = msgspec.structs.replace(
        call,
        url=text(call.url, "The address"),
        headers={name: text(value, f"The header {name}") for name, value in call.headers.items()},
        json=_encodable(render(call.json, facts)),
        text=_encodable(_text(render(call.text, facts), "The text")),
    )
    return check_call(rendered, is_rendered=True)


def _text(value: object, place: str) -> str:
    """Return a rendered value as text: a mapping or a list, which others read, as JSON."""
    if not isinstance(value, dict | list):
        return str(value)
    try:
        return json.dumps(value, ensure_ascii=place != "The text", allow_nan=False)
    except ValueError:
        raise InvalidInput(f"{place} has NaN or an infinity, which JSON does not have.") from None


def _encodable(value: Any) -> Any:
    """Return a value of JSON's types with a question mark in place of each lone surrogate: UTF-8 has none."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_encodable(name): _encodable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    return value


def _fired_by(happening: Happening) -> Fired:
    return Fired(key=happening.key, at=happening.at, group="", happening=happening)


def _about(fired: Fired) -> str:
    happening = fired.happening
    if happening is None:
        return f"nothing happened until {fired.at:%Y-%m-%d %H:%M:%S} UTC"
    if happening.event is not None and happening.event.event == FILE_ARRIVED:
        what = f"{happening.event.resource.get('id', '')} arrived"
    elif happening.event is not None:
        what = f"{happening.event.event} of {happening.event.resource.get('id', '')}"
    else:
        assert happening.run is not None
        run = happening.run
        of = run.flow_name if run.deployment is None else run.deployment
        what = f"{run.name} of {of} is {run.state}"
    return what if fired.key == happening.key else f"nothing followed: {what}"


def _event_facts(happening: Happening) -> dict[str, object]:
    event, run = happening.event, happening.run
    if event is not None:
        return {
            "name": event.event,
            "resource": event.resource,
            "related": list(event.related),
            "payload": {name: from_stored(value) for name, value in event.payload.items()},
            "at": event.occurred_at,
            "id": event.event_id,
        }
    assert run is not None
    return {
        "name": f"run.{run.state.value.lower()}",
        "resource": {"id": run.run_id},
        "related": [],
        "payload": {},
        "at": happening.at,
        "id": happening.key,
    }


def _run_facts(run: Run) -> dict[str, object]:
    facts: dict[str, object] = {name: getattr(run, name) for name in RUN_FACTS}
    parameters = {name: from_stored(value) for name, value in run.parameters.items()}
    return facts | {"kind": run.kind.value, "state": run.state.value, "parameters": parameters}


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0
