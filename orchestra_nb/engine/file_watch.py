"""Which files, processes and connections the code of a cell uses, as Python's audit events tell (PEP 578).

An audit hook cannot be taken out again, so there is one for a process, made when it is first needed; it does nothing
while no cell is watched. Libraries that open files in native code raise no event: the files that a cell's source or its
inputs name are looked at as well (:func:`files_named`).
"""

from __future__ import annotations

import ast
import hashlib
import os
import site
import stat
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

import xxhash

from orchestra_nb.model.environment_variables import is_variable_that_counts

#: Audit events that change files in other ways than by writing into one, and how people say it.
_FILE_CHANGES = {
    "os.remove": "deletes files",
    "os.rmdir": "deletes folders",
    "os.rename": "renames files",
    "os.mkdir": "makes folders",
    "os.link": "links files",
    "os.symlink": "links files",
    "os.truncate": "shortens files",
    "shutil.rmtree": "deletes folders",
    "shutil.move": "moves files",
}
#: A fork too: what a child of multiprocessing opens and connects to is not seen here.
_PROCESSES = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn"}
)
_WITH_TARGET = frozenset({"os.rename", "os.link", "os.symlink", "shutil.move"})
_LISTINGS = frozenset({"os.listdir", "os.scandir"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
_PIECE_BYTES = 1 << 20
_LONGEST_PATH = 1_000


@dataclass(slots=True)
class FileUse:
    """What was used while a cell ran.

    Parameters
    ----------
    read, written, listed
        Absolute paths, as they were opened.
    effects
        What else it did that no record can repeat, in people's words ("starts a process").
    made_or_gone
        Absolute paths of those changes; of what is a folder it ends in "/".
    looked_at
        Absolute paths that were asked for, also where there is nothing; a folder that only had to be there ends in "/".
    reads_environment
        Whether the code of a cell, or a function or module of the user's, looked up a variable that may count.
    changes
        (what, path) of changes to files that are an effect where the file is no temporary one.
    """

    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)
    effects: set[str] = field(default_factory=set)
    changes: set[tuple[str, str]] = field(default_factory=set)
    made_or_gone: set[str] = field(default_factory=set)
    looked_at: set[str] = field(default_factory=set)
    reads_environment: bool = False


_watched: FileUse | None = None
_is_hooked = False
#: More looks are not noted one by one.
_MAX_LOOKS = 20_000
#: Modules whose functions ask for a variable on behalf of who calls them.
_THROUGH = frozenset({"os", "posixpath", "ntpath", "genericpath", "collections.abc", "_collections_abc", "pathlib"})
_real_stat, _real_lstat = os.stat, os.lstat
_Environ: Any = type(os.environ)
_real_variable = _Environ.__getitem__


def begin_watching() -> None:
    """Note from now on what all threads of this process use."""
    global _watched, _is_hooked
    tempfile.gettempdir()  # the first call tries whether files can be made there
    if not _is_hooked:
        sys.addaudithook(_take)
        _is_hooked = True
        for group in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):  # what shutil asks
            group.update(ours for ours, real in ((_stat, _real_stat), (_lstat, _real_lstat)) if real in group)
    _folders_of_python()  # it looks at files itself
    _watched = FileUse()
    # neither looking at a file nor at a variable is an audit event
    os.stat, os.lstat, _Environ.__getitem__ = _stat, _lstat, _variable


def end_watching() -> FileUse:
    """Return what was used since :func:`begin_watching`, without what belongs to Python and its packages."""
    global _watched
    use, _watched = _watched or FileUse(), None
    os.stat, os.lstat, _Environ.__getitem__ = _real_stat, _real_lstat, _real_variable
    ignored = _folders_of_python()
    for name in ("read", "written", "listed", "looked_at"):
        paths = {path for path in getattr(use, name) if not path.startswith(ignored)}
        setattr(use, name, paths)
    use.effects |= {what for what, path in use.changes if not _is_temporary(path) and not path.startswith(ignored)}
    changed = {path for _, path in use.changes if not _is_temporary(path) and not path.startswith(ignored)}
    use.made_or_gone = {path + os.sep if os.path.isdir(path) else path for path in changed}
    use.written = {path for path in use.written if os.path.exists(path)}  # what has gone was temporary
    use.read = {path for path in use.read - use.written if not _is_temporary(path) or os.path.exists(path)}
    looked_at = use.looked_at - use.read - use.written - use.listed - changed
    use.looked_at = {
        path + os.sep if os.path.isdir(path) else path
        for path in looked_at
        if not _is_temporary(path) or os.path.exists(path)
    }
    return use


def _stat(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
    _note_look(path, options)
    return _real_stat(path, *arguments, **options)


def _lstat(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
    _note_look(path, options)
    return _real_lstat(path, *arguments, **options)


def _note_look(path: Any, options: Mapping[str, Any]) -> None:
    """Note that something looked whether there is a file, whoever asked; the import of modules does not pass here."""
    use = _watched
    if use is None or options.get("dir_fd") is not None or len(use.looked_at) >= _MAX_LOOKS:
        return
    if isinstance(path, os.PathLike | bytes):
        path = os.fsdecode(path)
    if isinstance(path, str) and path and "\0" not in path:
        use.looked_at.add(os.path.abspath(path))


def _variable(environ: Any, key: Any) -> str:
    use = _watched
    if use is not None and not use.reads_environment:
        name = os.fsdecode(key) if isinstance(key, str | bytes) else ""
        use.reads_environment = is_variable_that_counts(name) and _is_of_user(sys._getframe(1))
    found: str = _real_variable(environ, key)
    return found


def _is_of_user(frame: FrameType | None) -> bool:
    """Tell whether code of the notebook, or of a module of the user's, is what calls, itself or through ``os``."""
    while frame is not None and frame.f_globals.get("__name__") in _THROUGH:
        frame = frame.f_back
    if frame is None:
        return False
    file = frame.f_code.co_filename
    return not file.startswith("<frozen") if file.startswith("<") else not file.startswith(_folders_of_python())


def _take(event: str, arguments: tuple[Any, ...]) -> None:
    """Note an event; nothing here may open, lock or import anything: who raises it may hold a lock."""
    use = _watched
    if use is None:
        return
    if event == "open":
        path, mode, flags = arguments
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if isinstance(path, str) and path:
            writes = (isinstance(mode, str) and any(c in mode for c in "wax+")) or (
                mode is None and isinstance(flags, int) and bool(flags & _WRITING)
            )
            (use.written if writes else use.read).add(os.path.abspath(path))
            if isinstance(mode, str) and ("a" in mode or "+" in mode):
                use.changes.add((f"goes on writing {path}", os.path.abspath(path)))
    elif event in _LISTINGS:
        path = arguments[0]
        if path is None:
            path = "."
        if isinstance(path, str | os.PathLike):
            use.listed.add(os.path.abspath(os.fspath(path)))
    elif event in _PROCESSES:
        use.effects.add("starts a process")
    elif event == "socket.connect":
        if (host := _remote_host(arguments)) is not None:
            use.effects.add(f"connects to {host}")
    elif event == "sqlite3.connect":
        database = arguments[0]
        if isinstance(database, str) and database not in (":memory:", ""):
            use.effects.add(f"opens the database {database}")
    elif event in _FILE_CHANGES and isinstance(arguments[0], str | os.PathLike):
        what = _FILE_CHANGES[event]
        use.changes.add((what, os.path.abspath(os.fspath(arguments[0]))))
        if event in _WITH_TARGET and isinstance(arguments[1], str | os.PathLike):
            use.changes.add((what, os.path.abspath(os.fspath(arguments[1]))))


def _remote_host(arguments: tuple[Any, ...]) -> str | None:
    address = arguments[1] if len(arguments) > 1 else None
    if isinstance(address, tuple) and address and isinstance(address[0], str):
        host: str = address[0]
        return host
    return None


def _is_temporary(path: str) -> bool:
    return path.startswith(tempfile.gettempdir() + os.sep) and not path.startswith(os.getcwd() + os.sep)


@lru_cache(maxsize=1)
def _folders_of_python() -> tuple[str, ...]:
    """Return the folders whose files count by the versions of packages, or belong to the system and to Jupyter."""
    paths = {sys.prefix, sys.base_prefix, sys.exec_prefix, *site.getsitepackages(), *sysconfig.get_paths().values()}
    home = str(Path.home())
    paths |= {f"{home}/{name}" for name in (".cache", ".config", ".ipython", ".jupyter", ".local", ".matplotlib")}
    paths |= {"/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "<"}
    for variable in ("MPLCONFIGDIR", "IPYTHONDIR", "JUPYTER_DATA_DIR", "XDG_CACHE_HOME", "JUPYTER_RUNTIME_DIR"):
        if os.environ.get(variable):
            paths.add(os.path.abspath(os.environ[variable]))
    own = str(Path(__file__).parents[1])
    return tuple(
        path if path == "<" else path.rstrip(os.sep) + os.sep for path in {*paths, own} if path not in ("", "/")
    )


def files_named(source: str, values: Iterable[object]) -> set[str]:
    """Return the absolute paths of existing files that text in a cell's source or among its inputs names."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        tree = ast.Module([], [])
    texts: list[object] = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return set(_existing(texts)) | set(_existing(values))


def _existing(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if not isinstance(value, str | os.PathLike):
            continue
        try:
            path = os.fspath(value)
            if not isinstance(path, str) or not path or len(path) > _LONGEST_PATH or "\n" in path or "\0" in path:
                continue
            if stat.S_ISREG(os.stat(path).st_mode):
                yield os.path.abspath(path)
        except (OSError, ValueError):
            continue


class FileDigests:
    """Digests of files and folders by content; a file is read once for each of its states. Not thread-safe."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, int], str]] = {}

    def __call__(self, path: str) -> str:
        """Return the digest of a file, or of a folder's names; "" where there is none or it cannot be read.

        A path that ends in "/" is one of which only counts whether it is a folder.
        """
        try:
            status = os.stat(path)
            if stat.S_ISDIR(status.st_mode):
                if path.endswith(os.sep):
                    return "folder"
                names = "\0".join(sorted(os.listdir(path)))
                return "folder " + hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()[:32]
            if not stat.S_ISREG(status.st_mode):
                return ""
            state = status.st_size, status.st_mtime_ns
            if (known := self._known.get(path)) is not None and known[0] == state:
                return known[1]
            digest = xxhash.xxh3_128()
            with open(path, "rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    digest.update(piece)
        except OSError:
            return ""
        self._known[path] = state, digest.hexdigest()
        return self._known[path][1]
