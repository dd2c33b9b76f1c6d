"""Pages of the list of runs, each by an index: a page costs the same wherever it is and whatever the history."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict, Unpack

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    UnaryExpression,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.sql.operators import custom_op

from orchestra_nb.model.identifiers import new_id
from orchestra_nb.model.run_order import SORTABLE, Place, RunOrder
from orchestra_nb.model.runs import RunKind
from orchestra_nb.model.states import State
from orchestra_nb.store.column_types import UtcTime
from orchestra_nb.store.run_tables import runs

#: So many runs are sorted in some milliseconds.
_SORTED_AT_ONCE = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RunFilter(TypedDict, total=False):
    """Which runs; what is absent, or None, means all.

    In ``flow_pattern`` ``*`` stands for anything, and capitals do not count.
    """

    states: Iterable[State] | None
    kind: RunKind | None
    flow_name: str | None
    flow_pattern: str | None
    tag: str | None
    since: datetime | None
    deployment: str | None
    has_runs_of_sweeps: bool
    owner: str | None
    notebook_paths: Sequence[str] | None


def runs_page(
    *, limit: int, before: str | None = None, is_sqlite: bool = True, **wanted: Unpack[RunFilter]
) -> Select[Any]:
    """Return the query of a page of runs, the newest first.

    Parameters
    ----------
    before
        Only runs older than the one with this id: the last of the page before.
    is_sqlite
        Whether it is for SQLite, which is told what index to read; PostgreSQL knows that by itself.
    wanted
        There is no index of tags: runs with one are found by reading on.
    """
    paths, states = wanted.get("notebook_paths"), wanted.get("states")
    # SQLite does not know that a notebook has fewer runs than a flow, a kind or a state
    column_of = unindexed if paths is not None and is_sqlite else _as_it_is
    query = _filtered({**wanted, "notebook_paths": None, "since": None}, column_of)
    if (since := wanted.get("since")) is not None:
        query = query.where(_is_since(runs.c.run_id, since))
    if before is not None:
        query = query.where(runs.c.run_id < before)
    # a page of each path and each state, merged: one condition for all of them would sort every run that meets it
    queries = [query] if paths is None else [query.where(runs.c.notebook_path == path) for path in paths]
    if states is not None:
        words = sorted({state.value for state in states})
        queries = [one.where(column_of(runs.c.state) == word) for one in queries for word in words]
    return newest_of(queries, limit) if queries else query.where(false())


def newest_of(queries: Sequence[Select[Any]], limit: int) -> Select[Any]:
    """Return the query of the newest of what these give, each of which is read by an index; none gives what others do.

    Each has ``run_id`` among its columns.
    """
    pages = [query.order_by(runs.c.run_id.desc()).limit(limit) for query in queries]
    if len(pages) == 1:
        return pages[0]
    merged = union_all(*(select(page.subquery()) for page in pages)).subquery()
    return select(*merged.c).order_by(merged.c.run_id.desc()).limit(limit)


def has_many(**wanted: Unpack[RunFilter]) -> Select[Any]:
    """Return the query of whether more runs are wanted than are sorted in a moment; of all runs there are many."""
    query = _filtered_by_all(wanted, _as_it_is)
    some = query.with_only_columns(literal(1)).limit(_SORTED_AT_ONCE).subquery()
    return select(func.count() == _SORTED_AT_ONCE).select_from(some)


def sorted_runs(
    order: RunOrder,
    *,
    limit: int,
    behind: Place | None = None,
    reads_in_order: bool = False,
    **wanted: Unpack[RunFilter],
) -> list[Select[Any]]:
    """Return the queries of a page of runs in an order: the rows of the first one, then those of the second one.

    There are two where the first key may be absent: one condition for both would read no index.

    Parameters
    ----------
    behind
        Where the page before ended.
    reads_in_order
        Whether SQLite reads the runs in their order until there are enough of those that are wanted, which is faster
        where many are; otherwise it may sort all that are.
    """
    query = _filtered_by_all(wanted, unindexed if reads_in_order else _as_it_is)
    values = [] if behind is None else list(behind.values)
    terms: list[_Term] = []
    for number, key in enumerate(order.keys):
        column = runs.c[key.field]
        value = values[number] if behind is not None else None
        if SORTABLE[key.field] and number:
            terms.append(_Term(case((column.is_(None), 1), else_=0), False, int(value is None)))
            # what stands in for what is absent is the same for all
            absent: str | datetime = _EPOCH if isinstance(column.type, UtcTime) else ""
            terms.append(_Term(func.coalesce(column, absent), key.is_descending, absent if value is None else value))
        else:
            terms.append(_Term(column, key.is_descending, value))
    terms.append(_Term(runs.c.run_id, order.is_newest_first, None if behind is None else behind.run_id))
    if not order.keys or not SORTABLE[order.keys[0].field]:
        return [_page(query, terms, limit, is_first=behind is None)]
    first = runs.c[order.keys[0].field]
    is_behind_all = behind is not None and behind.values[0] is None
    absent_page = _page(query.where(first.is_(None)), terms[1:], limit, is_first=not is_behind_all)
    if is_behind_all:
        return [absent_page]
    return [_page(query.where(first.is_not(None)), terms, limit, is_first=behind is None), absent_page]


@dataclass(frozen=True, slots=True)
class _Term:
    """What is sorted by, never null, and its value where the page before ended."""

    expression: ColumnElement[Any]
    is_descending: bool
    value: object

    @property
    def bound(self) -> ColumnElement[Any]:
        return literal(self.value, self.expression.type)

    @property
    def is_behind(self) -> ColumnElement[bool]:
        return self.expression < self.bound if self.is_descending else self.expression > self.bound


def _page(query: Select[Any], terms: Sequence[_Term], limit: int, *, is_first: bool) -> Select[Any]:
    if not is_first:
        first = terms[0]
        # what an index is read from; the rest says where among equals
        query = query.where(
            first.expression <= first.bound if first.is_descending else first.expression >= first.bound,
            or_(*(_behind_at(terms, number) for number in range(len(terms)))),
        )
    ordered = [one.expression.desc() if one.is_descending else one.expression for one in terms]
    # where they are sorted, their ids are, and not whole rows
    ids = query.with_only_columns(runs.c.run_id).order_by(*ordered).limit(limit)
    return select(runs).where(runs.c.run_id.in_(ids)).order_by(*ordered)


def _behind_at(terms: Sequence[_Term], number: int) -> ColumnElement[bool]:
    """Return the condition that the terms before this one are equal, and that this one decides."""
    return and_(*(one.expression == one.bound for one in terms[:number]), terms[number].is_behind)


def _as_it_is(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column


def unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a column for which SQLite reads no index: https://www.sqlite.org/optoverview.html#disqualify."""
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def _filtered_by_all(wanted: RunFilter, column_of: Callable[[ColumnElement[Any]], ColumnElement[Any]]) -> Select[Any]:
    query = _filtered(wanted, column_of)
    if (states := wanted.get("states")) is None:
        return query
    return query.where(column_of(runs.c.state).in_(sorted({state.value for state in states})))


def _filtered(wanted: RunFilter, column_of: Callable[[ColumnElement[Any]], ColumnElement[Any]]) -> Select[Any]:
    """Return the query of the runs, whatever their states."""
    query = select(runs)
    if not wanted.get("has_runs_of_sweeps", True):
        sweeps = runs.alias("sweeps")
        is_of_sweep = exists().where(sweeps.c.run_id == runs.c.parent_run_id, sweeps.c.kind == RunKind.SWEEP.value)
        query = query.where(or_(runs.c.parent_run_id.is_(None), not_(is_of_sweep)))
    if (kind := wanted.get("kind")) is not None:
        query = query.where(column_of(runs.c.kind) == kind.value)
    if (flow_name := wanted.get("flow_name")) is not None:
        query = query.where(column_of(runs.c.flow_name) == flow_name)
    if (pattern := wanted.get("flow_pattern")) is not None:
        escaped = re.sub(r"([\\%_])", r"\\\1", pattern)
        query = query.where(column_of(runs.c.flow_name).ilike(escaped.replace("*", "%"), escape="\\"))
    if (deployment := wanted.get("deployment")) is not None:
        query = query.where(column_of(runs.c.deployment) == deployment)
    if (paths := wanted.get("notebook_paths")) is not None:
        query = query.where(column_of(runs.c.notebook_path).in_(paths))
    if (owner := wanted.get("owner")) is not None:
        query = query.where(column_of(runs.c.owner) == owner)
    if (since := wanted.get("since")) is not None:
        query = query.where(_is_since(column_of(runs.c.run_id), since))
    if (tag := wanted.get("tag")) is not None:
        tags = type_coerce(runs.c.tags, Text)
        # not LIKE, for which SQLite takes capital and small letters as the same
        query = query.where(func.replace(tags, f"{json.dumps(tag)}:", "") != tags)
    return query


def _is_since(run_id: ColumnElement[Any], since: datetime) -> ColumnElement[bool]:
    return run_id >= new_id(max(since, _EPOCH), 0)  # ids sort by time
