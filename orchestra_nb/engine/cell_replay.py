"""Replays the cells of a notebook from their records in the kernel itself, and has those recorded that run.

What is known of the names between two cells is their content. A cell that is replayed shows what it showed and makes
its names known; their values are loaded when a cell runs that may need them. After a cell that ran *all* names are
looked at again.

One object serves one pass over a notebook in one kernel, in the kernel's main thread.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from orchestra_nb.engine.cell_record_store import CellRecordStore
from orchestra_nb.engine.cell_recording import CellRecording, RunningCell, note_of
from orchestra_nb.engine.file_digests import FileDigests
from orchestra_nb.engine.file_use import UseNotes
from orchestra_nb.engine.import_names import imported_in
from orchestra_nb.engine.imported_files import ImportedFiles
from orchestra_nb.engine.kept_values import KeptValues
from orchestra_nb.engine.kernel_state import KernelState
from orchestra_nb.engine.name_contents import is_pending
from orchestra_nb.engine.output_tap import OutputTap
from orchestra_nb.engine.package_versions import PackageVersions
from orchestra_nb.engine.pending import binding_listeners
from orchestra_nb.engine.record_search import RecordSearch
from orchestra_nb.errors import OrchestraError
from orchestra_nb.model.cell_records import CellRecord, Known, Mismatch, with_uses
from orchestra_nb.notebooks.cell_code import cell_code
from orchestra_nb.notebooks.cell_options import is_task_cell
from orchestra_nb.notebooks.ipython_syntax import parse_cell
from orchestra_nb.notebooks.task_cell_names import names_of_any_cell

_T = TypeVar("_T")

#: Values up to this size are loaded before any cell that runs, whether it is known to read them or not.
_SMALL_BYTES = 4_000_000


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What becomes of a cell.

    Parameters
    ----------
    is_cached
        It was replayed: what it shows was sent.
    is_again
        All cells have to run again in order, from the first: what was promised to be there is not.
    why
        Why it has to run, or what was taken in its place.
    seconds
        How long it ran when it was recorded.
    note
        What is worth a line in the log; empty for nothing.
    count
        The execution count of a replayed cell.
    """

    is_cached: bool
    why: str = ""
    seconds: float = 0.0
    note: str = ""
    count: int | None = None
    is_again: bool = False


class CellReplay:
    """Replays or records the cells of one notebook.

    Parameters
    ----------
    sources
        The sources of all code cells, in order.
    run_id
        The run that this pass is of; "" for none.
    forced_by
        What has every cell run, and recorded anew, in people's words; "" where records may stand for cells.
    fresh_from_index
        The cell that runs, and all below it, whatever was recorded; None for none.
    injected_at
        The cell that was put in for parameters; None where there is none.
    imported
        The modules that the process has loaded; None for what is loaded now.
    max_value_bytes
        What one cell may keep.
    """

    def __init__(
        self,
        shell: Any,
        sources: Sequence[str],
        store: CellRecordStore,
        *,
        run_id: str = "",
        forced_by: str = "",
        fresh_from_index: int | None = None,
        injected_at: int | None = None,
        imported: ImportedFiles | None = None,
        max_value_bytes: int = 1 << 32,
    ) -> None:
        self._shell = shell
        self._sources = sources
        self._injected_at = injected_at
        self.store = self._store = store
        #: why all run, without records; "" while that is not so
        self._forced_because = forced_by
        self._fresh_from_index = len(sources) if fresh_from_index is None else fresh_from_index
        self._namespace: dict[str, Any] = shell.user_ns
        self._state = KernelState(self._namespace)
        self._tap = OutputTap(shell.kernel)
        self._values = KeptValues(store, self._namespace)
        digest, version = FileDigests(), PackageVersions()
        self._search = RecordSearch(sources, store, digest, version, run_id)
        self._recording = CellRecording(
            store=store,
            state=self._state,
            digest=digest,
            version=version,
            run_id=run_id,
            max_value_bytes=max_value_bytes,
            imported=ImportedFiles() if imported is None else imported,
        )
        self._pending_imports: list[str] = []
        self._running: RunningCell | None = None
        self._notes = UseNotes()
        #: record every cell that runs, whoever runs it
        self.records_all = False
        #: whether what a replayed cell showed is shown again
        self.shows_replayed = True
        #: of the cell that was replayed or ended last, and of the one that ran last; None if it failed
        self.last_record: CellRecord | None = None
        self.last_run_record: CellRecord | None = None
        shell.events.register("pre_run_cell", self._cell_begins)
        shell.events.register("post_run_cell", self._cell_ended)
        binding_listeners.append(self._names_bound)

    def close(self) -> None:
        """Finish the last cell and take the hooks out of the kernel."""
        self.conclude()
        self._shell.events.unregister("pre_run_cell", self._cell_begins)
        self._shell.events.unregister("post_run_cell", self._cell_ended)
        binding_listeners.remove(self._names_bound)
        self._tap.close()

    @property
    def known(self) -> Mapping[str, Known]:
        """What is known of the names now."""
        return self._state.known

    def step(self, index: int) -> Step:
        """Replay a cell, or make all ready for it to run now."""
        note = self.conclude()
        source = self._sources[index]
        decision = self.decide(index)
        if isinstance(decision, CellRecord):
            try:
                messages = [] if decision.outputs is None else self._store.load_outputs(decision.outputs)
            except OrchestraError:
                self._store.forget(decision)
                decision = Mismatch("what was kept is gone")
            else:
                count = self._replay(source, decision, messages if self.shows_replayed else [])
                self.last_record = decision
                return Step(is_cached=True, seconds=decision.seconds, note=note, count=count)
        why = decision.reason
        try:
            self._prepare(index, source)
        except OrchestraError as error:
            # what a record promised cannot be had: nothing of it was lost but time
            self._start_over("a kept value is missing or damaged")
            return Step(is_cached=False, is_again=True, note=f"Kept values could not be loaded: {error}")
        return Step(is_cached=False, why=why, note=note)

    def note_names(self) -> None:
        """Keep what the last cell gave, and take the names as they are now as given by no cell."""
        self.conclude()
        self._values.drop(self._state.look_around())

    def load_all(self) -> None:
        """Load all values: from here on somebody else runs cells."""
        self.conclude()
        self._import()
        self._load(None)

    def failed(self, missing: str | None) -> bool:
        """Take note that the cell that ran has failed; return whether to run all again in order, without records.

        Parameters
        ----------
        missing
            The name that a ``NameError`` said is not there; None for another error.
        """
        self._running = None
        if missing is None or missing not in self.known or missing in self._namespace:
            return False
        self._start_over(f"`{missing}` was read, and nobody had seen that it would be")
        return True

    def decide(self, index: int) -> CellRecord | Mismatch:
        """Return the record that may stand for a cell now, or why there is none."""
        if self._forced_because:
            return Mismatch(f"forced: {self._forced_because}")
        if index >= self._fresh_from_index:
            is_first = index == self._fresh_from_index
            return Mismatch("forced: the run was resumed from " + ("this cell" if is_first else "a cell above"))
        if why := self._search.why_none(index):
            return Mismatch(why)
        records = self._search.records(index)
        names = cell_code(self._sources[index]).names
        self._bind_pending({*names.reads, *(name for record in records for name in record.reads)})
        return self._search.choose(index, records, self.known)

    # --- replaying

    def _replay(self, source: str, record: CellRecord, messages: Sequence[Mapping[str, Any]]) -> int:
        """Show what the cell showed and make known what it gave; return its execution count."""
        self._store.used(record)
        self._state.take_record(record)
        self._values.take(record)
        if record.imports:
            self._pending_imports.append(record.imports)
        # numbers of cells go on as if it had run
        shell = self._shell
        shell.user_ns.get("In", []).append(source)
        count = int(shell.execution_count)
        self._tap.replay(messages, count)
        shell.execution_count += 1
        return count

    def _start_over(self, why: str) -> None:
        """Forget all that the notebook made and put the process back: its cells run again, and no record is used."""
        self._forced_because = why
        self._running = None
        self._values.clear()
        self._pending_imports.clear()
        self._state.start_over()

    # --- running

    def _prepare(self, index: int, source: str) -> None:
        """Load what the cell may need, and note what is there."""
        code = cell_code(source)
        self._import()
        self._load(None if code.is_barrier else with_uses(code.names.reads | code.names.mutates, self.known))
        try:
            names = names_of_any_cell(source, self._namespace)
        except SyntaxError:
            names = code.names
        if names.opaque and not code.is_barrier:  # by what a function does that it calls
            self._load(None)
        if index >= 0 and not is_task_cell(source):  # what waiting for them does is not done by the cell
            self._bind_pending(names.reads | names.mutates)
        with contextlib.suppress(SyntaxError, ValueError):
            self._state.meet_modules(imported_in(parse_cell(source)))
        self._recording.imported.note()
        self._running = RunningCell(
            index=index,
            source=source,
            code=code,
            names=names,
            known=self.known,
            live=dict(self._state.live),
        )

    def _import(self) -> None:
        """Run the imports of replayed cells, which may need each other's names, without giving the notebook any."""
        if not self._pending_imports:
            return
        space = {**self._namespace, "__name__": "__main__"}
        for text in self._pending_imports:
            for line in text.splitlines():
                with contextlib.suppress(Exception):  # the value that needs it says what is missing
                    exec(compile(line, "<imports of a replayed cell>", "exec"), space)
        self._pending_imports.clear()
        self._state.look_at_process()

    def _load(self, names: Collection[str] | None) -> None:
        """Load the values of names (None: all), what is small, and the state of the process."""
        self._state.take_loaded(self._values.load(names, _SMALL_BYTES))

    def _bind_pending(self, names: Iterable[str]) -> None:
        """Wait for values that tasks give, so that they can be compared."""
        pending = [name for name in names if name in self._namespace and is_pending(self._namespace[name])]
        bind = self._namespace.get("__orchestra_bind__") or _binder(self._shell)
        if not pending or bind is None:
            return
        with contextlib.suppress(Exception):  # the cell that reads it raises it
            bind(pending, [])
        self._state.look_around()

    def _cell_begins(self, info: Any) -> None:
        if self.records_all and self._running is None and info.raw_cell is not None:
            self._state.begin_cell()
            self._prepare(-1, info.raw_cell)
        if self._running is not None:
            self._tap.begin()
            self._notes = UseNotes()
            self._notes.begin()
            self._running.started_at = time.perf_counter()

    def _names_bound(self, names: Collection[str]) -> None:
        """Take what tasks gave, for which a cell has waited at its head, as having been there before the cell."""
        running = self._running
        if running is None or not running.started_at:
            return
        begun = time.perf_counter()
        self._state.take_bound(names)
        running.known = _with(running.known, self.known, names)
        running.live = _with(running.live, self._state.live, names)
        running.started_at += time.perf_counter() - begun  # looking at them is none of its time

    def _cell_ended(self, result: Any) -> None:
        if (running := self._running) is not None and running.started_at:
            running.seconds = time.perf_counter() - running.started_at
            running.files = self._notes.end()
            running.ended_well = bool(result.success)
            if self.records_all:
                self.last_record = None
                self.conclude()

    def conclude(self) -> str:
        """Look at what the cell that ran has done, and keep it; return what is worth saying."""
        running, self._running = self._running, None
        if running is None or not running.started_at:  # it was never run
            return ""
        self.last_run_record = None
        self._tap.end()
        changes = self._state.look_after(running.live, running.source)
        self._values.drop(changes.contents)
        if not running.ended_well:
            return ""
        record = self._recording.record(running, changes, self._tap.messages, self._tap.problem)
        self.last_record = self.last_run_record = record
        self._values.note(record, self._namespace)
        return note_of(running, record, self._injected_at)


def _binder(shell: Any) -> Callable[[list[str], list[str]], object] | None:
    found: Any = shell.user_ns_hidden.get("__orchestra_bind__")
    return found if callable(found) else None


def _with(before: Mapping[str, _T], now: Mapping[str, _T], names: Collection[str]) -> Mapping[str, _T]:
    """Return what was there before, but these names as they are now."""
    rest = {name: value for name, value in before.items() if name not in names}
    return rest | {name: now[name] for name in names if name in now}
