"""Automations: make them as files say, pause, resume, delete, see what they did, and try them on what happened.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from orchestra_nb.errors import AutomationNotFound, DeploymentNotFound, InvalidInput, NotificationNotFound
from orchestra_nb.model.automation_decisions import Firing, could_count, decide
from orchestra_nb.model.automation_log import LoggedFiring
from orchestra_nb.model.automation_triggers import first_state
from orchestra_nb.model.automations import Automation, Notify, PauseDeployment, ResumeDeployment, RunDeployment
from orchestra_nb.operations.automation_files import AutomationEntry, read_automation_file
from orchestra_nb.operations.automation_form import action_form, action_words, automation_form, trigger_words

if TYPE_CHECKING:
    from orchestra_nb.store.automation_store import AutomationStore, StoredAutomation
    from orchestra_nb.store.run_store import RunStore

Outcome = Literal["created", "changed", "unchanged"]

#: The most entries of the log that one call returns.
MAX_FIRINGS = 500


class AutomationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """An automation as lists show it.

    Parameters
    ----------
    when, do
        What it waits for, and what it does, in words.
    last_firing
        The last time that it acted, or said why it did not.
    """

    name: str
    is_active: bool
    when: str
    condition: str
    do: str
    last_firing: LoggedFiring | None


class AutomationDetails(msgspec.Struct, frozen=True, kw_only=True):
    """An automation with all that is known of it.

    Parameters
    ----------
    form
        What it says, as files say it.
    next_at
        When it acts if nothing happens; None for never.
    firings
        What it did, the newest first.
    """

    name: str
    is_active: bool
    when: str
    form: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    next_at: datetime | None
    firings: tuple[LoggedFiring, ...]


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What an automation would have done.

    Parameters
    ----------
    looked_at
        How many things happened that it looks at.
    firings
        What it would have done, the oldest first; also where its condition does not hold.
    """

    automation: str
    since: datetime
    until: datetime
    looked_at: int
    firings: tuple[Firing, ...]

    @property
    def acts(self) -> list[Firing]:
        """The times that it would have acted, or refused to."""
        return [firing for firing in self.firings if firing.is_met]


def create_automations(
    store: RunStore, path: str | Path, *, may_replace: bool, now: datetime
) -> list[tuple[str, Outcome]]:
    """Make all automations of a file, or none; return their names with what became of each.

    Raises
    ------
    InvalidInput
        Something in the file cannot be used; the message has the file, the line and the field.
    NotFound
        A deployment or a channel that it names is not there.
    NameTaken
        There is one of this name, and it may not be replaced.
    """
    entries = read_automation_file(path)
    for entry in entries:
        check_names(store, entry)
    automations = automation_store(store)
    if not may_replace:
        known = {one.automation.name for one in automations.list_automations()}
        for entry in entries:
            if entry.automation.name in known:
                automations.save(entry.automation, now, may_replace=False)  # says so
    wanted = [wanted_automation(store, entry) for entry in entries]
    return [(automation.name, save_automation(store, automation, now)) for automation in wanted]


def wanted_automation(store: RunStore, entry: AutomationEntry) -> Automation:
    """Return an automation of a file; where that does not say whether it rests, one that is there stays as it is."""
    present = find_stored(store, entry.automation.name)
    if present is None or entry.is_paused is not None:
        return entry.automation
    return msgspec.structs.replace(entry.automation, is_active=present.automation.is_active)


def save_automation(store: RunStore, automation: Automation, now: datetime) -> Outcome:
    """Make an automation, or have the one of its name be like this."""
    outcome = compare_automation(store, automation)
    automation_store(store).save(automation, now, may_replace=True)
    return outcome


def compare_automation(store: RunStore, automation: Automation) -> Outcome:
    """Return what storing this would do."""
    present = find_stored(store, automation.name)
    if present is None:
        return "created"
    return "unchanged" if present.automation == automation else "changed"


def check_names(store: RunStore, entry: AutomationEntry, deployments: Collection[str] = ()) -> None:
    """See that the deployments and channels are there that an automation names without a template.

    Parameters
    ----------
    deployments
        Some that will be there.

    Raises
    ------
    DeploymentNotFound, NotificationNotFound
        One is not; the message has the place.
    """
    from orchestra_nb.operations.deployments import find_deployment
    from orchestra_nb.operations.notifications import list_channels

    for number, action in enumerate(entry.automation.actions):
        match action:
            case RunDeployment(deployment=name) | PauseDeployment(deployment=name) | ResumeDeployment(deployment=name):
                if "{" not in name and name not in deployments:
                    try:
                        find_deployment(store, name)
                    except DeploymentNotFound as error:
                        raise DeploymentNotFound(f"{entry.place(f'do[{number}]')}: {error}") from None
            case Notify(channel=name) if "{" not in name and name not in {one.name for one in list_channels(store)}:
                raise NotificationNotFound(
                    f"{entry.place(f'do[{number}]')}: No channel {name!r}. `orchestra notifications channels ls` "
                    "lists them."
                )


def list_automations(store: RunStore) -> list[AutomationSummary]:
    """Return all automations by name."""
    automations = automation_store(store)
    stored = automations.list_automations()
    last = automations.last_firings([one.automation.name for one in stored])
    return [
        AutomationSummary(
            name=one.automation.name,
            is_active=one.automation.is_active,
            when=trigger_words(one.automation.trigger),
            condition=one.automation.condition,
            do=", ".join(map(action_words, one.automation.actions)),
            last_firing=last.get(one.automation.name),
        )
        for one in stored
    ]


def show_automation(store: RunStore, name: str, *, limit: int = 20) -> AutomationDetails:
    """Return an automation with what it did.

    Raises
    ------
    AutomationNotFound
        There is none of this name.
    """
    if not 1 <= limit <= MAX_FIRINGS:
        raise InvalidInput(f"The limit {limit} is not between 1 and {MAX_FIRINGS}.")
    automations = automation_store(store)
    stored = automations.get(name)
    state = automations.state(name)
    return AutomationDetails(
        name=name,
        is_active=stored.automation.is_active,
        when=trigger_words(stored.automation.trigger),
        form=automation_form(stored.automation),
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        next_at=None if state is None or not stored.automation.is_active else state.next_at,
        firings=tuple(automations.list_firings(name, limit)),
    )


def pause_automation(store: RunStore, name: str, now: datetime) -> Automation:
    """Have an automation rest; raises AutomationNotFound where there is none of this name."""
    return automation_store(store).set_active(name, False, now)


def resume_automation(store: RunStore, name: str, now: datetime) -> Automation:
    """Have an automation look at what happens from now on; raises AutomationNotFound where there is none."""
    return automation_store(store).set_active(name, True, now)


def delete_automation(store: RunStore, name: str) -> None:
    """Delete an automation and its log.

    Raises
    ------
    AutomationNotFound
        There is none of this name.
    """
    if not automation_store(store).delete(name):
        automation_store(store).get(name)


def try_automation(store: RunStore, name: str, *, since: datetime, now: datetime) -> Trial:
    """Return what an automation would have done about what happened since a time; nothing is done.

    It begins with nothing counted then. O(what happened since).

    Raises
    ------
    AutomationNotFound
        There is none of this name.
    """
    from orchestra_nb.store.happenings import happenings_since

    automation = automation_store(store).get(name).automation
    state, firings, looked_at = first_state(automation.trigger, since), list[Firing](), 0
    for happening in happenings_since(store.database, since, lambda one: could_count(automation, one)):
        looked_at += 1
        decision = decide(automation, state, happening, happening.at)
        state = decision.state
        firings += decision.firings
    firings += decide(automation, state, None, now).firings
    return Trial(automation=name, since=since, until=now, looked_at=looked_at, firings=tuple(firings))


def planned_actions(firing: Firing) -> list[dict[str, Any]]:
    """Return the actions of a firing as files say them."""
    return [action_form(action) for action in firing.actions]


def logged_actions(firing: LoggedFiring) -> list[dict[str, Any]]:
    """Return the actions of an entry of the log as files say them, each with what came of it."""
    return [{**action_form(one.action), "is_done": one.is_done, "outcome": one.outcome} for one in firing.actions]


def automation_store(store: RunStore) -> AutomationStore:
    """Return the automations of a store."""
    from orchestra_nb.store.automation_store import AutomationStore

    return AutomationStore(store.database)


def find_stored(store: RunStore, name: str) -> StoredAutomation | None:
    """Return the automation of this name; None where there is none."""
    try:
        return automation_store(store).get(name)
    except AutomationNotFound:
        return None
