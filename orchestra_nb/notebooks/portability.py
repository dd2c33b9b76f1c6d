"""Why a value cannot travel: the path from a name to the object that cannot be pickled, and what to do about it."""

from __future__ import annotations

import functools
import io
import socket
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: How far the search goes before it answers with what it has.
_MAX_DEPTH = 20
_MAX_CHILDREN = 2_000

_REMEDIES: tuple[tuple[tuple[type, ...], str], ...] = (
    ((io.IOBase,), "Send the file's path, and open it in the cell that reads it."),
    ((types.GeneratorType, types.AsyncGeneratorType), "Make it a list, or build it in the cell that uses it."),
    ((types.CoroutineType,), "Await it first."),
    ((type(threading.Lock()), type(threading.RLock()), threading.Thread), "Make it in the cell that uses it."),
    ((socket.socket,), "Connect in the cell that uses it."),
)
_REMEDIES_BY_WORD = (
    (("connection", "engine", "session", "client", "cursor"), "Connect in the cell that uses it."),
    (("lock", "condition", "thread", "executor", "pool", "queue", "event"), "Make it in the cell that uses it."),
    (("file", "writer", "reader"), "Send the file's path, and open it in the cell that reads it."),
)
_DEFAULT_REMEDY = "Make it in the cell that uses it, or leave it out with --in and --out."


def explain_not_portable(name: str, value: object, error: BaseException, try_pickle: Callable[[object], object]) -> str:
    """Return why a value cannot travel, in one line: ``"`conn` → .engine (type Lock): cannot …. Make it …"``.

    Parameters
    ----------
    error
        What pickling the value raised.
    try_pickle
        Pickles an object in the same way and raises where it cannot.
    """
    path, culprit, error = find_culprit(value, error, try_pickle)
    where = f"`{name}`" + (f" → {''.join(path)}" if path else "")
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    if isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError):
        reason, remedy = "it is nested too deeply", "Flatten it, or keep it within one cell."
    else:
        remedy = _remedy_for(culprit)
    return f"{where} (type {type(culprit).__name__}): {reason.rstrip('.')}. {remedy}"


def _remedy_for(culprit: object) -> str:
    for kinds, remedy in _REMEDIES:
        if isinstance(culprit, kinds):
            return remedy
    word = type(culprit).__name__.lower()
    return next((remedy for words, remedy in _REMEDIES_BY_WORD if any(part in word for part in words)), _DEFAULT_REMEDY)


def find_culprit(
    value: object, error: BaseException, try_pickle: Callable[[object], object]
) -> tuple[list[str], object, BaseException]:
    """Return (path, innermost object that cannot be pickled, its error), following the first failing part each time."""
    path: list[str] = []
    seen = {id(value)}
    for _ in range(_MAX_DEPTH):
        for count, (step, part) in enumerate(_parts_of(value)):
            if count >= _MAX_CHILDREN:
                return path, value, error
            if id(part) in seen:
                continue
            try:
                try_pickle(part)
            except Exception as part_error:  # pickling runs code of any class
                path.append(step)
                seen.add(id(part))
                value, error = part, part_error
                break
        else:
            return path, value, error
    return path, value, error


def _parts_of(value: Any) -> Iterator[tuple[str, object]]:
    """Yield (how people would write the way to it, part) for what a value consists of."""
    if isinstance(value, Mapping):
        for key, item in list(value.items()):
            yield f"[{_short(key)}]", item
    elif isinstance(value, list | tuple):
        yield from ((f"[{index}]", item) for index, item in enumerate(value))
    elif isinstance(value, set | frozenset):
        yield from (("{…}", item) for item in value)
    elif isinstance(value, functools.partial):
        yield from ((".func", value.func), (".args", value.args), (".keywords", value.keywords))
    elif isinstance(value, types.MethodType):
        yield ".__self__", value.__self__
    elif isinstance(value, types.FunctionType):
        yield from _parts_of_function(value)
    elif isinstance(value, type):
        yield from ((f".{name}", item) for name, item in list(value.__dict__.items()) if not name.startswith("__"))
    if not isinstance(value, types.FunctionType | type | types.ModuleType):
        yield from _attributes_of(value)


def _parts_of_function(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield f" enclosed {name}", cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    yield from ((f" default {index}", item) for index, item in enumerate(function.__defaults__ or ()))
    yield from ((f" default {name}", item) for name, item in (function.__kwdefaults__ or {}).items())
    yield from ((f".{name}", item) for name, item in function.__dict__.items())


def _attributes_of(value: object) -> Iterator[tuple[str, object]]:
    try:
        state = value.__reduce_ex__(5)[2]
    except Exception:  # no state, or none that can be had
        state = getattr(value, "__dict__", None)
    states = state if isinstance(state, tuple) else (state,)
    for part in states:
        if isinstance(part, Mapping):
            yield from ((f".{name}", item) for name, item in list(part.items()))


def _short(key: object) -> str:
    text = repr(key)
    return text if len(text) <= 40 else text[:37] + "…"
