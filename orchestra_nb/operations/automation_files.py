"""Automations as files say them: read with the place of each error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.automation_decisions import check_action_texts
from orchestra_nb.model.automations import (
    Absent,
    Action,
    Automation,
    CancelRun,
    EmitEvent,
    EventMatch,
    ForEach,
    Happens,
    Match,
    Metric,
    Notify,
    PauseDeployment,
    Repeated,
    ResumeDeployment,
    RetryRun,
    RunDeployment,
    RunMatch,
    Together,
    Trigger,
    check_automation,
)
from orchestra_nb.model.durations import write_duration
from orchestra_nb.model.notifications import Severity
from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.sandboxed_templates import check_syntax
from orchestra_nb.model.states import State
from orchestra_nb.model.variables import check_name
from orchestra_nb.operations.deployment_request import read_seconds
from orchestra_nb.operations.located_yaml import LocatedYaml, read_located

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

_Names = str | list[str]
_Duration = str | int | float

_TRIGGERS: Final = ("any", "all", "sequence", "absent", "count", "metric")
_ACTIONS: Final = ("run", "pause", "resume", "cancel", "retry", "notify", "emit")


class _File(msgspec.Struct, frozen=True, kw_only=True, rename={"condition": "if", "trigger": "when", "actions": "do"}):
    name: str
    trigger: Any
    actions: list[Any]
    condition: str | bool = ""
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


class _FileEmit(msgspec.Struct, frozen=True, kw_only=True):
    emit: str
    resource: str
    payload: dict[str, Any] = {}


class _FilePause(msgspec.Struct, frozen=True, kw_only=True):
    pause: str


class _FileResume(msgspec.Struct, frozen=True, kw_only=True):
    resume: str


class _FileCancel(msgspec.Struct, frozen=True, kw_only=True):
    cancel: str


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


def read_automation_file(path: str | Path) -> list[AutomationEntry]:
    """Return the automations of a file that has some.

    Raises
    ------
    InvalidInput
        The file cannot be read, or says what there is not. The message has the file, the line and the field.
    """
    source = read_located(Path(path))
    if not isinstance(source.content, dict) or not isinstance(source.content.get("automations"), list):
        raise InvalidInput(f"{source.place('automations')}: write `automations:`, and below it a list of them.")
    return automations_of(source)


def automations_of(source: LocatedYaml) -> list[AutomationEntry]:
    """Return the automations of a file that was read; raises as :func:`read_automation_file`."""
    content = source.content
    items = content.get("automations", []) if isinstance(content, dict) else []
    if not isinstance(items, list):
        raise InvalidInput(f"{source.place('automations')}: automations are a list.")
    entries: list[AutomationEntry] = []
    places: dict[str, str] = {}
    for number, item in enumerate(items):
        where = f"automations[{number}]"
        automation, is_paused = _Reader(source).automation(where, item)
        if automation.name in places:
            place = source.place(f"{where}.name")
            raise InvalidInput(f"{place}: there is another {automation.name!r}: {places[automation.name]}.")
        places[automation.name] = source.place(f"{where}.name")
        entries.append(AutomationEntry(source, where, automation, is_paused))
    return entries


class _Reader:
    """Makes records of what a file says, and tells errors with their places."""

    def __init__(self, source: LocatedYaml) -> None:
        self._source = source

    def automation(self, path: str, item: object) -> tuple[Automation, bool | None]:
        said = self._source.convert(path, item, _File, "an automation")
        name = self._telling(f"{path}.name", lambda: check_name(said.name, "automation"))
        automation = Automation(
            name=name,
            trigger=self._trigger(f"{path}.when", said.trigger),
            actions=tuple(self._action(f"{path}.do[{number}]", one) for number, one in enumerate(said.actions)),
            condition=self._condition(f"{path}.if", said.condition),
            description=said.description,
            is_active=not said.paused,
        )
        return self._telling(path, lambda: check_automation(automation)), said.paused

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
                    within_seconds=self._seconds(f"{path}.within", several.within),
                    is_ordered=kind == "sequence",
                    for_each=several.for_each,
                )
            case "absent":
                absent = self._source.convert(path, item, _FileAbsent, "absent")
                return Absent(
                    expected=self._match(f"{path}.absent", absent.absent),
                    within_seconds=self._seconds(f"{path}.within", absent.within),
                    after=None if absent.after is None else self._match(f"{path}.after", absent.after),
                    for_each=absent.for_each,
                )
            case "count":
                counted = self._source.convert(path, item, _FileCount, "count")
                return Repeated(
                    match=self._match(f"{path}.of", counted.of),
                    count=counted.count,
                    within_seconds=self._seconds(f"{path}.within", counted.within),
                    for_each=counted.for_each,
                )
            case "metric":
                return self._metric(path, item)
        return Happens(matches=(self._match(path, item),))

    def _metric(self, path: str, item: object) -> Metric:
        said = self._source.convert(path, item, _FileMetric, "metric")
        runs = self._match(f"{path}.of", said.of)
        if not isinstance(runs, RunMatch):
            raise InvalidInput(f"{self._source.place(f'{path}.of')}: a metric is of runs: deployment, flow or tags.")
        bounds = {name: getattr(said, name) for name in ("below", "above") if getattr(said, name) is not None}
        read = {name: self._bound(f"{path}.{name}", said.metric, value) for name, value in bounds.items()}
        return Metric(figure=said.metric, match=runs, over=said.over, for_each=said.for_each, **read)

    def _bound(self, path: str, figure: str, value: _Duration) -> float:
        if figure != "success_rate":
            return self._seconds(path, value)
        if isinstance(value, str) or not 0 <= value <= 1:
            raise InvalidInput(f"{self._source.place(path)}: a success rate is a number from 0 to 1, not {value!r}.")
        return float(value)

    def _matches(self, path: str, items: Sequence[object]) -> tuple[Match, ...]:
        return tuple(self._match(f"{path}[{number}]", item) for number, item in enumerate(items))

    def _match(self, path: str, item: object) -> Match:
        if isinstance(item, dict) and "event" in item:
            event = self._source.convert(path, item, _FileEvents, "an event")
            condition = self._condition(f"{path}.if", event.condition)
            return EventMatch(names=_texts(event.event), resources=_texts(event.resource), condition=condition)
        said = self._source.convert(path, item, _FileRuns, "what happens")
        if item == {}:
            raise InvalidInput(f"{self._source.place(path)}: say what happens: success, state, event, …")
        if said.success is not None and (said.state is not None or said.deployment):
            raise InvalidInput(f"{self._source.place(path)}: success says which deployment and state: no others.")
        deployments = _texts(said.deployment if said.success is None else said.success)
        states = self._words(f"{path}.state", None if said.state == "any" else said.state, State)
        if said.success is not None:
            states = (State.COMPLETED,)
        return RunMatch(
            states=states,
            flow_names=_texts(said.flow),
            deployments=deployments,
            kinds=self._words(f"{path}.kind", said.kind, RunKind),
            tags=said.tags,
            has_child_runs=said.child_runs,
            has_retried=said.retried,
            condition=self._condition(f"{path}.if", said.condition),
        )

    def _action(self, path: str, item: object) -> Action:
        kind = next((name for name in _ACTIONS if isinstance(item, dict) and name in item), None)
        action: Action
        match kind:
            case "run":
                run = self._source.convert(path, item, _FileRun, "run")
                action = RunDeployment(deployment=run.run, parameters=run.parameters)
            case "notify":
                told = self._source.convert(path, item, _FileNotify, "notify")
                action = Notify(channel=told.notify, title=told.title, body=told.body, severity=told.severity)
            case "emit":
                event = self._source.convert(path, item, _FileEmit, "emit")
                action = EmitEvent(event=event.emit, resource=event.resource, payload=event.payload)
            case "pause":
                action = PauseDeployment(deployment=self._source.convert(path, item, _FilePause, kind).pause)
            case "resume":
                action = ResumeDeployment(deployment=self._source.convert(path, item, _FileResume, kind).resume)
            case "cancel":
                action = CancelRun(run=self._source.convert(path, item, _FileCancel, kind).cancel)
            case "retry":
                action = RetryRun(run=self._source.convert(path, item, _FileRetry, kind).retry)
            case _:
                raise InvalidInput(f"{self._source.place(path)}: an action is one of {', '.join(_ACTIONS)}.")
        self._telling(path, lambda: check_action_texts(action))
        return action

    def _condition(self, path: str, text: str | bool) -> str:
        if isinstance(text, bool):  # YAML's own true and false
            return str(text).lower()
        self._telling(path, lambda: check_syntax(text, is_expression=True))
        return text

    def _seconds(self, path: str, value: _Duration) -> float:
        text = value if isinstance(value, str) else write_duration(value) if value >= 0 else str(value)
        return self._telling(path, lambda: read_seconds(text, path.rpartition(".")[2]))

    def _words(self, path: str, said: _Names | None, kind: type[E]) -> tuple[E, ...]:
        by_word = {str(one.value).lower(): one for one in kind}
        found = []
        for word in _texts(said or []):
            if word.lower() not in by_word:
                raise InvalidInput(f"{self._source.place(path)}: {word!r} is none of {', '.join(by_word)}.")
            found.append(by_word[word.lower()])
        return tuple(found)

    def _telling(self, path: str, use: Callable[[], T]) -> T:
        try:
            return use()
        except InvalidInput as error:
            raise self._source.error(path, error) from None


def _texts(said: _Names) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else tuple(said)
