"""Tells a policy what the code of a cell reads, writes, looks at and does, as it happens: the one hook of a process.

Python's audit events (PEP 578) come before the deed, so a policy may prevent it by an exception. A look at a file
(``os.stat``) or at a variable of the environment is no such event, and neither is how :mod:`multiprocessing` starts a
process: there stand functions that tell and then call the real ones. An audit hook cannot be taken out again, and what
was replaced may have been bound by a library meanwhile; so both stay, and do nothing while nobody watches.

Libraries that open files in native code are not seen (:mod:`orchestra_nb.engine.native_access`).
"""

from __future__ import annotations

import _posixsubprocess
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from types import FrameType
from typing import Any, Final, NamedTuple, Protocol

from orchestra_nb.engine.python_folders import find_folders, is_of_packages


class FactKind(Enum):
    """What happened."""

    #: A file is read.
    READ = "read"
    #: A file is written, from its beginning or not.
    WRITTEN = "written"
    #: The names in a folder are read.
    LISTED = "listed"
    #: Somebody looks whether there is a file, or what is known of it.
    LOOKED_AT = "looked at"
    #: A file or folder is changed in another way than by writing it as a whole.
    CHANGED = "changed"
    #: Something is done that is about no file.
    DONE = "done"
    #: Code of the user's looks up a variable of the environment; the path is its name.
    LOOKED_UP = "looked up"


class Fact(NamedTuple):
    """One thing that happens.

    Parameters
    ----------
    path
        Absolute; "" where it is about no file, or nobody can tell about which.
    deed
        What is done, in people's words, to follow "it": "starts a process". Empty for what only reads or looks.
    """

    kind: FactKind
    path: str = ""
    deed: str = ""


class WatchPolicy(Protocol):
    """Who watches. Its methods are called in the thread that does something, often while that holds a lock."""

    def is_concerned(self) -> bool:
        """Tell whether what this thread does counts."""
        ...

    def take(self, fact: Fact) -> None:
        """Take a fact. It may not import, lock or open anything; what it raises prevents the deed."""
        ...


#: Deeds that policies tell apart.
MAKES_A_FOLDER: Final = "makes a folder"
CHANGES_A_FILE: Final = "changes a file"

#: Audit event to what it does, and where in its arguments the files are: (path, descriptor that it is relative to).
_FILE_CHANGES: Final[dict[str, tuple[str, tuple[tuple[int, int | None], ...]]]] = {
    "os.remove": ("deletes a file", ((0, 1),)),
    "os.rmdir": ("deletes a folder", ((0, 1),)),
    "os.rename": ("renames a file", ((0, 2), (1, 3))),
    "os.mkdir": (MAKES_A_FOLDER, ((0, 2),)),
    "os.link": ("links a file", ((1, 3),)),
    "os.symlink": ("links a file", ((1, 2),)),
    "os.truncate": ("shortens a file", ((0, None),)),
    "os.chmod": (CHANGES_A_FILE, ((0, 2),)),
    "os.chown": (CHANGES_A_FILE, ((0, 3),)),
    "shutil.rmtree": ("deletes a folder", ((0, 1),)),
    "shutil.move": ("moves a file", ((0, None), (1, None))),
}
_STARTS_A_PROCESS: Final = "starts a process"
#: A fork too: what a child opens and connects to is not seen here.
_PROCESSES: Final = frozenset(
    {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.startfile", "pty.spawn"}
)
#: Programs that libraries ask about the machine, and that change nothing: of joblib, ctypes, platform, Matplotlib.
_PROBES: Final = frozenset({"lscpu", "ldconfig", "uname", "fc-list", "sysctl", "system_profiler"})
_OTHER_DEEDS: Final = {
    "os.kill": "sends a signal",
    "os.killpg": "sends a signal",
    "signal.pthread_kill": "sends a signal",
    "socket.bind": "listens for connections",
    "socket.sendto": "sends over the network",
    "webbrowser.open": "opens a browser",
}
#: Modules that take a result from a process that may have been started before.
_POOLS: Final = frozenset(
    {"concurrent.futures.process", "joblib.externals.loky.process_executor", "loky.process_executor"}
)
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
#: Modules whose functions look or ask on behalf of who calls them.
_THROUGH: Final = frozenset(
    {
        *("os", "posixpath", "ntpath", "genericpath", "collections.abc", "_collections_abc", "pathlib", "subprocess"),
        *("importlib", "importlib.util"),
    }
)
_IMPORT_FILES: Final = ("<frozen importlib", "<frozen zipimport")
#: Modules that look for packages in all folders of the module path.
_PACKAGE_FINDERS: Final = ("importlib.metadata", "importlib_metadata", "pkg_resources")
_OWN_PACKAGE: Final = __name__.partition(".")[0] + "."

_policies: tuple[WatchPolicy, ...] = ()
_is_hooked = False
_Environ: Any = type(os.environ)
_real_stat, _real_lstat = os.stat, os.lstat
_real_fork_exec: Any = _posixsubprocess.fork_exec
_real_variable: Any = _Environ.__getitem__


def hook_in() -> None:
    """Put the hook and the functions that tell in place, once for the process."""
    global _is_hooked
    if _is_hooked:
        return
    _is_hooked = True
    find_folders()
    sys.addaudithook(_take_event)
    for name, real, ours in (("stat", _real_stat, _stat), ("lstat", _real_lstat, _lstat)):
        # so that it pickles as what it stands for
        ours.__module__, ours.__name__, ours.__qualname__ = "os", name, name
        for group in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):  # what shutil asks
            if real in group:
                group.add(ours)
    replaced: tuple[tuple[object, str, Callable[..., object]], ...] = (
        (os, "stat", _stat),
        (os, "lstat", _lstat),
        (_posixsubprocess, "fork_exec", _fork_exec),
        (_Environ, "__getitem__", _variable),
    )
    for owner, name, function in replaced:
        setattr(owner, name, function)


def begin_watching(policy: WatchPolicy) -> None:
    """Hand what happens from now on to a policy."""
    global _policies
    hook_in()
    if _ModuleSearch not in sys.meta_path:
        sys.meta_path.insert(0, _ModuleSearch)
    _policies = (*_policies, policy)


def end_watching(policy: WatchPolicy) -> None:
    """Hand nothing more to a policy."""
    global _policies
    _policies = tuple(other for other in _policies if other is not policy)
    if not _policies and _ModuleSearch in sys.meta_path:
        sys.meta_path.remove(_ModuleSearch)


def real_status(path: str) -> os.stat_result:
    """Return what ``os.stat`` does, and tell nobody."""
    return _real_stat(path)


def _concerned() -> list[WatchPolicy]:
    return [policy for policy in _policies if policy.is_concerned()]


# --- what is no audit event


def _stat(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
    if _policies:
        _tell_look(path, options.get("dir_fd"), sys._getframe(1))
    return _real_stat(path, *arguments, **options)


def _lstat(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
    if _policies:
        _tell_look(path, options.get("dir_fd"), sys._getframe(1))
    return _real_lstat(path, *arguments, **options)


def _tell_look(path: Any, dir_fd: int | None, caller: FrameType) -> None:
    if (policies := _concerned()) and not isinstance(path, int) and not _is_import(caller):
        name = _absolute(path, dir_fd)
        for policy in policies if name else ():
            policy.take(Fact(FactKind.LOOKED_AT, name))


def _variable(environ: Any, key: Any) -> str:
    if _policies and isinstance(key, str | bytes) and (policies := _concerned()) and _is_of_user(sys._getframe(1)):
        for policy in policies:
            policy.take(Fact(FactKind.LOOKED_UP, os.fsdecode(key)))
    found: str = _real_variable(environ, key)
    return found


def _fork_exec(*arguments: Any) -> Any:
    # subprocess has an event of its own, which tells what is started
    if _policies and sys._getframe(1).f_globals.get("__name__") != "subprocess":
        for policy in _concerned():
            policy.take(Fact(FactKind.DONE, deed=_STARTS_A_PROCESS))
    return _real_fork_exec(*arguments)


class _ModuleSearch:
    """Stands first among the finders of modules: it finds none, and tells where one of the user's might lie.

    That a module *is* there is told when its source is read. That it is not counts as well, and only here is known
    what was looked for: whoever imports looks at folders in native code, and keeps what is in them.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: object = None) -> None:
        """Tell of each place of a module before the one where it is."""
        if not (policies := _concerned()) or not _is_of_user(sys._getframe(1)):
            return
        leaf = name.rpartition(".")[2]
        for folder in list(sys.path if path is None else path):
            if not isinstance(folder, str) or is_of_packages(_absolute(folder) + os.sep):
                continue
            for place in (os.path.join(folder, leaf + ".py"), os.path.join(folder, leaf, "__init__.py")):
                for policy in policies:
                    policy.take(Fact(FactKind.LOOKED_AT, _absolute(place)))
                if _is_there(place):
                    return


# --- audit events


def _take_event(event: str, arguments: tuple[Any, ...]) -> None:
    """Hand an event on as facts; nothing here may open, lock or import anything: who raises it may hold a lock."""
    if not _policies or (facts := _FACTS.get(event)) is None:
        return
    if policies := _concerned():
        for fact in facts(event, arguments, sys._getframe(1)):
            for policy in policies:
                policy.take(fact)


def _opened(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    given, mode, flags = arguments
    if isinstance(given, int) or not (path := _absolute(given)):
        return
    # the mode is that of open(), None of os.open()
    if isinstance(flags, int):
        is_written = bool(flags & _WRITING)
    else:
        is_written = isinstance(mode, str) and any(letter in mode for letter in "wax+")
    if _is_import(caller):
        if not is_written:  # bytecode is kept beside the source that it was made from
            yield Fact(FactKind.READ, _source_of(path))
    elif not is_written:
        yield Fact(FactKind.READ, path)
    else:
        yield Fact(FactKind.WRITTEN, path, f"writes the file {os.fsdecode(given)}")
        is_more = "a" in mode or "r" in mode if isinstance(mode, str) else bool(flags & os.O_APPEND)
        if is_more:
            yield Fact(FactKind.CHANGED, path, f"goes on writing {os.fsdecode(given)}")


def _listed(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    given = "." if arguments[0] is None else arguments[0]
    if not _is_import(caller) and (path := _absolute(given)):
        yield Fact(FactKind.LISTED, path)


def _changed(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    if _is_import(caller):  # it writes bytecode
        return
    deed, places = _FILE_CHANGES[event]
    for place, descriptor in places:
        path = _absolute(arguments[place], None if descriptor is None else arguments[descriptor])
        if event == "os.mkdir" and path and _is_there(path):  # `exist_ok`
            yield Fact(FactKind.LOOKED_AT, path)
        else:
            yield Fact(FactKind.CHANGED, path, deed)


def _started(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    if caller.f_globals.get("__name__") != "subprocess":  # it has told so
        yield Fact(FactKind.DONE, deed=_STARTS_A_PROCESS)


def _started_program(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    program = arguments[0]
    name = os.path.basename(os.fsdecode(program)) if isinstance(program, str | bytes | os.PathLike) else ""
    if name not in _PROBES or _is_of_user(caller):
        yield Fact(FactKind.DONE, deed=_STARTS_A_PROCESS)


def _connected(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    asker, address = str(caller.f_globals.get("__name__")), arguments[1]
    if asker == "multiprocessing.forkserver":  # which is the child's parent
        yield Fact(FactKind.DONE, deed=_STARTS_A_PROCESS)
    elif isinstance(address, tuple) and address and isinstance(address[0], str):
        yield Fact(FactKind.DONE, deed=f"connects to {address[0]}")
    elif isinstance(address, str | bytes) and not asker.startswith(_OWN_PACKAGE):
        yield Fact(FactKind.DONE, deed=f"connects to {os.fsdecode(address).lstrip(chr(0))}")


def _found_class(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    if arguments[0] in _POOLS:
        yield Fact(FactKind.DONE, deed="runs code in another process")


def _opened_database(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    if (name := os.fsdecode(arguments[0])) not in (":memory:", ""):
        yield Fact(FactKind.DONE, deed=f"opens the database {name}")


def _did(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    yield Fact(FactKind.DONE, deed=_OTHER_DEEDS[event])


#: Audit event to what tells what it means, from its arguments and who raises it.
_FACTS: Final[dict[str, Callable[[str, tuple[Any, ...], FrameType], Iterator[Fact]]]] = {
    "open": _opened,
    "os.listdir": _listed,
    "os.scandir": _listed,
    "subprocess.Popen": _started_program,
    "socket.connect": _connected,
    "pickle.find_class": _found_class,
    "sqlite3.connect": _opened_database,
    **dict.fromkeys(_FILE_CHANGES, _changed),
    **dict.fromkeys(_PROCESSES, _started),
    **dict.fromkeys(_OTHER_DEEDS, _did),
}


# --- who asks, and for what


def _absolute(path: Any, dir_fd: int | None = None) -> str:
    """Return the absolute path that is meant; "" where nobody can tell."""
    try:
        if isinstance(path, int):
            found = os.readlink(f"/proc/self/fd/{path}")
            return found if found.startswith(os.sep) else ""
        name = os.fsdecode(path)
        if not name or "\0" in name:
            return ""
        if dir_fd is not None and dir_fd >= 0 and not os.path.isabs(name):
            name = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), name)
        return os.path.abspath(name)
    except (OSError, TypeError, ValueError):  # a working folder that has gone
        return ""


def _is_there(path: str) -> bool:
    try:
        _real_stat(path)
    except (OSError, ValueError):
        return False
    return True


def _source_of(path: str) -> str:
    """Return the source that a file of bytecode was made from; of any other file the file."""
    try:
        return importlib.util.source_from_cache(path)
    except (ValueError, NotImplementedError):
        return path


def _is_import(caller: FrameType) -> bool:
    """Tell whether it is the import of modules that asks, or what looks for their packages."""
    if caller.f_code.co_filename.startswith(_IMPORT_FILES):
        return True
    return str(caller.f_globals.get("__name__")).startswith(_PACKAGE_FINDERS)


def _is_of_user(caller: FrameType) -> bool:
    """Tell whether code of the notebook, or of a module of the user's, is what asks, itself or through ``os``."""
    frame: FrameType | None = caller
    while frame is not None and (
        frame.f_globals.get("__name__") in _THROUGH or frame.f_code.co_filename.startswith(_IMPORT_FILES)
    ):
        frame = frame.f_back
    if frame is None:
        return False
    file = frame.f_code.co_filename
    return not file.startswith("<frozen") if file.startswith("<") else not is_of_packages(file)
