"""Runs whose time is over: which these are, and their deletion in small transactions.

A run goes with the runs that it started, or stays with them. What stays: what has not ended, what has an open dead
letter, what waits to be run again, and the newest run of each flow and of each deployment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, exists, func, or_, select

from orchestra_nb.model.dead_letters import LetterState
from orchestra_nb.model.identifiers import new_id
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.model.states import TERMINAL_STATES, State
from orchestra_nb.store.code_tables import artifacts, dead_letters, run_codes, run_inputs
from orchestra_nb.store.database import Database
from orchestra_nb.store.doomed_files import OldRun, doom
from orchestra_nb.store.run_tables import (
    cancel_requests,
    cell_runs,
    changes,
    log_lines,
    recorded_values,
    runs,
    task_runs,
)
from orchestra_nb.store.service_tables import queued_runs
from orchestra_nb.store.store_fact_rows import CHANGES_DELETED_UNTIL, raise_number

_OPEN: Final = [state.value for state in State if state not in TERMINAL_STATES]
#: Databases limit the values of one statement.
_IDS_A_READ: Final = 500

#: Tables of which a run may have very many rows, with the column that numbers them.
_LONG: Final = ((log_lines, "sequence"), (task_runs, "number"), (changes, "sequence"))
_SHORT: Final = (cell_runs, recorded_values, cancel_requests, run_inputs)


@dataclass(frozen=True, slots=True)
class DeletedRows:
    """What one transaction has deleted: runs, log lines, artifacts, dead letters."""

    runs: int
    log_lines: int
    artifacts: int
    dead_letters: int


class OldRuns:
    """The runs of a store that ended before a time. All methods may be called from any thread.

    Parameters
    ----------
    rows_at_once
        About how many rows one transaction deletes.
    """

    def __init__(self, database: Database, before: datetime, *, rows_at_once: int = 1_000) -> None:
        self._database = database
        self._before = before
        self._rows_at_once = rows_at_once

    def groups(self, runs_at_once: int = 50) -> Iterator[list[OldRun]]:
        """Yield the runs that may go, about so many at once, each together with those that it started."""
        after = ""
        while True:
            with self._database.connect() as connection:
                roots = self._roots(connection, after, runs_at_once)
                if not roots:
                    return
                after = roots[-1].run_id
                families = self._families(connection, roots)
            group: list[OldRun] = []
            for family in families:
                group += family
                if len(group) >= runs_at_once:
                    yield group
                    group = []
            if group:
                yield group

    def delete(self, group: Sequence[OldRun], now: datetime) -> Iterator[DeletedRows]:
        """Delete these runs with all that belongs to them, and yield after each transaction what it deleted.

        Their files, and those of values that they returned, are doomed with the last of their rows. Ends before its
        time where one of them does not belong to the old ones any more: somebody runs it again.
        """
        is_done = False
        while not is_done:
            with self._database.write(durable=False) as connection:
                deleted = self._delete_some(connection, group, now)
            if deleted is None:
                return
            yield deleted
            is_done = deleted.runs > 0

    def _delete_some(self, connection: Connection, group: Sequence[OldRun], now: datetime) -> DeletedRows | None:
        """Delete as much as one transaction may, the runs themselves at the end."""
        ids = [run.run_id for run in group]
        if any(_count_of(connection, some, self._may_go()) < len(some) for some in _parts(ids)):
            return None
        counts = {table.name: 0 for table, _ in _LONG}
        references: list[ResultReference] = []
        room = self._rows_at_once
        for table, number in _LONG:
            for some in _parts(ids):
                left = room - sum(counts.values())
                counts[table.name] += self._delete_rows(connection, table, number, some, left, references)
        if sum(counts.values()) >= room:  # there may be more
            doom(connection, now, runs=(), values=references)
            return DeletedRows(0, counts[log_lines.name], 0, 0)
        artifact_count = letter_count = 0
        for some in _parts(ids):
            stored = select(recorded_values.c.reference).where(
                recorded_values.c.run_id.in_(some), recorded_values.c.reference.is_not(None)
            )
            references += [msgspec.convert(one, ResultReference) for one in connection.execute(stored).scalars()]
            references += _delete_codes(connection, some)
            for table in _SHORT:
                connection.execute(delete(table).where(table.c.run_id.in_(some)))
            of_runs = and_(artifacts.c.run_id.in_(some), has_newer_version())
            artifact_count += connection.execute(delete(artifacts).where(of_runs)).rowcount
            letter_count += connection.execute(delete(dead_letters).where(dead_letters.c.run_id.in_(some))).rowcount
            connection.execute(delete(runs).where(runs.c.run_id.in_(some)))
        doom(connection, now, runs=group, values=references)
        return DeletedRows(len(ids), counts[log_lines.name], artifact_count, letter_count)

    def _delete_rows(
        self,
        connection: Connection,
        table: Table,
        number: str,
        ids: Sequence[str],
        room: int,
        references: list[ResultReference],
    ) -> int:
        if room <= 0:
            return 0
        column = table.c[number]
        numbers = connection.execute(select(column).where(table.c.run_id.in_(ids)).limit(room)).scalars().all()
        for some in _parts(numbers):
            if table is task_runs:  # what was kept to run a task alone goes with it
                tasks = connection.execute(select(task_runs.c.task_run_id).where(column.in_(some))).scalars().all()
                references += _delete_codes(connection, tasks)
            connection.execute(delete(table).where(column.in_(some)))
        if table is changes and numbers:
            raise_number(connection, CHANGES_DELETED_UNTIL, max(numbers))
        return len(numbers)

    def _roots(self, connection: Connection, after: str, limit: int) -> list[OldRun]:
        parents = runs.alias("parents")
        is_root = or_(
            runs.c.parent_run_id.is_(None), ~exists().where(parents.c.run_id == runs.c.parent_run_id).correlate(runs)
        )
        query = (
            select(runs.c.run_id, runs.c.output_path)
            .where(runs.c.run_id > after, is_root, self._may_go())
            .order_by(runs.c.run_id)
            .limit(limit)
        )
        return [OldRun(*row) for row in connection.execute(query)]

    def _families(self, connection: Connection, roots: Sequence[OldRun]) -> list[list[OldRun]]:
        """Return each of these runs with all below it, without those of which one has to stay."""
        families = {root.run_id: [root] for root in roots}
        root_of = {root.run_id: root.run_id for root in roots}
        level = list(root_of)
        while level:
            below: list[str] = []
            for some in _parts(level):
                for run_id, output_path, parent, may_go in connection.execute(self._children(some)):
                    root = root_of[run_id] = root_of[parent]
                    below.append(run_id)
                    if not may_go:
                        families.pop(root, None)
                    elif root in families:
                        families[root].append(OldRun(run_id, output_path))
            level = below
        return list(families.values())

    def _children(self, run_ids: Sequence[str]) -> Select[Any]:
        return select(runs.c.run_id, runs.c.output_path, runs.c.parent_run_id, self._may_go()).where(
            runs.c.parent_run_id.in_(run_ids)
        )

    def _may_go(self) -> ColumnElement[bool]:
        newer_of_flow, newer_of_deployment = runs.alias("newer_of_flow"), runs.alias("newer_of_deployment")
        of_flow = exists().where(newer_of_flow.c.flow_name == runs.c.flow_name, newer_of_flow.c.run_id > runs.c.run_id)
        of_deployment = exists().where(
            newer_of_deployment.c.deployment == runs.c.deployment, newer_of_deployment.c.run_id > runs.c.run_id
        )
        letters = exists().where(dead_letters.c.run_id == runs.c.run_id, dead_letters.c.state == LetterState.OPEN.value)
        return and_(
            runs.c.run_id < new_id(self._before, 0),  # ids sort by time
            runs.c.state.not_in(_OPEN),  # not "in", for which SQLite would sort all old runs by the index of states
            func.coalesce(runs.c.ended_at, runs.c.created_at) < self._before,
            of_flow.correlate(runs),
            or_(runs.c.deployment.is_(None), of_deployment.correlate(runs)),
            ~letters.correlate(runs),
            ~exists().where(queued_runs.c.run_id == runs.c.run_id).correlate(runs),
        )


def has_newer_version() -> ColumnElement[bool]:
    """Return the condition that an artifact is not the newest of its key."""
    newer = artifacts.alias("newer")
    is_older = exists().where(newer.c.key == artifacts.c.key, newer.c.version > artifacts.c.version)
    return or_(artifacts.c.key.is_(None), is_older.correlate(artifacts))


def _count_of(connection: Connection, ids: Sequence[str], condition: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(runs).where(runs.c.run_id.in_(ids), condition)
    return int(connection.execute(query).scalar_one())


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), _IDS_A_READ):
        yield values[start : start + _IDS_A_READ]


def _delete_codes(connection: Connection, ids: Sequence[str]) -> list[ResultReference]:
    """Delete what was kept to start runs, or task runs, again; return where their pickles are."""
    kept = select(run_codes.c.pickle).where(run_codes.c.run_id.in_(ids), run_codes.c.pickle.is_not(None))
    references = [msgspec.convert(one, ResultReference) for one in connection.execute(kept).scalars() if one]
    connection.execute(delete(run_codes).where(run_codes.c.run_id.in_(ids)))
    return references
