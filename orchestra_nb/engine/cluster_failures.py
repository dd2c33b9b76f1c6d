"""Why a cluster of a class that only its user knows could not be made, in people's words, and what to do about it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from orchestra_nb.engine.clusters import ClusterSpec, parse_cluster
from orchestra_nb.engine.hidden_arguments import HiddenArguments
from orchestra_nb.errors import InvalidSetting
from orchestra_nb.settings import load_settings_with_origins

#: How much of what somebody else's code says of its error is told.
_LONGEST: Final = 500
_VARIABLE: Final = "ORCHESTRA_CLUSTER"


def why_not_made(error: BaseException, arguments: Mapping[str, object] = MappingProxyType({})) -> str:
    """Return what a class has raised, with the remedy: of what it raised first, where that says more.

    Parameters
    ----------
    arguments
        Of the class: what it says of them is hidden as :class:`.HiddenArguments` does.

    Examples
    --------
    >>> why_not_made(ModuleNotFoundError("No module named 'asyncssh'", name="asyncssh"))
    'it needs the package asyncssh, which is not installed. Install it: pip install asyncssh.'
    >>> why_not_made(ValueError("no queue for hunter2"), {"password": "hunter2"})
    'ValueError: no queue for ••••. Correct its arguments, or what it needs.'
    """
    hidden = HiddenArguments(arguments)
    for one in _chain(error):
        if isinstance(one, ModuleNotFoundError) and one.name:
            package = hidden.text(one.name.partition(".")[0])
            install = f"pip install {package.replace('_', '-')}"
            return f"it needs the package {package}, which is not installed. Install it: {install}."
        if isinstance(one, FileNotFoundError) and (program := _missing_program(one)):
            return (
                f"it starts the program {hidden.text(program)!r}, which is not on the PATH of {socket.gethostname()}. "
                "Install it, or have what needs the cluster run on a machine that has it."
            )
    *_, first = _chain(error)
    said = _words(error, hidden) if first is error else f"{_words(error, hidden)} ({_words(first, hidden)})"
    return f"{said}. Correct its arguments, or what it needs."


def said_by(spec: ClusterSpec) -> str:
    """Return which setting names a cluster: a file, with the profile, or a variable; empty where none does.

    A run hands its cluster on to what it starts in the variable, so the files come first.
    """
    without = {name: value for name, value in os.environ.items() if name != _VARIABLE}
    for environ in (without, os.environ):
        try:
            settings, origins = load_settings_with_origins(environ=environ)
            if parse_cluster(settings.cluster) == spec:
                return origins["cluster"]
        except InvalidSetting:  # it is refused where it is used
            continue
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _missing_program(error: FileNotFoundError) -> str:
    """Return the program that could not be started; empty where something else is not there: a file, a folder."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or trace.tb_frame.f_globals.get("__name__") != subprocess.__name__:
        return ""
    started = trace.tb_frame.f_locals
    arguments, folder = started.get("args"), started.get("cwd")
    name = arguments[0] if isinstance(arguments, list) and arguments else None
    if not isinstance(name, str) or name != error.filename or os.sep in name:
        return ""
    if folder is not None and not os.path.isdir(folder):
        return ""  # which may be called as the program is
    return "" if shutil.which(name) else name  # what its first line names may be missing


def _words(error: BaseException, hidden: HiddenArguments) -> str:
    text = hidden.text(str(error).strip().rstrip("."))[:_LONGEST]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
