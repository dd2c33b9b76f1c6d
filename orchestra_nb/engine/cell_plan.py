"""What would become of each cell of a notebook if it ran now, from the records alone: nothing runs, nothing is loaded.

A cell that has to run is taken to give what it gave before wherever a record with the same inputs says so; else what it
gives is not known, and a cell that reads it may run or be replayed: that is decided when the value is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial

import msgspec

from orchestra_nb.engine.cell_record_store import CellRecordStore
from orchestra_nb.engine.file_digests import FileDigests
from orchestra_nb.engine.package_versions import PackageVersions
from orchestra_nb.engine.record_search import is_read_by_any
from orchestra_nb.model.cell_records import (
    LIVE,
    RESOURCE,
    CellRecord,
    Known,
    Mismatch,
    World,
    find_record,
    names_after,
    why_it_runs,
)
from orchestra_nb.notebooks.cell_code import CellCode, cell_code


class PlannedCell(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of a cell.

    Parameters
    ----------
    index
        Counts code cells from 0.
    is_replayed
        Whether its record would stand for it.
    is_certain
        Whether that is known now, and not only when a cell before it has run.
    why
        Why it runs; of a replayed one when it was recorded.
    seconds
        How long it is expected to run; None where that is not known.
    record_id
        The record that holds, also of a cell that runs nevertheless; "" for none.
    is_stale
        Whether what was kept of it no longer holds: it, or something that it reads, is another one now. False for a
        cell of which nothing was kept, and for one that has to run each time.
    """

    index: int
    is_replayed: bool
    is_certain: bool
    why: str
    seconds: float | None = None
    record_id: str = ""
    is_stale: bool = False


class PlanSource(msgspec.Struct, frozen=True, kw_only=True):
    """A cell as it is planned.

    Parameters
    ----------
    number
        What people call it: its place among the code cells of the notebook, counted from 1.
    is_parameters
        Whether it holds the parameters that were given.
    has_run
        Whether a cell of this id has ended well before, with another source.
    has_failed
        Whether it has run, and never ended well.
    """

    source: str
    number: int
    is_parameters: bool = False
    has_run: bool = False
    has_failed: bool = False


def plan_cells(
    cells: Sequence[PlanSource],
    store: CellRecordStore,
    known: Mapping[str, Known],
    now: datetime,
    *,
    run_id: str = "",
    is_refreshed: bool = False,
    world: World | None = None,
) -> list[PlannedCell]:
    """Return what would become of each cell.

    Parameters
    ----------
    known
        What is known before the first cell.
    world
        What is asked of files and packages; None to look at all of them anew.
    """
    world = world or World(FileDigests(), PackageVersions())
    codes = [cell_code(cell.source) for cell in cells]
    last_history = max((i for i, code in enumerate(codes) if code.reads_history), default=-1)
    givers: dict[str, int] = {}
    #: those that will give something else than they gave, as far as can be told
    touched: set[int] = set()
    planned: list[PlannedCell] = []
    names = dict(known)
    for index, (cell, code) in enumerate(zip(cells, codes, strict=True)):
        if not cell.source.strip():
            planned.append(PlannedCell(index=index, is_replayed=True, is_certain=True, why="empty", seconds=0.0))
            continue
        records = store.records(code.code)
        newest = max(records, key=lambda record: record.recorded_at, default=None)
        found = find_record(records, names, world, now, run_id)

        why, is_certain, is_stale = "", True, False
        if is_refreshed:
            why = "forced: --refresh"
        elif code.must_run is not None:
            why = code.must_run
        elif index < last_history:
            why = "a later cell reads what the last lines of earlier cells gave"
        elif isinstance(found, CellRecord):
            why = why_it_runs(found, run_id, partial(is_read_by_any, codes[index + 1 :], record=found, known=names))
        elif found is None:
            why, is_stale = _why_new(cell), cell.has_run
        else:
            why, is_certain = _why_different(found, names, givers, cells)
            is_stale = is_certain or _is_touched(found.names, givers, touched, otherwise=True)
        if code.must_run is not None:
            reads_touched = _is_touched(code.names.reads, givers, touched, otherwise=False)
            is_other = newest is None or reads_touched or (code.is_barrier and bool(touched))
        else:
            is_other = is_stale or found is None
        if is_other:
            touched.add(index)
        seconds = newest.seconds if newest is not None else None
        planned.append(
            PlannedCell(
                index=index,
                is_replayed=not why,
                is_certain=is_certain,
                why=why or f"cached {found.recorded_at:%Y-%m-%d %H:%M}" if isinstance(found, CellRecord) else why,
                seconds=seconds,
                record_id=found.record_id if isinstance(found, CellRecord) else "",
                is_stale=is_stale,
            )
        )
        if isinstance(found, CellRecord):
            names = names_after(names, found)
            given = set(found.gives)
            if code.must_run is not None:  # what cannot be compared is of another process
                for name in given:
                    if found.gives[name].content.startswith(LIVE):
                        names[name] = Known(None, frozenset(), names[name].uses)
        else:
            given = _forget(names, code, newest)
        givers.update(dict.fromkeys(given, index))
    return planned


def _forget(names: dict[str, Known], code: CellCode, newest: CellRecord | None) -> set[str]:
    """Note that nobody knows what a cell will give; return the names."""
    given = set(code.names.defines | code.names.mutates)
    if newest is not None:
        given |= newest.gives.keys()
    if code.is_barrier:
        given |= {name for name in names if not name.startswith(RESOURCE)}
    given |= {partner for name in given if name in names for partner in names[name].partners}
    for name in given:
        names[name] = Known(None, frozenset(), names[name].uses if name in names else ())
    for name in code.names.deletes - code.names.defines:
        names.pop(name, None)
    return given


def _is_touched(names: Iterable[str], givers: Mapping[str, int], touched: set[int], *, otherwise: bool) -> bool:
    """Tell whether one of these names is given by a cell that will give another; ``otherwise`` if no cell gives any."""
    giving = {givers[name] for name in names if name in givers}
    return not giving.isdisjoint(touched) if giving else otherwise


def _why_new(cell: PlanSource) -> str:
    if cell.is_parameters:
        return "parameters changed"
    if cell.has_run:
        return "changed: its source is another one"
    return "new: it has not ended well yet" if cell.has_failed else "new: it has not run with --cache yet"


def _why_different(
    found: Mismatch, names: Mapping[str, Known], givers: Mapping[str, int], cells: Sequence[PlanSource]
) -> tuple[str, bool]:
    """Return (why a cell runs whose records do not hold, whether that is certain)."""
    if not found.names:
        return found.reason, True
    is_open = any(name in names and names[name].content is None for name in found.names)
    upstream = sorted({givers[name] for name in found.names if name in givers})
    if not upstream:
        return found.reason, not is_open
    if all(cells[index].is_parameters for index in upstream):
        return f"parameters changed: {found.reason}", not is_open
    listed = ", ".join(f"cell {cells[index].number}" for index in upstream)
    return f"upstream changed ({listed}): {found.reason}", not is_open
