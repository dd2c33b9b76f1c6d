"""Values of many types, made anew by each process that imports this file."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import json
import math
import operator
import re
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pydantic

THRESHOLD = 0.5
WORDS = {"one", "two", "three", "four", "five"}


class Colour(enum.Enum):
    RED = 1
    GREEN = "green"


class Permission(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    tags: frozenset[str] = frozenset()


@dataclasses.dataclass(slots=True)
class Slotted:
    words: set[str] = dataclasses.field(default_factory=lambda: set(WORDS))


class Pair(NamedTuple):
    left: int
    right: object = None


class Record(msgspec.Struct, frozen=True):
    name: str
    words: set[str] = set()


class Model(pydantic.BaseModel):
    size: int = 3
    words: set[str] = set()


class Plain:
    def __init__(self) -> None:
        self.words = set(WORDS)
        self.colour = Colour.RED

    @functools.cached_property
    def longest(self) -> int:
        return max(map(len, self.words))

    def count(self) -> int:
        return len(self.words) + helper(1)


class WithSlots:
    __slots__ = ("first", "second")

    def __init__(self) -> None:
        self.first, self.second = 1, {"a", "b", "c"}


class Reduced:
    def __init__(self, words: object) -> None:
        self.words = words

    def __reduce__(self) -> tuple[object, ...]:
        return Reduced, (self.words,)


class Tree(dict[str, object]):
    """A dict of the user's."""


def helper(x: int) -> float:
    return x + THRESHOLD


def is_even(n: int) -> bool:
    return n == 0 or is_odd(n - 1)


def is_odd(n: int) -> bool:
    return n != 0 and is_even(n - 1)


def uses(x: int, /, y: int = 2, *, words: object = frozenset(WORDS)) -> object:
    inner = [helper(i) for i in range(x)]
    if y in {1, 2, 3}:
        return np.mean(inner), json.dumps(sorted(WORDS)), Point(x), Colour.RED
    return (lambda z: z + THRESHOLD)(y)


def scaled(factor: float) -> Any:
    def scale(x: float) -> float:
        return x * factor

    return scale


@functools.lru_cache(maxsize=7)
def cached(x: int) -> float:
    return helper(x)


def _cyclic() -> list[object]:
    cycle: list[object] = [1, {"a", "b"}]
    cycle.append({"back": cycle, "words": set(WORDS)})
    return cycle


def _family() -> object:
    parent, child = Plain(), Plain()
    parent.child, child.parent = child, parent  # type: ignore[attr-defined]
    return parent


def _frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "whole": [1, 2, 3],
            "text": ["a", None, "ü"],
            "kind": pd.Categorical(["x", "y", "x"], ordered=True),
            "at": pd.date_range("2026-03-29", periods=3, tz="Europe/Berlin"),
            "mixed": [1, "a", {"b", "c", "d"}],
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "arrow": pd.array([[1], None, [2, 3]], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
            "period": pd.period_range("2026-01", periods=3, freq="M"),
            "interval": pd.interval_range(0, 3),
            "sparse": pd.arrays.SparseArray([0, 0, 1]),
        },
        index=pd.MultiIndex.from_product([["a"], [1, 2, 3]], names=["letter", "number"]),
    )


def values() -> dict[str, object]:
    return {
        "none": None,
        "true": True,
        "one": 1,
        "one as float": 1.0,
        "one as numpy": np.int64(1),
        "big": -(10**5000),
        "nan": math.nan,
        "zero": 0.0,
        "negative zero": -0.0,
        "complex": complex(1, -0.0),
        "text": "ü\ud800",
        "long text": "text" * 1000,
        "bytes": b"text",
        "bytearray": bytearray(b"text"),
        "list": [1, [2, [3]]],
        "tuple": (1, (2, (3,))),
        "dict": {"a": 1, 2: "b", (3, "c"): {4}, None: 5},
        "set": set(WORDS) | {1, 2.5, None, (1, "x")},
        "frozenset": frozenset(WORDS),
        "range": range(1, 10, 2),
        "slice": slice(None, 3),
        "ellipsis": ...,
        "ordered": collections.OrderedDict(a=1, b=2),
        "default dict": collections.defaultdict(list, {"a": [1]}),
        "counter": collections.Counter("abracadabra"),
        "deque": collections.deque([1, 2], maxlen=3),
        "dict of the user": Tree(a=Tree()),
        "dataclass": Point(1, frozenset(WORDS)),
        "slotted dataclass": Slotted(),
        "enum": Colour.GREEN,
        "flag": Permission.READ | Permission.WRITE,
        "named tuple": Pair(1, {"a", "b"}),
        "struct": Record("a", set(WORDS)),
        "model": Model(words=set(WORDS)),
        "object": Plain(),
        "slots": WithSlots(),
        "reduced": Reduced(frozenset(WORDS)),
        "exception": ValueError("no", 1),
        "pattern": re.compile("a+", re.IGNORECASE),
        "date": date(2026, 3, 1),
        "naive time": datetime(2026, 3, 1, 12),  # noqa: DTZ001
        "aware time": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "zoned time": datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        "time": time(12, 30),
        "duration": timedelta(days=-1, microseconds=1),
        "zone": timezone(timedelta(hours=2)),
        "decimal": Decimal("1.10"),
        "fraction": Fraction(1, 3),
        "uuid": uuid.UUID(int=7),
        "path": Path("a/b"),
        "pure path": PurePosixPath("/a"),
        "cycle": _cyclic(),
        "cyclic objects": _family(),
        "array": np.arange(6.0).reshape(2, 3),
        "empty array": np.zeros((0, 3)),
        "scalar array": np.array(3),
        "array of objects": np.array([1, "a", {"b", "c"}], dtype=object),
        "array of text": np.array(["a", "bc"]),
        "array of records": np.array([(1, "a")], dtype=[("n", "i4"), ("t", "U3")]),
        "array of times": np.array(["2026-01-01"], dtype="M8[s]"),
        "masked array": np.ma.masked_array([1, 2, 3], mask=[False, True, False]),
        "dtype": np.dtype("f4"),
        "random state": np.random.default_rng(7),
        "frame": _frame(),
        "series": pd.Series([1.5, None], name="s"),
        "index": pd.Index(["a", "b"], name="i"),
        "range index": pd.RangeIndex(3),
        "timestamp": pd.Timestamp("2026-01-01", tz="UTC"),
        "missing": [pd.NA, pd.NaT],
        "table": pa.table({"a": [1, None, 3], "b": ["x", None, "zz"], "c": [{"d": [1]}, None, {"d": None}]}),
        "batch": pa.record_batch({"a": [True, None], "b": [b"x", b""]}),
        "arrow array": pa.array([Decimal("1.5"), None]),
        "schema": pa.schema({"a": pa.int8()}),
        "function": uses,
        "mutual recursion": is_even,
        "closure": scaled(2.5),
        "lambda": lambda x: x + THRESHOLD,
        "cached function": cached,
        "partial": functools.partial(uses, 1, y=2),
        "bound method": Plain().count,
        "method of a builtin": [1, 2].append,
        "class of the user": Plain,
        "enum class": Colour,
        "model class": Model,
        "struct class": Record,
        "class": collections.OrderedDict,
        "builtin function": len,
        "library function": json.dumps,
        "installed function": np.mean,
        "ufunc": np.add,
        "descriptor": str.upper,
        "operator": operator.itemgetter(1),
        "module": json,
        "installed module": np,
        "generic alias": dict[str, int],
    }
