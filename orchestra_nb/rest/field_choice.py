"""Answers cut down to the fields that a caller asks for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from orchestra_nb.errors import InvalidInput


def only_fields(answer: object, fields: Iterable[str]) -> object:
    """Return an answer with these fields only: those of each entry of its list, or its own where it has no list.

    Raises
    ------
    InvalidInput
        There is no such field.

    Examples
    --------
    >>> only_fields({"runs": [{"name": "calm-fox", "state": "FAILED"}], "next": None}, ["name"])
    {'runs': [{'name': 'calm-fox'}], 'next': None}
    >>> only_fields({"name": "calm-fox", "state": "FAILED"}, ["state"])
    {'state': 'FAILED'}
    """
    wanted = list(dict.fromkeys(fields))
    built: dict[str, Any] = msgspec.to_builtins(answer)
    lists = [name for name, value in built.items() if isinstance(value, list | tuple)]
    if len(lists) != 1:
        return _cut(built, wanted)
    return built | {lists[0]: [_cut(entry, wanted) for entry in built[lists[0]]]}


def _cut(entry: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    for name in wanted:
        if name not in entry:
            raise InvalidInput(f"There is no field {name[:60]!r}. The fields are: {', '.join(entry)}.")
    return {name: entry[name] for name in wanted}
