"""The combinations of a sweep: axes, listed combinations, ranges."""

from __future__ import annotations

from typing import Any

import pytest

from orchestra_nb.errors import InvalidParameters
from orchestra_nb.model.sweeps import MAX_COMBINATIONS, names_of, product_of, range_of


def test_axes_are_multiplied_and_the_last_one_varies_fastest() -> None:
    combinations, swept = product_of({"a": [1, 2], "b": ["x", "y"]}, fixed={"c": 0})

    assert combinations == (
        {"c": 0, "a": 1, "b": "x"},
        {"c": 0, "a": 1, "b": "y"},
        {"c": 0, "a": 2, "b": "x"},
        {"c": 0, "a": 2, "b": "y"},
    )
    assert swept == ("a", "b")


def test_each_listed_combination_goes_with_all_values_of_the_axes() -> None:
    combinations, swept = product_of({"seed": [1, 2]}, [{"a": 1}, {"a": 2, "b": 3}])

    assert combinations == (
        {"a": 1, "seed": 1},
        {"a": 1, "seed": 2},
        {"a": 2, "b": 3, "seed": 1},
        {"a": 2, "b": 3, "seed": 2},
    )
    assert swept == ("a", "b", "seed")


@pytest.mark.parametrize(
    ("axes", "listed", "fixed", "words"),
    [
        ({"a": [1]}, [], {"a": 2}, "'a' is swept and has one value"),
        ({"a": [1]}, [{"a": 2}], {}, "'a' is swept twice"),
        ({"a": []}, [], {}, "'a' is to be swept over no values"),
        ({"a": range(200), "b": range(200)}, [], {}, f"more than {MAX_COMBINATIONS:,} combinations"),
    ],
    ids=["fixed", "twice", "empty", "too many"],
)
def test_a_sweep_that_cannot_be_meant_is_refused(
    axes: dict[str, Any], listed: list[dict[str, Any]], fixed: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidParameters, match=words):
        product_of(axes, listed, fixed)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1:10:3", [1, 4, 7, 10]),
        ("1:9:3", [1, 4, 7]),
        ("5:1:-2", [5, 3, 1]),
        ("0:0.3:0.1", [0.0, 0.1, 0.2, 0.3]),
        ("-1:1:1", [-1, 0, 1]),
        ("1e-3:3e-3:1e-3", [0.001, 0.002, 0.003]),
        ("12:30", None),
        ("08:30:15", None),
        ("a:b:c", None),
        ("1:2", None),
    ],
)
def test_a_range_includes_its_stop(text: str, numbers: list[float] | None) -> None:
    assert range_of(text) == numbers


@pytest.mark.parametrize("text", ["1:5:0", "1:5:-1", "0:1:0.00001"])
def test_a_range_without_an_end_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameters, match="range"):
        range_of(text)


def test_the_names_that_differ_are_found() -> None:
    assert names_of([{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 1, "b": 3, "c": None}]) == ("b", "c")
