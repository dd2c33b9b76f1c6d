"""Why a cluster of a class that only its user knows could not be made, in people's words, and what to do about it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Final

from orchestra_nb.engine.clusters import ClusterSpec, parse_cluster
from orchestra_nb.errors import InvalidSetting
from orchestra_nb.settings import load_settings_with_origins

#: How much of what somebody else's code says of its error is told.
_LONGEST: Final = 500
_VARIABLE: Final = "ORCHESTRA_CLUSTER"


def why_not_made(error: BaseException) -> str:
    """Return what a class has raised, with the remedy: of what it raised first, where that says more.

    Examples
    --------
    >>> why_not_made(ModuleNotFoundError("No module named 'asyncssh'", name="asyncssh"))
    "it needs the package asyncssh, which is not installed. Install it: pip install asyncssh."
    >>> why_not_made(ValueError("no queue"))
    'ValueError: no queue. Correct its arguments, or what it needs.'
    """
    for one in _chain(error):
        if isinstance(one, ModuleNotFoundError) and one.name:
            package = one.name.partition(".")[0]
            install = f"pip install {package.replace('_', '-')}"
            return f"it needs the package {package}, which is not installed. Install it: {install}."
        if isinstance(one, FileNotFoundError | PermissionError) and _is_program(one.filename):
            return (
                f"it starts the program {str(one.filename)!r}, which is not on the PATH of {socket.gethostname()}. "
                "Install it, or have what needs the cluster run on a machine that has it."
            )
    *_, first = _chain(error)
    said = _words(error) if first is error else f"{_words(error)} ({_words(first)})"
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
        one = one.__cause__ or one.__context__


def _is_program(name: object) -> bool:
    """Tell the name of a program from the path of a file."""
    return isinstance(name, str) and bool(name) and os.sep not in name and "." not in name


def _words(error: BaseException) -> str:
    text = str(error).strip().rstrip(".")[:_LONGEST]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
