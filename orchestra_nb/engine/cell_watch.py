"""Tells a policy what the code of a cell reads, writes, looks at and does, as it happens: the one hook of a process.

Python's audit events (PEP 578) come before the deed, so a policy may prevent it by an exception. A look at a file
(``os.stat``, ``os.access``) or at a variable of the environment is no such event, and neither is how
:mod:`multiprocessing` starts a process: there stand functions that tell and then call the real ones. An audit hook
cannot be taken out again, and what was replaced may have been bound by a library meanwhile; so both stay, and do
nothing while nobody watches.

Libraries that open files in native code are not seen (:mod:`orchestra_nb.engine.native_access`).
"""

from __future__ import annotations

import _posixsubprocess
import os
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from orchestra_nb.engine.audit_facts import FACTS_OF
from orchestra_nb.engine.python_folders import find_folders, is_of_packages
from orchestra_nb.engine.watch_callers import absolute, is_import, is_of_user, is_there, real_status
from orchestra_nb.engine.watch_facts import STARTS_A_PROCESS, Fact, FactKind, WatchPolicy

_policies: tuple[WatchPolicy, ...] = ()
_is_hooked = False
_Environ: Any = type(os.environ)
_real_access = os.access
_real_lstat = os.lstat
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
    looks: tuple[tuple[str, Callable[..., object], Callable[..., object]], ...] = (
        ("access", _real_access, _access),
        ("stat", real_status, _stat),
        ("lstat", _real_lstat, _lstat),
    )
    for name, real, ours in looks:
        # so that it pickles as what it stands for
        ours.__module__, ours.__name__, ours.__qualname__ = "os", name, name
        # what shutil asks
        for group in (os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks):
            if real in group:
                group.add(ours)
    replaced: tuple[tuple[object, str, Callable[..., object]], ...] = (
        *((os, name, ours) for name, _, ours in looks),
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


def _concerned() -> list[WatchPolicy]:
    return [policy for policy in _policies if policy.is_concerned()]


# --- what is no audit event


def _stat(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
    if _policies:
        _tell_look(path, options.get("dir_fd"), sys._getframe(1))
    return real_status(path, *arguments, **options)


def _lstat(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
    if _policies:
        _tell_look(path, options.get("dir_fd"), sys._getframe(1))
    return _real_lstat(path, *arguments, **options)


def _access(path: Any, *arguments: Any, **options: Any) -> bool:
    if _policies:
        _tell_look(path, options.get("dir_fd"), sys._getframe(1))
    return _real_access(path, *arguments, **options)


def _tell_look(path: Any, dir_fd: int | None, caller: FrameType) -> None:
    if (policies := _concerned()) and not isinstance(path, int) and not is_import(caller):
        name = absolute(path, dir_fd)
        for policy in policies if name else ():
            policy.take(Fact(FactKind.LOOKED_AT, name))


def _variable(environ: Any, key: Any) -> str:
    if _policies and isinstance(key, str | bytes) and (policies := _concerned()) and is_of_user(sys._getframe(1)):
        for policy in policies:
            policy.take(Fact(FactKind.LOOKED_UP, os.fsdecode(key)))
    found: str = _real_variable(environ, key)
    return found


def _fork_exec(*arguments: Any) -> Any:
    # subprocess has an event of its own, which tells what is started
    if _policies and sys._getframe(1).f_globals.get("__name__") != "subprocess":
        for policy in _concerned():
            policy.take(Fact(FactKind.DONE, deed=STARTS_A_PROCESS))
    return _real_fork_exec(*arguments)


class _ModuleSearch:
    """Stands first among the finders of modules: it finds none, and tells where one of the user's might lie.

    That a module *is* there is told when its source is read. That it is not counts as well, and only here is known
    what was looked for: whoever imports looks at folders in native code, and keeps what is in them.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: object = None) -> None:
        """Tell of each place of a module before the one where it is."""
        if not (policies := _concerned()) or not is_of_user(sys._getframe(1)):
            return
        leaf = name.rpartition(".")[2]
        for folder in list(sys.path if path is None else path):
            if not isinstance(folder, str) or is_of_packages(absolute(folder) + os.sep):
                continue
            for place in (os.path.join(folder, leaf + ".py"), os.path.join(folder, leaf, "__init__.py")):
                for policy in policies:
                    policy.take(Fact(FactKind.LOOKED_AT, absolute(place)))
                if is_there(place):
                    return


# --- audit events


def _take_event(event: str, arguments: tuple[Any, ...]) -> None:
    """Hand an event on as facts; nothing here may open, lock or import anything: who raises it may hold a lock."""
    if not _policies or (facts := FACTS_OF.get(event)) is None:
        return
    if policies := _concerned():
        for fact in facts(event, arguments, sys._getframe(1)):
            for policy in policies:
                policy.take(fact)
