"""Replays the cells of a notebook from their records in the kernel itself, and records those that run.

What is known of the names between two cells is their content. A cell that is replayed shows what it showed and makes
its names known; their values are loaded when a cell runs that may need them. After a cell that ran *all* names are
looked at again, so what it gave is what it did, whatever its source says: a change that the source does not declare is
part of the record, and a cell that makes one counts as reading everything.

One object serves one pass over a notebook in one kernel, in the kernel's main thread.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from orchestra_nb.engine.cell_record_store import CellRecordStore
from orchestra_nb.engine.file_watch import FileDigests, FileUse, begin_watching, end_watching, files_named
from orchestra_nb.engine.kept_values import KeptValues, pack_for_record
from orchestra_nb.engine.name_contents import NameContent, NameContents, ResourceContents, is_pending, partners_among
from orchestra_nb.engine.native_access import native_effects
from orchestra_nb.engine.output_tap import OutputTap
from orchestra_nb.engine.process_resources import (
    GENERATORS,
    PATCHES,
    CellTraits,
    ModuleWatch,
    Resource,
    put_back,
    resources_of_process,
    states_of,
)
from orchestra_nb.errors import OrchestraError, ValueNotHashable
from orchestra_nb.model.cell_records import (
    ABSENT,
    LIVE,
    RESOURCE,
    CellRecord,
    GivenValue,
    Known,
    Mismatch,
    World,
    find_record,
    is_left_by,
    names_after,
    why_it_runs,
    with_uses,
)
from orchestra_nb.model.code_encodings import is_users
from orchestra_nb.model.fingerprints import fingerprint
from orchestra_nb.notebooks.cell_code import CellCode, cell_code
from orchestra_nb.notebooks.names import CellNames, analyse_cell

#: Values up to this size are loaded before any cell that runs, whether it is known to read them or not.
_SMALL_BYTES = 4_000_000
#: What the source of a cell has that draws from a generator of numpy or the standard library.
_RANDOM_WORD = "random"


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


@dataclass(slots=True)
class _Running:
    """A cell that runs, and what was there before."""

    index: int
    source: str
    code: CellCode
    names: CellNames
    known: dict[str, Known]
    live: dict[str, str]
    threads: frozenset[int]
    modules: frozenset[str]
    started_at: float = 0.0
    seconds: float = 0.0
    ended_well: bool = False
    files: FileUse = field(default_factory=FileUse)


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
        max_value_bytes: int = 1 << 32,
    ) -> None:
        self._shell = shell
        self._sources = sources
        self.store = self._store = store
        self._run_id = run_id
        self._forced_by = forced_by
        #: why all run again, in order and without records; "" while that is not so
        self._start_over_because = ""
        self._max_value_bytes = max_value_bytes
        self._namespace: dict[str, Any] = shell.user_ns
        self._contents = NameContents(self._namespace)
        self._resources: dict[str, Resource] = {resource.key: resource for resource in resources_of_process()}
        self._at_start = states_of(self._resources.values())
        self._states = ResourceContents(self._resources.values())
        self._modules = ModuleWatch()
        self._digests = FileDigests()
        self._world = World(self._digests, _version, self._is_left_by_run)
        self._tap = OutputTap(shell.kernel)
        self._values = KeptValues(store, self._namespace)
        self._pending_imports: list[str] = []
        self._running: _Running | None = None
        codes = [cell_code(source) for source in sources]
        self._last_history = max((i for i, code in enumerate(codes) if code.reads_history), default=-1)
        #: content of what is loaded, as it was last looked at
        self._live: dict[str, str] = {}
        self.known: dict[str, Known] = {}
        #: record every cell that runs, whoever runs it
        self.records_all = False
        #: whether what a replayed cell showed is shown again
        self.shows_replayed = True
        #: of the cell that was replayed or ended last, and of the one that ran last; None if it failed
        self.last_record: CellRecord | None = None
        self.last_run_record: CellRecord | None = None
        self._modules.look(self._namespace, is_users)
        self._look_around()
        shell.events.register("pre_run_cell", self._cell_begins)
        shell.events.register("post_run_cell", self._cell_ended)

    def close(self) -> None:
        """Finish the last cell and take the hooks out of the kernel."""
        self._conclude()
        self._shell.events.unregister("pre_run_cell", self._cell_begins)
        self._shell.events.unregister("post_run_cell", self._cell_ended)
        self._tap.close()

    def step(self, index: int) -> Step:
        """Replay a cell, or make all ready for it to run now."""
        note = self._conclude()
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

    def conclude(self) -> None:
        """Keep what the cell gave that ran last."""
        self._conclude()

    def note_names(self) -> None:
        """Keep what the last cell gave, and take the names as they are now as given by no cell."""
        self._conclude()
        contents = self._contents.look()
        self._values.drop(contents)
        self._take_contents(contents)

    def load_all(self) -> None:
        """Load all values: from here on somebody else runs cells."""
        self._conclude()
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
        code = cell_code(self._sources[index])
        if self._start_over_because:
            return Mismatch(f"forced: {self._start_over_because}")
        if self._forced_by:
            return Mismatch(f"forced: {self._forced_by}")
        if code.must_run is not None:
            return Mismatch(code.must_run)
        if index < self._last_history:
            return Mismatch("a later cell reads what the last lines of earlier cells gave")
        records = self._store.records(code.code)
        self._bind_pending({*code.names.reads, *(name for record in records for name in record.reads)})
        found = find_record(records, self.known, self._world, datetime.now(UTC), self._run_id)
        if found is None:
            return Mismatch("new: it has not run with these inputs" if index else "new")
        if isinstance(found, Mismatch):
            return found
        record = found
        why = why_it_runs(record, self._run_id, lambda name: self._is_needed_after(index, name, record))
        return Mismatch(why) if why else record

    def _is_left_by_run(self, path: str, digest: str) -> bool:
        """Tell whether cells of this run have left a file as it is: asked only where it is not as a record says."""
        codes = {cell_code(source).code for source in self._sources}
        records = (record for code in codes for record in self._store.records(code))
        return is_left_by((record for record in records if record.run_id == self._run_id), path, digest)

    # --- replaying

    def _replay(self, source: str, record: CellRecord, messages: Sequence[Mapping[str, Any]]) -> int:
        """Show what the cell showed and make known what it gave; return its execution count."""
        self._store.used(record)
        shell = self._shell
        for name in (*record.deletes, *record.gives):
            if not name.startswith(RESOURCE):
                self._namespace.pop(name, None)
            self._live.pop(name, None)
        self._values.take(record)
        self.known = names_after(self.known, record)
        if record.imports:
            self._pending_imports.append(record.imports)
        # numbers of cells go on as if it had run
        shell.user_ns.get("In", []).append(source)
        count = int(shell.execution_count)
        self._tap.replay(messages, count)
        shell.execution_count += 1
        return count

    def _is_needed_after(self, index: int, name: str, record: CellRecord) -> bool:
        """Tell whether a later cell may read a name that this record does not have the value of."""
        using = {other for other, value in record.gives.items() if name in value.uses} | {name}
        using |= {other for other, value in self.known.items() if name in value.uses}
        for source in self._sources[index + 1 :]:
            code = cell_code(source)
            if code.is_barrier or using & code.names.reads:
                return True
        return False

    # --- running

    def _prepare(self, index: int, source: str) -> None:
        """Load what the cell may need, and note what is there."""
        code = cell_code(source)
        for text in self._pending_imports:
            with contextlib.suppress(Exception):  # the value that needs it says what is missing
                exec(compile(text, "<imports of a replayed cell>", "exec"), {"__name__": "__main__"})
        if self._pending_imports:
            self._pending_imports.clear()
            self._live.update(self._states.look())
            self._modules.look(self._namespace, is_users)
        self._load(None if code.is_barrier else with_uses(code.names.reads | code.names.mutates, self.known))
        try:
            names = analyse_cell(source, self._namespace)
        except SyntaxError:
            names = code.names
        if names.opaque and not code.is_barrier:  # by what a function does that it calls
            self._load(None)
        self._running = _Running(
            index=index,
            source=source,
            code=code,
            names=names,
            known=self.known,
            live=dict(self._live),
            threads=frozenset(map(id, threading.enumerate())),
            modules=frozenset(sys.modules),
        )

    def _load(self, names: Collection[str] | None) -> None:
        """Load the values of names (None: all), what is small, and the state of the process."""
        loaded = self._values.load(names, _SMALL_BYTES)
        for key in [name for name in loaded if name.startswith(RESOURCE)]:
            with contextlib.suppress(Exception):  # another version of its package
                self._resources[key].put(loaded[key])
        fresh = self._contents.look(name for name in loaded if not name.startswith(RESOURCE))
        self._live.update({name: content.content for name, content in fresh.items()})
        if loaded:
            self._live.update(self._states.look())
            self._modules.look(self._namespace, is_users)

    def _bind_pending(self, names: Iterable[str]) -> None:
        """Wait for values that tasks give, so that they can be compared."""
        pending = [name for name in names if name in self._namespace and is_pending(self._namespace[name])]
        bind = self._namespace.get("__orchestra_bind__") or _binder(self._shell)
        if not pending or bind is None:
            return
        with contextlib.suppress(Exception):  # the cell that reads it raises it
            bind(pending, [])
        self._look_around()

    def _cell_begins(self, info: Any) -> None:
        if self.records_all and self._running is None and info.raw_cell is not None:
            self._look_around()  # what happened between two cells is nobody's
            self._modules.begin(self._namespace, is_users)
            self._note_patches()
            self._prepare(-1, info.raw_cell)
        if self._running is not None:
            self._tap.begin()
            begin_watching()
            self._running.started_at = time.perf_counter()

    def _cell_ended(self, result: Any) -> None:
        if (running := self._running) is not None and running.started_at:
            running.seconds = time.perf_counter() - running.started_at
            running.files = end_watching()
            running.ended_well = bool(result.success)
            if self.records_all:
                self.last_record = None
                self._conclude()

    def _look_around(self) -> None:
        """Look at all that is there, and make it known."""
        self._take_contents(self._contents.look())

    def _conclude(self) -> str:
        """Look at what the cell that ran has done, and keep it; return what is worth saying."""
        running, self._running = self._running, None
        if running is None or not running.started_at:  # it was never run
            return ""
        self.last_run_record = None
        self._tap.end()
        self.known = dict(self.known)
        contents = self._contents.look()
        gone = {name for name in running.live if not name.startswith(RESOURCE)} - contents.keys()
        for name in gone:
            self.known.pop(name, None)
            self._live.pop(name, None)
        self._values.drop(contents)
        before = dict(self._live)
        self._take_contents(contents)
        patches = self._modules.look(self._namespace, is_users)
        self._note_patches()
        changed = {name for name, content in self._live.items() if before.get(name, ABSENT) != content}
        if not running.ended_well:
            return ""
        return self._record(running, contents, changed, gone, patches)

    def _take_contents(self, contents: Mapping[str, NameContent]) -> None:
        """Make contents known; a value that came from a record keeps the content that it had there."""
        partners = partners_among(contents)
        for name, content in contents.items():
            is_same = self._live.get(name) == content.content and name in self.known
            known = self.known[name].content if is_same else content.content
            self.known[name] = Known(known, partners.get(name, frozenset()), content.uses)
            self._live[name] = content.content
        for key, content_of_resource in self._states.look().items():
            if self._live.get(key) != content_of_resource or key not in self.known:
                self.known[key] = Known(content_of_resource)
            self._live[key] = content_of_resource

    def _note_patches(self) -> None:
        self.known.pop(PATCHES, None)
        if self._modules.patches:
            self.known[PATCHES] = Known(_content_of(self._modules.patches))

    def _record(
        self,
        running: _Running,
        contents: Mapping[str, NameContent],
        changed: set[str],
        gone: set[str],
        patches: Sequence[str],
    ) -> str:
        names, before, now = running.names, running.known, datetime.now(UTC)
        given = {name for name in changed if not name.startswith(RESOURCE)} | (names.defines & contents.keys())
        given |= {partner for name in given for partner in self.known[name].partners}
        declared = names.defines | names.mutates | names.deletes
        near = {partner for name in declared if name in before for partner in before[name].partners}
        undeclared = {
            name for name in changed if not name.startswith(RESOURCE) and name not in declared and name not in near
        }
        kinds = _kinds_of(self._tap.messages)
        files = running.files
        named = files_named(running.source, (self._namespace.get(name) for name in names.reads))
        own_modules = _files_of_modules(set(sys.modules) - running.modules)
        read_files = (
            (files.read | files.listed | files.looked_at | named | own_modules) - files.written - files.made_or_gone
        )
        files.effects |= native_effects(
            running.source,
            self._namespace,
            (path for path in read_files if os.path.isfile(path)),
        )
        traits = CellTraits(running.source, kinds, files.reads_environment)
        reads = self._reads(running, undeclared, gone, changed, traits)
        resources = {
            key for key in changed if key in self._resources and (key in running.live or key[1:] not in GENERATORS)
        }
        if running.code.seeds:
            resources |= {RESOURCE + name for name in GENERATORS} & changed
        must_run = self._must_run(running, patches, changed)
        values = {name: self._namespace[name] for name in given}
        values |= {key: self._resources[key].look() for key in resources}
        packed = (
            pack_for_record(
                self._store, values, self._namespace, seconds=running.seconds, max_bytes=self._max_value_bytes, now=now
            )
            if not must_run
            else None
        )
        if packed is not None and packed.too_much:
            must_run = packed.too_much
        if packed is not None:
            packed = packed.without_torn({name: self.known[name].partners for name in values})
        gives = {
            name: GivenValue(
                content=self.known[name].content or "",
                type=type(value).__name__,
                group=None if packed is None else packed.group_of.get(name),
                uses=self.known[name].uses,
                partners=tuple(sorted(self.known[name].partners)),
                why_not="" if packed is None else packed.why_not.get(name, ""),
            )
            for name, value in values.items()
        }
        options = running.code.options
        ttl = options.cache.ttl_seconds if options.cache is not None else None
        record = CellRecord(
            record_id=secrets.token_hex(8),
            code=running.code.code,
            recorded_at=now,
            seconds=running.seconds,
            reads=reads,
            partners={
                name: tuple(sorted(before[name].partners))
                for name in given
                if name in before and name not in names.defines - names.mutates
            },
            files={path: self._digests(path) for path in sorted(read_files)},
            written={path: self._digests(path) for path in sorted(files.written | files.made_or_gone)},
            packages={name: _version(name) for name in running.code.packages if _version(name)},
            imports=running.code.imports,
            gives=gives,
            deletes=tuple(sorted(gone)),
            groups=() if packed is None else packed.groups,
            outputs=self._store.keep_outputs(self._tap.messages, now) if self._tap.messages and not must_run else None,
            must_run=must_run,
            effect=f"it {min(files.effects)}" if files.effects and options.cache is None else "",
            run_id=self._run_id,
            undeclared=tuple(sorted(undeclared)),
            size_bytes=0 if packed is None else packed.size_bytes,
            expires_at=None if ttl is None else now + timedelta(seconds=ttl),
        )
        self._store.put(record)
        self.last_record = self.last_run_record = record
        self._values.note(record, self._namespace)
        return self._note_of(running, record)

    def _reads(
        self, running: _Running, undeclared: set[str], gone: set[str], changed: set[str], traits: CellTraits
    ) -> dict[str, str]:
        names, before = running.names, running.known
        wanted = with_uses(names.reads | names.mutates | gone, before)
        if undeclared or names.opaque:  # its source does not tell what it does
            wanted |= {name for name in before if not name.startswith(RESOURCE)}
        reads = {name: (before[name].content or "") if name in before else ABSENT for name in wanted}
        for key, resource in self._resources.items():
            is_seeded = running.code.seeds and resource.name in GENERATORS
            if (key in changed and key in running.live and not is_seeded) or resource.is_read_by(traits):
                reads[key] = (before[key].content or "") if key in before else ABSENT
        reads[PATCHES] = (before[PATCHES].content or "") if PATCHES in before else ABSENT
        return reads

    def _must_run(self, running: _Running, patches: Sequence[str], changed: set[str]) -> str:
        """Return why the cell has to run each time, from what it did."""
        if running.code.must_run is not None:
            return running.code.must_run
        if patches:
            return f"it replaces {patches[0]} in a module"
        if self._tap.problem is not None:
            return self._tap.problem
        started = [
            thread
            for thread in threading.enumerate()
            if id(thread) not in running.threads
            and getattr(getattr(thread, "_target", None), "__module__", None) == "__main__"
        ]
        if started:
            return f"it leaves the thread {started[0].name} running"
        if running.code.options.cache is None:
            for name in GENERATORS:
                key = RESOURCE + name
                is_new = key in changed and key not in running.live
                if is_new and not running.code.seeds and _RANDOM_WORD in running.source:
                    return f"it draws from {name}, which nobody has seeded"
        return ""

    def _note_of(self, running: _Running, record: CellRecord) -> str:
        if record.undeclared and not running.code.is_barrier:
            listed = ", ".join(f"`{name}`" for name in record.undeclared)
            return (
                f"Cell {running.index + 1} changes {listed}, which its code does not say: it counts as reading "
                "everything."
            )
        return ""

    def _start_over(self, why: str) -> None:
        """Forget all that the notebook made and put the process back: its cells run again, and no record is used."""
        self._start_over_because = why
        self._running = None
        for name in self._contents.names():
            self._namespace.pop(name, None)
        self._values.clear()
        self._pending_imports.clear()
        self.known.clear()
        self._live.clear()
        put_back(self._resources.values(), self._at_start)
        self._look_around()


def _binder(shell: Any) -> Callable[[list[str], list[str]], object] | None:
    found: Any = shell.user_ns_hidden.get("__orchestra_bind__")
    return found if callable(found) else None


def _kinds_of(messages: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    kinds: set[str] = set()
    for message in messages:
        kinds.update(message["content"].get("data", ()) or ("stream",))
    return frozenset(kinds)


def _files_of_modules(names: Iterable[str]) -> set[str]:
    """Return the files of modules that count by their content."""
    files: set[str] = set()
    for name in names:
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if file and name != "__main__" and is_users(name):
            files.add(file)
    return files


def _content_of(value: object) -> str:
    try:
        return fingerprint(value)
    except ValueNotHashable:
        return LIVE + secrets.token_hex(8)


_versions: dict[str, str] = {}


def _version(package: str) -> str:
    """Return the version of an installed package by its import name; "" for what is no package."""
    if package not in _versions:
        try:
            _versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            owners = _owners().get(package, [])
            _versions[package] = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in sorted(set(owners)))
    return _versions[package]


_known_owners: dict[str, list[str]] = {}


def _owners() -> Mapping[str, list[str]]:
    if not _known_owners:
        _known_owners.update(importlib.metadata.packages_distributions())
    return _known_owners
