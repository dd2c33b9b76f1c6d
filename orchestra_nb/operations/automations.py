"""Automations: make them as files say, pause, resume, delete, see what they did, and try them on what happened.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from orchestra_nb.errors import (
    AutomationNotFound,
    DeploymentNotFound,
    InvalidInput,
    NameTaken,
    NotificationNotFound,
    OrchestraError,
    PoolNotFound,
)
from orchestra_nb.model.access import AccessRules, Person, Role
from orchestra_nb.model.automation_decisions import Firing, could_count, decide
from orchestra_nb.model.automation_log import LoggedFiring
from orchestra_nb.model.automation_triggers import first_state
from orchestra_nb.model.automations import (
    Automation,
    FileMatch,
    MoveDeployment,
    Notify,
    Outcome,
    PauseDeployment,
    PausePool,
    ResumeDeployment,
    ResumePool,
    RunDeployment,
    watched_files,
)
from orchestra_nb.model.findings import Findings
from orchestra_nb.model.webhook_calls import actions_shown
from orchestra_nb.operations.automation_files import AutomationEntry, automation_of, read_automation_file
from orchestra_nb.operations.automation_form import action_form, automation_form
from orchestra_nb.operations.automation_words import action_words, trigger_words
from orchestra_nb.operations.foreseen_parameters import foresee_automation
from orchestra_nb.operations.storage_options import storage_options
from orchestra_nb.operations.unknown_names import unknown_in_automation

if TYPE_CHECKING:
    from orchestra_nb.settings import Settings
    from orchestra_nb.store.automation_store import AutomationStore, StoredAutomation
    from orchestra_nb.store.file_watch_store import FileWatch
    from orchestra_nb.store.run_store import RunStore

#: The most entries of the log that one call returns.
MAX_FIRINGS = 500
#: A trial says so many times what would have been done.
MOST_TRIED_FIRINGS: Final = 500
#: It looks at so many things that happened, since what a trigger remembers grows with them,
_MOST_TRIED_HAPPENINGS: Final = 10_000
#: and reads so many changes of runs, and so many events, for them: 50 µs each.
_MOST_TRIED_ROWS: Final = 50_000
#: So many of the files that are there now are named.
_MOST_EXAMPLES: Final = 5
_NOT_LOOKED: Final = "It was not looked for files: that takes stored secrets, and is for automations that are kept."


class AutomationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """An automation as lists show it.

    Parameters
    ----------
    when, do
        What it waits for, and what it does, in words.
    last_firing
        The last time that it acted, or said why it did not.
    problem
        Why it cannot look where it watches; empty where it can.
    """

    name: str
    is_active: bool
    when: str
    condition: str
    do: str
    last_firing: LoggedFiring | None
    problem: str = ""


class WatchedPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where an automation looks for files.

    Parameters
    ----------
    problem
        Why the last look did not come about; empty where it did.
    problem_since
        None where there is no problem.
    """

    url: str
    next_look_at: datetime
    problem: str
    problem_since: datetime | None


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
    watches
        Where it looks for files.
    """

    name: str
    is_active: bool
    when: str
    form: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    next_at: datetime | None
    firings: tuple[LoggedFiring, ...]
    watches: tuple[WatchedPlace, ...] = ()


class FoundFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The files that are now where an automation watches.

    Parameters
    ----------
    count
        None where they cannot be looked at; ``problem`` says why.
    examples
        URLs of some of them.
    """

    url: str
    count: int | None
    examples: tuple[str, ...] = ()
    problem: str = ""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What an automation would have done.

    Parameters
    ----------
    until
        Up to when it was looked at what happened.
    looked_at
        How many things happened that it looks at.
    firings
        What it would have done, the oldest first; also where its condition does not hold.
    is_cut
        Whether so much happened that it was not looked at all of it.
    files
        What is now where it watches.
    """

    automation: str
    since: datetime
    until: datetime
    looked_at: int
    firings: tuple[Firing, ...]
    is_cut: bool = False
    files: tuple[FoundFiles, ...] = ()

    @property
    def acts(self) -> list[Firing]:
        """The times that it would have acted, or refused to."""
        return [firing for firing in self.firings if firing.is_met]


class MadeAutomation(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an automation of a file.

    Parameters
    ----------
    warnings
        What it names that nobody knows yet, and parameters that may not fit.
    """

    name: str
    outcome: Outcome
    warnings: tuple[str, ...] = ()


def create_automations(
    store: RunStore, path: str | Path, settings: Settings, *, may_replace: bool, now: datetime
) -> list[MadeAutomation]:
    """Make all automations of a file, or none.

    Raises
    ------
    InvalidInput
        Something in the file cannot be used; the message has the file, the line and the field.
    NotFound
        A deployment or a channel that it names is not there.
    NameTaken
        There is one of this name, and it may not be replaced.
    """
    return _create(store, read_automation_file(path), settings, may_replace=may_replace, now=now)


def create_automation(
    store: RunStore, form: Mapping[str, object], settings: Settings, *, may_replace: bool, now: datetime
) -> MadeAutomation:
    """Make the automation that a form describes as files do; raises as :func:`create_automations`."""
    (made,) = _create(store, [automation_of(form)], settings, may_replace=may_replace, now=now)
    return made


def _create(
    store: RunStore, entries: Sequence[AutomationEntry], settings: Settings, *, may_replace: bool, now: datetime
) -> list[MadeAutomation]:
    findings = Findings()
    warnings: dict[str, list[str]] = {}
    for entry in entries:
        warnings[entry.automation.name] = foresee_entry(store, entry, settings, findings)
    findings.tell()
    with store.database.together():
        if not may_replace:
            _check_free(store, [entry.automation.name for entry in entries])
        outcomes = [save_automation(store, entry, now, may_replace=may_replace) for entry in entries]
    return [
        MadeAutomation(
            name=entry.automation.name,
            outcome=outcome,
            warnings=(*unknown_in_automation(store, entry.automation), *warnings[entry.automation.name]),
        )
        for entry, outcome in zip(entries, outcomes, strict=True)
    ]


def check_entry(store: RunStore, entry: AutomationEntry, settings: Settings) -> tuple[str, ...]:
    """Return what making an automation would warn of; raises as :func:`create_automation`."""
    findings = Findings()
    warnings = foresee_entry(store, entry, settings, findings)
    findings.tell()
    return (*unknown_in_automation(store, entry.automation), *warnings)


def foresee_entry(store: RunStore, entry: AutomationEntry, settings: Settings, findings: Findings) -> list[str]:
    """See that an automation could be made: what it names is there, and takes what it is given.

    Returns in words which parameters may not fit; what is wrong whatever comes goes to the findings.
    """
    check_names(store, entry, findings)
    return foresee_automation(store, entry.automation, settings, findings, entry.error)


def _check_free(store: RunStore, names: Sequence[str]) -> None:
    present = {one.automation.name for one in automation_store(store).list_automations()}
    taken = [repr(name) for name in names if name in present]
    if taken:
        what = f"is an automation {taken[0]}" if len(taken) == 1 else f"are automations {' and '.join(taken)}"
        raise NameTaken(f"There {what} already.")


def wanted_automation(store: RunStore, entry: AutomationEntry) -> Automation:
    """Return an automation of a file; where that does not say whether it rests, one that is there stays as it is."""
    present = find_stored(store, entry.automation.name)
    if present is None or entry.is_paused is not None:
        return entry.automation
    return msgspec.structs.replace(entry.automation, is_active=present.automation.is_active)


def save_automation(
    store: RunStore,
    entry: AutomationEntry,
    now: datetime,
    *,
    may_replace: bool = True,
    trigger_of: str | None = None,
) -> Outcome:
    """Make an automation of a file, or have the one of its name be like this.

    Where the file does not say whether it rests, one that is there stays as it is then; else as
    :meth:`.AutomationStore.save`.
    """
    return automation_store(store).save(
        entry.automation, now, may_replace=may_replace, keeps_active=entry.is_paused is None, trigger_of=trigger_of
    )


def compare_automation(store: RunStore, automation: Automation) -> Outcome:
    """Return what storing this would do."""
    return automation_store(store).compare(automation)


def decide_who_is_heard(store: RunStore, rules: AccessRules) -> None:
    """Have triggers hear of their deployment's owner's runs alone, by rules of which users see only what is theirs.

    That is of triggers of which nobody has decided it, since they are older than that, or were made by a command. Those
    of admins hear of the runs of all.
    """
    automation_store(store).decide_who_is_heard(lambda owner: rules.role_of(Person(owner)) is Role.ADMIN)


def hear_all_again(store: RunStore) -> None:
    """Have triggers of which nobody has decided it hear of the runs of all: somebody says that users see everything."""
    automation_store(store).hear_all_again()


def check_names(
    store: RunStore,
    entry: AutomationEntry,
    findings: Findings,
    deployments: Collection[str] = (),
    pools: Collection[str] = (),
) -> None:
    """See that the deployments, pools and channels are there that an automation names without a template.

    Parameters
    ----------
    findings
        Where goes which of them is not, with its place.
    deployments, pools
        Some that will be there.
    """
    from orchestra_nb.operations.deployments import find_deployment
    from orchestra_nb.operations.notifications import list_channels

    for number, action in enumerate(entry.automation.actions):
        field = f"do[{number}]"
        if isinstance(action, MoveDeployment | PausePool | ResumePool):
            _check_pool(store, action.pool, entry, field, findings, pools)
        match action:
            case (
                RunDeployment(deployment=name)
                | PauseDeployment(deployment=name)
                | ResumeDeployment(deployment=name)
                | MoveDeployment(deployment=name)
            ):
                if "{" not in name and name not in deployments:
                    try:
                        find_deployment(store, name)
                    except DeploymentNotFound as error:
                        findings.errors.append(entry.error(field, error))
            case Notify(channel=name) if "{" not in name and name not in {one.name for one in list_channels(store)}:
                message = f"No channel {name!r}. `orchestra notifications channels ls` lists them."
                findings.errors.append(entry.error(field, NotificationNotFound(message)))


def _check_pool(
    store: RunStore, name: str, entry: AutomationEntry, field: str, findings: Findings, coming: Collection[str]
) -> None:
    from orchestra_nb.operations.work_pools import pool_store

    if "{" not in name and name not in {*coming, *(one.name for one in pool_store(store).list_pools())}:
        refusal = PoolNotFound(f"No work pool {name!r}. `orchestra pools ls` lists them.")
        findings.errors.append(entry.error(field, refusal))


def list_automations(store: RunStore) -> list[AutomationSummary]:
    """Return all automations by name."""
    automations = automation_store(store)
    stored = automations.list_automations()
    last = automations.last_firings([one.automation.name for one in stored])
    problems = {watch.automation: watch.problem for watch in _watches(store) if watch.problem}
    return [
        AutomationSummary(
            name=one.automation.name,
            is_active=one.automation.is_active,
            when=trigger_words(one.automation.trigger),
            condition=one.automation.condition,
            do=", ".join(map(action_words, one.automation.actions)),
            last_firing=None if (firing := last.get(one.automation.name)) is None else _shown(firing),
            problem=problems.get(one.automation.name, ""),
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
        firings=tuple(map(_shown, automations.list_firings(name, limit))),
        watches=tuple(
            WatchedPlace(
                url=watch.match.url,
                next_look_at=watch.next_look_at,
                problem=watch.problem,
                problem_since=watch.problem_since,
            )
            for watch in _watches(store)
            if watch.automation == name
        ),
    )


def list_firings(store: RunStore, name: str, *, before: int | None = None, limit: int = 50) -> list[LoggedFiring]:
    """Return what an automation did, the newest first.

    Parameters
    ----------
    before
        Only that with a lower number, that of the last of the page before.

    Raises
    ------
    AutomationNotFound
        There is none of this name.
    """
    if not 1 <= limit <= MAX_FIRINGS + 1:  # one more tells whether there are more
        raise InvalidInput(f"The limit {limit} is not between 1 and {MAX_FIRINGS}.")
    automations = automation_store(store)
    return list(map(_shown, automations.list_firings(automations.get(name).automation.name, limit, before=before)))


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


def try_automation(
    store: RunStore, name: str, *, since: datetime, now: datetime, settings: Settings | None = None
) -> Trial:
    """Return what a stored automation would have done; as :func:`try_out`.

    Raises
    ------
    AutomationNotFound
        There is none of this name.
    """
    return try_out(store, automation_store(store).get(name).automation, since=since, now=now, settings=settings)


def try_out(
    store: RunStore, automation: Automation, *, since: datetime, now: datetime, settings: Settings | None = None
) -> Trial:
    """Return what an automation would have done about what happened since a time; nothing is done.

    It begins with nothing counted then. O(what happened since), up to a bound.

    Parameters
    ----------
    settings
        Where it watches for files it is looked now, with the secrets that are read with these; None not to look.
    """
    from orchestra_nb.store.happenings import happenings_since

    state, firings, looked_at, until, is_cut = first_state(automation.trigger, since), list[Firing](), 0, now, False
    happenings = happenings_since(
        store.database, since, lambda one: could_count(automation, one), most_rows=_MOST_TRIED_ROWS
    )
    for at, happening in happenings:
        if happening is None or looked_at >= _MOST_TRIED_HAPPENINGS or len(firings) >= MOST_TRIED_FIRINGS:
            until, is_cut = at, True
            break
        looked_at += 1
        decision = decide(automation, state, happening, at)
        state = decision.state
        firings += decision.firings
    firings += decide(automation, state, None, until).firings
    if len(firings) > MOST_TRIED_FIRINGS:
        until, is_cut = firings[MOST_TRIED_FIRINGS].at, True
    return Trial(
        automation=automation.name,
        since=since,
        until=until,
        looked_at=looked_at,
        firings=tuple(firings[:MOST_TRIED_FIRINGS]),
        is_cut=is_cut,
        files=tuple(_found_files(store, automation, match, settings) for match in watched_files(automation)),
    )


def planned_actions(firing: Firing) -> list[dict[str, Any]]:
    """Return the actions of a firing as files say them."""
    return [action_form(action) for action in firing.actions]


def logged_actions(firing: LoggedFiring) -> list[dict[str, Any]]:
    """Return the actions of an entry of the log as files say them, each with what came of it."""
    return [{**action_form(one.action), "is_done": one.is_done, "outcome": one.outcome} for one in firing.actions]


def _shown(firing: LoggedFiring) -> LoggedFiring:
    """Return an entry of the log as all may see it who look on."""
    actions = tuple(
        msgspec.structs.replace(one, action=action)
        for one, action in zip(firing.actions, actions_shown([one.action for one in firing.actions]), strict=True)
    )
    return msgspec.structs.replace(firing, actions=actions)


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


def _watches(store: RunStore) -> list[FileWatch]:
    from orchestra_nb.store.file_watch_store import FileWatchStore

    return FileWatchStore(store.database).list_watches()


def _found_files(store: RunStore, automation: Automation, match: FileMatch, settings: Settings | None) -> FoundFiles:
    from orchestra_nb.services.file_listing import list_files

    if settings is None:
        return FoundFiles(url=match.url, count=None, problem=_NOT_LOOKED)
    try:
        owner = automation_store(store).owner_of_deployment(automation)
        files = list_files(match.url, storage_options(store, match.storage, settings, owner))
    except OrchestraError as error:
        return FoundFiles(url=match.url, count=None, problem=str(error))
    examples = tuple(file.url for file in files[:_MOST_EXAMPLES])
    return FoundFiles(url=match.url, count=len(files), examples=examples)
