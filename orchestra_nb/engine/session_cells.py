"""A notebook in an open kernel: which of its cells are stale, and running those alone.

A cell is *fresh* if the record that would stand for it in a run from top to bottom is the one that this kernel ran or
loaded last for it. All else is stale: edited, never run here, or something above it has changed. The records are the
ones of ``orchestra run --cache``, both ways.

To be used in the kernel's main thread.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from orchestra_nb.engine.cell_plan import PlannedCell, PlanSource, plan_cells
from orchestra_nb.engine.cell_record_store import CellRecordStore
from orchestra_nb.engine.cell_replay import CellReplay
from orchestra_nb.engine.file_digests import FileDigests
from orchestra_nb.engine.imported_files import ImportedFiles
from orchestra_nb.engine.name_contents import NameContents, ResourceContents
from orchestra_nb.engine.package_versions import PackageVersions
from orchestra_nb.engine.process_resources import Resource, put_back, resources_of_process, states_of
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.cell_records import Known, World
from orchestra_nb.notebooks.cell_code import cell_code
from orchestra_nb.notebooks.document import tags_of
from orchestra_nb.settings import load_settings

#: A cell with one of these lines speaks of the others: it is not one of them.
_OWN_LINE = re.compile(r"^\s*%flow\b", re.MULTILINE)
#: The only line of a cell without which there would be no ``%flow``: it has run.
_LOADING = re.compile(r"(\s*(#.*)?\n)*\s*%(re)?load_ext orchestra_nb\s*(#.*)?\s*")
_NOT_HERE = "not run here; its result is kept"
_ANOTHER = "its result here is an earlier one; the one that it has now is kept"


class SessionCell(msgspec.Struct, frozen=True, kw_only=True):
    """A code cell of the notebook as it was saved; ``number`` counts code cells from 1."""

    number: int
    cell_id: str
    title: str
    source: str


@dataclass(frozen=True, slots=True)
class Staleness:
    """A cell, and why it is stale; ``why`` is empty for a fresh one."""

    cell: SessionCell
    why: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class CellDone:
    """A cell that ``%flow run`` has dealt with: how (``"run"``, ``"loaded"``, ``"failed"``), and how long it ran."""

    cell: SessionCell
    how: str
    why: str
    seconds: float


@dataclass(slots=True)
class SessionCells:
    """The cells of one kernel's notebook."""

    shell: Any
    store: CellRecordStore = field(default_factory=CellRecordStore.default)
    #: cell id to the record of what this kernel has of it
    _have: dict[str, str] = field(default_factory=dict)
    _recorder: CellReplay | None = None
    _undo: Callable[[], None] | None = None
    _is_running: bool = False
    _imported: ImportedFiles = field(default_factory=ImportedFiles)
    _world: World = field(default_factory=lambda: World(FileDigests(), PackageVersions()))
    #: what is relative to a beginning began with the session
    _resources: tuple[Resource, ...] = field(default_factory=resources_of_process)
    #: key to the state of the process when the session began, and to what is compared of it
    _at_start: dict[str, object] = field(init=False)
    _contents_at_start: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self._at_start = states_of(self._resources)
        self._contents_at_start = ResourceContents(self._resources).look()

    def keep(self, is_on: bool, cell_id: Callable[[], str | None]) -> None:
        """Record each cell that runs from now on, or no more.

        Parameters
        ----------
        cell_id
            Returns the id of the cell that runs, where the front end tells it.
        """
        if self._recorder is not None:
            assert self._undo is not None
            self._undo()
            self._recorder.records_all = False
            self._recorder.close()
            self._recorder = None
        if not is_on:
            return
        self._prune()
        recorder = self._recorder = CellReplay(self.shell, [], self.store, imported=self._imported)
        recorder.records_all = True

        def note(result: Any) -> None:
            found = cell_id()
            if found is None or self._is_running:
                return
            record = recorder.last_record if result.success else None
            self._have.pop(found, None)
            if record is not None and record.code == cell_code(result.info.raw_cell or "").code:
                self._have[found] = record.record_id

        self.shell.events.register("post_run_cell", note)
        self._undo = lambda: self.shell.events.unregister("post_run_cell", note)

    def staleness(self, cells: Sequence[SessionCell]) -> list[Staleness]:
        """Return of each cell whether, and why, it is stale."""
        planned = self._plan(cells)
        return [
            Staleness(cell, self._why_stale(cell, plan), plan.seconds)
            for cell, plan in zip(cells, planned, strict=True)
            if cell.source.strip()
        ]

    def run(self, cells: Sequence[SessionCell], *, is_stale_only: bool) -> Iterator[CellDone]:
        """Bring the kernel to where running these cells from the top would bring it; yield each cell that was stale.

        Names that no cell of the notebook gives stay as they are. When a cell fails, the ones below it do not run.
        """
        contents = NameContents(self.shell.user_ns)
        fresh = {cell.cell_id for cell, plan in self._planned(cells) if not self._why_stale(cell, plan)}
        before = {name: self.shell.user_ns.pop(name) for name in contents.names()}
        put_back(self._resources, self._at_start)
        recorder, self._is_running = self._recorder, True
        if recorder is not None:
            recorder.records_all = False
        forced_by = "" if is_stale_only else "%flow run runs every cell"
        sources = [cell.source for cell in cells]
        replay = CellReplay(self.shell, sources, self.store, forced_by=forced_by, imported=self._imported)
        replay.shows_replayed = False
        try:
            yield from self._run_all(replay, cells, fresh)
        finally:
            try:
                replay.load_all()
            finally:
                replay.close()
                for name, value in before.items():
                    if name not in replay.known and name not in self.shell.user_ns:
                        self.shell.user_ns[name] = value
                self._is_running = False
                if recorder is not None:
                    recorder.records_all = True
                self._prune()

    def _prune(self) -> None:
        """Keep to the bound of the store."""
        with contextlib.suppress(OSError):
            self.store.prune(load_settings().cell_cache_bytes, datetime.now(UTC))

    def _run_all(self, replay: CellReplay, cells: Sequence[SessionCell], fresh: set[str]) -> Iterator[CellDone]:
        running: tuple[SessionCell, str] | None = None
        index = 0
        while index < len(cells):
            cell = cells[index]
            if not cell.source.strip():
                index += 1
                continue
            step = replay.step(index)
            if running is not None:
                self._note(replay, running[0], is_run=True)
                running = None
            if step.is_again:
                index = 0
                continue
            if step.is_cached:
                self._note(replay, cell, is_run=False)
                if cell.cell_id not in fresh:
                    yield CellDone(cell, "loaded", "", step.seconds)
            else:
                began = datetime.now(UTC)
                result = self.shell.run_cell(cell.source, store_history=False)
                seconds = (datetime.now(UTC) - began).total_seconds()
                running = cell, step.why
                if not result.success:
                    self._have.pop(cell.cell_id, None)
                    yield CellDone(cell, "failed", step.why, seconds)
                    return
                yield CellDone(cell, "run", step.why, seconds)
            index += 1
        replay.conclude()
        if running is not None:
            self._note(replay, running[0], is_run=True)

    def _note(self, replay: CellReplay, cell: SessionCell, *, is_run: bool) -> None:
        record = replay.last_run_record if is_run else replay.last_record
        self._have.pop(cell.cell_id, None)
        if record is not None:
            self._have[cell.cell_id] = record.record_id

    def _planned(self, cells: Sequence[SessionCell]) -> Iterator[tuple[SessionCell, PlannedCell]]:
        yield from zip(cells, self._plan(cells), strict=True)

    def _plan(self, cells: Sequence[SessionCell]) -> list[PlannedCell]:
        sources = [
            PlanSource(source=cell.source, number=cell.number, has_run=cell.cell_id in self._have) for cell in cells
        ]
        known = {key: Known(content) for key, content in self._contents_at_start.items()}
        return plan_cells(sources, self.store, known, datetime.now(UTC), world=self._world)

    def _why_stale(self, cell: SessionCell, plan: PlannedCell) -> str:
        have = self._have.get(cell.cell_id)
        if plan.record_id and plan.record_id == have:
            return ""
        if plan.is_replayed:
            return _NOT_HERE if have is None else _ANOTHER
        return plan.why if have is not None or plan.why.startswith("new") else f"not run here: {plan.why}"


def cells_of(notebook: Mapping[str, Any], until_id: str | None, title: Callable[[str], str]) -> list[SessionCell]:
    """Return the code cells of a notebook above the one with this id, without those that only serve this package.

    These are the ones that say ``%flow``, and the one that loads the extension.

    Raises
    ------
    InvalidInput
        There are none.
    """
    found: list[SessionCell] = []
    number = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        number += 1
        if until_id is not None and cell.get("id") == until_id:
            break
        if _OWN_LINE.search(cell["source"]) or _LOADING.fullmatch(cell["source"]):
            continue
        source = "" if "skip-execution" in tags_of(cell) else cell["source"]
        found.append(
            SessionCell(number=number, cell_id=str(cell.get("id", number)), title=title(cell["source"]), source=source)
        )
    if not any(cell.source.strip() for cell in found):
        raise InvalidInput("There is no code cell above this one in the notebook as it was saved. Save it first.")
    return found
