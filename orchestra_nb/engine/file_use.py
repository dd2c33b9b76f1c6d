"""Notes which files, processes and connections a cell uses: the policy by which its record knows what it depends on.

Libraries that open files in native code are not seen: the files that a cell names are looked at as well
(:mod:`orchestra_nb.engine.named_files`).
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field

from orchestra_nb.engine.cell_watch import begin_watching, end_watching
from orchestra_nb.engine.file_digests import FileState, file_state
from orchestra_nb.engine.python_folders import OF_MEMORY, is_of_caches, is_of_packages, is_of_settings
from orchestra_nb.engine.watch_facts import CHANGES_A_FILE, Fact, FactKind
from orchestra_nb.model.environment_variables import is_variable_that_counts

#: A cell that looks at more is not kept: its record would cost more than it.
_MAX_LOOKS = 20_000


@dataclass(slots=True)
class FileUse:
    """What was used while a cell ran, without what belongs to Python and its packages.

    Parameters
    ----------
    read, written, listed
        Absolute paths, as they were opened.
    effects
        What else it did that no record can repeat, in people's words ("starts a process"), in the order of the deeds.
    made_or_gone
        Absolute paths of those changes; of what is a folder it ends in "/".
    looked_at
        Absolute paths that were asked for, also where there is nothing; a folder that only had to be there ends in "/".
    reads_environment
        Whether the code of a cell, or a function or module of the user's, looked up a variable that may count.
    found
        What each file was like when it was read first, but for those that had been written before; None for none there.
    """

    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)
    effects: tuple[str, ...] = ()
    made_or_gone: set[str] = field(default_factory=set)
    looked_at: set[str] = field(default_factory=set)
    reads_environment: bool = False
    found: dict[str, FileState | None] = field(default_factory=dict)

    def another(self) -> str:
        """Return a file that is not as it was when it was read, and was not written since; "" if all are."""
        read = sorted(self.found.keys() - self.written - self.made_or_gone)
        return next((path for path in read if file_state(path) != self.found[path] and not os.path.isdir(path)), "")


class UseNotes:
    """A :class:`~orchestra_nb.engine.watch_facts.WatchPolicy` that notes what all threads of the process use."""

    def __init__(self) -> None:
        tempfile.gettempdir()  # the first call tries whether files can be made there
        self._paths: dict[FactKind, set[str]] = {kind: set() for kind in FactKind}
        #: (what, path) of each deed, in order; of one that is about no file the path is ""
        self._deeds: dict[tuple[str, str], None] = {}
        self._found: dict[str, FileState | None] = {}

    def begin(self) -> None:
        """Note what is used from now on."""
        begin_watching(self)

    def end(self) -> FileUse:
        """Return what was used since :meth:`begin`."""
        end_watching(self)
        # a thread may be about to note something still: so each is copied at once
        read, written, listed, looked_at = (
            {path for path in self._paths[kind].copy() if not _is_ignored(path)}
            for kind in (FactKind.READ, FactKind.WRITTEN, FactKind.LISTED, FactKind.LOOKED_AT)
        )
        deeds = [
            (what, path)
            for what, path in self._deeds.copy()
            if not path
            or not (
                _is_ignored(path)
                or _is_temporary(path)
                # `shutil.copy` sets the mode of what it has written
                or (what == CHANGES_A_FILE and path in written)
            )
        ]
        changed = {path for _, path in deeds if path}
        written = {path for path in written if os.path.exists(path)}  # what has gone was temporary
        found = {path: state for path, state in self._found.copy().items() if path in read}
        # what was there is lost, so no record can tell whether it is there again
        deeds += [
            (f"writes {os.path.basename(path)}, which it had read before", path)
            for path in sorted(written & found.keys())
            if found[path] is not None and not _is_temporary(path)
        ]
        read = {path for path in read - written if not _is_temporary(path) or os.path.exists(path)}
        looked_at -= read | written | listed | changed
        return FileUse(
            read=read,
            written=written,
            listed=listed,
            effects=tuple(dict.fromkeys(what for what, _ in deeds)),
            made_or_gone=set(map(_marked, changed)),
            looked_at={_marked(path) for path in looked_at if not _is_temporary(path) or os.path.exists(path)},
            reads_environment=any(map(is_variable_that_counts, self._paths[FactKind.LOOKED_UP].copy())),
            found={path: found[path] for path in read & found.keys()},
        )

    def is_concerned(self) -> bool:
        """Tell that all threads count."""
        return True

    def take(self, fact: Fact) -> None:
        """Note a fact."""
        match fact.kind:
            case FactKind.DONE | FactKind.CHANGED:
                self._deeds[fact.deed, fact.path] = None
            case FactKind.LOOKED_AT if len(self._paths[FactKind.LOOKED_AT]) >= _MAX_LOOKS:
                self._deeds[f"looks at more than {_MAX_LOOKS:,} files", ""] = None
            case FactKind.READ if fact.path not in self._paths[FactKind.READ]:
                self._paths[FactKind.READ].add(fact.path)
                if fact.path not in self._paths[FactKind.WRITTEN] and not _is_ignored(fact.path):
                    self._found[fact.path] = file_state(fact.path)
            case _:
                self._paths[fact.kind].add(fact.path)


def _is_ignored(path: str) -> bool:
    return is_of_packages(path) or is_of_caches(path) or is_of_settings(path)


def _is_temporary(path: str) -> bool:
    if not path.startswith((tempfile.gettempdir() + os.sep, OF_MEMORY)):
        return False
    try:
        return not path.startswith(os.getcwd() + os.sep)
    except OSError:  # it has gone
        return True


def _marked(path: str) -> str:
    return path + os.sep if os.path.isdir(path) else path
