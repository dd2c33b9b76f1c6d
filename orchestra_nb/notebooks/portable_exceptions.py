"""Pickles of exceptions that load again, also where the exception's class did not provide for it.

An exception pickles as a call of its class with ``args``, which is what its ``__init__`` passed to ``super()``: a class
with parameters of its own does not load again, or loads as another error. Such a one is rebuilt without its
``__init__``, from its ``args`` and attributes.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any


def pickle_exception(
    error: BaseException, dump: Callable[[object], bytes], load: Callable[[bytes], object]
) -> bytes | None:
    """Return a pickle that is known to load as the same exception; None where its class cannot travel.

    An attribute that cannot travel is None in the copy, and a note says so.
    """
    with suppress(Exception):  # pickling runs code of any class
        data = dump(error)
        if _is_same(error, load(data)):
            return data
    with suppress(Exception):
        data = dump(_Rebuilt(error, lambda value: _travels(value, dump, load)))
        if isinstance(load(data), BaseException):
            return data
    return None


class _Rebuilt:
    """Pickles as an exception that is made without its ``__init__``."""

    def __init__(self, error: BaseException, travels: Callable[[object], bool]) -> None:
        self._class = type(error)
        self._args = tuple(value if travels(value) else repr(value) for value in error.args)
        attributes = dict(_attributes_of(error))
        lost = [name for name, value in attributes.items() if not travels(value)]
        self._attributes = {**attributes, **dict.fromkeys(lost)}
        if lost:
            names = ", ".join(f"`{name}`" for name in lost)
            note = f"({names}: None here, since the value cannot be sent from the process that raised this)"
            self._attributes["__notes__"] = [*getattr(error, "__notes__", []), note]

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._class, self._args, self._attributes)


def _rebuild(kind: type[BaseException], args: tuple[Any, ...], attributes: Mapping[str, Any]) -> BaseException:
    # a class of Python's own, whose __new__ keeps what C code needs; one of the user's may want other arguments
    made_by = next(
        parent for parent in kind.__mro__ if isinstance(vars(parent).get("__new__"), types.BuiltinFunctionType)
    )
    error: BaseException = made_by.__new__(kind, *args)
    error.args = args
    for name, value in attributes.items():
        try:
            object.__setattr__(error, name, value)
        except (AttributeError, TypeError):  # set by __new__ already, and read only
            continue
    return error


def _attributes_of(error: BaseException) -> Iterator[tuple[str, object]]:
    """Yield what an exception holds beside its arguments: in its dictionary, and in slots of its classes."""
    for parent in type(error).__mro__:
        for name, descriptor in vars(parent).items():
            if not isinstance(descriptor, types.MemberDescriptorType) or name.startswith("__"):
                continue
            with suppress(AttributeError):  # a slot that was never set
                value = descriptor.__get__(error)
                if value is not None or parent.__module__ != "builtins":  # where None says that it was never set
                    yield name, value
    yield from vars(error).items()


def _travels(value: object, dump: Callable[[object], bytes], load: Callable[[bytes], object]) -> bool:
    try:
        load(dump(value))
    except Exception:  # pickling runs code of any class
        return False
    return True


def _is_same(error: BaseException, loaded: object) -> bool:
    """Tell whether a copy says what its original says."""
    if not isinstance(loaded, BaseException) or type(loaded).__qualname__ != type(error).__qualname__:
        return False
    kept, held = (dict(_attributes_of(one)).keys() for one in (loaded, error))
    return _message_of(loaded) == _message_of(error) and kept == held


def _message_of(error: BaseException) -> str | None:
    try:
        return str(error)
    except Exception:  # a __str__ of the user's class
        return None
