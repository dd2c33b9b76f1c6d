"""How far automations have looked at what happens, and what came of it, written in one transaction.

What is read, and what is written of it, are apart: conditions and templates are evaluated between, without the store's
lock. Of several who do that at once one writes; the others find that the marks have moved, and read anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from orchestra_nb.model.automation_decisions import Firing, could_count
from orchestra_nb.model.automation_log import FiringState, LoggedAction, LoggedFiring, end_of
from orchestra_nb.model.automation_triggers import TriggerState, first_state
from orchestra_nb.model.automations import Metric, RunMatch, matches_of
from orchestra_nb.model.states import TERMINAL_STATES, State
from orchestra_nb.store.automation_store import (
    FIRING_COLUMNS,
    STEP_MARK,
    StoredAutomation,
    firing_of_row,
    mark_of,
    move_mark,
    stored_automations,
)
from orchestra_nb.store.code_tables import custom_events
from orchestra_nb.store.database import Database
from orchestra_nb.store.happenings import Seen, happenings_of, read_changes, read_events
from orchestra_nb.store.run_tables import changes
from orchestra_nb.store.service_tables import automation_firings, automation_states, automations
from orchestra_nb.store.stored_records import short_message

#: The marks: up to which change of runs, and up to which event of users, all was looked at.
_CHANGE_MARK = "automations: changes"
_EVENT_MARK = "automations: events"

#: How many changes, and how many events, are looked at in one go.
_ROWS_A_READ = 500
#: How many of them that nothing came of are looked at again after a restart, at most.
_UNMARKED = 20_000


@dataclass(frozen=True, slots=True)
class Place:
    """A place among the changes, and one among the users' events."""

    change: int = 0
    event: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What happened that nobody has looked at, and what is needed to decide what comes of it.

    Parameters
    ----------
    marks
        What the marks said: of changes, of events, and of steps.
    until
        All up to there is counted in.
    is_all
        Whether there is no more behind it.
    states
        Name of an automation to what its trigger has counted, for all of them.
    """

    marks: tuple[int | None, int | None, int | None]
    until: Place
    is_all: bool
    automations: Sequence[StoredAutomation]
    states: Mapping[str, TriggerState]
    happenings: Sequence[Seen]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A firing, with its actions as they are logged before they are tried."""

    firing: Firing
    actions: tuple[LoggedAction, ...]


class AutomationProgress:
    """The marks of the automations. All methods may be called from any thread, and by several processes at once.

    Parameters
    ----------
    most_kept
        How many entries of its log are kept of each automation.
    """

    def __init__(self, database: Database, most_kept: int = 1_000) -> None:
        self._database = database
        self._most_kept = most_kept

    def read(self, seen: Place, now: datetime) -> Judged | None:
        """Return what happened next; None where no automation is active, or nothing is new and nothing due.

        Parameters
        ----------
        seen
            Up to there the caller knows already that nothing comes of it.
        now
            What is absent until then is due.
        """
        with self._database.connect() as connection:
            if connection.execute(_ACTIVE.limit(1)).first() is None:
                return None
            # what is read first is the oldest: who writes between moves the marks, and what is made then begins later
            marks = _marks(connection)
            newest = Place(
                connection.execute(select(func.max(changes.c.sequence))).scalar() or 0,
                connection.execute(select(func.max(custom_events.c.sequence))).scalar() or 0,
            )
            active = stored_automations(connection, is_active=True)
            if not active:
                return None
            due = select(automation_states.c.automation).where(
                automation_states.c.next_at <= now, automation_states.c.automation.in_(_ACTIVE)
            )
            is_due = connection.execute(due.limit(1)).first() is not None
            start = Place(
                max(marks[0] or 0, seen.change, min(one.from_change for one in active)),
                max(marks[1] or 0, seen.event, min(one.from_event for one in active)),
            )
            if newest.change <= start.change and newest.event <= start.event and not is_due:
                return None
            change_rows, change_until = read_changes(
                connection, start.change, newest.change, _states_wanted(active), _ROWS_A_READ
            )
            event_rows, event_until = read_events(connection, start.event, newest.event, _ROWS_A_READ)
            return Judged(
                marks=marks,
                until=Place(change_until, event_until),
                is_all=Place(change_until, event_until) == newest,
                automations=active,
                states=_states(connection, active),
                happenings=happenings_of(
                    connection,
                    change_rows,
                    event_rows,
                    lambda happening: any(could_count(one.automation, happening) for one in active),
                ),
            )

    def write(
        self,
        judged: Judged,
        states: Mapping[str, TriggerState],
        planned: Sequence[Planned],
        now: datetime,
        claim: str,
        lease_until: datetime,
    ) -> list[LoggedFiring] | None:
        """Keep what triggers have counted, log what fired, and move the marks; all or nothing.

        Return the firings that the caller has to perform now, and holds by ``claim``; None where somebody else moved
        the marks meanwhile. What fired before does not fire again. Nothing is written where nothing came of many.

        Parameters
        ----------
        states
            Those that have changed.
        """
        is_far = judged.until.change - (judged.marks[0] or 0) > _UNMARKED
        is_far = is_far or judged.until.event - (judged.marks[1] or 0) > _UNMARKED
        if not states and not planned and not is_far:
            return []
        with self._database.write() as connection:
            if _marks(connection) != judged.marks:
                return None
            _keep_states(connection, states)
            added = [_add(connection, one, now, claim, lease_until) for one in planned]
            for name in {one.firing.automation for one in planned}:
                _forget_old(connection, name, self._most_kept)
            move_mark(connection, _CHANGE_MARK, judged.until.change)
            move_mark(connection, _EVENT_MARK, judged.until.event)
            move_mark(connection, STEP_MARK, (judged.marks[2] or 0) + 1)
            numbers = [number for number in added if number is not None]
            return _firings(connection, numbers) if numbers else []

    def claim_lost(self, claim: str, now: datetime, lease_until: datetime, limit: int) -> list[LoggedFiring]:
        """Take up to so many firings that somebody held and did not perform in time, the oldest first."""
        is_lost = (
            automation_firings.c.state == FiringState.PENDING.value,
            automation_firings.c.lease_until <= now,
        )
        query = select(automation_firings.c.number).where(*is_lost).order_by(automation_firings.c.number).limit(limit)
        with self._database.connect() as connection:
            if connection.execute(query).first() is None:
                return []
        with self._database.write() as connection:
            numbers = list(connection.execute(query).scalars())
            connection.execute(
                update(automation_firings)
                .where(automation_firings.c.number.in_(numbers))
                .values(claim=claim, lease_until=lease_until, attempts=automation_firings.c.attempts + 1)
            )
            return _firings(connection, numbers)

    def close(self, number: int, claim: str, actions: tuple[LoggedAction, ...], message: str, at: datetime) -> bool:
        """Write what came of the actions of a firing; False where the claim was lost meanwhile."""
        values = {
            "state": end_of(actions).value,
            "actions": [msgspec.to_builtins(action) for action in actions],
            "message": short_message(message),
            "closed_at": at,
            "claim": None,
            "lease_until": None,
        }
        held = (automation_firings.c.number == number, automation_firings.c.claim == claim)
        with self._database.write() as connection:
            return connection.execute(update(automation_firings).where(*held).values(values)).rowcount == 1

    def next_times(self) -> tuple[datetime | None, datetime | None]:
        """Return when time alone changes something, and when a firing is lost by whoever holds it; None for never."""
        due = select(func.min(automation_states.c.next_at)).where(automation_states.c.automation.in_(_ACTIVE))
        held = select(func.min(automation_firings.c.lease_until)).where(
            automation_firings.c.state == FiringState.PENDING.value
        )
        with self._database.connect() as connection:
            return connection.execute(due).scalar(), connection.execute(held).scalar()


_ACTIVE = select(automations.c.name).where(automations.c.is_active)


def _marks(connection: Connection) -> tuple[int | None, int | None, int | None]:
    return mark_of(connection, _CHANGE_MARK), mark_of(connection, _EVENT_MARK), mark_of(connection, STEP_MARK)


def _states(connection: Connection, active: Sequence[StoredAutomation]) -> dict[str, TriggerState]:
    query = select(automation_states.c.automation, automation_states.c.state)
    known = {name: msgspec.convert(state, TriggerState) for name, state in connection.execute(query)}
    return {
        name: known[name] if name in known else first_state(one.automation.trigger, one.updated_at)
        for one in active
        for name in [one.automation.name]
    }


def _states_wanted(active: Sequence[StoredAutomation]) -> frozenset[State]:
    """Return the states of runs that some automation may look at."""
    wanted: set[State] = set()
    for one in active:
        if isinstance(one.automation.trigger, Metric):
            wanted |= TERMINAL_STATES
            continue
        for match in matches_of(one.automation.trigger):
            if isinstance(match, RunMatch):
                wanted |= set(match.states or State)
    return frozenset(wanted)


def _keep_states(connection: Connection, states: Mapping[str, TriggerState]) -> None:
    for name, state in states.items():
        values = {"state": msgspec.to_builtins(state), "next_at": state.next_at}
        same = automation_states.c.automation == name
        if not connection.execute(update(automation_states).where(same).values(values)).rowcount:
            connection.execute(insert(automation_states).values(automation=name, **values))


def _add(connection: Connection, planned: Planned, now: datetime, claim: str, lease_until: datetime) -> int | None:
    """Log a firing; return its number where it is to be performed, None where it is not, or was before."""
    firing = planned.firing
    same = (automation_firings.c.automation == firing.automation, automation_firings.c.key == firing.key)
    if connection.execute(select(automation_firings.c.number).where(*same)).first() is not None:
        return None
    is_refused = bool(firing.refusal)
    fields = {name: getattr(firing, name) for name in ("automation", "key", "at", "about", "hops", "run_id")}
    number: int = connection.execute(
        insert(automation_firings)
        .values(
            **fields,
            state=(FiringState.REFUSED if is_refused else FiringState.PENDING).value,
            message=short_message(firing.refusal),
            actions=[msgspec.to_builtins(action) for action in planned.actions],
            attempts=0 if is_refused else 1,
            decided_at=now,
            closed_at=now if is_refused else None,
            claim=None if is_refused else claim,
            lease_until=None if is_refused else lease_until,
        )
        .returning(automation_firings.c.number)
    ).scalar_one()
    return None if is_refused else number


def _forget_old(connection: Connection, automation: str, most: int) -> None:
    of_automation = automation_firings.c.automation == automation
    newest_old = (
        select(automation_firings.c.number)
        .where(of_automation)
        .order_by(automation_firings.c.number.desc())
        .offset(most)
        .limit(1)
    )
    number = connection.execute(newest_old).scalar()
    if number is not None:
        is_closed = automation_firings.c.state != FiringState.PENDING.value
        connection.execute(
            delete(automation_firings).where(of_automation, automation_firings.c.number <= number, is_closed)
        )


def _firings(connection: Connection, numbers: Sequence[int]) -> list[LoggedFiring]:
    query = select(*FIRING_COLUMNS).where(automation_firings.c.number.in_(numbers))
    return [firing_of_row(row) for row in connection.execute(query.order_by(automation_firings.c.number)).mappings()]
