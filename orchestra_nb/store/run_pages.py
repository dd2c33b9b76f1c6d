"""Pages of the list of runs, each by an index: a page costs the same wherever it is and whatever the history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, false, select, union_all

from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.states import State
from orchestra_nb.store.tables import runs


def runs_page(
    *,
    limit: int,
    before: str | None = None,
    states: Iterable[State] | None = None,
    kind: RunKind | None = None,
    flow_name: str | None = None,
) -> Select[Any]:
    """Return the query of a page of runs, the newest first.

    Parameters
    ----------
    before
        Only runs older than the one with this id: the last of the page before.
    states, kind, flow_name
        None for all.
    """
    query = select(runs)
    if before is not None:
        query = query.where(runs.c.run_id < before)
    if kind is not None:
        query = query.where(runs.c.kind == kind.value)
    if flow_name is not None:
        query = query.where(runs.c.flow_name == flow_name)
    if states is None:
        return query.order_by(runs.c.run_id.desc()).limit(limit)
    # a page of each state, merged: one condition for all of them would sort every run that has them
    words = sorted({state.value for state in states})
    pages = [query.where(runs.c.state == word).order_by(runs.c.run_id.desc()).limit(limit).subquery() for word in words]
    if not pages:
        return query.where(false())
    merged = union_all(*(select(page) for page in pages)).subquery()
    return select(*merged.c).order_by(merged.c.run_id.desc()).limit(limit)
