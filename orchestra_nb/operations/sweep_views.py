"""A sweep as the store has it: its combinations with their newest runs, and what these returned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from orchestra_nb.errors import CodeNotFound
from orchestra_nb.model.jsonable import from_stored
from orchestra_nb.model.runs import Run
from orchestra_nb.model.sweeps import COMBINATION_TAG, SweepRequest, names_of
from orchestra_nb.operations.run_results import returned_by_runs
from orchestra_nb.operations.sweep_request import SWEEP_CALL, request_of_code
from orchestra_nb.operations.sweep_result import SweepResult, SweepRow

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

_IDS_AT_ONCE: Final = 500


def sweep_request(store: RunStore, run: Run) -> SweepRequest:
    """Return what a sweep was asked to do.

    Raises
    ------
    CodeNotFound
        That was not recorded.
    """
    from orchestra_nb.store.run_code_store import RunCodeStore

    code = RunCodeStore(store.database).find(run.run_id)
    if code is None or code.call != SWEEP_CALL:
        raise CodeNotFound(f"The combinations of sweep {run.name} were not recorded. Start a new sweep.")
    return request_of_code(code)


def sweep_table(store: RunStore, run: Run) -> SweepResult:
    """Return a sweep as far as it has come: a row for each combination, with its newest run."""
    return sweep_page(store, run, after=None, limit=None)


def sweep_page(store: RunStore, run: Run, *, after: int | None, limit: int | None) -> SweepResult:
    """Return some rows of a sweep's table.

    Parameters
    ----------
    after
        Only rows behind the one of this number; None for all.
    limit
        At most so many rows; None for all.
    """
    newest_ids: dict[int, str] = {}
    for run_id, tags in store.child_tags(run.run_id).items():  # the oldest first
        number = tags.get(COMBINATION_TAG, "")
        if number.isdecimal():
            newest_ids[int(number)] = run_id
    try:
        request: SweepRequest | None = sweep_request(store, run)
    except CodeNotFound:  # the store had no room for it; what the runs say of themselves is there
        request = None
    numbers = sorted(newest_ids) if request is None else range(len(request.combinations))
    page = [number for number in numbers if after is None or number > after][:limit]
    newest = _newest_runs(store, {number: newest_ids[number] for number in page if number in newest_ids})
    records = returned_by_runs(store, [child.run_id for child in newest.values()])
    if request is not None:
        parameters = {number: request.combinations[number] for number in page}
        swept = request.swept
    else:
        parameters = {
            number: {name: from_stored(value) for name, value in child.parameters.items()}
            for number, child in newest.items()
        }
        swept = names_of(parameters.values())
    rows = [
        SweepRow(
            index,
            values,
            newest.get(index),
            tuple(records.get(newest[index].run_id, ())) if index in newest else (),
            newest[index].message if index in newest else "not started",
        )
        for index, values in sorted(parameters.items())
    ]
    return SweepResult(run, tuple(rows), swept)


def _newest_runs(store: RunStore, ids: Mapping[int, str]) -> dict[int, Run]:
    """Return number to run, of those that have not been deleted meanwhile."""
    wanted = list(ids.values())
    parts = [wanted[begin : begin + _IDS_AT_ONCE] for begin in range(0, len(wanted), _IDS_AT_ONCE)]
    found = {run.run_id: run for part in parts for run in store.get_runs(part)}
    return {number: found[run_id] for number, run_id in ids.items() if run_id in found}
