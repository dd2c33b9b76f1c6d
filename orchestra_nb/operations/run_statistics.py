"""How flows, deployments and tasks have done: success rates, durations, lateness, the last run and the last failure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from orchestra_nb.errors import RunNotFound
from orchestra_nb.model.run_statistics import Figures, Percentiles
from orchestra_nb.model.states import State
from orchestra_nb.operations.deployment_views import next_due
from orchestra_nb.time_zones import time_text

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: Databases limit the values of one statement.
_RUNS_A_READ = 500


class RunMoment(msgspec.Struct, frozen=True, kw_only=True):
    """A run, and when it began or, before that, was made."""

    run_id: str
    name: str
    state: State
    at: datetime
    message: str


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """How a flow, a deployment or a task has done.

    Parameters
    ----------
    name
        Of the flow, the deployment or the task.
    flow_name
        The flow that it is, or is of.
    runs, completed, failed, missed, open, success_rate, duration, lateness
        As :class:`~orchestra_nb.model.run_statistics.Figures` has them.
    last_run, last_failure
        The newest run that has begun or ended, and the newest one that failed; of a task the runs that it was part of.
    next_at
        When a deployment, or the first one of a flow, is due next; None for never, and of a task.
    """

    name: str
    flow_name: str
    runs: int
    completed: int
    failed: int
    missed: int
    open: int
    success_rate: float | None
    duration: Percentiles | None
    lateness: Percentiles | None
    last_run: RunMoment | None
    last_failure: RunMoment | None
    next_at: datetime | None


class StatisticsReport(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics by name; ``tasks`` is empty where they were not asked for."""

    since: datetime | None
    flows: tuple[Statistics, ...]
    deployments: tuple[Statistics, ...]
    tasks: tuple[Statistics, ...]


def run_statistics(
    store: RunStore,
    name: str | None = None,
    *,
    now: datetime,
    since: datetime | None = None,
    has_tasks: bool = False,
) -> StatisticsReport:
    """Return how all flows and deployments have done, or those of one name.

    Parameters
    ----------
    name
        Of a flow; where no run has a flow of this name, of a deployment; None for all.
    since
        Only runs that were made then or later; None for all.
    has_tasks
        Whether the tasks of these runs are counted, too.

    Raises
    ------
    RunNotFound
        There is no such run.
    """
    from orchestra_nb.store.run_history import RunHistory

    history = RunHistory(store.database, since=since, flow_name=name)
    flows, deployments = history.runs()
    if name is not None and not flows:
        history = RunHistory(store.database, since=since, deployment=name)
        deployments = history.runs()[1]
        if not deployments:
            when = "" if since is None else f" since {time_text(since)}"
            raise RunNotFound(f"No run of a flow or a deployment {name!r}{when}. `orchestra stats` lists all.")
    tasks = history.tasks() if has_tasks else {}
    moments = _moments(store, (*flows.values(), *deployments.values(), *tasks.values()))
    due = next_due(store, now)
    due_of_flow: dict[str, datetime] = {}
    for deployment, flow in deployments:
        if deployment in due:
            due_of_flow[flow] = min(due[deployment], due_of_flow.get(flow, due[deployment]))
    return StatisticsReport(
        since=since,
        flows=tuple(
            _statistics(flow, flow, figures, moments, due_of_flow.get(flow)) for flow, figures in sorted(flows.items())
        ),
        deployments=tuple(
            _statistics(deployment, flow, figures, moments, due.get(deployment))
            for (deployment, flow), figures in sorted(deployments.items())
        ),
        tasks=tuple(_statistics(task, flow, figures, moments) for (flow, task), figures in sorted(tasks.items())),
    )


def _moments(store: RunStore, figures: Iterable[Figures]) -> dict[str | None, RunMoment]:
    ids = {run_id for one in figures for run_id in (one.last_run, one.last_failure) if run_id is not None}
    ordered = sorted(ids)
    found: dict[str | None, RunMoment] = {}
    for start in range(0, len(ordered), _RUNS_A_READ):
        for run in store.get_runs(ordered[start : start + _RUNS_A_READ]):
            found[run.run_id] = RunMoment(
                run_id=run.run_id,
                name=run.name,
                state=run.state,
                at=run.started_at or run.created_at,
                message=run.message,
            )
    return found


def _statistics(
    name: str,
    flow_name: str,
    figures: Figures,
    moments: dict[str | None, RunMoment],
    next_at: datetime | None = None,
) -> Statistics:
    return Statistics(
        name=name,
        flow_name=flow_name,
        next_at=next_at,
        **msgspec.structs.asdict(figures)
        | {"last_run": moments.get(figures.last_run), "last_failure": moments.get(figures.last_failure)},
    )
