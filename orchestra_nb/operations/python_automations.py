"""``Automation(…).create()``: an automation as Python says it, read by the same reader as those of files."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from orchestra_nb.engine.services import in_thread
from orchestra_nb.errors import AutomationNotFound, InvalidInput, NameTaken
from orchestra_nb.model import automations as records
from orchestra_nb.model.findings import Findings
from orchestra_nb.operations import automations as operations
from orchestra_nb.operations.automation_files import AutomationEntry, automation_of
from orchestra_nb.operations.automation_form import automation_form, usual_trigger_name
from orchestra_nb.operations.foreseen_parameters import foresee_automation
from orchestra_nb.operations.python_triggers import Action, Trigger, action_of, trigger_form, trigger_of
from orchestra_nb.operations.run_waiting import store_at_hand
from orchestra_nb.settings import load_settings


class Automation:
    """When this happens, and this holds, do that.

    Parameters
    ----------
    trigger
        An :class:`EventTrigger`, :class:`RunTrigger`, :class:`FileTrigger` and so on, or what files write at ``when``.
    actions
        Such as :class:`RunDeployment`, or what files write in ``do``; done one after the other.
    condition
        A Jinja expression over what happened; empty where it always acts.
    enabled
        Whether it acts at all.
    deployment
        The deployment that it belongs to, and is deleted with.

    Examples
    --------
    >>> when = {"success": "load"}
    >>> Automation(name="refill", trigger=when, actions=[{"run": "refill"}], condition="rows == 0").form()["if"]
    'rows == 0'
    """

    def __init__(
        self,
        *,
        name: str,
        trigger: Trigger | Mapping[str, Any] | list[Any],
        actions: Sequence[Action | Mapping[str, Any]] | Action,
        condition: str = "",
        description: str = "",
        enabled: bool = True,
        deployment: str = "",
    ) -> None:
        self.name = name
        self.trigger = trigger
        self.actions = [actions] if isinstance(actions, Action | Mapping) else list(actions)
        self.condition = condition
        self.description = description
        self.enabled = enabled
        self.deployment = deployment

    def form(self) -> dict[str, Any]:
        """Return what files say of it.

        Raises
        ------
        InvalidInput
            It cannot be; the message names all that is wrong.
        """
        return automation_form(self._entry().automation)

    def create(self, *, overwrite: bool = False) -> Automation:
        """Make it; it looks at what happens from now on.

        Raises
        ------
        InvalidInput, NotFound
            It cannot be, or names a deployment or a channel that is not there.
        NameTaken
            There is one of this name; pass ``overwrite=True`` to replace it.
        """
        try:
            return self._save(may_replace=overwrite)
        except NameTaken as error:
            raise NameTaken(f"{error} Pass overwrite=True to replace it.") from None

    def update(self) -> Automation:
        """Have the one of its name be like this.

        Raises
        ------
        AutomationNotFound
            There is none.
        """
        operations.automation_store(store_at_hand("Automation.update")).get(self.name)
        return self._save(may_replace=True)

    def delete(self) -> bool:
        """Delete it with its log; False where it is no more."""
        return operations.automation_store(store_at_hand("Automation.delete")).delete(self.name)

    def enable(self) -> Automation:
        """Have it look at what happens from now on; raises AutomationNotFound where there is none of its name."""
        operations.resume_automation(store_at_hand("Automation.enable"), self.name, datetime.now(UTC))
        self.enabled = True
        return self

    def disable(self) -> Automation:
        """Have it rest; raises AutomationNotFound where there is none of its name."""
        operations.pause_automation(store_at_hand("Automation.disable"), self.name, datetime.now(UTC))
        self.enabled = False
        return self

    @classmethod
    def read(cls, name: str) -> Automation:
        """Return the automation of this name as it is kept.

        Raises
        ------
        AutomationNotFound
            There is none.
        """
        return cls.of(operations.automation_store(store_at_hand("Automation.read")).get(name).automation)

    @classmethod
    def of(cls, record: records.Automation) -> Automation:
        """Return an automation that is kept."""
        form = automation_form(record)
        return cls(
            name=record.name,
            trigger=trigger_of(form["when"]),
            actions=[action_of(one) for one in form["do"]],
            condition=record.condition,
            description=record.description,
            enabled=record.is_active,
            deployment=record.deployment,
        )

    async def acreate(self, *, overwrite: bool = False) -> Automation:
        """:meth:`create` for coroutines."""
        return await in_thread(lambda: self.create(overwrite=overwrite))

    async def aupdate(self) -> Automation:
        """:meth:`update` for coroutines."""
        return await in_thread(self.update)

    async def adelete(self) -> bool:
        """:meth:`delete` for coroutines."""
        return await in_thread(self.delete)

    @classmethod
    async def aread(cls, name: str) -> Automation:
        """:meth:`read` for coroutines."""
        return await in_thread(cls.read, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Automation) and self.form() == other.form()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<automation {self.name}>"

    def _save(self, *, may_replace: bool) -> Automation:
        entry = self._entry()
        store = store_at_hand("Automation.create")
        findings = Findings()
        operations.check_names(store, entry, findings)
        doubts = foresee_automation(store, entry.automation, load_settings(), findings, entry.error)
        findings.tell()
        for doubt in doubts:
            warnings.warn(f"automation {self.name}: {doubt}", stacklevel=3)
        operations.automation_store(store).save(entry.automation, datetime.now(UTC), may_replace=may_replace)
        return self

    def _entry(self) -> AutomationEntry:
        said = {
            "name": self.name,
            "when": trigger_form(self.trigger),
            "if": self.condition,
            "do": [one.form() if isinstance(one, Action) else one for one in self.actions],
            "description": self.description,
            "paused": not self.enabled,
            "deployment": self.deployment,
        }
        return automation_of(said)


def automations_of_deployment(
    deployment: str, triggers: Iterable[Trigger | Mapping[str, Any] | list[Any]]
) -> list[records.Automation]:
    """Return the automations that run a deployment when one of these triggers fires.

    Raises
    ------
    InvalidInput
        One cannot be; the message names all that is wrong with it.
    """
    made: list[records.Automation] = []
    for number, trigger in enumerate(triggers, start=1):
        known = trigger if isinstance(trigger, Trigger) else Trigger()
        automation = Automation(
            name=known.name or usual_trigger_name(deployment, number),
            trigger=trigger,
            actions=[{"run": deployment, **({"parameters": dict(known.parameters)} if known.parameters else {})}],
            description=known.description,
            enabled=known.enabled,
            deployment=deployment,
        )
        made.append(automation._entry().automation)
    names = [one.name for one in made]
    if len(set(names)) < len(names):
        raise InvalidInput(f"Two triggers have one name: {', '.join(names)}. Give each another.")
    return made


__all__ = ["Automation", "AutomationNotFound", "automations_of_deployment"]
