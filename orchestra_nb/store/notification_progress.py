"""How far the changes of runs were looked at for notifications, and what came of it, written in one transaction.

What is read, and what is written of it, are apart: the words of messages are rendered between, without the store's
lock. Of several who do that with the same changes one writes; the others find that the mark has moved, and read anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from orchestra_nb.model.notification_texts import Text
from orchestra_nb.model.notifications import Health, News, NotificationRule, Standing, standing_key
from orchestra_nb.model.outbox import DeliveryState
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_changes import RunChange, run_changes
from orchestra_nb.store.run_tables import changes, runs
from orchestra_nb.store.service_tables import (
    notification_rules,
    notification_standings,
    notifications,
    queued_runs,
    service_marks,
)
from orchestra_nb.store.stored_records import run_of_row

#: The name of the mark.
SERVICE = "notifications"

#: How many changes of runs are looked at in one go.
_CHANGES_A_READ = 500

#: How many changes that told nobody anything are looked at again after a restart, at most.
_UNMARKED = 20_000

#: How many runs that wait are looked at in one go.
_RUNS_A_READ = 500

#: Rule and subject to how it stands.
Standings = Mapping[tuple[str, str], Standing]

#: What a rule tells, and in what words.
Told = tuple[NotificationRule, News, Text]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleInForce:
    """A rule, which tells of the changes behind a number."""

    rule: NotificationRule
    from_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesToTell:
    """Changes that nobody has looked at, and what is needed to decide who is told of them.

    Parameters
    ----------
    mark
        What the mark said; None where there was none.
    until
        All changes up to this one are counted in.
    is_all
        Whether there are no more behind it.
    """

    mark: int | None
    until: int
    is_all: bool
    rules: Sequence[RuleInForce]
    changes: Sequence[RunChange]
    standings: Standings


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRuns:
    """Runs that may be late, the longest due first, and what is needed to decide who is told of them."""

    rules: Sequence[NotificationRule]
    runs: Sequence[Run]
    standings: Standings


class NotificationProgress:
    """The mark of the notifications. All methods may be called from any thread, and by several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, seen: int = 0) -> ChangesToTell | None:
        """Return the next changes; None where there are no rules, or nothing is new.

        Parameters
        ----------
        seen
            Up to this change the caller knows already that nobody is told anything.
        """
        with self._database.connect() as connection:
            # first of all: a rule that is made after this tells of nothing before it
            newest: int = connection.execute(select(func.max(changes.c.sequence))).scalar() or 0
            rules = _rules_in_force(connection)
            if not rules:
                return None
            mark: int | None = connection.execute(_MARK).scalar()
            start = max(mark or 0, seen, min(rule.from_sequence for rule in rules))
            if newest <= start:
                return None
            query = (
                select(changes)
                .where(changes.c.sequence > start, changes.c.sequence <= newest)  # others go on writing
                .where(changes.c.subject == "run", changes.c.to_state.is_not(None))
                .order_by(changes.c.sequence)
                .limit(_CHANGES_A_READ)
            )
            rows = connection.execute(query).mappings().all()
            is_all = len(rows) < _CHANGES_A_READ
            told = _told_states(rules)
            found = run_changes(connection, [row for row in rows if row["to_state"] in told])
            return ChangesToTell(
                mark=mark,
                until=newest if is_all else rows[-1]["sequence"],
                is_all=is_all,
                rules=rules,
                changes=found,
                standings=_standings(connection, (rule.rule for rule in rules), (change.run for change in found)),
            )

    def read_waiting(self, now: datetime) -> WaitingRuns | None:
        """Return runs that were due long ago and have not started; None where no rule tells of them."""
        with self._database.connect() as connection:
            # what a rule that rests does not tell is late still when it tells again
            rules = [
                rule
                for rule in (one.rule for one in _rules_in_force(connection))
                if rule.late_seconds is not None and not rule.is_paused
            ]
            if not rules:
                return None
            least = min(rule.late_seconds or 0.0 for rule in rules)
            query = (
                select(runs)
                .join(queued_runs, queued_runs.c.run_id == runs.c.run_id)
                .where(queued_runs.c.due_at <= now - timedelta(seconds=least), runs.c.state == State.SCHEDULED.value)
                .order_by(queued_runs.c.due_at)
                .limit(_RUNS_A_READ)
            )
            found = [run_of_row(row) for row in connection.execute(query).mappings()]
            return WaitingRuns(rules=rules, runs=found, standings=_standings(connection, rules, found))

    def write_late(self, told: Iterable[Told], standings: Standings, now: datetime) -> None:
        """Put messages on late runs into the outbox, and keep how things stand."""
        with self._database.write() as connection:
            _add_messages(connection, told, now)
            _keep_standings(connection, standings)

    def write(self, changes_: ChangesToTell, told: Sequence[Told], standings: Standings, now: datetime) -> bool:
        """Put messages into the outbox, keep how things stand, and move the mark; all or nothing.

        False where somebody else moved the mark meanwhile. A message that is in the outbox already is not put there
        again. Nothing is written where nothing came of many changes.
        """
        if not told and not standings and changes_.until - (changes_.mark or 0) < _UNMARKED:
            return True
        with self._database.write() as connection:
            if connection.execute(_MARK).scalar() != changes_.mark:
                return False
            _add_messages(connection, told, now)
            _keep_standings(connection, standings)
            if changes_.mark is None:
                connection.execute(insert(service_marks).values(name=SERVICE, sequence=changes_.until))
            else:
                same = service_marks.c.name == SERVICE
                connection.execute(update(service_marks).where(same).values(sequence=changes_.until))
        return True


_MARK = select(service_marks.c.sequence).where(service_marks.c.name == SERVICE)


def _rules_in_force(connection: Connection) -> list[RuleInForce]:
    query = select(notification_rules.c.rule, notification_rules.c.from_sequence).order_by(notification_rules.c.name)
    return [
        RuleInForce(rule=msgspec.convert(rule, NotificationRule), from_sequence=from_sequence)
        for rule, from_sequence in connection.execute(query)
    ]


def _told_states(rules: Sequence[RuleInForce]) -> set[str]:
    """Return the states that may be told of: ends, and what rules name."""
    told = {state.value for state in State if state.is_terminal}
    return told.union(state.value for rule in rules for state in rule.rule.states)


def _standings(
    connection: Connection, rules: Iterable[NotificationRule], of_runs: Iterable[Run]
) -> dict[tuple[str, str], Standing]:
    subjects = {standing_key(run) for run in of_runs}
    if not subjects:
        return {}
    query = select(notification_standings).where(
        notification_standings.c.rule.in_([rule.name for rule in rules]),
        notification_standings.c.subject.in_(subjects),
    )
    return {
        (row["rule"], row["subject"]): Standing(
            health=Health(row["health"]),
            since=row["since"],
            state=State(row["state"]),
            at=row["at"],
            run_name=row["run_name"],
        )
        for row in connection.execute(query).mappings()
    }


def _add_messages(connection: Connection, told: Iterable[Told], now: datetime) -> None:
    for rule, news, text in told:
        for channel in rule.channels:
            key = {
                "rule": rule.name,
                "channel": channel,
                "run_id": news.run.run_id,
                "epoch": news.run.epoch,
                "moment": news.moment,
            }
            same = [notifications.c[name] == value for name, value in key.items()]
            if connection.execute(select(notifications.c.number).where(*same)).first() is None:
                connection.execute(
                    insert(notifications).values(
                        **key,
                        severity=news.severity,
                        title=text.title,
                        body=text.body,
                        state=DeliveryState.PENDING.value,
                        attempts=0,
                        next_try_at=now,
                        error="",
                        created_at=now,
                    )
                )


def _keep_standings(connection: Connection, standings: Standings) -> None:
    for (rule, subject), standing in standings.items():
        values = msgspec.structs.asdict(standing) | {"health": standing.health.value, "state": standing.state.value}
        same = (notification_standings.c.rule == rule, notification_standings.c.subject == subject)
        if not connection.execute(update(notification_standings).where(*same).values(values)).rowcount:
            connection.execute(insert(notification_standings).values(rule=rule, subject=subject, **values))
