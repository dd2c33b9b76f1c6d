"""Small functions on collections and nested data: names and meanings are those of ``prefect.utilities.collections``."""

from __future__ import annotations

import copy
import dataclasses
import io
import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, TypeVar

from orchestra_nb.engine.annotations import BaseAnnotation

Item = TypeVar("Item")
_MISSING: Any = object()


def batched_iterable(iterable: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """Yield the items in tuples of ``size``; the last one may be shorter.

    Examples
    --------
    >>> list(batched_iterable("abcde", 2))
    [('a', 'b'), ('c', 'd'), ('e',)]
    """
    items = iter(iterable)
    while batch := tuple(itertools.islice(items, size)):
        yield batch


def deep_merge(dct: Mapping[str, Any], merge: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new dict with the second merged into the first; where both have dicts, these are merged."""
    merged = dict(dct)
    for key, value in merge.items():
        old = merged.get(key)
        merged[key] = deep_merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def deep_merge_dicts(*dicts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new dict with all merged, the later ones over the earlier."""
    merged: dict[str, Any] = {}
    for one in dicts:
        merged = deep_merge(merged, one)
    return merged


def dict_to_flatdict(dct: Mapping[Any, Any]) -> dict[tuple[Any, ...], Any]:
    """Return a dict of the innermost values, whose keys are the tuples of keys that lead there.

    Examples
    --------
    >>> dict_to_flatdict({"a": {"b": 1, "c": 2}, "d": 3})
    {('a', 'b'): 1, ('a', 'c'): 2, ('d',): 3}
    """
    flat: dict[tuple[Any, ...], Any] = {}
    for key, value in dct.items():
        if isinstance(value, Mapping) and value:
            flat.update({(key, *rest): inner for rest, inner in dict_to_flatdict(value).items()})
        else:
            flat[key,] = value
    return flat


def flatdict_to_dict(dct: Mapping[tuple[Any, ...], Any]) -> dict[Any, Any]:
    """Return the nested dict that :func:`dict_to_flatdict` flattened."""
    nested: dict[Any, Any] = {}
    for keys, value in dct.items():
        set_in_dict(nested, list(keys), value)
    return nested


def distinct(iterable: Iterable[Item], key: Callable[[Item], Hashable] | None = None) -> Iterator[Item]:
    """Yield the items without those that came before, in their order; ``key`` makes what is compared."""
    seen: set[Hashable] = set()
    for item in iterable:
        mark = item if key is None else key(item)
        if mark not in seen:
            seen.add(mark)
            yield item


def ensure_iterable(obj: Any) -> Iterable[Any]:
    """Return what can be iterated as it is, and anything else, texts too, as a list of one."""
    return obj if isiterable(obj) else [obj]


def isiterable(obj: Any) -> bool:
    """Tell whether something can be iterated; not of texts, bytes and files."""
    try:
        iter(obj)
    except TypeError:
        return False
    return not isinstance(obj, str | bytes | io.IOBase)


def extract_instances(
    objects: Iterable[Any], types: type | tuple[type, ...] = object
) -> list[Any] | dict[type, list[Any]]:
    """Return the objects of a type as a list; of several types, a dict of type to list."""
    kinds = types if isinstance(types, tuple) else (types,)
    found: dict[type, list[Any]] = {kind: [] for kind in kinds}
    for item in objects:
        for kind in kinds:
            if isinstance(item, kind):
                found[kind].append(item)
    return found if isinstance(types, tuple) else found[kinds[0]]


def get_from_dict(dct: Any, keys: str | Sequence[str | int], default: Any = None) -> Any:
    """Return what a path of keys leads to, such as ``"a.b[0]"`` or ``["a", "b", 0]``; the default where it ends early.

    Examples
    --------
    >>> get_from_dict({"a": {"b": [1, 2]}}, "a.b[1]")
    2
    """
    found = dct
    for key in _path(keys):
        try:
            found = found[key]
        except (LookupError, TypeError):
            return default
    return found


def set_in_dict(dct: MutableMapping[Any, Any], keys: str | Sequence[Any], value: Any) -> None:
    """Set what a path of keys leads to, and make the dicts between."""
    *way, last = _path(keys)
    inner: Any = dct
    for key in way:
        if not isinstance(inner.get(key, _MISSING), MutableMapping):
            if key in inner:
                raise TypeError(f"Key {key!r} has {inner[key]!r}, in which nothing can be set. Set that first.")
            inner[key] = {}
        inner = inner[key]
    inner[last] = value


def _path(keys: str | Sequence[Any]) -> list[Any]:
    if not isinstance(keys, str):
        return list(keys)
    words = keys.replace("[", ".").replace("]", "").split(".")
    return [int(word) if word.isdigit() else word for word in words]


def listrepr(objs: Iterable[Any], sep: str = " ") -> str:
    """Return the ``repr`` of each, joined."""
    return sep.join(map(repr, objs))


def remove_nested_keys(keys_to_remove: Sequence[Hashable], obj: Any) -> Any:
    """Return a dict without these keys, also not in the dicts within; anything else as it is."""
    if not isinstance(obj, dict):
        return obj
    return {key: remove_nested_keys(keys_to_remove, value) for key, value in obj.items() if key not in keys_to_remove}


def visit_collection(
    expr: Any,
    visit_fn: Callable[..., Any],
    *,
    return_data: bool = False,
    max_depth: int = -1,
    context: dict[str, Any] | None = None,
    remove_annotations: bool = False,
) -> Any:
    """Call a function with a value and with all that is in it: lists, tuples, sets, dicts, dataclasses, annotations.

    Parameters
    ----------
    visit_fn
        Called with each value, the outer ones first; with ``context`` as its second argument where one is given.
    return_data
        Whether to return the value with each part replaced by what ``visit_fn`` returned for it; otherwise None.
    max_depth
        How far to go in; 0 for the value alone, -1 for all.
    context
        Each level gets a copy, so what ``visit_fn`` notes in it is seen further in, and not beside.
    remove_annotations
        Whether ``quote`` and its like are taken off what is returned.
    """
    here = None if context is None else dict(context)
    visited = visit_fn(expr) if here is None else visit_fn(expr, here)
    value = visited if return_data else expr

    def inner(item: Any) -> Any:
        return visit_collection(
            item,
            visit_fn,
            return_data=return_data,
            max_depth=max_depth - 1,
            context=here,
            remove_annotations=remove_annotations,
        )

    if max_depth != 0:
        value = _with_parts(value, inner, remove_annotations)
    return value if return_data else None


def _with_parts(value: Any, inner: Callable[[Any], Any], remove_annotations: bool) -> Any:
    """Return the value with each part visited: the same object where none changed."""
    if isinstance(value, BaseAnnotation):
        part = inner(value.value)
        return part if remove_annotations else value if part is value.value else value.rewrap(part)
    if isinstance(value, dict):
        pairs = [(inner(key), inner(item)) for key, item in value.items()]
        if all(a is b and c is d for (a, c), (b, d) in zip(pairs, value.items(), strict=True)):
            return value
        changed = copy.copy(value)  # keeps what a subclass knows beside its items
        changed.clear()
        changed.update(pairs)
        return changed
    if isinstance(value, list | tuple | set | frozenset):
        items = [inner(item) for item in value]
        if all(a is b for a, b in zip(items, value, strict=True)):
            return value
        kind: Any = type(value)
        return kind._make(items) if hasattr(kind, "_make") else kind(items)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        parts = {name: inner(item) for name, item in fields.items()}
        return value if all(parts[name] is fields[name] for name in fields) else dataclasses.replace(value, **parts)
    return value
