"""The schedules of a deployment, one by one: each change makes a version of it that deploys the same."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from orchestra_nb.operations import deployment_views
from orchestra_nb.operations.deployment_files import FileSchedule
from orchestra_nb.operations.deployment_form import FieldChange
from orchestra_nb.operations.deployment_schedules import ScheduleEditor
from orchestra_nb.operations.deployment_views import ScheduleView
from orchestra_nb.operations.deployments import Deployed
from orchestra_nb.rest.endpoint import Area, Call

area = Area("deployments")


class SchedulesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The schedules of a deployment, by number."""

    version: int
    schedules: tuple[ScheduleView, ...]


class SeenVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What is changed."""

    version: Annotated[
        int | None, Meta(description="Only where the deployment has this version still; else the answer is 409.")
    ] = None


class ChangedSchedules(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the schedules of a deployment."""

    name: str
    version: int
    outcome: Literal["created", "changed", "unchanged"]
    changes: tuple[FieldChange, ...]
    schedules: tuple[ScheduleView, ...]


@area.get("/deployments/{name}/schedules")
def list_schedules(call: Call, name: str) -> SchedulesAnswer:
    """List the schedules of a deployment, with when each is due next."""
    details = deployment_views.show_deployment(call.store, name, call.now)
    return SchedulesAnswer(version=details.version, schedules=details.schedules)


@area.post("/deployments/{name}/schedules", status=201, is_one_transaction=False)
def add_schedule(call: Call, name: str, query: SeenVersion, body: FileSchedule) -> ChangedSchedules:
    """Add a schedule to a deployment, as the last one, described as in files."""
    return _answer(call, _editor(call, name, query).add(msgspec.to_builtins(body)))


@area.put("/deployments/{name}/schedules/{number}", is_one_transaction=False)
def replace_schedule(call: Call, name: str, number: int, query: SeenVersion, body: FileSchedule) -> ChangedSchedules:
    """Have another schedule in the place of one."""
    return _answer(call, _editor(call, name, query).replace(number, msgspec.to_builtins(body)))


@area.delete("/deployments/{name}/schedules/{number}")
def remove_schedule(call: Call, name: str, number: int, query: SeenVersion) -> ChangedSchedules:
    """Remove a schedule; those behind it move up by one."""
    return _answer(call, _editor(call, name, query).remove(number))


@area.post("/deployments/{name}/schedules/{number}/pause")
def pause_schedule(call: Call, name: str, number: int, query: SeenVersion) -> ChangedSchedules:
    """Let one schedule rest; the others go on."""
    return _answer(call, _editor(call, name, query).set_active(number, False))


@area.post("/deployments/{name}/schedules/{number}/resume")
def resume_schedule(call: Call, name: str, number: int, query: SeenVersion) -> ChangedSchedules:
    """Have one schedule looked at again, from now on."""
    return _answer(call, _editor(call, name, query).set_active(number, True))


def _editor(call: Call, name: str, query: SeenVersion) -> ScheduleEditor:
    return ScheduleEditor(call.store, name, call.settings, actor=call.actor, now=call.now, version=query.version)


def _answer(call: Call, done: Deployed) -> ChangedSchedules:
    return ChangedSchedules(
        name=done.deployment.name,
        version=done.deployment.version,
        outcome=done.outcome,
        changes=done.changes,
        schedules=deployment_views.show_deployment(call.store, done.deployment.name, call.now).schedules,
    )
