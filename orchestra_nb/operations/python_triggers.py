"""What automations wait for, and what they do, as Python says it: each gives the form that files have.

The names are Prefect's where the thing is the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import Enum
from typing import Any, ClassVar, Final

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.durations import write_duration

#: Names of one kind, or several of them.
Names = str | Collection[str]
#: A window: a timedelta, seconds, or ``"1h30m"``.
Window = timedelta | float | str

#: Events of runs as Prefect names them, and as ours are named: ``prefect.flow-run.Failed``, ``run.failed``.
_RUN_EVENT: Final = re.compile(r"(?:(?:prefect|orchestra)\.)?(?:flow-run|run)\.([A-Za-z_]+|\*)")
#: Names of states there that are written otherwise here.
_STATES: Final = {"timedout": "TIMED_OUT", "late": "SCHEDULED", "suspended": "PAUSED", "awaitingretry": "RETRYING"}
_RUN_FIELDS: Final = ("success", "state", "deployment", "flow", "kind")
_FOR_EACH: Final = ("run", "deployment", "flow", "resource")


class Posture(str, Enum):
    """Whether a trigger waits for what happens, or for what does not happen."""

    Reactive = "Reactive"
    Proactive = "Proactive"


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """What an automation waits for.

    Parameters
    ----------
    name, description, enabled, parameters
        Of the automation that ``flow.deploy(triggers=[…])`` makes of it: its name, what it is for, whether it acts, and
        what its runs get in place of the deployment's own parameters.
    """

    name: str = ""
    description: str = ""
    enabled: bool = True
    parameters: Mapping[str, Any] | None = None

    def form(self) -> Any:
        """Return what files write at ``when``."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class _Counted(Trigger):
    """Something that happens; so often, in an order, or not at all.

    Parameters
    ----------
    condition
        A Jinja expression; only what it holds for counts.
    posture
        ``Proactive`` for what does not happen ``within`` a time.
    threshold
        How often it must happen ``within`` a time.
    within
        Needed for each of these.
    after
        It counts only after this.
    for_each
        ``"run"``, ``"deployment"``, ``"flow"`` or ``"resource"``: each of these is counted for itself.
    """

    condition: str = ""
    posture: Posture = Posture.Reactive
    threshold: int = 1
    within: Window | None = None
    after: Any = None
    for_each: Names | None = None

    def form(self) -> Any:
        """Return what files write at ``when``."""
        match_ = {**self.match_form(), **({"if": self.condition} if self.condition else {})}
        more: dict[str, Any] = {} if self.for_each is None else {"for_each": _for_each(self.for_each, match_)}
        after = None if self.after is None else self._after_form()
        if self.posture is Posture.Reactive and self.threshold == 1 and after is None:
            if more:
                raise InvalidInput("for_each counts: give a threshold, posture or after, too.")
            return match_
        if self.within is None:
            raise InvalidInput(f"{type(self).__name__} needs within=…: the time in which that happens, or does not.")
        window = {"within": _window(self.within), **more}
        if self.posture is Posture.Proactive:
            if self.threshold > 1:
                raise InvalidInput("What does not happen has no threshold. Leave it out.")
            return {"absent": match_, **window, **({} if after is None else {"after": after})}
        if self.threshold > 1:
            if after is not None:
                raise InvalidInput("A threshold has no after. Leave it out, or use a SequenceTrigger.")
            return {"count": self.threshold, "of": match_, **window}
        return {"sequence": [after, match_], **window}

    def match_form(self) -> dict[str, Any]:
        """Return what happens, as files write it."""
        raise NotImplementedError

    def _after_form(self) -> Any:
        if isinstance(self.after, _Counted):
            return self.after.form()
        return dict(self.after) if isinstance(self.after, Mapping) else EventTrigger(expect=self.after).form()


@dataclass(frozen=True, kw_only=True)
class EventTrigger(_Counted):
    """Events, also those of runs as Prefect names them.

    Parameters
    ----------
    expect
        Names of events, ``*`` stands for anything; ``"prefect.flow-run.Failed"`` or ``"run.failed"`` for runs.
    match
        Labels of what they are about: its ``"id"`` (or ``"prefect.resource.id"``).
    match_related
        For runs: ``{"prefect.resource.role": "deployment", "prefect.resource.name": "load"}``, and so with ``"flow"``
        and ``"tag"``; one, or several.
    """

    expect: Names
    match: Mapping[str, Names] | None = None
    match_related: Mapping[str, Names] | Sequence[Mapping[str, Names]] | None = None

    def match_form(self) -> dict[str, Any]:
        """Return what happens, as files write it."""
        names = _names(self.expect)
        found = [_RUN_EVENT.fullmatch(name) for name in names]
        if not any(found):
            if self.match_related:
                raise InvalidInput("match_related is for events of runs. Write a condition on event.related.")
            resources = _resource_ids(self.match or {})
            return {"event": _one(names), **({"resource": _one(resources)} if resources else {})}
        if not all(found):
            raise InvalidInput("Events of runs and others are two triggers: write a CompoundTrigger(triggers=[…]).")
        words = [match_[1].lower() for match_ in found if match_ is not None]
        if any(not one.startswith(("prefect.flow-run", "run", "*")) for one in _resource_ids(self.match or {})):
            raise InvalidInput("Which runs is said by match_related, or by RunTrigger(deployment=…, flow=…, tags=…).")
        state = "any" if "*" in words else _one([_STATES.get(word.replace("_", ""), word.upper()) for word in words])
        return {"state": state, **_related_form(self.match_related)}


@dataclass(frozen=True, kw_only=True)
class RunTrigger(_Counted):
    """Runs that enter a state; all that is not said is any.

    Parameters
    ----------
    success
        Deployments of which a run completed; then no state and deployment.
    """

    success: Names | None = None
    state: Names | None = None
    deployment: Names = ()
    flow: Names = ()
    kind: Names = ()
    tags: Mapping[str, str | None] | Collection[str] = ()
    child_runs: bool = False
    retried: bool = False

    def match_form(self) -> dict[str, Any]:
        """Return what happens, as files write it."""
        tags = self.tags if isinstance(self.tags, Mapping) else dict.fromkeys(_names(self.tags))
        said: dict[str, Any] = {
            name: _one(_names(getattr(self, name) or ())) for name in ("success", "state", "deployment", "flow", "kind")
        }
        said |= {"tags": dict(tags), "child_runs": self.child_runs, "retried": self.retried}
        return {name: value for name, value in said.items() if value} or {"state": "any"}


@dataclass(frozen=True, kw_only=True)
class FileTrigger(_Counted):
    """Files that arrive, or change, where a path or a URL with wildcards names them.

    Parameters
    ----------
    every, settle
        How often is looked, and how long a file must stay the same.
    storage
        Options of the file system; ``{"$secret": name}`` for what is secret.
    existing
        Whether files count that were there before.
    """

    file: str
    every: Window = 30
    settle: Window = 5
    storage: Mapping[str, Any] | None = None
    existing: bool = False

    def match_form(self) -> dict[str, Any]:
        """Return what happens, as files write it."""
        form: dict[str, Any] = {"file": self.file, "every": _window(self.every), "settle": _window(self.settle)}
        form |= {"storage": dict(self.storage)} if self.storage else {}
        return form | ({"existing": True} if self.existing else {})


@dataclass(frozen=True, kw_only=True)
class MetricTrigger(Trigger):
    """A figure of the last ``over`` ends of runs crosses a bound.

    Parameters
    ----------
    metric
        ``"success_rate"``, ``"duration"`` or ``"lateness"``.
    of
        Whose ends: a :class:`RunTrigger` that names no states.
    below, above
        One of them: a number from 0 to 1 for a rate, else a time.
    """

    metric: str
    of: Any
    over: int
    below: Window | None = None
    above: Window | None = None
    for_each: Names | None = None

    def form(self) -> Any:
        """Return what files write at ``when``."""
        of = dict(_form_of(self.of))
        if of == {"state": "any"}:
            of = {"deployment": "*"}
        form: dict[str, Any] = {"metric": self.metric, "of": of, "over": self.over}
        for side in ("below", "above"):
            if (bound := getattr(self, side)) is not None:
                form[side] = _window(bound) if isinstance(bound, timedelta) else bound
        return form | ({} if self.for_each is None else {"for_each": _for_each(self.for_each, {})})


@dataclass(frozen=True, kw_only=True)
class CompoundTrigger(Trigger):
    """Several things happen.

    Parameters
    ----------
    require
        ``"any"``: one of them; ``"all"``: each of them ``within`` a time.
    """

    triggers: Sequence[Any]
    require: str = "any"
    within: Window | None = None
    for_each: Names | None = None

    def form(self) -> Any:
        """Return what files write at ``when``."""
        forms = [_form_of(one) for one in self.triggers]
        if self.require == "any" or self.require == 1:  # type: ignore[comparison-overlap]
            return {"any": forms}
        if self.require != "all" and self.require != len(forms):  # type: ignore[comparison-overlap]
            raise InvalidInput(f"require is 'any' or 'all', not {self.require!r}.")
        return _together("all", forms, self.within, self.for_each)


@dataclass(frozen=True, kw_only=True)
class SequenceTrigger(Trigger):
    """Several things happen one after the other ``within`` a time."""

    triggers: Sequence[Any]
    within: Window | None = None
    for_each: Names | None = None

    def form(self) -> Any:
        """Return what files write at ``when``."""
        return _together("sequence", [_form_of(one) for one in self.triggers], self.within, self.for_each)


@dataclass(frozen=True)
class Action:
    """What an automation does. All texts in it are Jinja templates."""

    #: The words of a file for the fields, in their order.
    _words: ClassVar[tuple[str, ...]]

    def form(self) -> dict[str, Any]:
        """Return what files write in ``do``."""
        values = {word: getattr(self, field.name) for word, field in zip(self._words, fields(self), strict=True)}
        return {word: value for word, value in values.items() if value not in (None, "", {})}


@dataclass(frozen=True)
class RunDeployment(Action):
    """Run a deployment, with these parameters in place of its own."""

    _words = ("run", "parameters")
    deployment: str
    parameters: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class PauseDeployment(Action):
    """Have the schedules of a deployment rest."""

    _words = ("pause",)
    deployment: str


@dataclass(frozen=True)
class ResumeDeployment(Action):
    """Have the schedules of a deployment go on."""

    _words = ("resume",)
    deployment: str


@dataclass(frozen=True)
class MoveDeployment(Action):
    """Have a deployment, and its runs that wait, be run by another pool."""

    _words = ("move", "pool")
    deployment: str
    work_pool: str


@dataclass(frozen=True)
class PauseWorkPool(Action):
    """Have the runs of a work pool wait."""

    _words = ("pause_pool",)
    work_pool: str


@dataclass(frozen=True)
class ResumeWorkPool(Action):
    """Have the runs of a work pool start again."""

    _words = ("resume_pool",)
    work_pool: str


@dataclass(frozen=True)
class CancelFlowRun(Action):
    """Cancel a run, of this id or name: the one that it is about, if nothing else is said."""

    _words = ("cancel",)
    run: str = "{{ run.run_id }}"


@dataclass(frozen=True)
class SuspendFlowRun(Action):
    """Have the run of a flow suspend itself: the one that it is about, if nothing else is said."""

    _words = ("suspend",)
    run: str = "{{ run.run_id }}"


@dataclass(frozen=True)
class RetryFlowRun(Action):
    """Run a run of a deployment again: the one that it is about, if nothing else is said."""

    _words = ("retry",)
    run: str = "{{ run.run_id }}"


@dataclass(frozen=True)
class SendNotification(Action):
    """Send a message to a channel; without words it says what happened."""

    _words = ("notify", "title", "body", "severity")
    channel: str
    subject: str = ""
    body: str = ""
    severity: str = "info"


@dataclass(frozen=True)
class CallWebhook(Action):
    """Send an HTTP request to a webhook, by the outbox; without a body of its own it says what happened.

    Parameters
    ----------
    url
        ``{"$secret": name}`` where nobody may see it, as each of the ``headers`` may be.
    json, text
        The body: one of them.
    sign
        ``{"$secret": name}``: signed as Standard Webhooks says.
    allow_private
        Hosts that may be in the own network.
    """

    _words = ("call_webhook", "method", "headers", "json", "text", "sign", "allow_private")
    url: str | Mapping[str, str]
    method: str = "POST"
    headers: Mapping[str, Any] | None = None
    json: Any = None
    text: str = ""
    sign: Mapping[str, str] | None = None
    allow_private: Names = ()

    def form(self) -> dict[str, Any]:
        """Return what files write in ``do``."""
        said = {**super().form(), "allow_private": _one(_names(self.allow_private))}
        return said if self.json is None else {**said, "json": self.json}


@dataclass(frozen=True)
class EmitEvent(Action):
    """Emit an event about a resource of this id."""

    _words = ("emit", "resource", "payload")
    event: str
    resource: str
    payload: Mapping[str, Any] | None = None


_ACTIONS: Final = (
    *(RunDeployment, PauseDeployment, ResumeDeployment, MoveDeployment, PauseWorkPool, ResumeWorkPool),
    *(CancelFlowRun, SuspendFlowRun, RetryFlowRun, SendNotification, CallWebhook, EmitEvent),
)


def trigger_form(trigger: Any) -> Any:
    """Return what files write of a trigger; a form is taken as it is."""
    return _form_of(trigger)


def action_of(form: Mapping[str, Any]) -> Action:
    """Return the action of a form."""
    kind = next(one for one in _ACTIONS if one._words[0] in form)
    return kind(
        **{field.name: form[word] for word, field in zip(kind._words, fields(kind), strict=True) if word in form}
    )


def trigger_of(form: Any) -> Trigger:
    """Return the trigger of a form, as :func:`~orchestra_nb.operations.automation_form.automation_form` writes it."""
    if "any" in form:
        return CompoundTrigger(triggers=[trigger_of(one) for one in form["any"]])
    for word, kind in (("all", CompoundTrigger), ("sequence", SequenceTrigger)):
        if word in form:
            more: dict[str, Any] = {"require": "all"} if kind is CompoundTrigger else {}
            parts = [trigger_of(one) for one in form[word]]
            return kind(triggers=parts, within=form["within"], for_each=form.get("for_each"), **more)
    if "metric" in form:
        return MetricTrigger(**{**form, "of": trigger_of(form["of"])})
    counted = {"within": form.get("within"), "for_each": form.get("for_each")}
    if "absent" in form:
        after = trigger_of(form["after"]) if "after" in form else None
        return _counted_of(form["absent"], posture=Posture.Proactive, after=after, **counted)
    if "count" in form:
        return _counted_of(form["of"], threshold=form["count"], **counted)
    return _counted_of(form)


def _counted_of(form: Mapping[str, Any], **more: Any) -> _Counted:
    said = {"condition" if name == "if" else name: value for name, value in form.items()}
    if "event" in said:
        resource: dict[str, Any] = {"match": {"id": said.pop("resource")}} if "resource" in said else {}
        return EventTrigger(expect=said.pop("event"), **resource, **said, **more)
    return FileTrigger(**said, **more) if "file" in said else RunTrigger(**said, **more)


def _form_of(trigger: Any) -> Any:
    if isinstance(trigger, Trigger):
        return trigger.form()
    if isinstance(trigger, Mapping | list):
        return trigger
    raise InvalidInput(f"{trigger!r} is no trigger. Write a RunTrigger, EventTrigger, …, or what files say.")


def _together(word: str, forms: list[Any], within: Window | None, for_each: Names | None) -> dict[str, Any]:
    if within is None:
        raise InvalidInput("within=… is missing: the time in which all of this happens.")
    form = {word: forms, "within": _window(within)}
    return form if for_each is None else {**form, "for_each": _for_each(for_each, {})}


def _related_form(related: Mapping[str, Names] | Sequence[Mapping[str, Names]] | None) -> dict[str, Any]:
    form: dict[str, Any] = {}
    for labels in [related] if isinstance(related, Mapping) else related or ():
        role = labels.get("prefect.resource.role", labels.get("role"))
        names = labels.get("prefect.resource.name", labels.get("name"))
        if role not in ("deployment", "flow", "tag") or names is None:
            raise InvalidInput(f"{dict(labels)!r}: match_related has a role, deployment, flow or tag, and a name.")
        if role == "tag":
            form["tags"] = {**form.get("tags", {}), **dict.fromkeys(_names(names))}
        else:
            form[str(role)] = _one(_names(names))
    return form


def _resource_ids(match_: Mapping[str, Names]) -> list[str]:
    ids: list[str] = []
    for label, names in match_.items():
        if label not in ("id", "prefect.resource.id"):
            raise InvalidInput(f"match is by the id of a resource, not {label!r}. Write a condition on event.resource.")
        ids += _names(names)
    return ids


def _for_each(for_each: Names, form: Mapping[str, Any]) -> str:
    (word,) = _names(for_each) or ("",)
    if word in ("prefect.resource.id", "id"):
        return "resource" if "event" in form or "file" in form else "run"
    if word not in _FOR_EACH:
        raise InvalidInput(f"for_each is one of {', '.join(_FOR_EACH)}, not {word!r}.")
    return word


def _names(names: Names) -> list[str]:
    found: Iterable[str] = (names,) if isinstance(names, str) else names
    return sorted(found) if isinstance(names, set | frozenset) else list(found)


def _one(names: Sequence[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else list(names)


def _window(window: Window) -> str:
    if isinstance(window, timedelta):
        return write_duration(window.total_seconds())
    return window if isinstance(window, str) else write_duration(window)
