"""Triggers of automations as files say them: read with the place of each error."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeVar

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.automations import (
    Absent,
    EventMatch,
    FileMatch,
    ForEach,
    Happens,
    Match,
    Metric,
    Repeated,
    RunMatch,
    Together,
    Trigger,
)
from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.states import State
from orchestra_nb.operations.absolute_paths import absolute_path
from orchestra_nb.operations.file_values import Duration, Names, ValueReader, texts
from orchestra_nb.operations.storage_options import check_file_url

M = TypeVar("M", RunMatch, EventMatch, FileMatch)

_TRIGGERS: Final = ("any", "all", "sequence", "absent", "count", "metric")


class _FileRuns(msgspec.Struct, frozen=True, kw_only=True, rename={"condition": "if"}):
    success: Names | None = None
    state: Names | None = None
    deployment: Names = []
    flow: Names = []
    kind: Names = []
    tags: dict[str, str | None] = {}
    child_runs: bool = False
    retried: bool = False
    condition: str | bool = ""


class _FileEvents(msgspec.Struct, frozen=True, kw_only=True, rename={"condition": "if"}):
    event: Names
    resource: Names = []
    condition: str | bool = ""


class _FileFiles(msgspec.Struct, frozen=True, kw_only=True, rename={"condition": "if"}):
    file: str
    every: Duration = 30
    settle: Duration = 5
    storage: dict[str, Any] = {}
    existing: bool = False
    condition: str | bool = ""


class _FileAny(msgspec.Struct, frozen=True, kw_only=True):
    any: list[Any]


class _FileTogether(msgspec.Struct, frozen=True, kw_only=True):
    within: Duration
    all: list[Any] = []
    sequence: list[Any] = []
    for_each: ForEach | None = None


class _FileAbsent(msgspec.Struct, frozen=True, kw_only=True):
    absent: Any
    within: Duration
    after: Any = None
    for_each: ForEach | None = None


class _FileCount(msgspec.Struct, frozen=True, kw_only=True):
    count: int
    of: Any
    within: Duration
    for_each: ForEach | None = None


class _FileMetric(msgspec.Struct, frozen=True, kw_only=True):
    metric: Literal["success_rate", "duration", "lateness"]
    of: Any
    over: int
    below: Duration | None = None
    above: Duration | None = None
    for_each: ForEach | None = None


class TriggerReader:
    """Makes the record of a trigger.

    Parameters
    ----------
    values
        Knows where they stand.
    """

    def __init__(self, values: ValueReader) -> None:
        self._values = values
        self._source = values.source
        self._findings = values.findings

    def trigger(self, path: str, item: object) -> Trigger:
        """Return what a file says at `when`.

        Raises
        ------
        InvalidInput
            It is no trigger; the message has the place.
        """
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
                    within_seconds=self._values.window(path, several.within),
                    is_ordered=kind == "sequence",
                    for_each=several.for_each,
                )
            case "absent":
                absent = self._source.convert(path, item, _FileAbsent, "absent")
                return Absent(
                    expected=self._match(f"{path}.absent", absent.absent),
                    within_seconds=self._values.window(path, absent.within),
                    after=None if absent.after is None else self._match(f"{path}.after", absent.after),
                    for_each=absent.for_each,
                )
            case "count":
                counted = self._source.convert(path, item, _FileCount, "count")
                return Repeated(
                    match=self._match(f"{path}.of", counted.of),
                    count=counted.count,
                    within_seconds=self._values.window(path, counted.within),
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

    def _bound(self, path: str, figure: str, value: Duration) -> float:
        if figure != "success_rate":
            return self._values.seconds(path, value)
        if isinstance(value, str) or not 0 <= value <= 1:
            raise self._source.error(path, InvalidInput(f"a success rate is a number from 0 to 1, not {value!r}."))
        return float(value)

    def _matches(self, path: str, items: Sequence[object]) -> tuple[Match, ...]:
        return tuple(self._match(f"{path}[{number}]", item) for number, item in enumerate(items))

    def _match(self, path: str, item: object) -> Match:
        if isinstance(item, dict) and "event" in item:
            event = self._source.convert(path, item, _FileEvents, "an event")
            named = EventMatch(names=texts(event.event), resources=texts(event.resource))
            return self._with_condition(path, named, event.condition)
        if isinstance(item, dict) and "file" in item:
            return self._files(path, self._source.convert(path, item, _FileFiles, "a file"))
        said = self._source.convert(path, item, _FileRuns, "what happens")
        if item == {}:
            raise self._source.error(path, InvalidInput("say what happens: success, state, event, file, …"))
        if said.success is not None and (said.state is not None or said.deployment):
            raise self._source.error(path, InvalidInput("success says which deployment and state: no others."))
        deployments = texts(said.deployment if said.success is None else said.success)
        states = self._values.words(f"{path}.state", None if said.state == "any" else said.state, State)
        if said.success is not None:
            states = (State.COMPLETED,)
        runs = RunMatch(
            states=states,
            flow_names=texts(said.flow),
            deployments=deployments,
            kinds=self._values.words(f"{path}.kind", said.kind, RunKind),
            tags=said.tags,
            has_child_runs=said.child_runs,
            has_retried=said.retried,
        )
        return self._with_condition(path, runs, said.condition)

    def _files(self, path: str, said: _FileFiles) -> FileMatch:
        url = said.file
        if "://" not in url:
            url = str(absolute_path(os.path.join(os.path.dirname(self._source.file), os.path.expanduser(url))))
        self._values.telling(f"{path}.file", lambda: check_file_url(url, said.storage))
        every = self._values.seconds(f"{path}.every", said.every)
        if every < 1:
            raise self._source.error(f"{path}.every", InvalidInput("files are looked for every second at the most."))
        files = FileMatch(
            url=url,
            every_seconds=every,
            settle_seconds=0.0
            if said.settle in (0, "0", "0s")
            else self._values.seconds(f"{path}.settle", said.settle),
            storage=said.storage,
            has_existing=said.existing,
        )
        return self._with_condition(path, files, said.condition)

    def _with_condition(self, path: str, match: M, text: str | bool) -> M:
        condition = self._findings.trying(lambda: self._values.condition(f"{path}.if", text, (match,)))
        return msgspec.structs.replace(match, condition=condition or "")
