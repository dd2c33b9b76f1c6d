"""How the runs of flows, of deployments and of tasks went, in one read of what is needed of each run."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Float, Text, and_, case, cast, extract, func, select, type_coerce

from orchestra_nb.model.deployments import BACKFILL_TAG
from orchestra_nb.model.identifiers import new_id
from orchestra_nb.model.run_statistics import Figures, Tally
from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.states import State
from orchestra_nb.store.database import Database
from orchestra_nb.store.run_tables import runs, task_runs

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_A_DAY: Final = 86_400.0
_ROWS_A_READ: Final = 10_000
_STATES: Final = {state.value: state for state in State}

_Key = TypeVar("_Key")


class RunHistory:
    """Reads how runs went. All methods may be called from any thread.

    Parameters
    ----------
    since
        Only runs that were made then or later; None for all.
    flow_name, deployment
        Only runs of this flow, or of this deployment; None for all.
    """

    def __init__(
        self,
        database: Database,
        *,
        since: datetime | None = None,
        flow_name: str | None = None,
        deployment: str | None = None,
    ) -> None:
        self._database = database
        self._wanted: list[ColumnElement[bool]] = [runs.c.kind != RunKind.SWEEP.value]  # its child runs count
        if since is not None:  # ids sort by time
            self._wanted.append(runs.c.run_id >= new_id(max(since, _EPOCH), 0))
        if flow_name is not None:
            self._wanted.append(runs.c.flow_name == flow_name)
        if deployment is not None:
            self._wanted.append(runs.c.deployment == deployment)

    def runs(self) -> tuple[dict[str, Figures], dict[tuple[str, str], Figures]]:
        """Return flow to how its runs went, and (deployment, flow) to how those of the deployment did."""
        # a later epoch has its own start: it says nothing about the first one, and nothing about the whole
        # and what makes up for what was due long ago is not late
        is_backfill = type_coerce(runs.c.tags, Text).contains(f'"{BACKFILL_TAG}"', autoescape=True)
        is_first = and_(runs.c.epoch == 1, runs.c.due_at.is_not(None), ~is_backfill)
        query = select(
            runs.c.run_id,
            runs.c.state,
            runs.c.flow_name,
            runs.c.deployment,
            runs.c.kind,
            case((runs.c.epoch == 1, self._seconds(runs.c.started_at, runs.c.ended_at))),
            case((is_first, self._seconds(runs.c.due_at, runs.c.started_at))),
        ).where(*self._wanted)
        flows: defaultdict[str, Tally] = defaultdict(Tally)
        deployments: defaultdict[tuple[str, str], Tally] = defaultdict(Tally)
        with self._database.connect() as connection:
            rows = connection.execution_options(yield_per=_ROWS_A_READ).execute(query)
            for run_id, word, flow, deployment, kind, duration, lateness in rows:
                state = _STATES[word]
                tally = flows[flow]
                if kind == RunKind.INTERACTIVE.value:  # cells of an open notebook: no run of the whole
                    continue
                tally.add(run_id, state, duration, lateness)
                if deployment is not None:
                    deployments[deployment, flow].add(run_id, state, duration, lateness)
        return _figures(flows), _figures(deployments)

    def tasks(self) -> dict[tuple[str, str], Figures]:
        """Return (flow, task) to how its task runs went; the ids are those of the runs that they belong to."""
        is_computed = task_runs.c.is_cached.is_(False)
        query = (
            select(
                runs.c.run_id,
                task_runs.c.state,
                runs.c.flow_name,
                task_runs.c.name,
                case((is_computed, self._seconds(task_runs.c.started_at, task_runs.c.ended_at))),
            )
            .join(runs, runs.c.run_id == task_runs.c.run_id)
            .where(*self._wanted)
        )
        tasks: defaultdict[tuple[str, str], Tally] = defaultdict(Tally)
        with self._database.connect() as connection:
            rows = connection.execution_options(yield_per=_ROWS_A_READ).execute(query)
            for run_id, word, flow, task, duration in rows:
                tasks[flow, task].add(run_id, _STATES[word], duration)
        return _figures(tasks)

    def _seconds(self, start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[float]:
        """Return the seconds between two columns, exact to a millisecond; NULL where one of them is."""
        if self._database.is_sqlite:
            return (func.julianday(end) - func.julianday(start)) * _SECONDS_A_DAY
        return cast(extract("epoch", end - start), Float)


def _figures(tallies: dict[_Key, Tally]) -> dict[_Key, Figures]:
    return {key: tally.figures() for key, tally in tallies.items()}
