"""The last runs of a flow, and what became of its tasks in them: each read is bounded, whatever the history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, select

from orchestra_nb.model.runs import CellRun, RunKind, numbered
from orchestra_nb.model.states import State
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_pages import newest_of, unindexed
from orchestra_nb.store.run_tables import cell_runs, runs, task_runs
from orchestra_nb.store.stored_records import cell_run_of_row


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run as a history needs it."""

    run_id: str
    name: str
    flow_name: str
    state: State
    notebook_path: str | None
    epoch: int
    message: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class TaskTally:
    """The task runs of one task and state in a run.

    ``name`` is without the number that tells runs of one task apart: ``fit`` for ``fit-0`` and ``fit-1``.
    ``first_number`` orders them as they were created; ``started_at`` is of the first, ``ended_at`` of the last of them.
    """

    run_id: str
    name: str
    state: State
    is_cached: bool
    count: int
    first_number: int
    started_at: datetime | None
    ended_at: datetime | None


class FlowHistory:
    """Reads the newest runs of flows. All methods may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(
        self, flow_names: Iterable[str], limit: int, *, notebook_paths: Sequence[str] | None = None
    ) -> dict[str, list[PastRun]]:
        """Return flow to its newest runs that do not wait to be started, the newest first; O(flows * limit).

        A sweep is left out: its child runs are the runs of the flow. So is what somebody ran in an open notebook: it is
        of some cells.

        Parameters
        ----------
        notebook_paths
            Only runs of the notebook that has these paths, one at least; None for all.
        """
        columns = (
            *(runs.c.run_id, runs.c.name, runs.c.flow_name, runs.c.state, runs.c.notebook_path, runs.c.epoch),
            *(runs.c.message, runs.c.created_at, runs.c.started_at, runs.c.ended_at),
        )
        # SQLite does not know that a notebook has fewer runs than a flow
        is_told = notebook_paths is not None and self._database.is_sqlite
        column = unindexed(runs.c.flow_name) if is_told else runs.c.flow_name
        found: dict[str, list[PastRun]] = {}
        with self._database.connect() as connection:
            for flow_name in flow_names:
                query = select(*columns).where(
                    column == flow_name,
                    runs.c.state != State.SCHEDULED.value,
                    runs.c.kind.not_in((RunKind.SWEEP.value, RunKind.INTERACTIVE.value)),
                )
                queries = [query]
                if notebook_paths is not None:
                    queries = [query.where(runs.c.notebook_path == path) for path in notebook_paths]
                found[flow_name] = [
                    PastRun(run_id, name, flow, State(state), *others)
                    for run_id, name, flow, state, *others in connection.execute(newest_of(queries, limit))
                ]
        return found

    def notebook_paths(self, flow_name: str, limit: int) -> list[str]:
        """Return the paths of the notebooks of a flow's newest runs, the newest run first; O(limit)."""
        newest = (
            select(runs.c.run_id, runs.c.notebook_path)
            .where(runs.c.flow_name == flow_name)
            .order_by(runs.c.run_id.desc())
            .limit(limit)
            .subquery()
        ).c
        query = (
            select(newest.notebook_path)
            .where(newest.notebook_path.is_not(None))
            .group_by(newest.notebook_path)
            .order_by(func.max(newest.run_id).desc())
        )
        with self._database.connect() as connection:
            return list(connection.execute(query).scalars())

    def all_notebook_paths(self, limit: int) -> list[str]:
        """Return the paths of all notebooks that ran, in their order; each costs a search of an index, not its runs."""
        first = select(func.min(runs.c.notebook_path).label("path")).cte("paths", recursive=True)
        later = runs.alias("later")
        following = select(func.min(later.c.notebook_path)).where(later.c.notebook_path > first.c.path)
        paths = first.union_all(select(following.scalar_subquery()).where(first.c.path.is_not(None)))
        with self._database.connect() as connection:
            query = select(paths.c.path).where(paths.c.path.is_not(None)).limit(limit)
            return list(connection.execute(query).scalars())

    def tasks(self, run_ids: Sequence[str]) -> list[TaskTally]:
        """Return what became of the tasks of the newest epoch of some runs, counted in the store: O(task runs)."""
        named = (
            select(
                *(task_runs.c.run_id, _task_name(), task_runs.c.state, task_runs.c.is_cached),
                *(task_runs.c.number, task_runs.c.started_at, task_runs.c.ended_at),
            )
            .join(runs, runs.c.run_id == task_runs.c.run_id)
            .where(task_runs.c.run_id.in_(run_ids), task_runs.c.epoch == runs.c.epoch)
            .subquery()
        ).c
        what = (named.run_id, named.task, named.state, named.is_cached)
        query = select(
            *what, func.count(), func.min(named.number), func.min(named.started_at), func.max(named.ended_at)
        ).group_by(*what)
        with self._database.connect() as connection:
            return [
                TaskTally(run_id, name, State(state), is_cached, count, number, started_at, ended_at)
                for run_id, name, state, is_cached, count, number, started_at, ended_at in connection.execute(query)
            ]

    def cells(self, run_ids: Sequence[str]) -> dict[str, list[CellRun]]:
        """Return run id to the cells of its newest epoch, in the notebook's order, numbered."""
        query = (
            select(cell_runs)
            .join(runs, runs.c.run_id == cell_runs.c.run_id)
            .where(cell_runs.c.run_id.in_(run_ids), cell_runs.c.epoch == runs.c.epoch)
            .order_by(cell_runs.c.run_id, cell_runs.c.cell_index)
        )
        of_run: dict[str, list[CellRun]] = {}
        with self._database.connect() as connection:
            for row in connection.execute(query).mappings():
                of_run.setdefault(row["run_id"], []).append(cell_run_of_row(row))
        return {run_id: numbered(cells) for run_id, cells in of_run.items()}


def _task_name() -> ColumnElement[str]:
    """Return the name of a task run without ``-`` and digits at its end."""
    name = task_runs.c.name
    rest = func.rtrim(name, "0123456789")
    is_numbered = and_(rest != name, func.substr(rest, func.length(rest), 1) == "-", func.length(rest) > 1)
    return case((is_numbered, func.substr(rest, 1, func.length(rest) - 1)), else_=name).label("task")
