"""What triggers look at, as the store has it: states that runs entered and users' events, with hops and values."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import Connection, RowMapping, func, select

from orchestra_nb.model.automation_decisions import hops_of_event, hops_of_tags
from orchestra_nb.model.automations import ACTOR_PREFIX, Happening
from orchestra_nb.model.custom_events import CustomEvent
from orchestra_nb.model.runs import Run
from orchestra_nb.model.states import State
from orchestra_nb.store.code_tables import custom_events
from orchestra_nb.store.custom_event_store import event_of_row
from orchestra_nb.store.database import Database
from orchestra_nb.store.recorded_value_store import value_of_row
from orchestra_nb.store.run_changes import RunChange, run_changes
from orchestra_nb.store.run_tables import changes, recorded_values, runs
from orchestra_nb.store.stored_records import run_of_row

#: So deep may runs be started by runs for the hops of the first one to be found.
_MOST_PARENTS = 20
_ROWS_A_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Something that happened, and its place among the changes, or among the users' events."""

    happening: Happening
    sequence: int

    @property
    def is_event(self) -> bool:
        """Whether it is an event of a user's."""
        return self.happening.event is not None


def read_changes(
    connection: Connection, after: int, until: int, states: Collection[State], limit: int, since: datetime | None = None
) -> tuple[list[RowMapping], int]:
    """Return rows of runs that entered one of these states, in order, and up to which change these are all."""
    query = (
        select(changes)
        .where(
            changes.c.sequence > after,
            changes.c.sequence <= until,
            changes.c.subject == "run",
            changes.c.to_state.in_([state.value for state in states]),
        )
        .order_by(changes.c.sequence)
        .limit(limit)
    )
    if since is not None:
        query = query.where(changes.c.at >= since)
    rows = list(connection.execute(query).mappings())
    return rows, rows[-1]["sequence"] if len(rows) == limit else until


def read_events(
    connection: Connection, after: int, until: int, limit: int, since: datetime | None = None
) -> tuple[list[RowMapping], int]:
    """Return rows of users' events, in order, and up to which of them these are all."""
    query = (
        select(custom_events)
        .where(custom_events.c.sequence > after, custom_events.c.sequence <= until)
        .order_by(custom_events.c.sequence)
        .limit(limit)
    )
    if since is not None:
        query = query.where(custom_events.c.occurred_at >= since)
    rows = list(connection.execute(query).mappings())
    return rows, rows[-1]["sequence"] if len(rows) == limit else until


def happenings_of(
    connection: Connection,
    change_rows: Sequence[RowMapping],
    event_rows: Sequence[RowMapping],
    is_wanted: Callable[[Happening], bool],
) -> list[Seen]:
    """Return what happened in the order of its times, without what nobody wants."""
    emitters = _runs_by_id(connection, {row["run_id"] for row in event_rows if row["run_id"] is not None})
    found = [_of_change(change) for change in run_changes(connection, change_rows)]
    found += [_of_event(row["sequence"], event_of_row(row), emitters.get(row["run_id"])) for row in event_rows]
    wanted = [one for one in found if is_wanted(one.happening)]
    hops = _hops(connection, [one.happening.run for one in wanted if one.happening.run is not None])
    returned = _returned(connection, [one.happening for one in wanted])
    whole = [_completed(one, hops, returned) for one in wanted]
    return sorted(whole, key=lambda one: (one.happening.at, one.is_event, one.sequence))


def happenings_since(
    database: Database, since: datetime, is_wanted: Callable[[Happening], bool], *, most_rows: int
) -> Iterator[tuple[datetime, Happening | None]]:
    """Yield what happened since a time, in order, without what nobody wants; reads on as it is asked for.

    Parameters
    ----------
    most_rows
        When so many changes, or so many events, have been read, wanted or not, and there are more, the time up to
        which all was read comes with None in place of what happened, as the last.
    """

    def pages(is_event: bool) -> Iterator[tuple[datetime, Happening | None]]:
        at, read = 0, 0
        newest = select(func.max(custom_events.c.sequence if is_event else changes.c.sequence))
        while True:
            with database.connect() as connection:
                until = connection.execute(newest).scalar() or 0
                if is_event:
                    rows, at = read_events(connection, at, until, _ROWS_A_PAGE, since)
                    found = happenings_of(connection, (), rows, is_wanted)
                else:
                    rows, at = read_changes(connection, at, until, tuple(State), _ROWS_A_PAGE, since)
                    found = happenings_of(connection, rows, (), is_wanted)
            yield from ((seen.happening.at, seen.happening) for seen in found)
            read += len(rows)
            if len(rows) < _ROWS_A_PAGE:
                return
            if read >= most_rows:
                yield rows[-1]["occurred_at" if is_event else "at"], None

    for at, happening in heapq.merge(pages(False), pages(True), key=lambda one: one[0]):
        yield at, happening
        if happening is None:
            return


def _of_change(change: RunChange) -> Seen:
    happening = Happening(key=f"change/{change.sequence}", at=change.at, run=change.run, is_retried=change.is_retried)
    return Seen(happening=happening, sequence=change.sequence)


def _of_event(sequence: int, event: CustomEvent, emitter: Run | None) -> Seen:
    happening = Happening(key=f"event/{event.event_id}", at=event.occurred_at, run=emitter, event=event)
    return Seen(happening=happening, sequence=sequence)


def _completed(seen: Seen, hops: dict[str, int], returned: dict[tuple[str, int], dict[str, object]]) -> Seen:
    happening = seen.happening
    run, event = happening.run, happening.event
    so_far = max(
        0 if run is None else hops.get(run.run_id, 0),
        0 if event is None else hops_of_event(event),
    )
    values = returned.get((run.run_id, run.epoch), {}) if run is not None and event is None else {}
    whole = msgspec.structs.replace(happening, hops=so_far, returned=values)
    return Seen(happening=whole, sequence=seen.sequence)


def _hops(connection: Connection, of_runs: Iterable[Run]) -> dict[str, int]:
    """Return run to how many automations led to it: to the run that started it first, and to its last try."""
    wanted = {run.run_id: run for run in of_runs}
    known = dict(wanted)
    for _ in range(_MOST_PARENTS):
        parents = {run.parent_run_id for run in known.values() if run.parent_run_id is not None} - known.keys()
        if not parents:
            break
        found = _runs_by_id(connection, parents)
        known.update(found)
        if len(found) < len(parents):
            break  # one was deleted
    reopened = _reopened_by_automations(connection, [run.run_id for run in known.values() if run.epoch > 1])

    def hops_of(run: Run, depth: int = 0) -> int:
        own = hops_of_tags(run.tags) + reopened.get(run.run_id, 0)
        parent = known.get(run.parent_run_id or "")
        return own if parent is None or depth == _MOST_PARENTS else max(own, hops_of(parent, depth + 1))

    return {run_id: hops_of(run) for run_id, run in wanted.items()}


def _reopened_by_automations(connection: Connection, run_ids: Collection[str]) -> dict[str, int]:
    if not run_ids:
        return {}
    query = select(changes.c.run_id, changes.c.actor).where(
        changes.c.run_id.in_(run_ids), changes.c.subject == "run", changes.c.to_state == State.SCHEDULED.value
    )
    counts: dict[str, int] = {}
    for run_id, actor in connection.execute(query):
        if (actor or "").startswith(ACTOR_PREFIX):
            counts[run_id] = counts.get(run_id, 0) + 1
    return counts


def _returned(connection: Connection, happenings: Iterable[Happening]) -> dict[tuple[str, int], dict[str, object]]:
    """Return run and epoch to what the run returned, for those that ended and were not run again since."""
    ended = {
        one.run.run_id: one.run.epoch
        for one in happenings
        if one.event is None and one.run is not None and one.run.state.is_terminal
    }
    if not ended:
        return {}
    query = (
        select(recorded_values, runs.c.epoch)
        .join(runs, runs.c.run_id == recorded_values.c.run_id)
        .where(recorded_values.c.run_id.in_(ended))
    )
    found: dict[tuple[str, int], dict[str, object]] = {}
    for row in connection.execute(query).mappings():
        fields = dict(row)
        epoch = fields.pop("epoch")
        value = value_of_row(fields)
        found.setdefault((value.run_id, epoch), {})[value.name] = value.readable
    return found


def _runs_by_id(connection: Connection, run_ids: Collection[str]) -> dict[str, Run]:
    if not run_ids:
        return {}
    query = select(runs).where(runs.c.run_id.in_(run_ids))
    return {row["run_id"]: run_of_row(row) for row in connection.execute(query).mappings()}
