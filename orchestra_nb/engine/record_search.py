"""Which record may stand for a cell of a notebook now, or why the cell has to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from orchestra_nb.engine.cell_record_store import CellRecordStore
from orchestra_nb.model.cell_records import CellRecord, Known, Mismatch, World, find_record, is_left_by, why_it_runs
from orchestra_nb.notebooks.cell_code import CellCode, cell_code


class RecordSearch:
    """Looks for the records of one notebook's cells. It reads the store, and changes nothing.

    Parameters
    ----------
    sources
        The sources of all code cells, in order.
    run_id
        The run that this pass is of; "" for none.
    """

    def __init__(
        self,
        sources: Sequence[str],
        store: CellRecordStore,
        digest: Callable[[str], str],
        version: Callable[[str], str],
        run_id: str,
    ) -> None:
        self._sources = sources
        self._store = store
        self._run_id = run_id
        self._world = World(digest, version, self._is_left_by_run)
        codes = [cell_code(source) for source in sources]
        self._last_history = max((i for i, code in enumerate(codes) if code.reads_history), default=-1)

    def why_none(self, index: int) -> str:
        """Return why no record can stand for a cell, by its code and those below it alone; "" if one may."""
        if (why := cell_code(self._sources[index]).must_run) is not None:
            return why
        if index < self._last_history:
            return "a later cell reads what the last lines of earlier cells gave"
        return ""

    def records(self, index: int) -> list[CellRecord]:
        """Return the records of a cell's code."""
        return self._store.records(cell_code(self._sources[index]).code)

    def choose(self, index: int, records: Sequence[CellRecord], known: Mapping[str, Known]) -> CellRecord | Mismatch:
        """Return the record that stands for a cell, or why none does."""
        found = find_record(records, known, self._world, datetime.now(UTC), self._run_id)
        if found is None:
            return Mismatch("new: it has not run with these inputs" if index else "new")
        if isinstance(found, Mismatch):
            return found
        record = found
        why = why_it_runs(record, self._run_id, lambda name: self._is_needed_after(index, name, record, known))
        return Mismatch(why) if why else record

    def _is_left_by_run(self, path: str, digest: str) -> bool:
        """Tell whether cells of this run have left a file as it is: asked only where it is not as a record says."""
        codes = {cell_code(source).code for source in self._sources}
        records = (record for code in codes for record in self._store.records(code))
        return is_left_by((record for record in records if record.run_id == self._run_id), path, digest)

    def _is_needed_after(self, index: int, name: str, record: CellRecord, known: Mapping[str, Known]) -> bool:
        """Tell whether a later cell may read a name that this record does not have the value of."""
        return is_read_by_any(map(cell_code, self._sources[index + 1 :]), name, record, known)


def is_read_by_any(codes: Iterable[CellCode], name: str, record: CellRecord, known: Mapping[str, Known]) -> bool:
    """Tell whether a cell may read a name, itself or through a function that a record gives or that is known."""
    using = {other for other, value in record.gives.items() if name in value.uses} | {name}
    using |= {other for other, value in known.items() if name in value.uses}
    return any(code.is_barrier or using & code.names.reads for code in codes)
