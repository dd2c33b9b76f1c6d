"""Automations as they are kept, and what they did."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from orchestra_nb.acting_user import acting_user, is_acting_alone
from orchestra_nb.errors import AutomationNotFound, NameTaken
from orchestra_nb.model.automation_log import FiringState, LoggedAction, LoggedFiring
from orchestra_nb.model.automation_triggers import TriggerState, first_state
from orchestra_nb.model.automations import (
    Automation,
    FileMatch,
    Happening,
    Outcome,
    check_place_of_trigger,
    is_about,
    matches_of,
)
from orchestra_nb.store.code_tables import custom_events
from orchestra_nb.store.database import Database
from orchestra_nb.store.file_watch_store import end_watches, keep_watches
from orchestra_nb.store.run_tables import changes
from orchestra_nb.store.service_tables import (
    automation_firings,
    automation_states,
    automations,
    deployments,
    service_marks,
)

#: The mark that is one higher after each change of automations or of what they counted.
STEP_MARK = "automations: steps"
#: The mark that is 1 while a server tells users apart: who makes a trigger elsewhere does not know of it.
APART_MARK = "automations: users are told apart"
#: The marks that number no changes of the store.
OTHER_MARKS = (STEP_MARK, APART_MARK)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAutomation:
    """An automation; it looks at the changes and the users' events behind these numbers.

    Parameters
    ----------
    owner
        Of whose runs alone it hears; None for those of all.
    """

    automation: Automation
    from_change: int
    from_event: int
    created_at: datetime
    updated_at: datetime
    owner: str | None = None

    def hears_of(self, happening: Happening) -> bool:
        """Tell whether something happened to its owner's runs, or to the files that it watches itself."""
        if self.owner is None:
            return True
        if happening.run is not None:
            return happening.run.owner == self.owner
        files = (one for one in matches_of(self.automation.trigger) if isinstance(one, FileMatch))
        return any(is_about(one, happening, self.automation.name) for one in files)


class AutomationStore:
    """The automations of a store. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self,
        automation: Automation,
        at: datetime,
        *,
        may_replace: bool,
        keeps_active: bool = False,
        trigger_of: str | None = None,
    ) -> Outcome:
        """Make an automation, or have the one of its name be like this.

        It looks at what happens from now on, and counts anew, but where it is so already.

        Parameters
        ----------
        keeps_active
            Whether one that is there goes on resting, or acting, whatever this one says.
        trigger_of
            The deployment whose trigger this is, in the place of which it may be put only; None for any automation.

        Raises
        ------
        NameTaken
            There is one of this name, and it may not be replaced.
        """
        with self._database.write() as connection:
            row = _row(connection, automation.name)
            present = None if row is None else _stored_of_row(row).automation
            if present is not None and not may_replace:
                raise NameTaken(f"There is an automation {automation.name!r} already.")
            if present is not None and trigger_of is not None:
                check_place_of_trigger(present, trigger_of)
            if present is not None and keeps_active:
                automation = msgspec.structs.replace(automation, is_active=present.is_active)
            hears_all = _hears_all(connection, automation, row)
            if row is not None and present == automation and row["hears_all"] == hears_all:
                return "unchanged"
            values = {
                "automation": msgspec.to_builtins(automation),
                "is_active": automation.is_active,
                "updated_at": at,
                "deployment": automation.deployment,
                "hears_all": hears_all,
                **_now(connection),
            }
            if present is None:
                connection.execute(insert(automations).values(name=automation.name, created_at=at, **values))
            else:
                connection.execute(update(automations).where(automations.c.name == automation.name).values(values))
            _begin_anew(connection, automation.name)
            _add_first_state(connection, automation, at)
            keep_watches(connection, automation, present, at)
            return "created" if present is None else "changed"

    def compare(self, automation: Automation) -> Outcome:
        """Return what saving this would do."""
        with self._database.connect() as connection:
            row = _row(connection, automation.name)
            if row is None:
                return "created"
            is_same = _stored_of_row(row).automation == automation
            is_same = is_same and row["hears_all"] == _hears_all(connection, automation, row)
            return "unchanged" if is_same else "changed"

    def decide_who_is_heard(self, is_admin: Callable[[str], bool]) -> None:
        """Have each trigger of which nobody has decided it hear of its deployment's owner's runs alone, or of all.

        One that is made later by whoever does not tell users apart hears of its owner's runs alone until this is called
        again: of what others' runs did before that it never hears.

        Parameters
        ----------
        is_admin
            Tells of an owner whether they see everything: their triggers hear of all.
        """
        undecided = _STORED.where(automations.c.hears_all.is_(None), deployments.c.owner.is_not(None))
        with self._database.connect() as connection:
            is_known = mark_of(connection, APART_MARK) == 1
            if is_known and connection.execute(undecided.limit(1)).first() is None:
                return
        with self._database.write() as connection:
            move_mark(connection, APART_MARK, 1)
            for row in connection.execute(undecided).mappings().all():
                values = {"hears_all": is_admin(row["owner"])}
                connection.execute(update(automations).where(automations.c.name == row["name"]).values(values))
            _move_step(connection)

    def hear_all_again(self) -> None:
        """Have triggers of which nobody has decided it hear of all: no server tells users apart any more."""
        with self._database.connect() as connection:
            if not mark_of(connection, APART_MARK):
                return
        with self._database.write() as connection:
            move_mark(connection, APART_MARK, 0)
            _move_step(connection)

    def owner_of_deployment(self, automation: Automation) -> str | None:
        """Return whose the deployment is of which an automation is a trigger; None for any other, and nobody's."""
        with self._database.connect() as connection:
            return _owner_of_deployment(connection, automation)

    def get(self, name: str) -> StoredAutomation:
        """Return the automation of this name.

        Raises
        ------
        AutomationNotFound
            There is none.
        """
        with self._database.connect() as connection:
            row = _row(connection, name)
        if row is None:
            raise _not_found(name)
        return _stored_of_row(row)

    def list_automations(self) -> list[StoredAutomation]:
        """Return all automations by name."""
        with self._database.connect() as connection:
            return stored_automations(connection)

    def set_active(self, name: str, is_active: bool, at: datetime) -> Automation:
        """Have an automation rest, or look at what happens from now on.

        Raises
        ------
        AutomationNotFound
            There is none of this name.
        """
        with self._database.write() as connection:
            row = _row(connection, name)
            if row is None:
                raise _not_found(name)
            before = _stored_of_row(row).automation
            automation = msgspec.structs.replace(before, is_active=is_active)
            if row["is_active"] != is_active:
                values = {
                    "automation": msgspec.to_builtins(automation),
                    "is_active": is_active,
                    "updated_at": at,
                    **_now(connection),
                }
                connection.execute(update(automations).where(automations.c.name == name).values(values))
                _begin_anew(connection, name)
                _add_first_state(connection, automation, at)
                keep_watches(connection, automation, before, at)
        return automation

    def delete(self, name: str) -> bool:
        """Delete an automation with all that it did; False when there is none."""
        with self._database.write() as connection:
            connection.execute(delete(automation_firings).where(automation_firings.c.automation == name))
            _begin_anew(connection, name)
            end_watches(connection, name)
            return connection.execute(delete(automations).where(automations.c.name == name)).rowcount == 1

    def of_deployment(self, deployment: str) -> list[Automation]:
        """Return the automations that belong to a deployment."""
        return [one.automation for one in self.list_automations() if one.automation.deployment == deployment]

    def delete_of_deployment(self, deployment: str, kept: Collection[str] = ()) -> None:
        """Delete the automations that belong to a deployment, but those of these names."""
        for one in self.of_deployment(deployment):
            if one.name not in kept:
                self.delete(one.name)

    def state(self, name: str) -> TriggerState | None:
        """Return what the trigger of an automation has counted; None before the first."""
        query = select(automation_states.c.state).where(automation_states.c.automation == name)
        with self._database.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else msgspec.convert(row[0], TriggerState)

    def list_firings(
        self, automation: str | None = None, limit: int = 50, *, before: int | None = None
    ) -> list[LoggedFiring]:
        """Return what was done, the newest first; None for what all of them did, and for all numbers."""
        query = select(*FIRING_COLUMNS).order_by(automation_firings.c.number.desc()).limit(limit)
        if automation is not None:
            query = query.where(automation_firings.c.automation == automation)
        if before is not None:
            query = query.where(automation_firings.c.number < before)
        with self._database.connect() as connection:
            return [firing_of_row(row) for row in connection.execute(query).mappings()]

    def last_firings(self, names: Sequence[str]) -> dict[str, LoggedFiring]:
        """Return automation to what it did last, for those that did anything."""
        newest = (
            select(func.max(automation_firings.c.number))
            .where(automation_firings.c.automation.in_(names))
            .group_by(automation_firings.c.automation)
        )
        query = select(*FIRING_COLUMNS).where(automation_firings.c.number.in_(newest))
        with self._database.connect() as connection:
            return {row["automation"]: firing_of_row(row) for row in connection.execute(query).mappings()}


_APART = select(service_marks.c.sequence).where(service_marks.c.name == APART_MARK).scalar_subquery()

#: Automations, each with the owner of its deployment, and whether users are told apart.
_STORED = select(automations, deployments.c.owner, _APART.label("is_apart")).outerjoin(
    deployments, deployments.c.name == automations.c.deployment
)

FIRING_COLUMNS = tuple(automation_firings.c[name] for name in LoggedFiring.__struct_fields__)


def stored_automations(connection: Connection, *, is_active: bool | None = None) -> list[StoredAutomation]:
    """Return automations by name; None for active ones and others."""
    query = _STORED.order_by(automations.c.name)
    if is_active is not None:
        query = query.where(automations.c.is_active == is_active)
    return [_stored_of_row(row) for row in connection.execute(query).mappings()]


def firing_of_row(row: RowMapping) -> LoggedFiring:
    """Return the entry of a row."""
    actions = tuple(msgspec.convert(action, LoggedAction) for action in row["actions"])
    return LoggedFiring(**{**row, "state": FiringState(row["state"]), "actions": actions})


def move_mark(connection: Connection, name: str, sequence: int) -> None:
    """Set a mark, also one that was never set."""
    same = service_marks.c.name == name
    if not connection.execute(update(service_marks).where(same).values(sequence=sequence)).rowcount:
        connection.execute(insert(service_marks).values(name=name, sequence=sequence))


def mark_of(connection: Connection, name: str) -> int | None:
    """Return a mark; None where it was never set."""
    found: int | None = connection.execute(
        select(service_marks.c.sequence).where(service_marks.c.name == name)
    ).scalar()
    return found


def _begin_anew(connection: Connection, name: str) -> None:
    """Forget what a trigger has counted, also for whoever counts right now."""
    connection.execute(delete(automation_states).where(automation_states.c.automation == name))
    _move_step(connection)


def _move_step(connection: Connection) -> None:
    """Have whoever judges right now begin anew, with the automations as they are now."""
    move_mark(connection, STEP_MARK, (mark_of(connection, STEP_MARK) or 0) + 1)


def _add_first_state(connection: Connection, automation: Automation, at: datetime) -> None:
    state = first_state(automation.trigger, at)
    values = {"state": msgspec.to_builtins(state), "next_at": state.next_at}
    connection.execute(insert(automation_states).values(automation=automation.name, **values))


def _now(connection: Connection) -> dict[str, int]:
    return {
        "from_change": connection.execute(select(func.max(changes.c.sequence))).scalar() or 0,
        "from_event": connection.execute(select(func.max(custom_events.c.sequence))).scalar() or 0,
    }


def _row(connection: Connection, name: str) -> RowMapping | None:
    return connection.execute(_STORED.where(automations.c.name == name)).mappings().first()


def _stored_of_row(row: RowMapping) -> StoredAutomation:
    hears_all = not row["is_apart"] if row["hears_all"] is None else row["hears_all"]
    return StoredAutomation(
        automation=msgspec.convert(row["automation"], Automation),
        from_change=row["from_change"],
        from_event=row["from_event"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        owner=None if hears_all else row["owner"],
    )


def _hears_all(connection: Connection, automation: Automation, present: RowMapping | None) -> bool | None:
    """Return whether a trigger that is saved now hears of the runs of all; None where that is still to be decided.

    An admin makes that so of their own deployments alone: what is changed of somebody else's goes on as it was.
    """
    before: bool | None = present["hears_all"] if present is not None else None
    is_alone = is_acting_alone()
    if is_alone is None or not automation.deployment:
        return before
    if is_alone:
        return False
    return before or _owner_of_deployment(connection, automation) in (None, acting_user())


def _owner_of_deployment(connection: Connection, automation: Automation) -> str | None:
    query = select(deployments.c.owner).where(deployments.c.name == automation.deployment)
    owner: str | None = connection.execute(query).scalar()
    return owner


def _not_found(name: str) -> AutomationNotFound:
    return AutomationNotFound(f"No automation {name!r}. `orchestra automations ls` lists them.")
