"""What each of Python's audit events (PEP 578) says that code reads or does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

from orchestra_nb.engine.watch_callers import absolute, is_import, is_of_user, is_there, source_of
from orchestra_nb.engine.watch_facts import CHANGES_A_FILE, MAKES_A_FOLDER, STARTS_A_PROCESS, Fact, FactKind

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
_OWN_PACKAGE: Final = __name__.partition(".")[0] + "."


def _opened(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    given, mode, flags = arguments
    if isinstance(given, int) or not (path := absolute(given)):
        return
    # the mode is None where os.open() raises it
    is_written = isinstance(flags, int) and bool(flags & _WRITING)
    is_more = isinstance(flags, int) and bool(flags & os.O_APPEND)
    if isinstance(mode, str):
        is_written = is_written or any(letter in mode for letter in "wax+")
        is_more = "a" in mode or "r" in mode
    if is_import(caller):
        if not is_written:  # bytecode is kept beside the source that it was made from
            yield Fact(FactKind.READ, source_of(path))
    elif not is_written:
        yield Fact(FactKind.READ, path)
    else:
        yield Fact(FactKind.WRITTEN, path, f"writes the file {os.fsdecode(given)}")
        if is_more:
            yield Fact(FactKind.CHANGED, path, f"goes on writing {os.fsdecode(given)}")


def _listed(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    given = "." if arguments[0] is None else arguments[0]
    if not is_import(caller) and (path := absolute(given)):
        yield Fact(FactKind.LISTED, path)


def _changed(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    if is_import(caller):  # it writes bytecode
        return
    deed, places = _FILE_CHANGES[event]
    for place, descriptor in places:
        path = absolute(arguments[place], None if descriptor is None else arguments[descriptor])
        if event == "os.mkdir" and path and is_there(path):  # `exist_ok`
            yield Fact(FactKind.LOOKED_AT, path)
        else:
            yield Fact(FactKind.CHANGED, path, deed)


def _started(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    if caller.f_globals.get("__name__") != "subprocess":  # it has told so
        yield Fact(FactKind.DONE, deed=STARTS_A_PROCESS)


def _started_program(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    program = arguments[0]
    name = os.path.basename(os.fsdecode(program)) if isinstance(program, str | bytes | os.PathLike) else ""
    if name not in _PROBES or is_of_user(caller):
        yield Fact(FactKind.DONE, deed=STARTS_A_PROCESS)


def _connected(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    asker, address = str(caller.f_globals.get("__name__")), arguments[1]
    if asker == "multiprocessing.forkserver":  # which is the child's parent
        yield Fact(FactKind.DONE, deed=STARTS_A_PROCESS)
    elif isinstance(address, tuple) and address and isinstance(address[0], str):
        yield Fact(FactKind.DONE, deed=f"connects to {address[0]}")
    elif isinstance(address, str | bytes) and not asker.startswith(_OWN_PACKAGE):
        yield Fact(FactKind.DONE, deed=f"connects to {os.fsdecode(address).lstrip(chr(0))}")


def _sent(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    # over a connection that may have been made before
    yield Fact(FactKind.DONE, deed=f"connects to {getattr(arguments[0], 'host', 'a server')}")


def _found_class(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    if arguments[0] in _POOLS:
        yield Fact(FactKind.DONE, deed="runs code in another process")


def _opened_database(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    if (name := os.fsdecode(arguments[0])) not in (":memory:", ""):
        yield Fact(FactKind.DONE, deed=f"opens the database {name}")


def _did(event: str, arguments: tuple[Any, ...], caller: FrameType) -> Iterator[Fact]:
    if event != "os.kill" or arguments[1] != 0:  # which asks whether a process is alive
        yield Fact(FactKind.DONE, deed=_OTHER_DEEDS[event])


#: Audit event to what tells what it means, from its arguments and who raises it.
FACTS_OF: Final[dict[str, Callable[[str, tuple[Any, ...], FrameType], Iterator[Fact]]]] = {
    "open": _opened,
    "os.listdir": _listed,
    "os.scandir": _listed,
    "subprocess.Popen": _started_program,
    "socket.connect": _connected,
    "http.client.send": _sent,
    "pickle.find_class": _found_class,
    "sqlite3.connect": _opened_database,
    **dict.fromkeys(_FILE_CHANGES, _changed),
    **dict.fromkeys(_PROCESSES, _started),
    **dict.fromkeys(_OTHER_DEEDS, _did),
}
