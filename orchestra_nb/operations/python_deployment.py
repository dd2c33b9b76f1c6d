"""``flow.deploy(…)`` and ``notebook_flow(…).deploy(…)``: a deployment as Python asks for it."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from orchestra_nb.acting_user import acting_as, process_user
from orchestra_nb.engine.task_settings import InvalidOption, retry_policy
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model import audit
from orchestra_nb.model.deployments import Deployment
from orchestra_nb.model.durations import write_duration
from orchestra_nb.model.findings import Findings
from orchestra_nb.operations.audit_trail import note
from orchestra_nb.operations.automations import automation_store
from orchestra_nb.operations.deployment_form import FieldChange
from orchestra_nb.operations.deployment_request import DeploymentRequest, ScheduleRequest, read_seconds
from orchestra_nb.operations.deployment_run import run_deployment
from orchestra_nb.operations.deployment_views import next_times, schedule_words
from orchestra_nb.operations.deployments import Outcome, prepare, store_deployment
from orchestra_nb.operations.flow_deployment import target_of_flow
from orchestra_nb.operations.foreseen_parameters import foresee_automation
from orchestra_nb.operations.located_yaml import SaidContent
from orchestra_nb.operations.notebook_options import as_parameters, check_options
from orchestra_nb.operations.python_automations import automations_of_deployment
from orchestra_nb.operations.run_waiting import store_at_hand
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from orchestra_nb.engine.flows import Flow
    from orchestra_nb.model.automations import Automation
    from orchestra_nb.model.runs import Run
    from orchestra_nb.operations.deployment_preparation import PreparedDeployment
    from orchestra_nb.store.run_store import RunStore

#: Names of a schedule's fields as :func:`schedule_from` takes them.
SCHEDULE_OPTIONS: Final = (
    "cron", "every", "interval", "rrule", "timezone", "start", "end", "exclude", "days_off", "jitter", "catchup",
    "max_late", "parameters", "active",
)  # fmt: skip
#: What ``deploy`` takes beside its schedule.
DEPLOY_OPTIONS: Final = (
    "name", "schedules", "schedule", "parameters", "description", "tags", "paused", "pool", "work_pool_name",
    "priority", "concurrency", "concurrency_limit", "on_conflict", "retries", "retry_delay_seconds",
    "retry_jitter_factor", "timeout_seconds", "cluster", "cwd", "note", "limits",
    "job_variables", "triggers",
)  # fmt: skip
_OF_ONE_SCHEDULE: Final = tuple(name for name in SCHEDULE_OPTIONS if name not in ("parameters", "active"))
#: Prefect's name to ours.
_SAME: Final = {"work_pool_name": "pool", "concurrency_limit": "concurrency", "interval": "every"}


class MadeDeployment:
    """What ``deploy`` returns: the deployment as it stands then.

    Attributes
    ----------
    name, version
        Of the deployment.
    outcome
        ``"created"``, ``"changed"`` or ``"unchanged"``.
    changes
        What it says otherwise than the version before.
    """

    def __init__(self, deployment: Deployment, outcome: Outcome, changes: tuple[FieldChange, ...]) -> None:
        self._deployment = deployment
        self.name = deployment.name
        self.version = deployment.version
        self.outcome = outcome
        self.changes = changes

    def next_times(self, count: int = 3) -> list[datetime]:
        """Return the next times at which it is due, in the zones of its schedules."""
        return [time.at for time in next_times(self._deployment, datetime.now(UTC), count)]

    def run(self, parameters: Mapping[str, Any] | None = None, at: datetime | None = None) -> Run:
        """Have a run of it wait to be started, now or at another time, with parameters in place of its own.

        Raises
        ------
        InvalidInput, NotFound
            It is not there any more, or a parameter does not fit.
        """
        if at is not None and at.tzinfo is None:
            at = at.astimezone()
        return run_deployment(
            store_at_hand("deployment.run"),
            self.name,
            load_settings(),
            now=datetime.now(UTC),
            parameters=as_parameters(parameters or {}),
            at=at,
        )

    def __repr__(self) -> str:
        times = next_times(self._deployment, datetime.now(UTC), 1)
        state = "paused" if self._deployment.is_paused else f"next {times[0].words}" if times else "not due by itself"
        words = schedule_words(self._deployment.spec)
        return f"<deployment {self.name}, version {self.version}, {self.outcome}: {words}; {state}>"


def deploy_flow(flow: Flow[Any, Any], options: Mapping[str, Any]) -> MadeDeployment:
    """Deploy a flow of this process.

    Raises
    ------
    CodeNotFound
        No other process can import it.
    InvalidInput, NotFound
        As :func:`~orchestra_nb.operations.deployments.deploy`.
    """
    check_options(f"{flow.name}.deploy", options, (*DEPLOY_OPTIONS, *_OF_ONE_SCHEDULE))
    target, import_folder = target_of_flow(flow)
    request = DeploymentRequest(target=target, cwd=import_folder, import_folder=import_folder)
    if not options.get("description") and flow.description:
        options = {**options, "description": flow.description}
    return make(request, f"{flow.name}.deploy", {"tags": sorted(flow.tags), **options})


def make(request: DeploymentRequest, what: str, options: Mapping[str, Any]) -> MadeDeployment:
    """Deploy what a request asks for, with the options of a ``deploy`` in it.

    Parameters
    ----------
    what
        Names the call in errors.

    Raises
    ------
    NameTaken
        A trigger has the name of an automation that is no trigger of this deployment; nothing is stored then.
    """
    store = store_at_hand(what)
    asked = msgspec.structs.replace(request, **_fields_of(what, options))
    now = datetime.now(UTC)
    prepared = prepare(store, asked, load_settings(), now, Findings())
    triggers = options.get("triggers")
    automations = [] if triggers is None else automations_of_deployment(prepared.spec.name, triggers)
    _check_given(store, automations, prepared)
    actor = f"Python of {process_user()}"
    with store.database.together(), acting_as(process_user()):
        done = store_deployment(store, prepared, actor=actor, now=now)
        note(store, _entry(actor, done.deployment.name, now))
        if triggers is not None:  # those that belong to it are these from now on
            kept, name = automation_store(store), done.deployment.name
            kept.delete_of_deployment(name, [one.name for one in automations])
            for automation in automations:
                kept.save(automation, now, may_replace=True, trigger_of=name)
    return MadeDeployment(done.deployment, done.outcome, done.changes)


def _check_given(store: RunStore, automations: Sequence[Automation], prepared: PreparedDeployment) -> None:
    """Refuse parameters of triggers that the deployment will not take, and warn of those that may not fit."""
    findings, settings, coming = Findings(), load_settings(), {prepared.spec.name: prepared}
    doubts = [
        f"automation {one.name}: {doubt}"
        for one in automations
        for doubt in foresee_automation(
            store, one, settings, findings, SaidContent(f"automation {one.name}", None).error, coming
        )
    ]
    findings.tell()
    for doubt in doubts:
        warnings.warn(doubt, stacklevel=4)


def schedule_from(said: Mapping[str, Any]) -> ScheduleRequest:
    """Return the schedule of options, or of a mapping as a file has it.

    Raises
    ------
    InvalidInput
        There is no such option, or its value cannot be used.
    """
    check_options("A schedule", said, SCHEDULE_OPTIONS)
    fields = {_SAME.get(name, name): value for name, value in said.items() if value is not None}
    exclude = fields.get("exclude", ())
    return ScheduleRequest(
        cron=fields.get("cron"),
        every=_duration_text(fields["every"]) if "every" in fields else None,
        rrule=fields.get("rrule"),
        timezone=fields.get("timezone"),
        start=_time_text(fields.get("start")),
        end=_time_text(fields.get("end")),
        exclude=(str(exclude),) if isinstance(exclude, str) else tuple(map(str, exclude)),
        days_off=tuple(_day(day) for day in fields.get("days_off", ())),
        jitter_seconds=_seconds("jitter", fields["jitter"]) if "jitter" in fields else 0.0,
        catchup=fields.get("catchup", "latest"),
        max_late_seconds=_seconds("max_late", fields["max_late"]) if "max_late" in fields else None,
        parameters=as_parameters(fields.get("parameters", {})),
        is_active=bool(fields.get("active", True)),
    )


def _fields_of(what: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request that options of ``deploy`` say."""
    for theirs, ours in _SAME.items():
        if options.get(theirs) is not None and options.get(ours) is not None:
            raise InvalidOption(f"{what}: {theirs} and {ours} are the same. Give one of them.")
    said = {_SAME.get(name, name): value for name, value in options.items() if value is not None}
    fields: dict[str, Any] = {
        name: said[name] for name in ("name", "description", "pool", "priority", "on_conflict", "note") if name in said
    }
    fields |= {name: said[name] for name in ("cluster", "cwd", "timeout_seconds") if name in said}
    if "concurrency" in said:
        fields["concurrency"] = getattr(said["concurrency"], "limit", said["concurrency"])
    if "limits" in said:
        fields["limits"] = (said["limits"],) if isinstance(said["limits"], str) else tuple(map(str, said["limits"]))
    if "job_variables" in said:
        fields["job_variables"] = dict(said["job_variables"])
    if "paused" in said:
        fields["is_paused"] = bool(said["paused"])
    if "parameters" in said:
        fields["parameters"] = as_parameters(said["parameters"])
    if "tags" in said:
        fields["tags"] = _tags(said["tags"])
    if "retries" in said:
        delay, jitter = said.get("retry_delay_seconds"), said.get("retry_jitter_factor")
        fields["retry"] = retry_policy(what, said["retries"], delay, jitter)
    schedules = [_one(schedule) for schedule in said.get("schedules", ())]
    schedules += [_one(said["schedule"])] if "schedule" in said else []
    alone: dict[str, Any] = {name: said[name] for name in _OF_ONE_SCHEDULE if name in said}
    if alone:
        if not {"cron", "every", "rrule"} & set(alone):
            raise InvalidOption(f"{what}: {next(iter(alone))} is about a schedule. Give cron, every or rrule, too.")
        schedules.append(schedule_from(alone))
    if schedules:
        fields["schedules"] = tuple(schedules)
    return fields


def _one(schedule: object) -> ScheduleRequest:
    if isinstance(schedule, ScheduleRequest):
        return schedule
    if isinstance(schedule, Mapping):
        return schedule_from(schedule)
    raise InvalidOption(f'{schedule!r} is no schedule. Write Cron("0 7 * * *") or {{"cron": "0 7 * * *"}}.')


def _tags(tags: Mapping[str, Any] | Collection[str]) -> dict[str, str]:
    if isinstance(tags, Mapping):
        return {str(name): str(value) for name, value in tags.items()}
    names: Iterable[str] = (tags,) if isinstance(tags, str) else tags
    return dict.fromkeys(map(str, names), "")


def _duration_text(value: object) -> str:
    if isinstance(value, timedelta):
        return write_duration(value.total_seconds())
    if isinstance(value, int | float) and not isinstance(value, bool):
        return write_duration(value) if value >= 0 else str(value)
    return str(value)


def _seconds(what: str, value: object) -> float:
    return read_seconds(_duration_text(value), what)


def _time_text(value: object) -> str | None:
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str):
        return value
    raise InvalidInput(f"{value!r} is no time. Write a datetime, or 2026-03-29T09:00.")


def _day(value: object) -> date:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise InvalidInput(f"{value!r} is no day. Write 2026-12-25.") from None
    if isinstance(value, datetime) or not isinstance(value, date):
        raise InvalidInput(f"{value!r} is no day. Write a date, or 2026-12-25.")
    return value


def _entry(actor: str, name: str, now: datetime) -> audit.AuditEntry:
    return audit.entry_of("deploy", name, at=now, actor=actor, via=audit.Via.PYTHON, origin=socket.gethostname())
