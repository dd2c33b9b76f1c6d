"""What runs returned: listed and read, of a run in the store or of an executed notebook."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestra_nb.errors import ResultNotFound
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.notebooks.recorded_outputs import values_of_notebook

if TYPE_CHECKING:
    from orchestra_nb.model.runs import Run
    from orchestra_nb.store.run_store import RunStore


def returned_by_run(store: RunStore, run: Run) -> list[RecordedValue]:
    """Return what a run has returned so far, in the order of its recording."""
    from orchestra_nb.store.recorded_value_store import RecordedValueStore

    return RecordedValueStore(store.database).of_run(run.run_id)


def returned_by_runs(store: RunStore, run_ids: Iterable[str]) -> dict[str, list[RecordedValue]]:
    """Return run id to what the run has returned."""
    from orchestra_nb.store.recorded_value_store import RecordedValueStore

    return RecordedValueStore(store.database).of_runs(run_ids)


def returned_by_file(path: str | Path) -> list[RecordedValue]:
    """Return what an executed notebook returned: recorded by us, glued by scrapbook, or recorded by papermill.

    Raises
    ------
    NotebookNotFound, InvalidNotebook
        There is no such file, or it is no notebook.
    """
    from orchestra_nb.notebooks.document import read_notebook

    return list(values_of_notebook(read_notebook(Path(path))).values())


def value_of_run(store: RunStore, run: Run, name: str) -> RecordedValue:
    """Return the record of what a run returned under a name.

    Raises
    ------
    ResultNotFound
        It returned nothing of this name.
    """
    return find_value(returned_by_run(store, run), name, f"Run {run.name}")


def find_value(records: Iterable[RecordedValue], name: str, of: str) -> RecordedValue:
    """Return the record of this name.

    Raises
    ------
    ResultNotFound
        There is none; the message names those that are.
    """
    known = {record.name: record for record in records}
    if name in known:
        return known[name]
    if not known:
        raise ResultNotFound(f"{of} returned nothing. Write record({name}=…) in a cell, and run it again.")
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"It returned: {', '.join(known)}."
    raise ResultNotFound(f"{of} returned no {name!r}. {hint}")


def load_recorded(record: RecordedValue) -> Any:
    """Return the value of a record.

    Raises
    ------
    ResultNotFound, ResultNotTrusted
        It is not there any more, or was altered.
    """
    from orchestra_nb.engine.value_recording import load_value

    return load_value(record)
