"""An automation, or a trigger of a deployment, as a file says it: read with the place of each error."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec

from orchestra_nb.model.automation_names import facts_matches
from orchestra_nb.model.automations import Action, Automation, Match, RunDeployment, check_automation
from orchestra_nb.model.findings import Findings
from orchestra_nb.model.variables import check_name
from orchestra_nb.operations.automation_form import usual_trigger_name
from orchestra_nb.operations.file_actions import ActionReader
from orchestra_nb.operations.file_triggers import TriggerReader
from orchestra_nb.operations.file_values import ValueReader
from orchestra_nb.operations.located_yaml import LocatedYaml


class AutomationFields(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"condition": "if", "trigger": "when", "actions": "do"},
):
    """What a file says of an automation, but for its name.

    Parameters
    ----------
    paused
        None for as it is, and a new one is not.
    """

    trigger: Any
    actions: list[Any]
    condition: str | bool = ""
    description: str = ""
    paused: bool | None = None
    deployment: str = ""


class AutomationForm(AutomationFields, frozen=True, kw_only=True):
    """An automation as a file says it."""

    name: str


class TriggerForm(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"condition": "if", "trigger": "when"},
):
    """A trigger of a deployment as a file says it."""

    trigger: Any
    name: str | None = None
    condition: str | bool = ""
    parameters: dict[str, Any] = {}
    description: str = ""
    paused: bool | None = None


class AutomationReader:
    """Makes records of what a file says; what is wrong goes to the findings, with its place."""

    def __init__(self, source: LocatedYaml, findings: Findings) -> None:
        self._source = source
        self._findings = findings
        self._values = ValueReader(source, findings)
        self._triggers = TriggerReader(self._values)
        self._actions = ActionReader(self._values)

    def automation(self, path: str, item: object) -> tuple[Automation, bool | None] | None:
        """Return an automation, and whether it is said to rest; None where something is wrong with it."""
        known = len(self._findings.errors)
        said = self._findings.trying(lambda: self._source.convert(path, item, AutomationForm, "an automation"))
        if said is None:
            return None
        trying = self._findings.trying

        def actions(about: Collection[Match] | None) -> tuple[Action | None, ...]:
            return tuple(
                trying(lambda number=number, one=one: self._actions.action(f"{path}.do[{number}]", one, about))  # type: ignore[misc]
                for number, one in enumerate(said.actions)
            )

        return self._made(path, said, said.name, actions, said.deployment, known)

    def trigger(self, path: str, item: object, deployment: str, number: int) -> tuple[Automation, bool | None] | None:
        """Return the automation that a trigger of a deployment is, the so many-th of it; else as :meth:`automation`."""
        known = len(self._findings.errors)
        said = self._findings.trying(lambda: self._source.convert(path, item, TriggerForm, "a trigger"))
        if said is None:
            return None

        def actions(about: Collection[Match] | None) -> tuple[Action | None, ...]:
            run = RunDeployment(deployment=deployment, parameters=said.parameters)
            return (self._findings.trying(lambda: self._actions.with_texts(f"{path}.parameters", run, about)),)

        name = usual_trigger_name(deployment, number) if said.name is None else said.name
        return self._made(path, said, name, actions, deployment, known)

    def _made(
        self,
        path: str,
        said: AutomationForm | TriggerForm,
        name: str,
        read_actions: Callable[[Collection[Match] | None], tuple[Action | None, ...]],
        deployment: str,
        known: int,
    ) -> tuple[Automation, bool | None] | None:
        trying = self._findings.trying
        trying(lambda: self._values.telling(f"{path}.name", lambda: check_name(name, "automation")))
        trigger = trying(lambda: self._triggers.trigger(f"{path}.when", said.trigger))
        about = None if trigger is None else facts_matches(trigger)
        condition = trying(lambda: self._values.condition(f"{path}.if", said.condition, about))
        actions = read_actions(about)
        if trigger is None or len(self._findings.errors) > known:
            return None
        automation = Automation(
            name=name,
            trigger=trigger,
            actions=tuple(action for action in actions if action is not None),
            condition=str(condition),
            description=said.description,
            is_active=not said.paused,
            deployment=deployment,
        )
        checked = trying(lambda: self._values.telling(path, lambda: check_automation(automation)))
        return None if checked is None else (checked, said.paused)
