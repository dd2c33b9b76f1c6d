"""Fingerprints: equal for equal content in every process, different for all else, and a clear word where there is none."""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra_nb.errors import ValueNotHashable
from orchestra_nb.model.fingerprints import fingerprint
from tests.model import fingerprinted_values as examples

PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.decimals(allow_nan=False)
)
NESTED = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner) | st.frozensets(PLAIN)
    ),
    max_leaves=20,
)


def run_in_cell(source: str, *, lines_before: int = 0, **names: object) -> dict[str, Any]:
    """Run code as a notebook's cell that stands somewhere else each time."""
    namespace: dict[str, Any] = {"__name__": "__main__", **names}
    file = f"<cell {lines_before}>"
    exec(compile("\n" * lines_before + textwrap.dedent(source), file, "exec"), namespace)
    return namespace


@pytest.fixture(scope="module")
def in_other_processes() -> list[dict[str, str]]:
    """The fingerprints of all examples, from processes with other hash seeds."""
    printed = []
    for seed in ("1", "2"):
        code = (
            "import json; from tests.model import fingerprinted_values as e; from orchestra_nb.model.fingerprints "
            "import fingerprint; print(json.dumps({n: fingerprint(v) for n, v in e.values().items()}))"
        )
        root = Path(__file__).parents[2]
        environ = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=root, env=environ, check=True, capture_output=True, text=True)
        printed.append(json.loads(done.stdout))
    return printed


@pytest.mark.parametrize("name", list(examples.values()))
def test_every_process_has_the_same_fingerprint(name: str, in_other_processes: list[dict[str, str]]) -> None:
    here = fingerprint(examples.values()[name])

    assert [there[name] for there in in_other_processes] == [here, here]


def test_values_that_differ_have_fingerprints_that_differ() -> None:
    by_fingerprint = collections.defaultdict(list)
    for name, value in examples.values().items():
        by_fingerprint[fingerprint(value)].append(name)

    assert [names for names in by_fingerprint.values() if len(names) > 1] == []


@pytest.mark.parametrize("name", list(examples.values()))
def test_a_value_that_travelled_keeps_its_fingerprint(name: str) -> None:
    value = examples.values()[name]

    assert fingerprint(cloudpickle.loads(cloudpickle.dumps(value))) == fingerprint(value)


@given(NESTED)
def test_a_copy_has_the_same_fingerprint(value: object) -> None:
    assert fingerprint(pickle.loads(pickle.dumps(value))) == fingerprint(value)


@given(NESTED, NESTED)
def test_only_equal_values_share_a_fingerprint(one: object, other: object) -> None:
    if fingerprint(one) == fingerprint(other):
        assert one == other


@given(st.dictionaries(st.integers() | st.text(), NESTED))
def test_the_order_of_a_dict_does_not_count(value: dict[object, object]) -> None:
    assert fingerprint(dict(reversed(value.items()))) == fingerprint(value)


@given(st.lists(NESTED, min_size=1), st.data())
def test_a_changed_item_changes_the_fingerprint(value: list[object], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(value) - 1))

    assert fingerprint([*value[:index], object, *value[index + 1 :]]) != fingerprint(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param([[1], 2], [[1, 2]], id="nesting"),
        pytest.param(["ab", "c"], ["a", "bc"], id="where strings end"),
        pytest.param([1, 2], (1, 2), id="list and tuple"),
        pytest.param({1, 2}, frozenset({1, 2}), id="set and frozenset"),
        pytest.param({"a": 1}, collections.OrderedDict(a=1), id="dict and ordered dict"),
        pytest.param(True, 1, id="bool and int"),
        pytest.param(np.float64(1), 1.0, id="numpy's float"),
        pytest.param(np.zeros(3, "f4"), np.zeros(3, "f8"), id="dtype"),
        pytest.param(np.zeros((2, 3)), np.zeros((3, 2)), id="shape"),
        pytest.param(pd.Series([1, 2], name="a"), pd.Series([1, 2], name="b"), id="name of a series"),
        pytest.param(pd.Series([1, 2], index=[0, 1]), pd.Series([1, 2], index=[1, 0]), id="index"),
        pytest.param(pd.Series(["a", None]), pd.Series(["a", ""]), id="missing text"),
        pytest.param(pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"b": [2], "a": [1]}), id="order of columns"),
        pytest.param(pa.array([1, None]), pa.array([1, 0]), id="missing number"),
        pytest.param(pa.array(["ab", "c"]), pa.array(["a", "bc"]), id="where arrow's strings end"),
        pytest.param(pa.array([[1, 2], []]), pa.array([[1], [2]]), id="where arrow's lists end"),
    ],
)
def test_these_differ(one: object, other: object) -> None:
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(np.arange(12).reshape(3, 4)[:, ::2], np.array([[0, 2], [4, 6], [8, 10]]), id="a view with steps"),
        pytest.param(np.asfortranarray(np.eye(3)[:2]), np.eye(3)[:2].copy(), id="Fortran's order"),
        pytest.param(np.broadcast_to(np.array([1, 2]), (3, 2)), np.array([[1, 2]] * 3), id="a broadcast"),
        pytest.param(np.arange(3)[::-1], np.array([2, 1, 0]), id="backwards"),
        pytest.param(pa.chunked_array([[1, 2], [3, None]]), pa.chunked_array([[1], [2, 3, None]]), id="chunks"),
        pytest.param(pa.array(["x", "ab", None, "c"])[1:], pa.array(["ab", None, "c"]), id="a slice of strings"),
        pytest.param(pa.array([0, 1, None, 3])[1:], pa.array([1, None, 3]), id="a slice of numbers"),
        pytest.param(pa.array([True, False, None])[1:], pa.array([False, None]), id="a slice of bits"),
        pytest.param(pa.array([[0], [1, 2], None])[1:], pa.array([[1, 2], None]), id="a slice of lists"),
        pytest.param(
            pd.Series(["a", None], dtype=pd.StringDtype("python")),
            pd.Series(["a", None], dtype=pd.StringDtype("pyarrow")),
            id="who holds the text",
        ),
        pytest.param(
            pd.Series(["x", "a", "b" * 99, None], dtype=pd.StringDtype("pyarrow"))[1:].reset_index(drop=True),
            pd.Series(["a", "b" * 99, None], dtype=pd.StringDtype("python")),
            id="a slice of text",
        ),
        pytest.param(
            pd.Series([], dtype=pd.StringDtype("pyarrow")),
            pd.Series([], dtype=pd.StringDtype("python")),
            id="no text",
        ),
        pytest.param(examples.Model(), examples.Model(size=3), id="a field set to its default"),
        pytest.param([[], []], [[]] * 2, id="shared objects"),
    ],
)
def test_these_are_the_same(one: object, other: object) -> None:
    assert fingerprint(one) == fingerprint(other)


def test_what_lies_under_a_missing_value_does_not_count() -> None:
    mask = np.array([False, True])

    one, other = (pd.arrays.IntegerArray(np.array([1, hidden]), mask) for hidden in (2, 3))

    assert fingerprint(pd.Series(one)) == fingerprint(pd.Series(other))


def test_arrays_larger_than_one_piece_are_read_whole() -> None:
    array = np.zeros((3_000, 1_000))[:, ::2]
    changed = array.copy()
    changed[-1, -1] = 1

    assert fingerprint(array) == fingerprint(array.copy()) != fingerprint(changed)


def test_a_cached_property_does_not_count() -> None:
    plain = examples.Plain()
    before = fingerprint(plain)

    assert plain.longest == 5
    assert fingerprint(plain) == before


def test_an_object_may_stand_for_another_value() -> None:
    class Stand:
        def __orchestra_fingerprint__(self) -> object:
            return "what", 1

        lock = threading.Lock()

    assert fingerprint(Stand()) == fingerprint(Stand()) != fingerprint(("what", 1))


def test_objects_that_are_shared_many_times_cost_one_visit() -> None:
    value: object = examples.Point(1)
    for _ in range(60):
        value = examples.Pair(0, [value, value])

    assert fingerprint(value) == fingerprint(value)


def test_a_dense_graph_of_objects_costs_one_visit_each() -> None:
    nodes = [types.SimpleNamespace(name=index) for index in range(60)]
    for node in nodes:
        node.neighbours = [*nodes]
    before = fingerprint(nodes)

    nodes[59].name = "changed"

    assert fingerprint(nodes) != before


FUNCTION = """
    LIMIT = 3

    def helper(x):
        return x + LIMIT

    class Box:
        size = 1
        def grow(self):
            return helper(self.size)

    def task(x, y=2):
        if x > LIMIT:
            return [helper(i) for i in range(y)]
        return Box().grow()
"""


def test_a_cell_at_another_place_makes_the_same_function() -> None:
    commented = FUNCTION.replace("if x > LIMIT", "# why\n\n\n        if x > LIMIT").replace("size = 1", "size = 1  # !")

    here = fingerprint(run_in_cell(FUNCTION)["task"])

    assert fingerprint(run_in_cell(FUNCTION, lines_before=321)["task"]) == here
    assert fingerprint(run_in_cell(commented, lines_before=7)["task"]) == here
    assert fingerprint(run_in_cell(FUNCTION, unrelated=threading.Lock())["task"]) == here


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("LIMIT = 3", "LIMIT = 4", id="a constant"),
        pytest.param("x + LIMIT", "x - LIMIT", id="a helper"),
        pytest.param("y=2", "y=3", id="a default"),
        pytest.param("range(y)", "range(y + 1)", id="its own code"),
        pytest.param("size = 1", "size = 2", id="an attribute of a class"),
        pytest.param("helper(self.size)", "-helper(self.size)", id="a method of a class"),
    ],
)
def test_a_change_of_what_a_function_uses_changes_its_fingerprint(before: str, after: str) -> None:
    changed = FUNCTION.replace(before, after)

    assert changed != FUNCTION
    assert fingerprint(run_in_cell(changed)["task"]) != fingerprint(run_in_cell(FUNCTION)["task"])


def test_a_function_of_a_notebook_is_the_same_on_a_worker() -> None:
    namespace = run_in_cell(FUNCTION, lines_before=5)
    value = {
        "function": namespace["task"],
        "object": namespace["Box"](),
        "partial": functools.partial(namespace["task"]),
    }
    code = (
        "import sys, pickle; from orchestra_nb.model.fingerprints import fingerprint; "
        "print(fingerprint(pickle.load(sys.stdin.buffer)))"
    )
    command = [sys.executable, "-c", code]

    done = subprocess.run(command, input=cloudpickle.dumps(value), check=True, capture_output=True)

    assert done.stdout.decode().strip() == fingerprint(value)


def test_a_closure_is_its_values_too() -> None:
    assert fingerprint(examples.scaled(2)) == fingerprint(examples.scaled(2)) != fingerprint(examples.scaled(3))


def test_a_table_among_the_globals_counts_by_its_content() -> None:
    source = "def task(): return table.sum()"

    prints = {fingerprint(run_in_cell(source, table=pd.DataFrame({"a": [number]}))["task"]) for number in (1, 2, 1)}

    assert len(prints) == 2


def test_of_a_module_of_the_user_only_what_is_used_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_module(text: str) -> str:
        module = types.ModuleType("my_tools")
        module.__file__ = str(tmp_path / "my_tools.py")
        exec(compile(textwrap.dedent(text), module.__file__, "exec"), module.__dict__)
        monkeypatch.setitem(sys.modules, "my_tools", module)
        return fingerprint(run_in_cell("def task(x): return my_tools.clean(x)", my_tools=module)["task"])

    first = with_module("import threading\nlock = threading.Lock()\ndef clean(x): return x\ndef other(): return 1")

    assert with_module("def clean(x): return x\ndef other(): return 2") == first
    assert with_module("def clean(x): return -x") != first


def test_an_installed_package_counts_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestra_nb.model import code_encodings

    before = fingerprint(np.mean)
    monkeypatch.setattr(np, "__version__", "0.1")
    code_encodings._version_of.cache_clear()

    try:
        assert fingerprint(np.mean) != before
    finally:
        code_encodings._version_of.cache_clear()


def test_three_hundred_functions_that_call_each_other_cost_one_visit_each() -> None:
    source = "\n".join(f"def f{i}(): return {', '.join(f'f{(i + j) % 300}' for j in range(1, 20))}" for i in range(300))
    changed = source.replace("def f299(): return", "def f299(): return 1,")

    assert fingerprint(run_in_cell(source)["f0"]) != fingerprint(run_in_cell(changed)["f0"])


def test_functions_in_a_set_that_they_use_have_a_fingerprint() -> None:
    source = "def f(): return HANDLERS\ndef g(): return HANDLERS, 1\nHANDLERS = {f, g}"

    assert fingerprint(run_in_cell(source)["f"]) == fingerprint(run_in_cell(source)["f"])


class Connection:
    def __init__(self) -> None:
        self.lock = threading.Lock()


def _generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("value", "path"),
    [
        pytest.param(threading.Lock(), r"args[1] (type lock) has no fingerprint: cannot pickle", id="itself"),
        pytest.param([0, {"conn": Connection()}], "args[1][1]['conn'].lock (type lock)", id="in containers"),
        pytest.param({_generator()}, "args[1]{…} (type generator)", id="in a set"),
        pytest.param(functools.partial(print, Connection()), "args[1].args[0].lock (type lock)", id="in a partial"),
        pytest.param(
            run_in_cell("def task(): return conn", conn=Connection())["task"],
            "args[1] global conn.lock (type lock)",
            id="among globals",
        ),
        pytest.param(examples.scaled(Connection()), "args[1] enclosed factor.lock (type lock)", id="in a closure"),  # type: ignore[arg-type]
        pytest.param(np.array([Connection()], dtype=object), "args[1][0].lock (type lock)", id="in an array"),
    ],
)
def test_what_has_no_content_is_named_with_the_way_to_it(value: object, path: str) -> None:
    with pytest.raises(ValueNotHashable) as refusal:
        fingerprint(value, name="args[1]")

    assert path in str(refusal.value)
    assert "Leave it out of the cache key" in str(refusal.value)


def test_a_set_that_is_inside_itself_is_refused() -> None:
    node = types.SimpleNamespace()

    class Node:
        def __init__(self) -> None:
            self.neighbours = {self}

    node.inner = Node()

    with pytest.raises(ValueNotHashable, match=r"value\.inner\.neighbours\{…\} \(type Node\)"):
        fingerprint(node)


def test_what_is_nested_too_deeply_is_refused() -> None:
    value: list[object] = []
    for _ in range(5_000):
        value = [value]

    with pytest.raises(ValueNotHashable, match="nested too deeply"):
        fingerprint(value)


def test_packages_that_are_not_loaded_stay_so() -> None:
    code = (
        "import sys; from orchestra_nb.model.fingerprints import fingerprint; fingerprint({'a': [1, {2}]}); "
        "print(sorted({'numpy', 'pandas', 'pyarrow', 'pydantic', 'dask'} & set(sys.modules)))"
    )

    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert printed == "[]\n"


def test_a_field_of_a_dataclass_that_is_not_compared_counts() -> None:
    @dataclasses.dataclass
    class Noted:
        value: int
        note: str = dataclasses.field(compare=False)

    assert fingerprint(Noted(1, "a")) != fingerprint(Noted(1, "b"))


def test_an_exception_has_the_same_fingerprint_where_dask_is_loaded() -> None:
    code = (
        "import distributed\n"
        "from orchestra_nb.model.fingerprints import fingerprint\n"
        "print(fingerprint(ValueError('no', 1)))"
    )

    there = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()

    assert there == fingerprint(ValueError("no", 1))
