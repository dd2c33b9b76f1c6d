"""What of a task's arguments is walked through, and what is left as it is."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestra_nb.engine.annotations import allow_failure, quote
from orchestra_nb.engine.argument_trees import replace_leaves


class Marker:
    """Stands for a value that is yet to come."""


MARKER = Marker()
Pair = namedtuple("Pair", "left right")


@dataclass(frozen=True)
class Settings:
    rate: Any
    name: str = "x"


def fill(leaf: object) -> object:
    return 7 if leaf is MARKER else leaf


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (MARKER, 7),
        ([1, MARKER], [1, 7]),
        ((MARKER, "a"), (7, "a")),
        ({MARKER}, {7}),
        (frozenset({MARKER}), frozenset({7})),
        ({"a": MARKER}, {"a": 7}),
        ({MARKER: 1}, {7: 1}),
        ({"a": [{"b": (MARKER,)}]}, {"a": [{"b": (7,)}]}),
        (Pair(MARKER, 1), Pair(7, 1)),
        (Settings(MARKER), Settings(7)),
        (OrderedDict(a=MARKER), OrderedDict(a=7)),
    ],
    ids=["itself", "list", "tuple", "set", "frozenset", "dict value", "dict key", "nested", "named tuple", "dataclass",
         "ordered dict"],
)  # fmt: skip
def test_a_leaf_is_replaced_wherever_it_is(value: object, expected: object) -> None:
    replaced = replace_leaves(value, fill)

    assert replaced == expected
    assert type(replaced) is type(expected)


def test_a_list_of_another_class_becomes_a_list() -> None:
    class Futures(list[object]):
        pass

    assert replace_leaves(Futures([MARKER]), fill) == [7]


def test_a_dict_keeps_its_default() -> None:
    given: defaultdict[str, object] = defaultdict(list, a=MARKER)

    replaced = replace_leaves(given, fill)

    assert (replaced["a"], replaced["new"]) == (7, [])
    assert given["a"] is MARKER


@pytest.mark.parametrize(
    "value",
    [
        [1, 2, [3, {"a": 4}]],
        {"a": {"b": (1, 2)}},
        Settings(1),
        np.arange(3),
        pd.DataFrame({"a": [1]}),
        list(range(100_000)),
        [object()],
    ],
    ids=["list", "dict", "dataclass", "array", "table", "long list", "objects"],
)
def test_what_holds_no_leaf_to_replace_stays_the_same_object(value: object) -> None:
    assert replace_leaves(value, fill) is value


def test_arrays_and_tables_are_not_walked_through() -> None:
    asked: list[object] = []
    values = [np.array([MARKER], dtype=object), pd.Series([MARKER])]

    replace_leaves(values, lambda leaf: asked.append(leaf) or leaf)

    assert [type(leaf).__name__ for leaf in asked] == ["ndarray", "Series"]


def test_numbers_and_texts_are_not_asked_about() -> None:
    asked: list[object] = []

    replace_leaves([1, "a", b"b", None, 1.5, True, [2], {"c": 3}], lambda leaf: asked.append(leaf) or leaf)

    assert asked == []


def test_what_is_quoted_is_not_walked_through() -> None:
    quoted = quote([MARKER])

    assert replace_leaves({"a": quoted}, fill)["a"] is quoted


def test_other_annotations_are_leaves() -> None:
    wrapped = allow_failure(MARKER)
    asked: list[object] = []

    replace_leaves([wrapped], lambda leaf: asked.append(leaf) or leaf)

    assert asked == [wrapped]


def test_a_list_that_holds_itself_is_walked_through_once() -> None:
    loop: list[object] = [1, object()]
    loop.append(loop)

    assert replace_leaves(loop, fill) is loop
