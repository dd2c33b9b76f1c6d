"""Values keep their meaning on the way between kernel and worker."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import threading
import types
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestra_nb.errors import ValueNotPortable
from orchestra_nb.notebooks.cell_values import (
    PackedGroup,
    PackResult,
    fingerprint,
    pack_exception,
    pack_values,
    unpack_exception,
    unpack_values,
)


def notebook(source: str = "") -> dict[str, Any]:
    """Return the namespace of a notebook after this cell."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    run(source, namespace)
    return namespace


def run(source: str, namespace: dict[str, Any], file_name: str = "<cell>") -> None:
    exec(compile(source, file_name, "exec", dont_inherit=True), namespace)


def users_values(namespace: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in namespace.items() if not name.startswith("__")}


def sent(source: str, **more: Any) -> dict[str, Any]:
    """Return the namespace of another process-like notebook that was sent everything which this cell binds."""
    namespace = notebook(source)
    namespace.update(more)
    packed = pack_values(users_values(namespace), namespace)
    assert packed.not_portable == {}
    return received(packed)


def received(packed: PackResult, **before: Any) -> dict[str, Any]:
    there = {**notebook(), **before}
    there.update(unpack_values(packed.groups, None, there))
    return there


def names_together(**values: Any) -> list[tuple[str, ...]]:
    return [group.names for group in pack_values(values, {}).groups]


# --- functions


def test_a_function_sees_the_globals_of_the_side_that_received_it() -> None:
    there = sent("factor = 2\ndef scaled(x): return x * factor")

    there["factor"] = 10

    assert there["scaled"](3) == 30


def test_a_function_sets_globals_on_the_side_that_received_it() -> None:
    there = sent("count = 0\ndef add():\n    global count\n    count += 1")

    there["add"]()

    assert there["count"] == 1


def test_a_function_does_not_take_a_large_global_along() -> None:
    namespace = notebook("def total(): return sum(table)")
    namespace["table"] = np.zeros(1_000_000)

    packed = pack_values({"total": namespace["total"]}, namespace)

    assert packed.groups[0].size_bytes < 2_000


@pytest.mark.parametrize(
    ("source", "expression", "expected"),
    [
        ("def f(n): return 1 if n == 0 else n * f(n - 1)", "f(5)", 120),
        ("def make(k):\n    return lambda x: x + k\nf = make(3)", "f(1)", 4),
        ("def make():\n    def f(n): return 0 if n == 0 else f(n - 1) + 1\n    return f\nf = make()", "f(4)", 4),
        ("def f(a, b=[1], *, c={'k': 2}): return (a, b, c)", "f(0)", (0, [1], {"k": 2})),
        ("import functools\ndef f(a, b): return a - b\ng = functools.partial(f, b=1)", "g(3)", 2),
        ("from functools import cache\n@cache\ndef f(x): return x * 2", "f(3), f.cache_info().misses", (6, 1)),
        ("async def f(): return 5", "__import__('asyncio').run(f())", 5),
        ("def f():\n    yield 1\n    yield 2", "list(f())", [1, 2]),
        ("async def f():\n    yield 1", "type(f()).__name__", "async_generator"),
        ("f = lambda: (yield)", "next(f())", None),
        ("def f(): 'Doc.'\nf.tag = [1]", "f.__doc__, f.tag, f.__module__, f.__name__", ("Doc.", [1], "__main__", "f")),
        ("class A:\n    def m(self): return 7\nm = A().m", "m()", 7),
        ("class A:\n    @classmethod\n    def c(cls): return cls.__name__\nc = A.c", "c()", "A"),
        ("def f(x: int) -> 'str': return x", "f.__annotations__", {"x": int, "return": "str"}),
        ("from typing import NewType\nUserId = NewType('UserId', int)", "UserId(3), UserId.__name__", (3, "UserId")),
        ("import operator\nf = operator.itemgetter('a')", "f({'a': 1})", 1),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else "",
)  # fmt: skip
def test_functions_of_every_kind_survive(source: str, expression: str, expected: object) -> None:
    there = sent(source)

    assert eval(expression, there) == expected


def test_a_decorated_function_keeps_its_wrapper_and_what_it_wraps() -> None:
    there = sent(
        "import functools\n"
        "def twice(function):\n"
        "    @functools.wraps(function)\n"
        "    def wrapper(*args): return function(function(*args))\n"
        "    return wrapper\n"
        "@twice\n"
        "def add(x): return x + 1"
    )

    assert there["add"](1) == 3
    assert there["add"].__wrapped__(1) == 2
    assert there["add"].__name__ == "add"


def test_closures_that_share_a_variable_go_on_sharing_it() -> None:
    there = sent(
        "def make():\n    n = 0\n    def add():\n        nonlocal n\n        n += 1\n    def read(): return n\n"
        "    return add, read\nadd, read = make()"
    )

    there["add"]()

    assert there["read"]() == 1


def test_a_function_reaches_the_submodule_that_its_notebook_imported() -> None:
    source = "import xml.dom.minidom\ndef f(): return xml.dom.minidom.parseString('<a/>').documentElement.tagName"
    namespace = notebook(source)
    packed = pack_values({"f": namespace["f"], "xml": namespace["xml"]}, namespace)
    script = (
        "import sys, pickle\n"
        "from orchestra_nb.notebooks.cell_values import unpack_values\n"
        "ns = {'__name__': '__main__'}\n"
        "ns.update(unpack_values(pickle.load(sys.stdin.buffer), None, ns))\n"
        "print(ns['f']())"
    )

    answer = subprocess.run(
        [sys.executable, "-c", script], input=pickle.dumps(packed.groups), capture_output=True, check=True
    )

    assert answer.stdout.decode().strip() == "a"


def test_the_source_of_a_notebook_function_goes_along_for_its_tracebacks() -> None:
    import inspect
    import linecache

    from orchestra_nb.notebooks.value_unpickler import remember_source

    remember_source("<cell of this test>", "def f():\n    return 1\n")
    namespace = notebook()
    run("def f():\n    return 1\n", namespace, "<cell of this test>")
    packed = pack_values({"f": namespace["f"]}, namespace)
    del linecache.cache["<cell of this test>"]

    there = received(packed)

    assert inspect.getsource(there["f"]) == "def f():\n    return 1\n"


# --- classes


def test_an_instance_and_its_class_in_different_groups_keep_being_the_same_class() -> None:
    namespace = notebook("class A: pass\na = A()")
    there = notebook()

    there.update(unpack_values(pack_values({"a": namespace["a"]}, namespace).groups, None, there))
    there.update(unpack_values(pack_values({"A": namespace["A"]}, namespace).groups, None, there))

    assert type(there["a"]) is there["A"]


def test_an_instance_that_comes_back_has_the_class_that_it_had() -> None:
    kernel = notebook("class A:\n    def m(self): return answer\nanswer = 1\na = A()")
    worker = received(pack_values(users_values(kernel), kernel), answer=2)
    assert worker["a"].m() == 1
    worker["b"] = worker["A"]()

    kernel.update(unpack_values(pack_values({"b": worker["b"]}, worker).groups, None, kernel))

    assert type(kernel["b"]) is kernel["A"]
    assert kernel["b"].m() == 1


def test_a_class_that_a_task_defined_is_one_class_in_the_kernel() -> None:
    worker = notebook("class B: pass\nb = B()\nc = B()")
    kernel = notebook()

    for name in ("b", "c"):
        kernel.update(unpack_values(pack_values({name: worker[name]}, worker).groups, None, kernel))

    assert type(kernel["b"]) is type(kernel["c"])


def test_a_redefined_class_is_another_class() -> None:
    namespace = notebook("class A:\n    v = 1\nold = A()")
    run("class A:\n    v = 2\nnew = A()", namespace)

    there = received(pack_values(users_values(namespace), namespace))

    assert (there["old"].v, there["new"].v, there["A"].v) == (1, 2, 2)
    assert type(there["new"]) is there["A"]


def test_a_change_of_a_class_after_it_was_sent_arrives_with_it() -> None:
    kernel = notebook("class A:\n    count = 0\n    extra = 1")
    worker = received(pack_values({"A": kernel["A"]}, kernel))

    kernel["A"].count = 5
    del kernel["A"].extra
    worker.update(unpack_values(pack_values({"A": kernel["A"]}, kernel).groups, None, worker))

    assert worker["A"].count == 5
    assert not hasattr(worker["A"], "extra")


def test_a_change_of_a_class_on_a_worker_comes_back_and_nothing_else_does() -> None:
    kernel = notebook("class A:\n    count = 0\n    other = 0\na = A()")
    worker = received(pack_values(users_values(kernel), kernel))
    kernel["A"].other = 9

    worker["A"].count += 1
    kernel.update(unpack_values(pack_values({"a": worker["a"]}, worker).groups, None, kernel))

    assert (kernel["A"].count, kernel["A"].other) == (1, 9)


def test_a_class_made_in_one_namespace_does_not_reach_another_one() -> None:
    kernel = notebook("class A: pass")
    packed = pack_values({"A": kernel["A"]}, kernel)
    first = received(packed)
    first["A"].flag = True

    second = received(packed)

    assert not hasattr(second["A"], "flag")


CLASSES = {
    "dataclass": (
        """
import dataclasses
@dataclasses.dataclass(frozen=True, slots=True)
class D:
    x: int = 1
d = D(4)
""",
        "d == D(4), repr(d)",
        (True, "D(x=4)"),
    ),
    "enum": (
        """
import enum
class E(enum.Enum):
    a = 1
    b = 2
    def m(self): return self.value
e = E.b
""",
        "e is E.b, e.m()",
        (True, 2),
    ),
    "flag": (
        """
import enum
class F(enum.IntFlag):
    a = 1
    b = 2
f = F.a | F.b
""",
        "f == F(3), type(f) is F",
        (True, True),
    ),
    "abc": (
        """
import abc
class I(abc.ABC):
    @abc.abstractmethod
    def m(self): ...
class C(I):
    def m(self): return 1
class R: ...
I.register(R)
c = C()
""",
        "c.m(), isinstance(c, I), I.__abstractmethods__, issubclass(R, I)",
        (1, True, frozenset({"m"}), True),
    ),
    "super": (
        """
class P:
    def m(self): return 1
class C(P):
    def m(self): return super().m() + 1
c = C()
""",
        "c.m(), C.__mro__[1] is P",
        (2, True),
    ),
    "property": (
        """
class P:
    @property
    def p(self): return 3
    @staticmethod
    def s(): return 4
o = P()
""",
        "o.p, o.s()",
        (3, 4),
    ),
    "nested": ("class O:\n    class I:\n        v = 1\no = O.I()", "type(o) is O.I, o.v", (True, 1)),
    "named tuple": (
        "import collections\nN = collections.namedtuple('N', 'a b')\nn = N(1, 2)",
        "n.a, type(n) is N",
        (1, True),
    ),
    "generic": (
        "import typing\nT = typing.TypeVar('T')\nclass B(typing.Generic[T]): ...\nb = B()",
        "B.__parameters__[0].__name__, type(b) is B",
        ("T", True),
    ),
    "metaclass": (
        """
class M(type):
    known = []
    def __init__(cls, *a): M.known.append(cls)
class A(metaclass=M): ...
""",
        "[c.__name__ for c in M.known], type(A) is M, M.known[0] is A",
        (["A"], True, True),
    ),
    "registry": (
        """
class P:
    known = {}
    def __init_subclass__(cls, /, key): P.known[key] = cls
class A(P, key='a'): ...
a = A()
""",
        "list(P.known), P.known['a'] is A is type(a)",
        (["a"], True),
    ),
    "mutual": (
        "class A:\n    def m(self): return B\nclass B:\n    home = A\na = A()",
        "a.m() is B, B.home is A",
        (True, True),
    ),
    "slots": ("class S:\n    __slots__ = ('x',)\ns = S()\ns.x = 1", "s.x", 1),
    "exception": (
        """
class E(ValueError):
    def __init__(self, code):
        super().__init__(f'code {code}')
        self.code = code
    def __reduce__(self): return E, (self.code,)
e = E(3)
""",
        "e.code, type(e) is E",
        (3, True),
    ),
    "itself": (
        """
class K:
    default = None
    def __init__(self): self.me = self
K.default = K()
k = K()
""",
        "k.me is k, type(K.default) is K",
        (True, True),
    ),
}


@pytest.mark.parametrize(("source", "expression", "expected"), CLASSES.values(), ids=CLASSES.keys())
def test_classes_of_every_kind_survive(source: str, expression: str, expected: object) -> None:
    there = sent(source)

    assert eval(expression, there) == expected


def test_classes_that_all_know_each_other_stay_small() -> None:
    classes = "\n".join(f"class C{i}:\n    known = []" for i in range(12))
    source = classes + "\nall_of_them = [" + ",".join(f"C{i}" for i in range(12)) + "]\n"
    source += "for c in all_of_them: c.known.extend(all_of_them)"
    namespace = notebook(source)

    packed = pack_values({"C0": namespace["C0"]}, namespace)

    assert packed.groups[0].size_bytes < 20_000


# --- aliases


def test_names_of_one_object_go_on_naming_one_object() -> None:
    shared = [1]

    groups = pack_values({"a": shared, "b": {"in": shared}, "c": [2]}, {}).groups
    there = unpack_values(groups, None, {})

    assert [group.names for group in groups] == [("a", "b"), ("c",)]
    assert there["b"]["in"] is there["a"]  # type: ignore[index]


def test_views_of_one_array_go_on_sharing_its_memory() -> None:
    table = np.arange(20.0).reshape(4, 5)
    row, turned = table[1], table.T

    there: dict[str, Any] = unpack_values(
        pack_values({"table": table, "row": row, "turned": turned}, {}).groups, None, {}
    )
    there["row"][2] = 99

    assert there["table"][1, 2] == there["turned"][2, 1] == 99
    assert table[1, 2] == 7


@pytest.mark.parametrize("order", ["C", "F"])
def test_views_with_steps_and_signs_stay_what_they_are(order: Any) -> None:
    table = np.arange(60, dtype=np.int32).reshape(5, 4, 3).copy(order=order)
    views = {
        "table": table,
        "back": table[::-1, :, ::2],
        "part": table[1:, 1],
        "still": np.broadcast_to(table[0, 0], (2, 3)),
    }

    there: dict[str, Any] = unpack_values(pack_values(views, {}).groups, None, {})
    there["table"][...] += 1

    for name, view in views.items():
        np.testing.assert_array_equal(there[name], view + 1)


def test_views_within_one_value_stay_views() -> None:
    table = np.zeros(10)

    there: Any = unpack_values(pack_values({"both": [table, table[:5]]}, {}).groups, None, {})["both"]
    there[0][0] = 1

    assert there[1][0] == 1


def test_parts_of_an_array_that_do_not_touch_travel_apart_and_without_the_rest() -> None:
    table = np.zeros((1000, 100))

    packed = pack_values({"first": table[:10], "last": table[-10:]}, {})

    assert [group.names for group in packed.groups] == [("first",), ("last",)]
    assert packed.groups[0].size_bytes < table.nbytes / 10


def test_frames_that_share_an_index_travel_apart() -> None:
    frame = pd.DataFrame({"x": range(10), "y": range(10)})

    assert names_together(frame=frame, target=frame["y"], features=frame[["x"]]) == [
        ("frame",),
        ("target",),
        ("features",),
    ]


def test_one_frame_under_two_names_stays_one_frame() -> None:
    frame = pd.DataFrame({"x": range(10)})

    there: Any = unpack_values(pack_values({"a": frame, "b": [frame]}, {}).groups, None, {})
    there["a"]["z"] = 1

    assert list(there["b"][0].columns) == ["x", "z"]


def test_what_cannot_be_changed_joins_nothing() -> None:
    words = ("a", 1, 2.5, None, b"x", frozenset({1}), np.float64(3), np.dtype("f8"))

    assert names_together(a=[*words, words], b=[*words, words], c={"k": words}) == [("a",), ("b",), ("c",)]


def test_instances_of_one_class_of_the_notebook_travel_apart() -> None:
    namespace = notebook("class A:\n    def m(self): ...\na, b = A(), A()")

    packed = pack_values(users_values(namespace), namespace)

    assert [group.names for group in packed.groups] == [("A",), ("a",), ("b",)]


def test_a_random_generator_shared_by_two_names_is_shared_again() -> None:
    generator = np.random.default_rng(1)

    there: Any = unpack_values(pack_values({"rng": generator, "model": {"rng": generator}}, {}).groups, None, {})

    assert there["model"]["rng"] is there["rng"]


# --- copies


def test_what_is_packed_does_not_change_with_the_original() -> None:
    values: dict[str, Any] = {"array": np.zeros(100_000), "frame": pd.DataFrame({"x": np.zeros(100_000)})}
    packed = pack_values(values, {})

    values["array"][0] = 1
    values["frame"].loc[0, "x"] = 1

    there: Any = unpack_values(packed.groups, None, {})
    assert there["array"][0] == 0
    assert there["frame"]["x"][0] == 0


def test_each_unpacking_gives_fresh_values_that_can_be_written() -> None:
    packed = pack_values({"array": np.zeros(100_000), "frame": pd.DataFrame({"x": np.zeros(100_000)})}, {})
    first: Any = unpack_values(packed.groups, None, {})
    first["array"][0] = 1
    first["frame"].loc[0, "x"] = 1

    second: Any = unpack_values(packed.groups, None, {})

    assert second["array"][0] == 0
    assert second["frame"]["x"][0] == 0


def test_a_read_only_array_stays_read_only() -> None:
    array = np.zeros(100_000)
    array.flags.writeable = False

    there: Any = unpack_values(pack_values({"array": array}, {}).groups, None, {})

    assert not there["array"].flags.writeable


def test_only_the_groups_of_the_names_wanted_are_touched() -> None:
    packed = pack_values({"a": [1], "b": [2]}, {})
    broken = PackedGroup(("b",), b"no pickle")

    assert unpack_values([packed.groups[0], broken], ["a"], {}) == {"a": [1]}


@pytest.mark.parametrize(
    "value",
    [
        np.arange(10), np.arange(100_000.0), np.array(["a", None], dtype=object), np.array([(1, 2.0)], dtype="i4,f8"),
        np.ma.masked_array([1, 2], [True, False]), np.asfortranarray(np.ones((300, 300))), np.datetime64("2026-01-01"),
    ],
    ids=["ints", "large", "objects", "records", "masked", "fortran", "scalar"],
)  # fmt: skip
def test_arrays_of_every_kind_survive(value: Any) -> None:
    there: Any = unpack_values(pack_values({"value": value}, {}).groups, None, {})["value"]

    np.testing.assert_array_equal(there, value)
    assert there.dtype == value.dtype


def test_frames_of_every_kind_survive() -> None:
    frame = pd.DataFrame(
        {
            "text": ["a", None, "ü"],
            "when": pd.to_datetime(["2026-01-01", None, "2026-03-01"]).tz_localize("Europe/Berlin"),
            "kind": pd.Categorical(["x", "y", "x"]),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "objects": [[1], {"k": 2}, None],
        },
        index=pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["one", "two"]),
    )

    there: Any = unpack_values(pack_values({"frame": frame}, {}).groups, None, {})["frame"]

    pd.testing.assert_frame_equal(there, frame)


def test_a_group_moves_through_dask_without_a_copy() -> None:
    from dask.sizeof import sizeof
    from distributed.protocol import deserialize, serialize

    group = pack_values({"array": np.zeros(1_000_000)}, {}).groups[0]

    header, frames = serialize(group)
    moved = deserialize(header, frames)

    assert sizeof(group) >= 8_000_000
    assert memoryview(frames[-1]).obj is group.buffers[0]
    assert memoryview(moved.buffers[0]).obj is group.buffers[0]
    assert unpack_values([moved], None, {})["array"].sum() == 0  # type: ignore[attr-defined]


# --- what cannot travel


class Engine:
    def __init__(self) -> None:
        self.options = {"lock": threading.Lock()}


def test_the_way_to_what_cannot_travel_is_named_with_a_remedy(tmp_path: Any) -> None:
    namespace = notebook("def counted():\n    yield 1\nclass A: pass\nlock_in_default = None")
    namespace["Lock"] = threading.Lock
    run("def f(x, lock=Lock()): return x", namespace)
    with (tmp_path / "data.txt").open("w+") as file:
        values = {
            "conn": Engine(),
            "items": [1, {"a": counted_things()}],
            "file": file,
            "f": namespace["f"],
            "fine": 1,
        }

        packed = pack_values(values, namespace)

    assert list(packed.infos) == ["fine"]
    assert packed.not_portable == {
        "conn": "`conn` → .options['lock'] (type lock): cannot pickle '_thread.lock' object. "
        "Make it in the cell that uses it.",
        "items": "`items` → [1]['a'] (type generator): cannot pickle 'generator' object. "
        "Make it a list, or build it in the cell that uses it.",
        "file": f"`file` (type TextIOWrapper): cannot pickle the open file '{tmp_path}/data.txt'. "
        "Send the file's path, and open it in the cell that reads it.",
        "f": "`f` →  default 0 (type lock): cannot pickle '_thread.lock' object. Make it in the cell that uses it.",
    }


def counted_things() -> Any:
    yield 1


def test_a_value_nested_too_deeply_is_said_to_be() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    reason = pack_values({"deep": deep}, {}).not_portable["deep"]

    assert "nested too deeply" in reason
    while deep:  # without the recursion of its own end
        (deep,) = deep


def test_code_of_a_value_that_fails_is_told() -> None:
    namespace = notebook("class A:\n    def __getstate__(self): raise OSError('no disk')\na = A()")

    reason = pack_values({"a": namespace["a"]}, namespace).not_portable["a"]

    assert reason.startswith("`a` (type A): no disk.")


def test_a_module_that_is_missing_where_a_value_arrives_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("only_here")
    run("class Model: pass", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", module)
    packed = pack_values({"model": module.Model(), "only_here": module}, {})
    monkeypatch.delitem(sys.modules, "only_here")

    for name, words in {"model": "(for only_here.Model)", "only_here": "module 'only_here'"}.items():
        with pytest.raises(
            ValueNotPortable, match=f"`{name}` cannot be rebuilt here: .*'only_here'.*not installed"
        ) as raised:
            unpack_values(packed.groups, [name], {})
        assert words in str(raised.value)


def test_standard_streams_and_loggers_are_those_of_the_receiving_side() -> None:
    import logging

    there = unpack_values(pack_values({"out": sys.stdout, "log": logging.getLogger("mine")}, {}).groups, None, {})

    assert there == {"out": sys.stdout, "log": logging.getLogger("mine")}


def test_a_figure_survives() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.add_subplot()
    axes.plot([1, 2, 3])

    there: Any = unpack_values(pack_values({"figure": figure, "axes": axes}, {}).groups, None, {})

    assert there["axes"].figure is there["figure"]
    assert there["axes"].lines[0].get_ydata().tolist() == [1, 2, 3]
    there["figure"].savefig(io.BytesIO())


# --- the rest


def test_an_exception_of_the_notebook_comes_back_as_itself() -> None:
    worker = notebook("class Broken(Exception):\n    pass\nerror = Broken('so')\nerror.add_note('and so')")
    packed = pack_exception(worker["error"], worker)
    assert packed is not None

    error = unpack_exception(packed, notebook())

    assert (type(error).__name__, str(error), error.__notes__) == ("Broken", "so", ["and so"])  # type: ignore[union-attr]


def test_an_exception_of_the_notebook_with_parameters_of_its_own_comes_back_too() -> None:
    source = "class Broken(Exception):\n    def __init__(self, a, b): super().__init__(a); self.b = b\n"
    worker = notebook(source + "error = Broken(1, 2)")
    packed = pack_exception(worker["error"], worker)
    assert packed is not None

    error = unpack_exception(packed, notebook())

    assert (type(error).__name__, str(error), error.b) == ("Broken", "1", 2)  # type: ignore[union-attr]


def test_an_exception_that_cannot_be_sent_is_left_out() -> None:
    worker = notebook(
        "import threading\nlock = threading.Lock()\nclass Broken(Exception):\n    held = lock\nerror = Broken()"
    )

    assert pack_exception(worker["error"], worker) is None


def test_a_fingerprint_tells_a_change_in_place() -> None:
    values: dict[str, Any] = {"list": [[1], {2, 3}], "array": np.zeros(100_000), "frame": pd.DataFrame({"x": [1, 2]})}
    before = {name: fingerprint(value, {}) for name, value in values.items()}
    assert before == {name: fingerprint(value, {}) for name, value in values.items()}

    values["list"][0].append(1)
    values["array"][-1] = 1
    values["frame"].loc[0, "x"] = 5

    assert all(fingerprint(value, {}) != before[name] for name, value in values.items())


def test_infos_say_what_a_value_is() -> None:
    packed = pack_values({"x": [1], "y": np.zeros(10_000)}, {})

    assert {name: (info.type, info.group) for name, info in packed.infos.items()} == {
        "x": ("list", 0),
        "y": ("ndarray", 1),
    }
    assert packed.infos["y"].size_bytes == packed.groups[1].size_bytes > 80_000
