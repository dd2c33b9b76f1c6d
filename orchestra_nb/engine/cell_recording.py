"""Makes the record of a cell that ran, from what it changed and used: what it gave is what it did, whatever its source.

A change that the source does not declare is part of the record, and a cell that makes one counts as reading everything.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestra_nb.engine.cell_record_store import CellRecordStore
from orchestra_nb.engine.file_use import FileUse
from orchestra_nb.engine.imported_files import ImportedFiles
from orchestra_nb.engine.kept_values import PackedRecord, pack_for_record
from orchestra_nb.engine.kernel_state import Changes, KernelState
from orchestra_nb.engine.module_settings import SETTINGS
from orchestra_nb.engine.named_files import files_named
from orchestra_nb.engine.native_access import native_effects
from orchestra_nb.engine.process_resources import PATCHES, CellTraits
from orchestra_nb.engine.random_generators import GENERATORS, generators_seeded_by, was_drawn_from
from orchestra_nb.model.cell_records import ABSENT, RESOURCE, CellRecord, GivenValue, Known, with_uses
from orchestra_nb.model.numbers_in_file import number_in_file
from orchestra_nb.notebooks.cell_code import CellCode
from orchestra_nb.notebooks.names import CellNames

#: What the source of a cell has that draws from a generator of numpy or the standard library.
_RANDOM_WORD = "random"


@dataclass(slots=True)
class RunningCell:
    """A cell that runs, and what was there before.

    Parameters
    ----------
    index
        Counts code cells from 0; -1 where nobody knows.
    known, live
        As of :class:`~orchestra_nb.engine.kernel_state.KernelState`.
    threads
        Ids of the thread objects.
    started_at
        Of the performance counter; 0 until it has started.
    """

    index: int
    source: str
    code: CellCode
    names: CellNames
    known: Mapping[str, Known]
    live: Mapping[str, str]
    threads: frozenset[int] = field(default_factory=lambda: frozenset(map(id, threading.enumerate())))
    started_at: float = 0.0
    seconds: float = 0.0
    ended_well: bool = False
    files: FileUse = field(default_factory=FileUse)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRecording:
    """Makes records for one kernel, in its main thread.

    Parameters
    ----------
    run_id
        The run that the cells are of; "" for none.
    max_value_bytes
        What one cell may keep.
    """

    store: CellRecordStore
    state: KernelState
    digest: Callable[[str], str]
    version: Callable[[str], str]
    run_id: str
    max_value_bytes: int
    imported: ImportedFiles = field(default_factory=ImportedFiles)

    def record(
        self, cell: RunningCell, changes: Changes, messages: Sequence[Mapping[str, Any]], problem: str | None
    ) -> CellRecord:
        """Return the record of a cell that ended well, with its values and what it showed in the store.

        Parameters
        ----------
        messages
            What it showed.
        problem
            Why that cannot be shown again; None if it can.
        """
        now = datetime.now(UTC)
        given = self._given(cell, changes)
        undeclared = _undeclared(cell, changes)
        files = {path: self.digest(path) for path in sorted(self._files(cell))}
        traits = CellTraits(cell.source, _kinds_of(messages), cell.files.reads_environment)
        must_run = self._must_run(cell, changes, problem, files)
        values = {name: self.state.namespace[name] for name in given}
        values |= {key: self.state.resources[key].look() for key in self._resources(cell, changes)}
        packed: PackedRecord | None = None
        if not must_run:
            packed = self._pack(cell, values, now)
            must_run = packed.too_much
        names = cell.names
        options = cell.code.options
        ttl = options.cache.ttl_seconds if options.cache is not None else None
        written = cell.files.written | cell.files.made_or_gone
        record = CellRecord(
            record_id=secrets.token_hex(8),
            code=cell.code.code,
            recorded_at=now,
            seconds=cell.seconds,
            reads=self._reads(cell, undeclared, changes, traits),
            partners={
                name: tuple(sorted(cell.known[name].partners))
                for name in given
                if name in cell.known and name not in names.defines - names.mutates
            },
            files=files,
            written={path: self.digest(path) for path in sorted(written)},
            packages={name: version for name in cell.code.packages if (version := self.version(name))},
            imports="\n".join(filter(None, (cell.code.imports, *changes.settings.values()))),
            gives={**self._gives(values, packed), **self._given_in_modules(changes)},
            deletes=tuple(sorted(changes.gone)),
            groups=() if packed is None else packed.groups,
            outputs=self.store.keep_outputs(messages, now) if messages and not must_run else None,
            must_run=must_run,
            effect=self._effect(cell, files) if options.cache is None else "",
            run_id=self.run_id,
            undeclared=tuple(sorted(undeclared)),
            size_bytes=0 if packed is None else packed.size_bytes,
            expires_at=None if ttl is None else now + timedelta(seconds=ttl),
        )
        self.store.put(record)
        return record

    def _given(self, cell: RunningCell, changes: Changes) -> set[str]:
        """Return the names whose values it gave, with those that share something with them."""
        given = {name for name in changes.changed if not name.startswith(RESOURCE)}
        given |= cell.names.defines & changes.contents.keys()
        return given | {partner for name in given for partner in self.state.known[name].partners}

    def _files(self, cell: RunningCell) -> set[str]:
        """Return the files that it depends on."""
        use = cell.files
        named = files_named(cell.source, (self.state.namespace.get(name) for name in cell.names.reads))
        own_modules = self.imported.note() | self.imported.of_cell(cell.source, self.state.namespace)
        return (use.read | use.listed | use.looked_at | named | own_modules) - use.written - use.made_or_gone

    def _effect(self, cell: RunningCell, files: Iterable[str]) -> str:
        seen = (path for path in files if os.path.isfile(path))
        unseen = native_effects(cell.source, self.state.namespace, seen)
        return next((f"it {effect}" for effect in (*cell.files.effects, *sorted(unseen))), "")

    def _resources(self, cell: RunningCell, changes: Changes) -> set[str]:
        """Return the resources whose states it gave."""
        found = {
            key
            for key in changes.changed
            if key in self.state.resources and (key in cell.live or key[1:] not in GENERATORS)
        }
        return found | ({RESOURCE + name for name in self._seeded(cell)} & changes.changed)

    def _seeded(self, cell: RunningCell) -> frozenset[str]:
        """Return the generators that it seeds before all else."""
        return generators_seeded_by(cell.code.seeds, self.state.namespace)

    def _pack(self, cell: RunningCell, values: Mapping[str, object], now: datetime) -> PackedRecord:
        packed = pack_for_record(
            self.store,
            values,
            self.state.namespace,
            seconds=cell.seconds,
            max_bytes=self.max_value_bytes,
            now=now,
        )
        return packed.without_torn({name: self.state.known[name].partners for name in values})

    def _gives(self, values: Mapping[str, object], packed: PackedRecord | None) -> dict[str, GivenValue]:
        known = self.state.known
        return {
            name: GivenValue(
                content=known[name].content or "",
                type=type(value).__name__,
                group=None if packed is None else packed.group_of.get(name),
                uses=known[name].uses,
                partners=tuple(sorted(known[name].partners)),
                why_not="" if packed is None else packed.why_not.get(name, ""),
            )
            for name, value in values.items()
        }

    def _given_in_modules(self, changes: Changes) -> dict[str, GivenValue]:
        """Return what is replaced and set in modules after it, where it has changed that."""
        changed = [*([PATCHES] if changes.patches else ()), *([SETTINGS] if changes.settings else ())]
        known = self.state.known
        return {key: GivenValue(content=(known[key].content or "") if key in known else "", type="") for key in changed}

    def _reads(self, cell: RunningCell, undeclared: set[str], changes: Changes, traits: CellTraits) -> dict[str, str]:
        names, before = cell.names, cell.known
        wanted = with_uses(names.reads | names.mutates | changes.gone, before)
        if undeclared or names.opaque:  # its source does not tell what it does
            wanted |= {name for name in before if not name.startswith(RESOURCE)}
        reads = {name: (before[name].content or "") if name in before else ABSENT for name in wanted}
        seeded = self._seeded(cell)
        for key, resource in self.state.resources.items():
            is_seeded = resource.name in seeded
            if (key in changes.changed and key in cell.live and not is_seeded) or resource.is_read_by(traits):
                reads[key] = (before[key].content or "") if key in before else ABSENT
        for key in (PATCHES, SETTINGS):
            reads[key] = (before[key].content or "") if key in before else ABSENT
        return reads

    def _must_run(self, cell: RunningCell, changes: Changes, problem: str | None, files: Collection[str]) -> str:
        """Return why the cell has to run each time, from what it did; "" if it does not."""
        if cell.code.must_run is not None:
            return cell.code.must_run
        if changes.patches:
            return f"it replaces {changes.patches[0]} in a module"
        if changes.modules:
            return f"it changes variables of your module {changes.modules[0]}, which cannot be kept"
        if problem is not None:
            return problem
        if edited := self.imported.edited(files):
            return f"it imports {edited}, which was edited after this kernel had imported it: reload it or restart"
        if another := cell.files.another():
            return f"{another}, which it reads, was changed while it ran"
        started = [
            thread
            for thread in threading.enumerate()
            if id(thread) not in cell.threads
            and getattr(getattr(thread, "_target", None), "__module__", None) == "__main__"
        ]
        if started:
            return f"it leaves the thread {started[0].name} running"
        if cell.code.options.cache is None:
            for name in (name for name in GENERATORS if name not in self._seeded(cell)):
                key = RESOURCE + name
                is_new = key in changes.changed and key not in cell.live
                if is_new and (_RANDOM_WORD in cell.source or was_drawn_from(name)):
                    return f"it draws from {name}, which nobody has seeded"
        return ""


def note_of(cell: RunningCell, record: CellRecord, injected_at: int | None) -> str:
    """Return what is worth saying of a record; "" for nothing."""
    if not record.undeclared or cell.code.is_barrier:
        return ""
    listed = ", ".join(f"`{name}`" for name in record.undeclared)
    number = number_in_file(cell.index, injected_at)
    return f"Cell {number} changes {listed}, which its code does not say: it counts as reading everything."


def _undeclared(cell: RunningCell, changes: Changes) -> set[str]:
    """Return the names that it changed although its source does not say so."""
    names, before = cell.names, cell.known
    declared = names.defines | names.mutates | names.deletes
    near = {partner for name in declared if name in before for partner in before[name].partners}
    return {
        name for name in changes.changed if not name.startswith(RESOURCE) and name not in declared and name not in near
    }


def _kinds_of(messages: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    kinds: set[str] = set()
    for message in messages:
        kinds.update(message["content"].get("data", ()) or ("stream",))
    return frozenset(kinds)
