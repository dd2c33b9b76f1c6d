"""What a deployment says, as people read and write it: the form of files, of ``--json`` and of differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from orchestra_nb.model.deployments import (
    DeploymentSchedule,
    DeploymentSpec,
    DeploymentVersion,
    NotebookTarget,
)
from orchestra_nb.model.durations import write_duration
from orchestra_nb.model.jsonable import from_stored
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.schedules import CronSchedule, IntervalSchedule
from orchestra_nb.model.work_pools import DEFAULT_POOL
from orchestra_nb.operations.notebook_deployment import cells_changed
from orchestra_nb.time_zones import zone_of


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """What two versions say differently.

    Parameters
    ----------
    field
        Its name in the form: ``"concurrency"``, ``"schedules[1].cron"``, ``"parameters.region"``.
    before, after
        None where one of them does not say it.
    """

    field: str
    before: object
    after: object


def form_of(spec: DeploymentSpec) -> dict[str, Any]:
    """Return what a specification says, without what goes without saying."""
    target = spec.target
    form: dict[str, Any] = {"name": spec.name}
    if isinstance(target, NotebookTarget):
        form |= {"notebook": target.path, "cwd": target.cwd}
        form["flow_name"] = spec.flow_name if spec.flow_name != Path(target.path).stem else None
        form |= {"kernel": target.kernel_name, "output": target.output_path, "cache": target.is_cached or None}
        form["cell_timeout"] = _duration(target.cell_timeout_seconds)
        form["start_timeout"] = _duration(
            None if target.start_timeout_seconds == 60.0 else target.start_timeout_seconds
        )
    else:
        where = target.entrypoint.rpartition(":")[0]
        home = str(Path(where).parent) if where.endswith(".py") else None
        form |= {
            "flow": target.entrypoint,
            "cwd": target.working_folder if target.working_folder != home else None,
            "import_folder": target.import_folder if target.import_folder != home else None,
        }
    form |= {
        "description": spec.description or None,
        "parameters": {name: from_stored(value) for name, value in spec.parameters.items()} or None,
        "schedules": [_schedule_form(schedule) for schedule in spec.schedules] or None,
        "cluster": spec.cluster,
        "pool": spec.pool if spec.pool != DEFAULT_POOL else None,
        "priority": spec.priority or None,
        "concurrency": spec.concurrency,
        "on_conflict": spec.on_conflict if spec.on_conflict != "queue" else None,
        **retry_form(spec.retry),
        "timeout": _duration(spec.timeout_seconds),
        "tags": spec.tags or None,
        "limits": list(spec.limits) or None,
        "job_variables": spec.job_variables or None,
    }
    return {name: value for name, value in form.items() if value is not None}


def changes_between(before: DeploymentVersion, after: DeploymentVersion) -> tuple[FieldChange, ...]:
    """Return what two versions of a deployment say differently; of notebooks, how many cells."""
    changes = list(form_changes(form_of(before.spec), form_of(after.spec)))
    if before.notebook != after.notebook and before.notebook is not None and after.notebook is not None:
        changes.append(FieldChange(field="cells", before=None, after=cells_changed(before.notebook, after.notebook)))
    return tuple(changes)


def form_changes(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[FieldChange, ...]:
    """Return what two forms say differently."""
    return tuple(_differences("", before, after))


def _schedule_form(stored: DeploymentSchedule) -> dict[str, Any]:
    schedule = stored.schedule
    form: dict[str, Any] = {}
    match schedule:
        case CronSchedule():
            form["cron"] = schedule.expression
        case IntervalSchedule():
            form["every"] = write_duration(schedule.every_seconds)
        case _:
            form["rrule"] = schedule.rule
    form |= {
        "timezone": schedule.timezone,
        "start": _time(schedule.start_at, schedule.timezone),
        "end": _time(schedule.end_at, schedule.timezone),
        "days_off": [day.isoformat() for day in schedule.excluded_days] or None,
        "jitter": _duration(schedule.jitter_seconds or None),
        "catchup": schedule.catchup if schedule.catchup != "latest" else None,
        "max_late": _duration(schedule.max_late_seconds),
        "parameters": {name: from_stored(value) for name, value in stored.parameters.items()} or None,
        "active": None if stored.is_active else False,
    }
    return {name: value for name, value in form.items() if value is not None}


def retry_form(retry: RetryPolicy) -> dict[str, Any]:
    """Return what a policy of retries says; None for what goes without saying."""
    if retry.exponential is not None:
        delay = f"exp:{':'.join(map(write_duration, retry.exponential))}"
    else:
        delay = ",".join(map(write_duration, retry.delays_seconds))
    return {
        "retries": retry.retries or None,
        "retry_delay": delay or None,
        "retry_jitter": retry.jitter_factor or None,
        "infrastructure_retries": None if retry.infrastructure_retries == 1 else retry.infrastructure_retries,
    }


def _differences(path: str, before: object, after: object) -> Iterator[FieldChange]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _differences(f"{path}.{name}" if path else str(name), before.get(name), after.get(name))
    elif isinstance(before, list) and isinstance(after, list) and path == "schedules":
        for number in range(max(len(before), len(after))):
            pair = [items[number] if number < len(items) else None for items in (before, after)]
            yield from _differences(f"{path}[{number}]", *pair)
    elif repr(before) != repr(after):  # 1 is not 1.0, nor true
        yield FieldChange(field=path, before=before, after=after)


def _duration(seconds: float | None) -> str | None:
    return None if seconds is None else write_duration(seconds)


def _time(time: datetime | None, timezone: str) -> str | None:
    return None if time is None else time.astimezone(UTC).astimezone(zone_of(timezone)).isoformat()
