"""Which fields of answers tell something in sentences of ours, and answers with these in a language.

By the types of answers: what users gave and what their code said has fields of the same names, and stays as it is.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import msgspec

from orchestra_nb.model.automation_decisions import Firing
from orchestra_nb.model.automation_log import LoggedAction, LoggedFiring
from orchestra_nb.model.dead_letters import DeadLetter
from orchestra_nb.model.outbox import Delivery
from orchestra_nb.model.runs import ErrorInfo, Run
from orchestra_nb.model.webhooks import Receipt
from orchestra_nb.operations.alerts import ServiceTrouble
from orchestra_nb.operations.automations import AutomationSummary, FoundFiles, MadeAutomation, WatchedPlace
from orchestra_nb.operations.cluster_views import ClusterView
from orchestra_nb.operations.deployment_views import ScheduleView
from orchestra_nb.operations.flow_views import FlowOutcome
from orchestra_nb.operations.notebook_cells import NotebookCell
from orchestra_nb.operations.run_attempts import RunAttempt
from orchestra_nb.operations.run_statistics import RunMoment
from orchestra_nb.operations.run_views import CellView, ErrorView, RunSummary, TaskView
from orchestra_nb.operations.schedule_preview import FireTime
from orchestra_nb.operations.task_attempts import TaskAttempt
from orchestra_nb.operations.work_pools import PoolRun, ShownJob
from orchestra_nb.rest.automation_endpoints import DryFiring, DryRunAnswer
from orchestra_nb.rest.deploying_endpoints import PlannedStep
from orchestra_nb.rest.notebook_endpoints import ParametersAnswer
from orchestra_nb.rest.pool_endpoints import ShownPool
from orchestra_nb.rest.rule_endpoints import AddedRule
from orchestra_nb.rest.run_endpoints import Resumption, RunAgain
from orchestra_nb.rest.run_parts_endpoints import SweepRowView
from orchestra_nb.rest.webhook_endpoints import ChangedWebhook, MadeWebhook
from orchestra_nb.server.sentences import Kind, has_words, in_language

_MESSAGE: Final[Mapping[str, Kind]] = {"message": Kind.MESSAGE}
_WARNINGS: Final[Mapping[str, Kind]] = {"warnings": Kind.REFUSAL}
_PROBLEM: Final[Mapping[str, Kind]] = {"problem": Kind.REFUSAL}

#: Record to its fields that tell something. A text, or several; a test has those that have the name of one decided on.
TOLD_FIELDS: Final[Mapping[type, Mapping[str, Kind]]] = {
    # runs
    Run: _MESSAGE,
    RunSummary: _MESSAGE,
    TaskView: _MESSAGE,
    CellView: _MESSAGE,
    ErrorInfo: _MESSAGE,
    ErrorView: _MESSAGE,
    RunAttempt: {"message": Kind.MESSAGE, "reason": Kind.MESSAGE},
    TaskAttempt: _MESSAGE,
    RunAgain: _MESSAGE,
    SweepRowView: _MESSAGE,
    RunMoment: _MESSAGE,
    FlowOutcome: _MESSAGE,
    NotebookCell: _MESSAGE,
    DeadLetter: _MESSAGE,
    PoolRun: {"reason": Kind.MESSAGE},
    Resumption: _PROBLEM,
    # deployments and their schedules
    ScheduleView: _PROBLEM,
    FireTime: {"note": Kind.REFUSAL},
    PlannedStep: _WARNINGS,
    ParametersAnswer: _PROBLEM,
    # automations
    AutomationSummary: _PROBLEM,
    WatchedPlace: _PROBLEM,
    FoundFiles: _PROBLEM,
    MadeAutomation: _WARNINGS,
    DryRunAnswer: _WARNINGS,
    LoggedFiring: {"about": Kind.AUTOMATION, "message": Kind.REFUSAL},
    LoggedAction: {"outcome": Kind.AUTOMATION},
    Firing: {"about": Kind.AUTOMATION, "refusal": Kind.REFUSAL},
    DryFiring: {"about": Kind.AUTOMATION, "refusal": Kind.REFUSAL},
    # what is sent and received
    AddedRule: _WARNINGS,
    Delivery: {"error": Kind.REFUSAL},
    MadeWebhook: _WARNINGS,
    ChangedWebhook: _WARNINGS,
    Receipt: {"reason": Kind.REFUSAL},
    # pools, and what serves them
    ShownPool: {"warning": Kind.REFUSAL},
    ShownJob: {"notes": Kind.REFUSAL},
    ClusterView: _PROBLEM,
    ServiceTrouble: _PROBLEM,
}

#: Errors that runs end with by themselves; what users' code raises has a traceback, also where it is called so.
_OUR_ERRORS: Final = ("KernelDied", "TaskTimedOut")


def told_in(answer: Any, language: str | None) -> Any:
    """Return an answer with what it tells in a language: the same object where nothing is told otherwise there."""
    return _told(answer, language) if language is not None and has_words(language) else answer


def _told(value: Any, language: str) -> Any:
    if isinstance(value, tuple | list):
        new = [_told(one, language) for one in value]
        return type(value)(new) if any(one is not old for one, old in zip(new, value, strict=True)) else value
    if isinstance(value, dict):
        told = {name: _told(one, language) for name, one in value.items()}
        return told if any(told[name] is not one for name, one in value.items()) else value
    if isinstance(value, ErrorInfo) and (value.traceback or value.type not in _OUR_ERRORS):
        return value
    record: type = type(value)
    fields, further = _plan(record)
    changes: dict[str, Any] = {}
    for name, kind in fields.items():
        old = getattr(value, name)
        if (text := _text(old, language, kind)) != old:
            changes[name] = text
    for name in further:
        old = getattr(value, name)
        if (new := _told(old, language)) is not old:
            changes[name] = new
    if not changes:
        return value
    return (
        msgspec.structs.replace(value, **changes)
        if isinstance(value, msgspec.Struct)
        else dataclasses.replace(value, **changes)
    )


def _text(value: Any, language: str, kind: Kind) -> Any:
    if isinstance(value, str):
        return in_language(value, language, kind) if value else value
    if isinstance(value, tuple | list):
        return type(value)(in_language(one, language, kind) for one in value)
    return value  # None, or not given


@cache
def _plan(record: type) -> tuple[Mapping[str, Kind], tuple[str, ...]]:
    """Return the fields of a record that tell something, and those whose records may."""
    further = tuple(name for name, hint in _hints(record).items() if any(map(_tells, records_in(hint))))
    return TOLD_FIELDS.get(record, {}), further


@cache
def _tells(record: type) -> bool:
    """Tell whether there is something in a record, or in one within it, that tells something."""
    seen: set[type] = set()
    open_ = [record]
    while open_:
        one = open_.pop()
        if one in TOLD_FIELDS:
            return True
        if one not in seen:
            seen.add(one)
            open_ += [inner for hint in _hints(one).values() for inner in records_in(hint)]
    return False


def records_in(hint: Any) -> Iterator[type]:
    """Yield the records that a type has in it: never any of what may be anything, as users' values may."""
    arguments = typing.get_args(hint)
    if arguments:
        for one in arguments[:1] if typing.get_origin(hint) is typing.Annotated else arguments:
            yield from records_in(one)
    elif isinstance(hint, type) and (issubclass(hint, msgspec.Struct) or dataclasses.is_dataclass(hint)):
        yield hint


@cache
def _hints(record: type) -> Mapping[str, Any]:
    is_record = issubclass(record, msgspec.Struct) or dataclasses.is_dataclass(record)
    return typing.get_type_hints(record, include_extras=True) if is_record else {}
