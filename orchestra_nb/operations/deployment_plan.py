"""What a file of deployments and automations would change, and the change: all is checked before that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from orchestra_nb.errors import InvalidInput, InvalidSchedule, OrchestraError
from orchestra_nb.model.automations import Automation
from orchestra_nb.operations.automation_form import automation_form
from orchestra_nb.operations.automations import (
    check_names,
    compare_automation,
    delete_automation,
    find_stored,
    list_automations,
    save_automation,
    wanted_automation,
)
from orchestra_nb.operations.deployment_files import FileEntry, read_deployment_file
from orchestra_nb.operations.deployment_form import FieldChange, form_changes
from orchestra_nb.operations.deployment_preparation import PreparedDeployment, check_schedules, prepare_deployment
from orchestra_nb.operations.deployments import compare, delete_deployment, deployment_store, store_deployment
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

Action = Literal["create", "change", "unchanged", "delete"]

_ACTIONS: dict[str, Action] = {"created": "create", "changed": "change", "unchanged": "unchanged"}


class PlanStep(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a deployment or an automation; ``prepared`` and ``automation`` are None where it is deleted."""

    name: str
    action: Action
    kind: Literal["deployment", "automation"] = "deployment"
    changes: tuple[FieldChange, ...] = ()
    prepared: PreparedDeployment | None = None
    automation: Automation | None = None


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
        Whether deployments and automations that are not in the file are deleted, where it has a list of them.

    Raises
    ------
    InvalidInput
        Something in the file cannot be used; the message has the file, the line and the field, and all that is wrong.
    NotFound
        One thing is wrong, and that is not there.
    """
    prepared: list[PreparedDeployment] = []
    errors: list[OrchestraError] = []
    content = read_deployment_file(path)
    for entry in content.deployments or ():
        try:
            prepared.append(_prepare(entry, settings, now))
        except OrchestraError as error:
            errors.append(error)
    wanted = {one.spec.name for one in prepared}
    for automation in content.automations or ():
        try:
            check_names(store, automation, wanted)
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
    if prune and content.deployments is not None:
        others = [one.name for one in deployment_store(store).list_deployments() if one.name not in wanted]
        steps += [PlanStep(name=name, action="delete") for name in others]
    if content.automations is not None:
        steps += _automation_steps(
            store, [wanted_automation(store, entry) for entry in content.automations], prune=prune
        )
    return Plan(file=str(path), steps=tuple(steps))


def apply_plan(store: RunStore, plan: Plan, *, actor: str, now: datetime) -> None:
    """Do what a plan says; what somebody else did meanwhile is done over."""
    for step in plan.steps:
        if step.kind == "automation":
            _apply_to_automation(store, step, now)
        elif step.prepared is None:
            delete_deployment(store, step.name, actor=actor, now=now)
        elif step.action != "unchanged":
            store_deployment(store, step.prepared, actor=actor, now=now)


def _automation_steps(store: RunStore, wanted: Sequence[Automation], *, prune: bool) -> list[PlanStep]:
    steps = []
    for one in wanted:
        present = find_stored(store, one.name)
        changes = () if present is None else form_changes(automation_form(present.automation), automation_form(one))
        action = _ACTIONS[compare_automation(store, one)]
        steps.append(PlanStep(name=one.name, action=action, kind="automation", changes=changes, automation=one))
    if prune:
        names = {one.name for one in wanted}
        others = [one.name for one in list_automations(store) if one.name not in names]
        steps += [PlanStep(name=name, action="delete", kind="automation") for name in others]
    return steps


def _apply_to_automation(store: RunStore, step: PlanStep, now: datetime) -> None:
    if step.automation is None:
        delete_automation(store, step.name)
    elif step.action != "unchanged":
        save_automation(store, step.automation, now)


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
