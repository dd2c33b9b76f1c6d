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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import xxhash

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
#: Not a fork: what multiprocessing runs is the notebook's own code.
_PROCESSES = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pty.spawn"})
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
    changes
        (what, path) of changes to files that are an effect where the file is no temporary one.
    """

    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)
    effects: set[str] = field(default_factory=set)
    changes: set[tuple[str, str]] = field(default_factory=set)


_watched: FileUse | None = None
_is_hooked = False


def begin_watching() -> None:
    """Note from now on what all threads of this process use."""
    global _watched, _is_hooked
    tempfile.gettempdir()  # the first call tries whether files can be made there
    if not _is_hooked:
        sys.addaudithook(_take)
        _is_hooked = True
    _watched = FileUse()


def end_watching() -> FileUse:
    """Return what was used since :func:`begin_watching`, without what belongs to Python and its packages."""
    global _watched
    use, _watched = _watched or FileUse(), None
    ignored = _folders_of_python()
    for name in ("read", "written", "listed"):
        paths = {path for path in getattr(use, name) if not path.startswith(ignored)}
        setattr(use, name, paths)
    use.effects |= {what for what, path in use.changes if not _is_temporary(path) and not path.startswith(ignored)}
    use.written = {path for path in use.written if os.path.exists(path)}  # what has gone was temporary
    use.read = {path for path in use.read - use.written if not _is_temporary(path) or os.path.exists(path)}
    return use


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
        use.changes.add((_FILE_CHANGES[event], os.path.abspath(os.fspath(arguments[0]))))


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
        """Return the digest of a file, or of a folder's names; "" where there is none or it cannot be read."""
        try:
            status = os.stat(path)
            if stat.S_ISDIR(status.st_mode):
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
