"""What an execution of a notebook cell read and gave, by content, and whether it may stand for a new one.

A record is a *trace*: the cell's code, the content of all that it read, and what it gave (Mokhov, Mitchell, Peyton
Jones: Build Systems à la Carte, 2018). Where everything that a record says was read has that content again, the same
code would take the same way and give the same. So what was read is known from the execution itself, with live objects
at hand, and no value has to be loaded to find a record: the contents are known from the records of the cells before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from orchestra_nb.model.code_encodings import ANY_NAME
from orchestra_nb.model.result_reference import ResultReference

#: Stands for the content of a name that is not there.
ABSENT = ""
#: Begins the content of what has none: an object is itself only in the process where it is.
LIVE = "live "
#: Begins the names of what is no variable but state of the process: ``~random``.
RESOURCE = "~"


class GivenValue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value that a cell gave.

    Parameters
    ----------
    content
        Its fingerprint.
    group
        Which of the record's groups has it; None where it was not kept.
    uses
        Names of the notebook that functions within it use.
    partners
        The other names that share something with it.
    why_not
        Why it cannot be kept, with the remedy.
    """

    content: str
    type: str
    group: int | None = None
    uses: tuple[str, ...] = ()
    partners: tuple[str, ...] = ()
    why_not: str = ""


class KeptGroup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the values of names are that share something; a table that stands alone is Arrow."""

    names: tuple[str, ...]
    reference: ResultReference
    is_table: bool = False


class CellRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One execution of a cell that ended well.

    Parameters
    ----------
    code
        The fingerprint of its source and of the Python that ran it.
    reads
        Name to the content that it had before, :data:`ABSENT` where there was none; resources too.
    partners
        Name that was changed in place to the names that shared something with it before.
    files, written
        Path to the digest of what was read, or of what was written or made, "" where there was nothing, or is no more.
    packages
        Package that the cell imports to its version.
    imports
        The statements of the cell that import, filter warnings, set up logging or set what lies in libraries: they are
        run again also where its values are taken from here.
    outputs
        Where its messages are; None if it showed nothing.
    seconds
        How long it ran.
    must_run
        Why its code has to run each time: something that it did cannot be kept. Empty for none.
    effect
        What it did outside of the notebook, which has to happen in each run; empty for nothing.
    run_id
        The run that recorded it: the effects of its cells have happened in it.
    undeclared
        Names that it changed although its source does not say so.
    """

    record_id: str
    code: str
    recorded_at: datetime
    seconds: float
    reads: dict[str, str] = {}
    partners: dict[str, tuple[str, ...]] = {}
    files: dict[str, str] = {}
    written: dict[str, str] = {}
    packages: dict[str, str] = {}
    imports: str = ""
    gives: dict[str, GivenValue] = {}
    deletes: tuple[str, ...] = ()
    groups: tuple[KeptGroup, ...] = ()
    outputs: ResultReference | None = None
    must_run: str = ""
    effect: str = ""
    run_id: str = ""
    undeclared: tuple[str, ...] = ()
    size_bytes: int = 0
    expires_at: datetime | None = None

    @property
    def missing(self) -> dict[str, str]:
        """Name to the reason for each value that was given and cannot be kept."""
        return {name: value.why_not for name, value in self.gives.items() if value.group is None and value.why_not}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a name between two cells.

    Parameters
    ----------
    content
        None where it is not known: a cell that gives it has not run yet.
    partners
        The other names that share something with it.
    """

    content: str | None
    partners: frozenset[str] = frozenset()
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class World:
    """What the contents of files and the versions of packages are asked of.

    Parameters
    ----------
    digest
        Takes a path.
    is_left_by_run
        Takes a path and the digest that it has: whether the run that goes on has itself left the file so.
    """

    digest: Callable[[str], str]
    version: Callable[[str], str]
    is_left_by_run: Callable[[str, str], bool] = lambda path, digest: False


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why a record does not hold: what is different now, in people's words, and the names at fault."""

    reason: str
    names: tuple[str, ...] = ()


def compare(
    record: CellRecord, known: Mapping[str, Known], world: World, now: datetime, run_id: str = ""
) -> Mismatch | None:
    """Return why a record does not hold now; None if it does.

    Parameters
    ----------
    run_id
        The run that goes on: a cell that has run in it holds although that run has changed its files since.
    """
    if record.expires_at is not None and record.expires_at <= now:
        return Mismatch("what was kept has expired")
    for name, content in record.reads.items():
        if content.startswith(LIVE):
            return Mismatch(f"it reads {_word(name)}, which cannot be compared by content", (name,))
    different = tuple(name for name, content in record.reads.items() if _content(known, name) != content)
    if different:
        return Mismatch(_words_of(different, known), different)
    for name, partners in record.partners.items():
        if (known[name].partners if name in known else frozenset()) != frozenset(partners):
            return Mismatch(f"`{name}` shares its object with other names than before", (name,))
    for package, version in record.packages.items():
        if (found := world.version(package)) != version:
            return Mismatch(f"{package} is {found or 'not installed'} now, not {version}")
    is_of_run = bool(record.run_id) and record.run_id == run_id

    def is_another(path: str, digest: str) -> bool:
        found = world.digest(path)
        return found != digest and not (is_of_run and world.is_left_by_run(path, found))

    for path, digest in record.files.items():
        if is_another(path, digest):
            return Mismatch(f"the file {path} has changed")
    for path, digest in record.written.items():
        if is_another(path, digest):
            return Mismatch(f"the file {path}, which the cell writes, is not as it left it")
    return None


def is_left_by(records: Iterable[CellRecord], path: str, digest: str) -> bool:
    """Return whether the cells that these records are of have left a file or folder as it is now."""
    for record in records:
        if record.written.get(path) == digest:
            return True
        if digest.startswith("folder") and any(
            written.rstrip("/") == path or written.rstrip("/").rpartition("/")[0] == path for written in record.written
        ):
            return True
    return False


def find_record(
    records: Sequence[CellRecord], known: Mapping[str, Known], world: World, now: datetime, run_id: str = ""
) -> CellRecord | Mismatch | None:
    """Return the newest record that holds; else why the newest does not; None if there is none."""
    mismatch: Mismatch | None = None
    for record in sorted(records, key=lambda record: record.recorded_at, reverse=True):
        found = compare(record, known, world, now, run_id)
        if found is None:
            return record
        mismatch = mismatch or found
    return mismatch


def why_it_runs(record: CellRecord, run_id: str, is_needed: Callable[[str], bool]) -> str:
    """Return why a cell runs although a record holds; "" if that stands for it.

    Parameters
    ----------
    is_needed
        Whether a later cell may need the value of a name.
    """
    if record.must_run:
        return record.must_run
    if record.effect and not (record.run_id and record.run_id == run_id):
        return record.effect
    return next((why for name, why in record.missing.items() if is_needed(name)), "")


def names_after(known: Mapping[str, Known], record: CellRecord) -> dict[str, Known]:
    """Return what is known after a cell whose execution the record stands for."""
    after = {name: value for name, value in known.items() if name not in record.deletes}
    gone = set(record.deletes) | record.gives.keys()
    for name, before in list(after.items()):
        if before.partners & gone:
            after[name] = Known(before.content, before.partners - gone, before.uses)
    for name, value in record.gives.items():
        after[name] = Known(value.content, frozenset(value.partners), value.uses)
    return after


def with_uses(names: Iterable[str], known: Mapping[str, Known]) -> set[str]:
    """Return names with those that functions within their values use, directly or not."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            if name == ANY_NAME:
                pending.extend(other for other in known if not other.startswith(RESOURCE))
            pending.extend(known[name].uses if name in known else ())
    return found - {ANY_NAME}


def _content(known: Mapping[str, Known], name: str) -> str | None:
    return known[name].content if name in known else ABSENT


def _words_of(names: Sequence[str], known: Mapping[str, Known]) -> str:
    """Return what is said of inputs that are different."""
    shown = ", ".join(_word(name) for name in names[:3]) + (", …" if len(names) > 3 else "")
    if all(name in known and known[name].content is None for name in names):
        return f"{shown} may change: what gives {'it' if len(names) == 1 else 'them'} runs again"
    is_one = len(names) == 1 and not (names[0].startswith(RESOURCE) and names[0].endswith("s"))
    return f"{shown} {'is' if is_one else 'are'} not as before"


def _word(name: str) -> str:
    return f"the {name.removeprefix(RESOURCE)}" if name.startswith(RESOURCE) else f"`{name}`"
