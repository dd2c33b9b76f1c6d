"""What of a task's function travels to a worker: by reference where it can be imported, else by value, with its lines."""

from __future__ import annotations

import linecache
import pickle
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from types import ModuleType

import pytest

from orchestra_nb import Task, flow, task
from orchestra_nb.engine.function_pickling import LargeClosureWarning, pickle_function, place_of
from orchestra_nb.errors import ValueNotPortable
from tests.engine.attempt_bodies import add as plain_function


@task
def imported(x: int) -> int:
    return x + 1


@flow
def imported_flow() -> None: ...


class Shop:
    @task
    def price(self) -> int:
        return 1


def test_a_task_of_a_module_travels_as_its_name() -> None:
    assert pickle.loads(pickle_function(imported, "imported")) is imported
    assert pickle.loads(pickle_function(imported_flow, "imported_flow")) is imported_flow
    assert len(pickle_function(imported, "imported")) < 200


def test_the_function_of_such_a_task_travels_as_its_name_too() -> None:
    assert pickle.loads(pickle_function(imported.fn, "imported")) is imported.fn
    assert pickle.loads(pickle_function(Shop.price.fn, "price")) is Shop.price.fn


def test_another_variant_of_the_task_travels_by_value_with_the_same_function() -> None:
    changed = pickle.loads(pickle_function(imported.with_options(retries=3), "imported"))

    assert (type(changed), changed.retries, changed.fn is imported.fn) == (Task, 3, True)


@pytest.mark.parametrize("name", ["__main__", "module_that_is_not_there", "made_by_hand"])
def test_what_a_worker_cannot_import_has_no_place(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "made_by_hand":
        monkeypatch.setitem(sys.modules, name, ModuleType(name))

    def function() -> None: ...

    function.__module__, function.__qualname__ = name, "function"
    if name in sys.modules:
        monkeypatch.setattr(sys.modules[name], "function", function, raising=False)

    assert place_of(function, function) is None


def test_a_local_function_has_no_place() -> None:
    @task
    def local() -> None: ...

    assert place_of(local, local.fn) is None
    assert place_of(plain_function, plain_function) is None  # its module is registered to travel by value


def test_a_local_task_travels_by_value_with_what_it_uses(tmp_path: Path) -> None:
    factor = 3

    def helper(x: int) -> int:
        return x * factor

    @task
    def local(x: int) -> int:
        return helper(x) + 1

    path = tmp_path / "function"
    path.write_bytes(pickle_function(local.fn, "local"))
    code = f"import pickle; print(pickle.loads(open({str(path)!r}, 'rb').read())(2))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout == "7\n"


def test_a_task_that_calls_itself_travels() -> None:
    namespace: dict[str, object] = {"task": task, "__name__": "__main__"}
    exec("@task\ndef down(x):\n    return 0 if x == 0 else down.fn(x - 1)\n", namespace)
    down = namespace["down"]
    assert isinstance(down, Task)

    assert pickle.loads(pickle_function(down, "down")).fn(3) == 0


def test_the_variable_that_cannot_travel_is_named() -> None:
    connection = threading.Lock()

    def uses_it() -> object:
        return connection

    with pytest.raises(ValueNotPortable, match="`connection`, which task 'load' uses, cannot be sent to a worker"):
        pickle_function(uses_it, "load")


def test_a_function_that_drags_much_data_along_is_warned_of_with_the_variables_name() -> None:
    table, small = b"x" * 2_000_000, b"y"

    def uses_them() -> int:
        return len(table) + len(small)

    with pytest.warns(LargeClosureWarning, match=r"takes 2.0 MB along .* mostly the variable `table` \(2.0 MB\)"):
        pickle_function(uses_them, "load")


def test_small_closures_are_not_warned_of() -> None:
    small = b"y" * 1000

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle_function(lambda: small, "load")


def test_the_lines_of_a_notebook_cell_travel_with_its_function() -> None:
    name = "<cell of the test>"
    source = "def of_cell():\n    raise KeyError('x')\n"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(compile(source, name, "exec"), namespace)
    data = pickle_function(namespace["of_cell"], "of_cell")
    del linecache.cache[name]

    function = pickle.loads(data)

    assert function.__code__.co_filename == name
    assert linecache.getline(name, 2) == "    raise KeyError('x')\n"
