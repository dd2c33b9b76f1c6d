"""What a file of deployments would change, and the change: all is checked before anything is stored."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from orchestra_nb.errors import InvalidInput, InvalidSchedule, OrchestraError
from orchestra_nb.operations.deployment_files import FileEntry, read_deployment_file
from orchestra_nb.operations.deployment_form import FieldChange
from orchestra_nb.operations.deployment_preparation import PreparedDeployment, check_schedules, prepare_deployment
from orchestra_nb.operations.deployments import compare, delete_deployment, deployment_store, store_deployment
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

Action = Literal["create", "change", "unchanged", "delete"]

_ACTIONS: dict[str, Action] = {"created": "create", "changed": "change", "unchanged": "unchanged"}


class PlanStep(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one deployment; ``prepared`` is None for one that is deleted."""

    name: str
    action: Action
    changes: tuple[FieldChange, ...] = ()
    prepared: PreparedDeployment | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The steps in the order of the file, then what is deleted."""

    file: str
    steps: tuple[PlanStep, ...]

    @property
    def changes_nothing(self) -> bool:
        """Whether all is as the file says already."""
        return all(step.action == "unchanged" for step in self.steps)


def make_plan(store: RunStore, path: str | Path, settings: Settings, now: datetime, *, prune: bool = False) -> Plan:
    """Return what a file would change; nothing is changed.

    Parameters
    ----------
    prune
        Whether deployments that are not in the file are deleted.

    Raises
    ------
    InvalidInput
        Something in the file cannot be used; the message has the file, the line and the field, and all that is wrong.
    NotFound
        One thing is wrong, and that is not there.
    """
    prepared: list[PreparedDeployment] = []
    errors: list[OrchestraError] = []
    for entry in read_deployment_file(path):
        try:
            prepared.append(_prepare(entry, settings, now))
        except OrchestraError as error:
            errors.append(error)
    if len(errors) > 1:
        raise InvalidInput("\n".join(map(str, errors)))
    if errors:
        raise errors[0]
    steps = []
    for one in prepared:
        outcome, changes = compare(store, one)
        steps.append(PlanStep(name=one.spec.name, action=_ACTIONS[outcome], changes=changes, prepared=one))
    if prune:
        wanted = {one.spec.name for one in prepared}
        others = [one.name for one in deployment_store(store).list_deployments() if one.name not in wanted]
        steps += [PlanStep(name=name, action="delete") for name in others]
    return Plan(file=str(path), steps=tuple(steps))


def apply_plan(store: RunStore, plan: Plan, *, actor: str, now: datetime) -> None:
    """Do what a plan says; what somebody else did meanwhile is done over."""
    for step in plan.steps:
        if step.prepared is None:
            delete_deployment(store, step.name, actor=actor, now=now)
        elif step.action != "unchanged":
            store_deployment(store, step.prepared, actor=actor, now=now)


def _prepare(entry: FileEntry, settings: Settings, now: datetime) -> PreparedDeployment:
    try:
        return prepare_deployment(entry.request, settings, now)
    except InvalidSchedule as error:
        raise _error_of_schedule(entry, now) or entry.error(error) from None
    except OrchestraError as error:
        raise entry.error(error) from None


def _error_of_schedule(entry: FileEntry, now: datetime) -> OrchestraError | None:
    for number, schedule in enumerate(entry.request.schedules):
        try:
            check_schedules([schedule], now)
        except InvalidSchedule as error:
            return entry.error_of_schedule(number, error)
    return None
