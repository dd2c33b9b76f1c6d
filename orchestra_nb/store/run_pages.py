"""Pages of the list of runs, each by an index: a page costs the same wherever it is and whatever the history."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, Text, exists, false, func, not_, or_, select, type_coerce, union_all

from orchestra_nb.model.identifiers import new_id
from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.states import State
from orchestra_nb.store.tables import runs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def runs_page(
    *,
    limit: int,
    before: str | None = None,
    states: Iterable[State] | None = None,
    kind: RunKind | None = None,
    flow_name: str | None = None,
    tag: str | None = None,
    since: datetime | None = None,
    deployment: str | None = None,
    has_runs_of_sweeps: bool = True,
) -> Select[Any]:
    """Return the query of a page of runs, the newest first.

    Parameters
    ----------
    before
        Only runs older than the one with this id: the last of the page before.
    states, kind, flow_name, deployment
        None for all.
    tag
        Only runs with this tag, found by reading on: there is no index of tags.
    since
        Only runs made then or later.
    has_runs_of_sweeps
        Whether the child runs of sweeps are among them.
    """
    query = select(runs)
    if not has_runs_of_sweeps:
        sweeps = runs.alias("sweeps")
        is_of_sweep = exists().where(sweeps.c.run_id == runs.c.parent_run_id, sweeps.c.kind == RunKind.SWEEP.value)
        query = query.where(or_(runs.c.parent_run_id.is_(None), not_(is_of_sweep)))
    if before is not None:
        query = query.where(runs.c.run_id < before)
    if kind is not None:
        query = query.where(runs.c.kind == kind.value)
    if flow_name is not None:
        query = query.where(runs.c.flow_name == flow_name)
    if deployment is not None:
        query = query.where(runs.c.deployment == deployment)
    if since is not None:  # ids sort by time
        query = query.where(runs.c.run_id >= new_id(max(since, _EPOCH), 0))
    if tag is not None:
        tags = type_coerce(runs.c.tags, Text)
        # not LIKE, for which SQLite takes capital and small letters as the same
        query = query.where(func.replace(tags, f"{json.dumps(tag)}:", "") != tags)
    if states is None:
        return query.order_by(runs.c.run_id.desc()).limit(limit)
    # a page of each state, merged: one condition for all of them would sort every run that has them
    words = sorted({state.value for state in states})
    pages = [query.where(runs.c.state == word).order_by(runs.c.run_id.desc()).limit(limit).subquery() for word in words]
    if not pages:
        return query.where(false())
    merged = union_all(*(select(page) for page in pages)).subquery()
    return select(*merged.c).order_by(merged.c.run_id.desc()).limit(limit)
