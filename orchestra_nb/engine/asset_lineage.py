"""Which assets a task depends on: those that it names, and those that its arguments were made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestra_nb.model.assets import Asset, keys_of

#: Types of which Python has one object for all who write the same: they do not tell where they come from.
_SHARED = (bool, int, type(None))


class MadeAssets:
    """The values that direct calls of tasks returned in one flow run, and the assets that they stand for.

    Only values with assets are held, until the flow has ended.
    """

    def __init__(self) -> None:
        #: id of a value to (itself, so that the id stays its own, and the keys)
        self._values: dict[int, tuple[object, tuple[str, ...]]] = {}

    def note(self, value: object, keys: tuple[str, ...]) -> None:
        """Remember that whoever takes this value depends on these assets."""
        if keys and not isinstance(value, _SHARED):
            self._values[id(value)] = (value, keys)

    def keys_of(self, value: object) -> tuple[str, ...]:
        """Return the keys of the assets that this object stands for."""
        found = self._values.get(id(value)) if self._values else None
        return found[1] if found is not None else ()


def lineage_of(named: tuple[str, ...], arguments: Any, made: MadeAssets | None) -> tuple[str, ...]:
    """Return the keys of the assets that a call depends on, each once.

    Parameters
    ----------
    named
        The keys that the task's option ``asset_deps`` has.
    """
    found = dict.fromkeys(named)
    _collect(arguments, made, found, 0)
    return tuple(found)


def _collect(value: Any, made: MadeAssets | None, found: dict[str, None], depth: int) -> None:
    if isinstance(value, _SHARED):
        return
    from orchestra_nb.engine.annotations import BaseAnnotation
    from orchestra_nb.engine.futures import TaskFuture

    if made is not None and (keys := made.keys_of(value)):
        found.update(dict.fromkeys(keys))
    elif isinstance(value, TaskFuture):
        found.update(dict.fromkeys(value.asset_keys))
    elif isinstance(value, BaseAnnotation):
        _collect(value.value, made, found, depth)
    elif isinstance(value, Mapping | list | tuple | set | frozenset) and depth < _DEEPEST and len(value) <= _LONGEST:
        for item in value.values() if isinstance(value, Mapping) else value:
            _collect(item, made, found, depth + 1)


#: Futures are looked for in containers within containers of so many levels, and of so many items.
_DEEPEST = 5
_LONGEST = 10_000


def asset_keys_of(what: str, option: str, assets: Iterable[str | Asset] | None) -> tuple[str, ...]:
    """Return the keys of the assets that an option names.

    Raises
    ------
    InvalidOption
        It is one text, not a list; the message names ``what`` and the option.
    InvalidInput
        One of them is no URI.
    """
    from orchestra_nb.engine.task_settings import InvalidOption

    if isinstance(assets, str | Asset):
        raise InvalidOption(f"{what}: {option} is {assets!r}. Write a list: [{assets!r}].")
    return keys_of(assets or ())
