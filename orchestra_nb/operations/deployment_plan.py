"""What a file of deployments and automations would change, and the change: all is checked before that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from orchestra_nb.errors import InvalidSchedule, NameTaken, OrchestraError
from orchestra_nb.model.automations import check_place_of_trigger, is_trigger_of
from orchestra_nb.model.findings import Findings
from orchestra_nb.model.work_pools import DEFAULT_POOL, WorkPool
from orchestra_nb.operations.automation_files import AutomationEntry
from orchestra_nb.operations.automation_form import automation_form
from orchestra_nb.operations.automation_words import trigger_words
from orchestra_nb.operations.automations import (
    automation_store,
    check_names,
    compare_automation,
    find_stored,
    list_automations,
    save_automation,
    wanted_automation,
)
from orchestra_nb.operations.deployment_files import (
    FileContent,
    FileEntry,
    read_deployment_file,
    read_sent_file,
    sent_content,
)
from orchestra_nb.operations.deployment_form import FieldChange, form_changes
from orchestra_nb.operations.deployment_places import look_at_places
from orchestra_nb.operations.deployment_preparation import PreparedDeployment, check_schedules, look_at
from orchestra_nb.operations.deployment_views import schedule_words
from orchestra_nb.operations.deployments import compare, delete_deployment, deployment_store, store_deployment
from orchestra_nb.operations.foreseen_parameters import foresee_automation
from orchestra_nb.operations.pool_form import pool_form
from orchestra_nb.operations.unknown_names import unknown_in_automation
from orchestra_nb.operations.work_pools import compare_pool, delete_pool, pool_store
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

Action = Literal["create", "change", "unchanged", "delete"]

_ACTIONS: dict[str, Action] = {"created": "create", "changed": "change", "unchanged": "unchanged"}


class PlanStep(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a deployment, an automation or a pool; None stands for what it is to be where it is deleted.

    Parameters
    ----------
    entry
        The automation.
    trigger_of
        The deployment whose trigger an automation is to be, or is no more; None where it stands by itself, and where it
        is deleted since no list has it.
    warnings
        What an automation names that nobody knows yet, and parameters that may not fit.
    words
        Of what is made, when it does what; else the action.
    """

    name: str
    action: Action
    kind: Literal["deployment", "automation", "pool"] = "deployment"
    changes: tuple[FieldChange, ...] = ()
    prepared: PreparedDeployment | None = None
    entry: AutomationEntry | None = None
    trigger_of: str | None = None
    pool: WorkPool | None = None
    warnings: tuple[str, ...] = ()
    words: str = ""


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
    NameTaken
        One thing is wrong: a trigger has the name of an automation that is no trigger of its deployment.
    """
    findings = Findings()
    content = read_deployment_file(path, findings)
    return plan_content(store, content, findings, settings, now, file=str(path), prune=prune)


def plan_sent_file(
    store: RunStore,
    name: str,
    text: str,
    notebooks: Mapping[str, str],
    settings: Settings,
    now: datetime,
    *,
    prune: bool = False,
) -> Plan:
    """Return what a file of another machine would change; nothing is changed.

    Parameters
    ----------
    name, text, notebooks
        As :func:`.deployment_files.read_sent_file`.
    prune
        As in :func:`make_plan`.

    Raises
    ------
    InvalidInput, NotFound, NameTaken
        As :func:`make_plan`.
    """
    findings = Findings()
    content = read_sent_file(name, text, notebooks, findings)
    return plan_content(store, content, findings, settings, now, file=name, prune=prune)


def plan_deployment(
    store: RunStore,
    name: str,
    form: Mapping[str, Any],
    settings: Settings,
    now: datetime,
    notebook: str | None = None,
    texts: Mapping[str, str] | None = None,
) -> Plan:
    """Return what a deployment in the form of files would change; nothing is changed.

    Parameters
    ----------
    form
        Without its name; without ``triggers`` those that it has stay.
    notebook
        The text of its notebook; None where that is read from its path.
    texts
        Further parameters as text: the declaration says what each means.

    Raises
    ------
    InvalidInput, NotFound, NameTaken
        As :func:`make_plan`.
    """
    findings = Findings()
    content = sent_content(name, form, notebook, findings, texts)
    return plan_content(store, content, findings, settings, now, file=f"deployment {name}")


def plan_content(
    store: RunStore,
    content: FileContent,
    findings: Findings,
    settings: Settings,
    now: datetime,
    *,
    file: str,
    prune: bool = False,
) -> Plan:
    """Return what the content of a file would change; as :func:`make_plan`.

    Parameters
    ----------
    findings
        What is wrong with it as far as it was read.
    """
    pools = content.pools or []
    prepared = [
        one
        for entry in content.deployments or ()
        if (one := _prepare(store, entry, pools, settings, now, findings)) is not None
    ]
    wanted = {one.spec.name for one in prepared}
    coming = {one.spec.name: one for one in prepared}
    warnings: dict[str, list[str]] = {}
    for entry in (*(content.automations or ()), *content.triggers):
        check_names(store, entry, findings, content.names | wanted, {pool.name for pool in pools})
        named = entry.automation
        warnings[named.name] = foresee_automation(store, named, settings, findings, entry.error, coming)
    for entry in content.triggers:
        _check_place(store, entry, findings)
    findings.tell()
    steps = [_pool_step(store, pool) for pool in pools]
    flows = {one.spec.name: one.spec.flow_name for one in prepared}

    def step_of(entry: AutomationEntry, trigger_of: str | None = None) -> PlanStep:
        return _automation_step(store, entry, flows, warnings[entry.automation.name], trigger_of)

    said = {one.automation.name for one in (*(content.automations or ()), *content.triggers)}
    for one in prepared:
        outcome, changes = compare(store, one)
        steps.append(PlanStep(name=one.spec.name, action=_ACTIONS[outcome], changes=changes, prepared=one))
        name = one.spec.name
        steps += [step_of(entry, name) for entry in content.triggers if entry.automation.deployment == name]
        steps += [
            PlanStep(name=gone.name, action="delete", kind="automation", trigger_of=name)
            for gone in automation_store(store).of_deployment(name)
            if not content.keeps_triggers and is_trigger_of(gone, name) and gone.name not in said
        ]
    if prune and content.deployments is not None:
        others = [one.name for one in deployment_store(store).list_deployments() if one.name not in wanted]
        steps += [PlanStep(name=name, action="delete") for name in others]
    if content.automations is not None:
        steps += [step_of(entry) for entry in content.automations]
    if prune and content.automations is not None:
        known = said | {step.name for step in steps if step.kind == "automation"}
        others = [one.name for one in list_automations(store) if one.name not in known]
        steps += [PlanStep(name=name, action="delete", kind="automation") for name in others]
    if prune and content.pools is not None:
        kept = {DEFAULT_POOL, *(pool.name for pool in pools)}
        others = [pool.name for pool in pool_store(store).list_pools() if pool.name not in kept]
        steps += [PlanStep(name=name, action="delete", kind="pool") for name in others]
    return Plan(file=file, steps=tuple(msgspec.structs.replace(step, words=_words_of(step)) for step in steps))


def apply_plan(store: RunStore, plan: Plan, *, actor: str, now: datetime, version: int | None = None) -> None:
    """Do what a plan says, all of it or nothing; what somebody else did meanwhile is done over.

    Parameters
    ----------
    version
        The version of the one deployment of the plan that the caller has seen, 0 for none; None to do it over, too.

    Raises
    ------
    DeploymentNotFound, Conflict
        It has another version by now; nothing is changed.
    """
    with store.database.together():
        for step in plan.steps:
            if step.kind == "automation":
                _apply_to_automation(store, step, now)
            elif step.kind == "pool":
                _apply_to_pool(store, step, now)
            elif step.prepared is None:
                delete_deployment(store, step.name, actor=actor, now=now)
            elif step.action != "unchanged":
                store_deployment(store, step.prepared, actor=actor, now=now, version=version)


def _words_of(step: PlanStep) -> str:
    if step.action == "create" and step.prepared is not None:
        return f"create: {schedule_words(step.prepared.spec)}"
    if step.action == "create" and step.pool is not None:
        return f"create: {step.pool.kind}"
    if step.action == "create" and step.entry is not None:
        return f"create: {trigger_words(step.entry.automation.trigger)}"
    return step.action


def _check_place(store: RunStore, trigger: AutomationEntry, findings: Findings) -> None:
    """See that a trigger of a deployment takes no other automation's place."""
    present = find_stored(store, trigger.automation.name)
    if present is not None:
        try:
            check_place_of_trigger(present.automation, trigger.automation.deployment)
        except NameTaken as error:
            findings.errors.append(NameTaken(f"{trigger.place('name')}: {error}"))


def _automation_step(
    store: RunStore,
    entry: AutomationEntry,
    coming: Mapping[str, str],
    warnings: Sequence[str],
    trigger_of: str | None,
) -> PlanStep:
    wanted = wanted_automation(store, entry)
    present = find_stored(store, wanted.name)
    changes = () if present is None else form_changes(automation_form(present.automation), automation_form(wanted))
    return PlanStep(
        name=wanted.name,
        action=_ACTIONS[compare_automation(store, wanted)],
        kind="automation",
        changes=changes,
        entry=entry,
        trigger_of=trigger_of,
        warnings=(*unknown_in_automation(store, wanted, coming), *warnings),
    )


def _apply_to_automation(store: RunStore, step: PlanStep, now: datetime) -> None:
    if step.entry is None:
        automation_store(store).delete(step.name)  # which has gone with its deployment, or by somebody else, is gone
    elif step.action != "unchanged":
        save_automation(store, step.entry, now, trigger_of=step.trigger_of)


def _pool_step(store: RunStore, pool: WorkPool) -> PlanStep:
    outcome, present = compare_pool(store, pool)
    changes = () if present is None else form_changes(pool_form(present), pool_form(pool))
    return PlanStep(name=pool.name, action=_ACTIONS[outcome], kind="pool", changes=changes, pool=pool)


def _apply_to_pool(store: RunStore, step: PlanStep, now: datetime) -> None:
    if step.pool is None:
        delete_pool(store, step.name)
    elif step.action != "unchanged":
        pool_store(store).save(step.pool, now)


def _prepare(
    store: RunStore,
    entry: FileEntry,
    pools: Sequence[WorkPool],
    settings: Settings,
    now: datetime,
    findings: Findings,
) -> PreparedDeployment | None:
    own, request = Findings(), entry.request
    prepared = look_at(request, settings, now, own)
    look_at_places(store, request, request.name or request.target, own, pools)
    for error in own.errors:
        located = _error_of_schedule(entry, now) if isinstance(error, InvalidSchedule) else None
        findings.errors.append(located or entry.error(error))
    return None if own.errors else prepared


def _error_of_schedule(entry: FileEntry, now: datetime) -> OrchestraError | None:
    for number, schedule in enumerate(entry.request.schedules):
        try:
            check_schedules([schedule], now)
        except InvalidSchedule as error:
            return entry.error_of_schedule(number, error)
    return None
