"""Values that a notebook returns, kept exactly: in the record itself, or as stored results."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestra_nb.engine.results import ResultStore
from orchestra_nb.engine.returned_by_notebook import ReturnedValues
from orchestra_nb.engine.value_recording import INLINE_BYTES, encode_value, load_value
from orchestra_nb.errors import InvalidInput, ResultNotFound, ResultNotTrusted, ValueNotPortable
from orchestra_nb.model.jsonable import to_readable
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.secret_values import Secret

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclasses.dataclass
class Point:
    x: int
    when: date


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResultStore:
    from orchestra_nb.engine.value_recording import result_store

    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    return result_store()


def encode(name: str, value: object, store: ResultStore | None) -> RecordedValue:
    return encode_value(name, value, NOW, store=None if store is None else lambda: store)


@pytest.mark.parametrize(
    "value",
    [0.5, 3, 10**40, True, None, "text", "a" * 10, [1, [2, "x"]], {"a": {"b": 1.5}}, "\x00\u202e"],
    ids=repr,
)
def test_what_json_keeps_stands_in_the_record_and_comes_back_as_it_was(value: object) -> None:
    record = encode("v", value, None)

    assert record.serializer == "json"
    assert record.readable == value
    assert load_value(record) == value
    assert type(load_value(record)) is type(value)


def test_floats_that_json_does_not_know_come_back() -> None:
    record = encode("v", {"a": [math.nan, math.inf, -math.inf, 1.5]}, None)

    first, *others = load_value(record)["a"]
    assert math.isnan(first)
    assert others == [math.inf, -math.inf, 1.5]


def test_a_dict_that_looks_like_a_tagged_float_stays_a_dict(store: ResultStore) -> None:
    value = {"$float": "nan", "b": math.inf}

    assert load_value(encode("v", value, store)) == value


def test_numbers_of_numpy_are_pythons(store: ResultStore) -> None:
    record = encode("v", np.float32(0.5), store)

    assert (record.type, record.serializer, load_value(record)) == ("float32", "json", 0.5)
    assert type(load_value(encode("v", np.int64(3), store))) is int


def test_a_small_table_stands_in_the_record_and_a_large_one_is_stored(store: ResultStore) -> None:
    small = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    large = pd.DataFrame({"a": range(100_000)})

    kept, stored = encode("small", small, store), encode("large", large, store)

    assert kept.data is not None
    assert kept.readable == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    pd.testing.assert_frame_equal(load_value(kept), small)
    assert stored.data is None
    assert stored.reference is not None
    assert stored.reference.serializer == "arrow"
    assert stored.readable == "table, 100,000 rows × 1 column"
    pd.testing.assert_frame_equal(load_value(stored), large)


def test_the_readable_rows_of_a_table_have_its_index() -> None:
    sums = pd.DataFrame({"product": ["a", "b", "a"], "sum": [1, 2, 3]}).groupby("product").agg({"sum": "sum"})
    days = pd.DataFrame({"n": [1, 2]}, index=pd.to_datetime(["2026-03-01", "2026-03-02"]))
    levels = pd.DataFrame({"n": [1]}, index=pd.MultiIndex.from_tuples([("x", 1)], names=["kind", None]))
    same_name = pd.DataFrame({"n": [1]}, index=pd.Index(["x"], name="n"))

    assert encode("v", sums, None).readable == [{"product": "a", "sum": 4}, {"product": "b", "sum": 2}]
    assert encode("v", days, None).readable == [
        {"index": "2026-03-01T00:00:00", "n": 1},
        {"index": "2026-03-02T00:00:00", "n": 2},
    ]
    assert encode("v", levels, None).readable == [{"kind": "x", "level_1": 1, "n": 1}]
    assert encode("v", same_name, None).readable == [{"index": "x", "n": 1}]
    assert encode("v", days.reset_index(drop=True).tail(1), None).readable == [{"index": 1, "n": 2}]


def test_the_floats_of_tables_and_columns_are_read_in_full() -> None:
    column = pd.Series([1 / 3, math.nan, math.inf], index=["a", "b", "c"], name="n")

    record = encode("v", {"column": column, "table": column.to_frame()}, None)

    assert to_readable(record.readable) == {
        "column": {"name": "n", "index": ["a", "b", "c"], "data": [1 / 3, None, "Infinity"]},
        "table": [{"index": "a", "n": 1 / 3}, {"index": "b", "n": None}, {"index": "c", "n": "Infinity"}],
    }


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        (pd.Series(pd.to_datetime(["2026-03-01 12:30", None])), ["2026-03-01T12:30:00", None]),
        (pd.Series(pd.to_timedelta(["1 day", None])), ["P1DT0H0M0S", None]),
        (pd.Series(pd.period_range("2026-03", periods=1, freq="M")), ["2026-03"]),
        (pd.Series(pd.Categorical(["a", None])), ["a", None]),
        (pd.Series([1, None], dtype="Int64"), [1, None]),
        (pd.Series([True, False]), [True, False]),
        (pd.Series([{"a": 1}, [1, 2]]), [{"a": 1}, [1, 2]]),
        (pd.Series(["x", None]), ["x", None]),
    ],
    ids=["times", "durations", "periods", "categories", "nullable", "truths", "objects", "texts"],
)
def test_cells_of_every_kind_are_read(column: pd.Series, cells: list[object]) -> None:
    assert encode("v", column.to_frame("n"), None).readable == [{"n": cell} for cell in cells]


def test_large_json_is_stored(store: ResultStore) -> None:
    value = ["x" * 100] * 1000
    assert sum(map(len, value)) > INLINE_BYTES

    record = encode("v", value, store)

    assert record.reference is not None
    assert record.reference.serializer == "json"
    assert load_value(record) == value


def test_arrays_dataclasses_and_tuples_come_back_and_can_be_read_by_people(store: ResultStore) -> None:
    array, point = np.arange(6).reshape(2, 3), Point(1, date(2026, 1, 2))

    np.testing.assert_array_equal(load_value(encode("array", array, store)), array)
    assert encode("array", array, store).readable == [[0, 1, 2], [3, 4, 5]]
    assert load_value(encode("point", point, store)) == point
    assert encode("point", point, store).readable == {"x": 1, "when": "2026-01-02"}
    assert load_value(encode("pair", (1, "x"), store)) == (1, "x")


def test_what_is_too_large_outside_of_a_run_is_shown_only() -> None:
    record = encode("v", "x" * (INLINE_BYTES + 1), None)

    assert record.data is None
    assert record.reference is None
    with pytest.raises(ResultNotFound, match="outside of a run: `orchestra run` keeps it"):
        load_value(record)


def test_a_stored_value_that_was_altered_is_not_loaded(store: ResultStore) -> None:
    record = encode("pair", (1, 2), store)
    assert record.reference is not None
    path = Path(record.reference.url)
    path.write_bytes(path.read_bytes()[:-1] + b"x")

    with pytest.raises(ResultNotTrusted, match="altered"):
        load_value(record)

    path.unlink()
    with pytest.raises(ResultNotFound, match="not there any more"):
        load_value(record)


@pytest.mark.parametrize(
    ("name", "value", "kind", "words"),
    [
        ("a b", 1, InvalidInput, "'a b' cannot be the name"),
        ("token", Secret("s3cret"), InvalidInput, "orchestra secrets"),
        ("lock", [threading.Lock()], ValueNotPortable, "lock[0] is a lock: cannot pickle"),
        ("lock", threading.Lock(), ValueNotPortable, "Record the values that it guards"),
        ("rows", (row for row in "ab"), ValueNotPortable, "Record a list of what it gives: record(rows=list(rows))"),
        ("library", math, ValueNotPortable, "a module is no value. Record its name, or its version"),
        ("library", {"used": [math]}, ValueNotPortable, "library['used'][0] is a module"),
    ],
    ids=["name", "secret", *"lock-inside lock generator module module-inside".split()],
)
def test_what_cannot_be_returned_is_refused_with_the_remedy(
    name: str, value: Any, kind: type[Exception], words: str, store: ResultStore
) -> None:
    with pytest.raises(kind) as refused:
        encode(name, value, store)

    assert words in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("holding", "words"),
    [
        (lambda it: it, f"open file. Record its path ({__file__!r}), or what it holds"),
        (lambda it: {"a": [it]}, "data['a'][0] is a file: cannot pickle an open file"),
        (lambda it: Point(1, it), "data.when is a file"),
    ],
    ids=["alone", "inside", "held"],
)
def test_an_open_file_is_refused_of_which_a_copy_would_be_kept(
    holding: Callable[[object], object], words: str, store: ResultStore
) -> None:
    with open(__file__) as file, pytest.raises(ValueNotPortable) as refused:
        encode("data", holding(file), store)

    assert words in str(refused.value)


def test_a_connection_is_refused_with_what_to_record_in_its_place(store: ResultStore) -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as base:
        with pytest.raises(ValueNotPortable, match="Record what you read through it"):
            encode("base", base, store)


def test_returned_values_are_a_mapping_with_attributes_that_pickles_small(store: ResultStore) -> None:
    import pickle

    large = pd.DataFrame({"a": range(100_000)})
    returned = ReturnedValues([encode("auc", 0.5, store), encode("table", large, store)], of="run calm-fox")

    again = pickle.loads(pickle.dumps(returned))

    assert len(pickle.dumps(returned)) < 2_000
    assert list(again) == ["auc", "table"]
    assert (again.auc, again["auc"], len(again.table)) == (0.5, 0.5, 100_000)
    with pytest.raises(AttributeError, match="run calm-fox returned no 'acu': it returned auc, table"):
        _ = again.acu
    with pytest.raises(KeyError, match="acu"):
        _ = again["acu"]


def test_outside_of_a_notebook_a_value_is_printed_and_nothing_is_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestra_nb import record

    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    record(auc=0.5, pair=(1, 2))

    first, second = capsys.readouterr().out.splitlines()
    assert first == "auc = 0.5"
    assert second.startswith("pair = (1, 2)  (it is kept only as a pickle, and was recorded outside of a run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("unnamed", "words"), [((), "Write record"), ((0.5,), "a value without a name")])
def test_a_value_without_a_name_is_refused(unnamed: tuple[object, ...], words: str) -> None:
    from orchestra_nb import record

    with pytest.raises(InvalidInput, match=words):
        record(*unnamed)
