"""Automations as files say them: read with the place of each error."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec

from orchestra_nb.errors import InvalidInput, OrchestraError
from orchestra_nb.model.automation_names import check_action_texts, check_condition, facts_matches
from orchestra_nb.model.automations import (
    Absent,
    Action,
    Automation,
    CallWebhook,
    CancelRun,
    EmitEvent,
    EventMatch,
    FileMatch,
    ForEach,
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
    RunMatch,
    SuspendRun,
    Together,
    Trigger,
    check_automation,
)
from orchestra_nb.model.durations import write_duration
from orchestra_nb.model.findings import Findings
from orchestra_nb.model.notifications import Severity
from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.secret_values import SECRET_KEY
from orchestra_nb.model.states import State
from orchestra_nb.model.variables import check_name
from orchestra_nb.model.webhook_calls import USUAL_JSON, check_call
from orchestra_nb.operations.absolute_paths import absolute_path
from orchestra_nb.operations.automation_form import usual_trigger_name
from orchestra_nb.operations.deployment_request import read_seconds
from orchestra_nb.operations.located_yaml import LocatedYaml, SaidContent, read_located
from orchestra_nb.operations.storage_options import check_file_url

T = TypeVar("T")
E = TypeVar("E", bound=Enum)
M = TypeVar("M", RunMatch, EventMatch, FileMatch)

_Names = str | list[str]
_Duration = str | int | float

_TRIGGERS: Final = ("any", "all", "sequence", "absent", "count", "metric")
_ACTIONS: Final = (
    *("run", "pause", "resume", "move", "pause_pool", "resume_pool", "cancel", "suspend", "retry"),
    *("notify", "call_webhook", "emit"),
)


class AutomationFields(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"condition": "if", "trigger": "when", "actions": "do"},
):
    """What a file says of an automation, but for its name.

    Parameters
    ----------
    paused
        None for as it is, and a new one is not.
    """

    trigger: Any
    actions: list[Any]
    condition: str | bool = ""
    description: str = ""
    paused: bool | None = None
    deployment: str = ""


class AutomationForm(AutomationFields, frozen=True, kw_only=True):
    """An automation as a file says it."""

    name: str


class TriggerForm(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"condition": "if", "trigger": "when"},
):
    """A trigger of a deployment as a file says it."""

    trigger: Any
    name: str | None = None
    condition: str | bool = ""
    parameters: dict[str, Any] = {}
    description: str = ""
    paused: bool | None = None


class _FileRuns(msgspec.Struct, frozen=True, kw_only=True, rename={"condition": "if"}):
    success: _Names | None = None
    state: _Names | None = None
    deployment: _Names = []
    flow: _Names = []
    kind: _Names = []
    tags: dict[str, str | None] = {}
    child_runs: bool = False
    retried: bool = False
    condition: str | bool = ""


class _FileEvents(msgspec.Struct, frozen=True, kw_only=True, rename={"condition": "if"}):
    event: _Names
    resource: _Names = []
    condition: str | bool = ""


class _FileFiles(msgspec.Struct, frozen=True, kw_only=True, rename={"condition": "if"}):
    file: str
    every: _Duration = 30
    settle: _Duration = 5
    storage: dict[str, Any] = {}
    existing: bool = False
    condition: str | bool = ""


class _FileAny(msgspec.Struct, frozen=True, kw_only=True):
    any: list[Any]


class _FileTogether(msgspec.Struct, frozen=True, kw_only=True):
    within: _Duration
    all: list[Any] = []
    sequence: list[Any] = []
    for_each: ForEach | None = None


class _FileAbsent(msgspec.Struct, frozen=True, kw_only=True):
    absent: Any
    within: _Duration
    after: Any = None
    for_each: ForEach | None = None


class _FileCount(msgspec.Struct, frozen=True, kw_only=True):
    count: int
    of: Any
    within: _Duration
    for_each: ForEach | None = None


class _FileMetric(msgspec.Struct, frozen=True, kw_only=True):
    metric: Literal["success_rate", "duration", "lateness"]
    of: Any
    over: int
    below: _Duration | None = None
    above: _Duration | None = None
    for_each: ForEach | None = None


class _FileRun(msgspec.Struct, frozen=True, kw_only=True):
    run: str
    parameters: dict[str, Any] = {}


class _FileNotify(msgspec.Struct, frozen=True, kw_only=True):
    notify: str
    title: str = ""
    body: str = ""
    severity: Severity = "info"


class _FileCall(msgspec.Struct, frozen=True, kw_only=True):
    call_webhook: str | dict[str, str]
    method: str = "POST"
    headers: dict[str, str | int | float | dict[str, str]] = {}
    json: Any = None
    text: str = ""
    sign: dict[str, str] | None = None
    allow_private: _Names = []


class _FileEmit(msgspec.Struct, frozen=True, kw_only=True):
    emit: str
    resource: str
    payload: dict[str, Any] = {}


class _FilePause(msgspec.Struct, frozen=True, kw_only=True):
    pause: str


class _FileResume(msgspec.Struct, frozen=True, kw_only=True):
    resume: str


class _FileMove(msgspec.Struct, frozen=True, kw_only=True):
    move: str
    pool: str


class _FilePausePool(msgspec.Struct, frozen=True, kw_only=True):
    pause_pool: str


class _FileResumePool(msgspec.Struct, frozen=True, kw_only=True):
    resume_pool: str


class _FileCancel(msgspec.Struct, frozen=True, kw_only=True):
    cancel: str


class _FileSuspend(msgspec.Struct, frozen=True, kw_only=True):
    suspend: str


class _FileRetry(msgspec.Struct, frozen=True, kw_only=True):
    retry: str


class AutomationEntry:
    """One automation of a file, and where its parts stand.

    Parameters
    ----------
    path
        Where it stands in the file: ``"automations[0]"``.
    is_paused
        None where the file does not say it: one that is there stays as it is.
    """

    def __init__(self, source: LocatedYaml, path: str, automation: Automation, is_paused: bool | None) -> None:
        self._source = source
        self._path = path
        self.automation = automation
        self.is_paused = is_paused

    def place(self, field: str) -> str:
        """Return where one of its fields stands, such as ``"orchestra.yaml:12: automations[0].do[1].run"``."""
        return self._source.place(f"{self._path}.{field}")

    def error(self, field: str, error: OrchestraError) -> OrchestraError:
        """Return an error of the same class that says at which field its cause stands."""
        return self._source.error(f"{self._path}.{field}", error)


def read_automation_file(path: str | Path) -> list[AutomationEntry]:
    """Return the automations of a file that has some.

    Raises
    ------
    InvalidInput
        The file cannot be read, or says what there is not. The message has the file, the line and the field of all
        that is wrong.
    """
    source = read_located(Path(path))
    if not isinstance(source.content, dict) or not isinstance(source.content.get("automations"), list):
        raise InvalidInput(f"{source.place('automations')}: write `automations:`, and below it a list of them.")
    findings = Findings()
    entries = automations_of(source, findings)
    check_distinct(entries, findings)
    findings.tell()
    return entries


def automations_of(source: LocatedYaml, findings: Findings) -> list[AutomationEntry]:
    """Return the automations of a file that was read; what is wrong with others goes to the findings."""
    content = source.content
    items = content.get("automations", []) if isinstance(content, dict) else []
    if not isinstance(items, list):
        findings.errors.append(InvalidInput(f"{source.place('automations')}: automations are a list."))
        return []
    entries: list[AutomationEntry] = []
    for number, item in enumerate(items):
        where = f"automations[{number}]"
        read = AutomationReader(source, findings).automation(where, item)
        if read is None:
            continue
        entries.append(AutomationEntry(source, where, *read))
    return entries


def automation_of(form: Mapping[str, object]) -> AutomationEntry:
    """Return the automation that a form describes.

    Raises
    ------
    InvalidInput
        It cannot be; the message names all that is wrong.
    """
    source, findings = SaidContent(f"automation {form.get('name', '')}", form), Findings()
    read = AutomationReader(source, findings).automation("", form)
    findings.tell()
    assert read is not None
    return AutomationEntry(source, "", *read)


def triggers_of(
    source: LocatedYaml, path: str, items: Sequence[object], deployment: str, findings: Findings
) -> list[AutomationEntry]:
    """Return the automations that the triggers of a deployment are.

    Parameters
    ----------
    path
        Where the list of them stands: ``"deployments[0].triggers"``.
    findings
        Where goes what is wrong.
    """
    entries = []
    for number, item in enumerate(items):
        where = f"{path}[{number}]"
        read = AutomationReader(source, findings).trigger(where, item, deployment, number + 1)
        if read is not None:
            entries.append(AutomationEntry(source, where, *read))
    return entries


def check_distinct(entries: Sequence[AutomationEntry], findings: Findings) -> None:
    """See that each automation has a name of its own."""
    places: dict[str, str] = {}
    for entry in entries:
        name, place = entry.automation.name, entry.place("name")
        if name in places:
            findings.errors.append(InvalidInput(f"{place}: there is another automation {name!r}: {places[name]}."))
        places[name] = place


class AutomationReader:
    """Makes records of what a file says; what is wrong goes to the findings, with its place."""

    def __init__(self, source: LocatedYaml, findings: Findings) -> None:
        self._source = source
        self._findings = findings

    def automation(self, path: str, item: object) -> tuple[Automation, bool | None] | None:
        """Return an automation, and whether it is said to rest; None where something is wrong with it."""
        known = len(self._findings.errors)
        said = self._findings.trying(lambda: self._source.convert(path, item, AutomationForm, "an automation"))
        if said is None:
            return None
        trying = self._findings.trying

        def actions(about: Collection[Match] | None) -> tuple[Action | None, ...]:
            return tuple(
                trying(lambda number=number, one=one: self._action(f"{path}.do[{number}]", one, about))  # type: ignore[misc]
                for number, one in enumerate(said.actions)
            )

        return self._made(path, said, said.name, actions, said.deployment, known)

    def trigger(self, path: str, item: object, deployment: str, number: int) -> tuple[Automation, bool | None] | None:
        """Return the automation that a trigger of a deployment is, the so many-th of it; else as :meth:`automation`."""
        known = len(self._findings.errors)
        said = self._findings.trying(lambda: self._source.convert(path, item, TriggerForm, "a trigger"))
        if said is None:
            return None

        def actions(about: Collection[Match] | None) -> tuple[Action | None, ...]:
            run = RunDeployment(deployment=deployment, parameters=said.parameters)
            return (self._findings.trying(lambda: self._with_texts(f"{path}.parameters", run, about)),)

        name = usual_trigger_name(deployment, number) if said.name is None else said.name
        return self._made(path, said, name, actions, deployment, known)

    def _made(
        self,
        path: str,
        said: AutomationForm | TriggerForm,
        name: str,
        read_actions: Callable[[Collection[Match] | None], tuple[Action | None, ...]],
        deployment: str,
        known: int,
    ) -> tuple[Automation, bool | None] | None:
        trying = self._findings.trying
        trying(lambda: self._telling(f"{path}.name", lambda: check_name(name, "automation")))
        trigger = trying(lambda: self._trigger(f"{path}.when", said.trigger))
        about = None if trigger is None else facts_matches(trigger)
        condition = trying(lambda: self._condition(f"{path}.if", said.condition, about))
        actions = read_actions(about)
        if trigger is None or len(self._findings.errors) > known:
            return None
        automation = Automation(
            name=name,
            trigger=trigger,
            actions=tuple(action for action in actions if action is not None),
            condition=str(condition),
            description=said.description,
            is_active=not said.paused,
            deployment=deployment,
        )
        checked = trying(lambda: self._telling(path, lambda: check_automation(automation)))
        return None if checked is None else (checked, said.paused)

    def _trigger(self, path: str, item: object) -> Trigger:
        if isinstance(item, list):
            return Happens(matches=self._matches(path, item))
        kind = next((name for name in _TRIGGERS if isinstance(item, dict) and name in item), None)
        match kind:
            case "any":
                some = self._source.convert(path, item, _FileAny, "any")
                return Happens(matches=self._matches(f"{path}.any", some.any))
            case "all" | "sequence":
                several = self._source.convert(path, item, _FileTogether, kind)
                return Together(
                    matches=self._matches(f"{path}.{kind}", getattr(several, kind)),
                    within_seconds=self._window(path, several.within),
                    is_ordered=kind == "sequence",
                    for_each=several.for_each,
                )
            case "absent":
                absent = self._source.convert(path, item, _FileAbsent, "absent")
                return Absent(
                    expected=self._match(f"{path}.absent", absent.absent),
                    within_seconds=self._window(path, absent.within),
                    after=None if absent.after is None else self._match(f"{path}.after", absent.after),
                    for_each=absent.for_each,
                )
            case "count":
                counted = self._source.convert(path, item, _FileCount, "count")
                return Repeated(
                    match=self._match(f"{path}.of", counted.of),
                    count=counted.count,
                    within_seconds=self._window(path, counted.within),
                    for_each=counted.for_each,
                )
            case "metric":
                return self._metric(path, item)
        return Happens(matches=(self._match(path, item),))

    def _metric(self, path: str, item: object) -> Metric:
        said = self._source.convert(path, item, _FileMetric, "metric")
        runs = self._match(f"{path}.of", said.of)
        if not isinstance(runs, RunMatch):
            raise self._source.error(f"{path}.of", InvalidInput("a metric is of runs: deployment, flow or tags."))
        bounds = {name: getattr(said, name) for name in ("below", "above") if getattr(said, name) is not None}
        read = {name: self._bound(f"{path}.{name}", said.metric, value) for name, value in bounds.items()}
        return Metric(figure=said.metric, match=runs, over=said.over, for_each=said.for_each, **read)

    def _bound(self, path: str, figure: str, value: _Duration) -> float:
        if figure != "success_rate":
            return self._seconds(path, value)
        if isinstance(value, str) or not 0 <= value <= 1:
            raise self._source.error(path, InvalidInput(f"a success rate is a number from 0 to 1, not {value!r}."))
        return float(value)

    def _matches(self, path: str, items: Sequence[object]) -> tuple[Match, ...]:
        return tuple(self._match(f"{path}[{number}]", item) for number, item in enumerate(items))

    def _match(self, path: str, item: object) -> Match:
        if isinstance(item, dict) and "event" in item:
            event = self._source.convert(path, item, _FileEvents, "an event")
            named = EventMatch(names=_texts(event.event), resources=_texts(event.resource))
            return self._with_condition(path, named, event.condition)
        if isinstance(item, dict) and "file" in item:
            return self._files(path, self._source.convert(path, item, _FileFiles, "a file"))
        said = self._source.convert(path, item, _FileRuns, "what happens")
        if item == {}:
            raise self._source.error(path, InvalidInput("say what happens: success, state, event, file, …"))
        if said.success is not None and (said.state is not None or said.deployment):
            raise self._source.error(path, InvalidInput("success says which deployment and state: no others."))
        deployments = _texts(said.deployment if said.success is None else said.success)
        states = self._words(f"{path}.state", None if said.state == "any" else said.state, State)
        if said.success is not None:
            states = (State.COMPLETED,)
        runs = RunMatch(
            states=states,
            flow_names=_texts(said.flow),
            deployments=deployments,
            kinds=self._words(f"{path}.kind", said.kind, RunKind),
            tags=said.tags,
            has_child_runs=said.child_runs,
            has_retried=said.retried,
        )
        return self._with_condition(path, runs, said.condition)

    def _files(self, path: str, said: _FileFiles) -> FileMatch:
        url = said.file
        if "://" not in url:
            url = str(absolute_path(os.path.join(os.path.dirname(self._source.file), os.path.expanduser(url))))
        self._telling(f"{path}.file", lambda: check_file_url(url, said.storage))
        every = self._seconds(f"{path}.every", said.every)
        if every < 1:
            raise self._source.error(f"{path}.every", InvalidInput("files are looked for every second at the most."))
        files = FileMatch(
            url=url,
            every_seconds=every,
            settle_seconds=0.0 if said.settle in (0, "0", "0s") else self._seconds(f"{path}.settle", said.settle),
            storage=said.storage,
            has_existing=said.existing,
        )
        return self._with_condition(path, files, said.condition)

    def _with_condition(self, path: str, match: M, text: str | bool) -> M:
        condition = self._findings.trying(lambda: self._condition(f"{path}.if", text, (match,)))
        return msgspec.structs.replace(match, condition=condition or "")

    def _action(self, path: str, item: object, about: Collection[Match] | None) -> Action:
        kind = next((name for name in _ACTIONS if isinstance(item, dict) and name in item), None)
        action: Action
        match kind:
            case "run":
                run = self._source.convert(path, item, _FileRun, "run")
                action = RunDeployment(deployment=run.run, parameters=run.parameters)
            case "notify":
                told = self._source.convert(path, item, _FileNotify, "notify")
                action = Notify(channel=told.notify, title=told.title, body=told.body, severity=told.severity)
            case "call_webhook":
                action = self._call(path, self._source.convert(path, item, _FileCall, kind))
            case "emit":
                event = self._source.convert(path, item, _FileEmit, "emit")
                action = EmitEvent(event=event.emit, resource=event.resource, payload=event.payload)
            case "pause":
                action = PauseDeployment(deployment=self._source.convert(path, item, _FilePause, kind).pause)
            case "resume":
                action = ResumeDeployment(deployment=self._source.convert(path, item, _FileResume, kind).resume)
            case "move":
                move = self._source.convert(path, item, _FileMove, kind)
                action = MoveDeployment(deployment=move.move, pool=move.pool)
            case "pause_pool":
                action = PausePool(pool=self._source.convert(path, item, _FilePausePool, kind).pause_pool)
            case "resume_pool":
                action = ResumePool(pool=self._source.convert(path, item, _FileResumePool, kind).resume_pool)
            case "cancel":
                action = CancelRun(run=self._source.convert(path, item, _FileCancel, kind).cancel)
            case "suspend":
                action = SuspendRun(run=self._source.convert(path, item, _FileSuspend, kind).suspend)
            case "retry":
                action = RetryRun(run=self._source.convert(path, item, _FileRetry, kind).retry)
            case _:
                raise self._source.error(path, InvalidInput(f"an action is one of {', '.join(_ACTIONS)}."))
        return self._with_texts(path, action, about)

    def _with_texts(self, path: str, action: Action, about: Collection[Match] | None) -> Action:
        self._telling(path, lambda: check_action_texts(action, about))
        return action

    def _call(self, path: str, said: _FileCall) -> CallWebhook:
        method = said.method.upper()
        is_silent = said.json is None and not said.text and method not in ("GET", "DELETE")
        sign = {} if said.sign is None else said.sign
        if said.sign is not None and (set(sign) != {SECRET_KEY} or not sign[SECRET_KEY]):
            raise self._source.error(f"{path}.sign", InvalidInput(f"write {{{SECRET_KEY}: NAME}}."))
        fields = {
            "url": said.call_webhook,
            "method": method,
            "headers": {name: one if isinstance(one, dict) else str(one) for name, one in said.headers.items()},
            "json": dict(USUAL_JSON) if is_silent else said.json,
            "text": said.text,
            "signed_with": sign.get(SECRET_KEY, ""),
            "private_hosts": _texts(said.allow_private),
        }
        try:
            call = msgspec.convert(fields, CallWebhook)
        except msgspec.ValidationError:
            message = f"{said.method!r} is no method: it is one of POST, PUT, PATCH, GET, DELETE."
            raise self._source.error(f"{path}.method", InvalidInput(message)) from None
        return self._telling(path, lambda: check_call(call, is_rendered=False))

    def _condition(self, path: str, text: str | bool, about: Collection[Match] | None) -> str:
        """Return a condition; None for what it is about is unknown, and no name is missing then."""
        if isinstance(text, bool):  # YAML's own true and false
            return str(text).lower()
        self._telling(path, lambda: check_condition(text, about))
        return text

    def _window(self, path: str, value: _Duration) -> float:
        return self._findings.trying(lambda: self._seconds(f"{path}.within", value)) or 0.0

    def _seconds(self, path: str, value: _Duration) -> float:
        text = value if isinstance(value, str) else write_duration(value) if value >= 0 else str(value)
        return self._telling(path, lambda: read_seconds(text, path.rpartition(".")[2]))

    def _words(self, path: str, said: _Names | None, kind: type[E]) -> tuple[E, ...]:
        """Return what words stand for; those that stand for nothing hide nothing else that is wrong."""
        by_word = {str(one.value).lower(): one for one in kind}
        found = []
        for word in _texts(said or []):
            if word.lower() not in by_word:
                refusal = InvalidInput(f"{word!r} is none of {', '.join(by_word)}.")
                self._findings.errors.append(self._source.error(path, refusal))
            else:
                found.append(by_word[word.lower()])
        return tuple(found)

    def _telling(self, path: str, use: Callable[[], T]) -> T:
        try:
            return use()
        except InvalidInput as error:
            raise self._source.error(path, error) from None


def _texts(said: _Names) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else tuple(said)
