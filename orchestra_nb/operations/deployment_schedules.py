"""The schedules of a deployment, changed one by one: each change is a version that has the same notebook or flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from orchestra_nb.errors import ScheduleNotFound
from orchestra_nb.model.deployments import DeploymentSchedule, DeploymentSpec, DeploymentVersion
from orchestra_nb.model.jsonable import to_stored
from orchestra_nb.operations.deployment_files import schedule_request
from orchestra_nb.operations.deployment_preparation import check_parameters, check_schedules
from orchestra_nb.operations.deployments import Deployed, change_deployment
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


class ScheduleEditor:
    """Changes the schedules of one deployment; their numbers count from 1.

    Of changes at once none is lost: each is one of the schedules that the one before it left.

    All methods raise DeploymentNotFound where there is no such deployment, Conflict where it has another version than
    the caller has seen, ScheduleNotFound where there is no schedule of a number, and InvalidInput where what is asked
    for cannot be: as deploying with it does. Nothing is stored then.

    Parameters
    ----------
    version
        The version that the caller has seen; None for whichever there is.
    """

    def __init__(
        self, store: RunStore, name: str, settings: Settings, *, actor: str, now: datetime, version: int | None = None
    ) -> None:
        self._store = store
        self._name = name
        self._settings = settings
        self._actor = actor
        self._now = now
        self._version = version

    def add(self, form: Mapping[str, Any]) -> Deployed:
        """Add a schedule in the form of files, as the last one."""
        return self._changed(lambda before: [*before.spec.schedules, self._made(before, form)], "a schedule added")

    def replace(self, number: int, form: Mapping[str, Any]) -> Deployed:
        """Have another schedule in the place of one; as long as it says the same it goes on where it stood."""

        def change(before: DeploymentVersion) -> list[DeploymentSchedule]:
            _at(before, number)
            return _with(before, number, self._made(before, form))

        return self._changed(change, f"schedule {number} changed")

    def remove(self, number: int) -> Deployed:
        """Remove a schedule; those behind it move up by one."""

        def change(before: DeploymentVersion) -> list[DeploymentSchedule]:
            _at(before, number)
            return _with(before, number)

        return self._changed(change, f"schedule {number} removed")

    def set_active(self, number: int, is_active: bool) -> Deployed:
        """Have a schedule rest, or be looked at again."""

        def change(before: DeploymentVersion) -> list[DeploymentSchedule]:
            return _with(before, number, msgspec.structs.replace(_at(before, number), is_active=is_active))

        return self._changed(change, f"schedule {number} {'resumed' if is_active else 'paused'}")

    def _made(self, before: DeploymentVersion, form: Mapping[str, Any]) -> DeploymentSchedule:
        request = schedule_request(form)
        (schedule,) = check_schedules([request], self._now)
        whole = check_parameters(before.spec, before.notebook, request.parameters, self._settings)
        return msgspec.structs.replace(
            schedule, parameters={name: to_stored(whole[name]) for name in request.parameters}
        )

    def _changed(self, change: Callable[[DeploymentVersion], list[DeploymentSchedule]], note: str) -> Deployed:
        def spec_of(before: DeploymentVersion) -> DeploymentSpec:
            return msgspec.structs.replace(before.spec, schedules=tuple(change(before)))

        return change_deployment(
            self._store, self._name, spec_of, note, actor=self._actor, now=self._now, version=self._version
        )


def _at(version: DeploymentVersion, number: int) -> DeploymentSchedule:
    schedules = version.spec.schedules
    if not 1 <= number <= len(schedules):
        known = f"They are numbered from 1 to {len(schedules)}." if schedules else "It has none."
        raise ScheduleNotFound(f"The deployment {version.spec.name!r} has no schedule {number}. {known}")
    return schedules[number - 1]


def _with(version: DeploymentVersion, number: int, *made: DeploymentSchedule) -> list[DeploymentSchedule]:
    """Return the schedules of a version with these in the place of one."""
    schedules = version.spec.schedules
    return [*schedules[: number - 1], *made, *schedules[number:]]
