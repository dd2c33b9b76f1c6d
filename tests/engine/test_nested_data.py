"""Functions on nested data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from orchestra_nb import quote, unmapped
from orchestra_nb.utilities import collections


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass
class Box:
    content: Any


def double(value: Any) -> Any:
    return 2 * value if isinstance(value, int) else value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 2),
        ([1, "a", [2]], [2, "a", [4]]),
        ((1, {2}, frozenset({3})), (2, {4}, frozenset({6}))),
        ({1: [1], "b": None}, {2: [2], "b": None}),
        (Pair(1, Pair(2, 3)), Pair(2, Pair(4, 6))),
        (Box([1]), Box([2])),
        (unmapped([1]), unmapped([2])),
    ],
    ids=["itself", "list", "tuple and sets", "dict", "named tuple", "dataclass", "annotation"],
)
def test_a_visit_may_change_all_that_is_inside(value: Any, expected: Any) -> None:
    assert collections.visit_collection(value, double, return_data=True) == expected


def test_a_visit_that_changes_nothing_gives_the_same_object() -> None:
    value = [Box(["a"]), {"b": ("c",)}]

    assert collections.visit_collection(value, double, return_data=True) is value


def test_a_visit_goes_from_the_outside_in_as_far_as_asked() -> None:
    seen: list[Any] = []

    assert collections.visit_collection([1, [2, [3]]], seen.append, max_depth=1) is None
    assert seen == [[1, [2, [3]]], 1, [2, [3]]]


def test_what_a_visit_notes_is_seen_further_in_and_not_beside() -> None:
    depths: list[tuple[Any, int]] = []

    def note(value: Any, context: dict[str, int]) -> None:
        context["depth"] += 1
        if isinstance(value, int):
            depths.append((value, context["depth"]))

    collections.visit_collection([1, [2], 3], note, context={"depth": 0})

    assert depths == [(1, 2), (2, 3), (3, 2)]


def test_a_visit_may_take_annotations_off() -> None:
    values = [quote([1]), 2]

    assert collections.visit_collection(values, double, return_data=True, remove_annotations=True) == [[2], 4]


@pytest.mark.parametrize(
    "nested", [{}, {"a": 1}, {"a": {"b": {"c": 1}, "d": 2}, "e": {}}], ids=["empty", "flat", "deep"]
)
def test_a_flat_dict_can_be_nested_again(nested: dict[str, Any]) -> None:
    assert collections.flatdict_to_dict(collections.dict_to_flatdict(nested)) == nested


@pytest.mark.parametrize(
    ("keys", "found"),
    [("a.b[1]", 2), (["a", "b", 0], 1), ("a.c", None), ("a.b.c", None), ("a.b[7]", None)],
)
def test_a_path_into_nested_data(keys: Any, found: Any) -> None:
    assert collections.get_from_dict({"a": {"b": [1, 2]}}, keys) == found


def test_small_functions() -> None:
    merged = collections.deep_merge_dicts({"a": {"b": 1, "c": 1}}, {"a": {"c": 2}}, {"d": 3})
    changed: dict[str, Any] = {"a": 1}
    collections.set_in_dict(changed, "b.c", 2)

    assert merged == {"a": {"b": 1, "c": 2}, "d": 3}
    assert changed == {"a": 1, "b": {"c": 2}}
    assert list(collections.batched_iterable(range(5), 2)) == [(0, 1), (2, 3), (4,)]
    assert list(collections.distinct(["a", "B", "b"], key=str.lower)) == ["a", "B"]
    assert collections.ensure_iterable("ab") == ["ab"]
    assert collections.extract_instances([1, "a", 2], int) == [1, 2]
    assert collections.extract_instances([1, "a"], (int, str)) == {int: [1], str: ["a"]}
    assert collections.listrepr([1, "a"], sep=", ") == "1, 'a'"
    assert collections.remove_nested_keys(["x"], {"x": 1, "y": {"x": 2, "z": 3}}) == {"y": {"z": 3}}


def test_nothing_is_set_in_what_is_no_dict() -> None:
    with pytest.raises(TypeError, match="Key 'a' has 1"):
        collections.set_in_dict({"a": 1}, "a.b", 2)
