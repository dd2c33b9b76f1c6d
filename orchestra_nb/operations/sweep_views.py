"""A sweep as the store has it: its combinations with their newest runs, and what these returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_nb.errors import CodeNotFound
from orchestra_nb.model.jsonable import from_stored
from orchestra_nb.model.runs import Run
from orchestra_nb.model.sweeps import COMBINATION_TAG, SweepRequest, names_of
from orchestra_nb.operations.run_results import returned_by_runs
from orchestra_nb.operations.sweep_request import SWEEP_CALL, request_of_code
from orchestra_nb.operations.sweep_result import SweepResult, SweepRow

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore


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
    newest: dict[int, Run] = {}
    for child in store.children(run.run_id):  # the oldest first
        number = child.tags.get(COMBINATION_TAG, "")
        if number.isdecimal():
            newest[int(number)] = child
    records = returned_by_runs(store, [child.run_id for child in newest.values()])
    try:
        request = sweep_request(store, run)
        parameters = dict(enumerate(request.combinations))
        swept = request.swept
    except CodeNotFound:  # the store had no room for it; what the runs say of themselves is there
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
