"""F49, F50: an input or a result that cannot be pickled."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import TextIO

import pytest

from orchestra_nb import flow, task
from orchestra_nb.errors import ValueNotPortable
from orchestra_nb.model.states import State
from tests.engine.conftest import FlowWorld


@pytest.fixture
def open_file() -> Iterator[TextIO]:
    with open(__file__) as file:
        yield file


@pytest.mark.parametrize(
    ("make", "path", "kind"),
    [
        (lambda file: SimpleNamespace(conn=threading.Lock()), "thing.conn", "lock"),
        (lambda file: {"log": file}, "thing['log']", "TextIOWrapper"),
        (lambda file: [0, (number for number in range(3))], "thing[1]", "generator"),
    ],
    ids=["lock", "open file", "generator"],
)
@pytest.mark.parametrize("way", ["submit", "map"])
def test_an_argument_that_cannot_travel_is_named_and_nothing_is_queued(
    world: FlowWorld, open_file: TextIO, way: str, make: Callable[[TextIO], object], path: str, kind: str
) -> None:
    @task
    def use(number: int, thing: object) -> None:
        raise AssertionError("it must not run")

    @flow
    def refused() -> None:
        thing = make(open_file)
        if way == "map":
            use.map([1, 1], [None, thing])
        else:
            use.submit(1, thing)

    with pytest.raises(ValueNotPortable) as raised:
        refused()

    assert f"`{path}` (type {kind})" in str(raised.value)
    assert "of task 'use-" in str(raised.value)
    run = world.run("refused")
    assert (run.state, world.tasks("refused")) == (State.FAILED, [])
    assert path in run.message


def test_one_of_many_arguments_is_named_by_its_place(world: FlowWorld) -> None:
    @task
    def use(*things: object, **named: object) -> None: ...

    with pytest.raises(ValueNotPortable, match=r"`things\[1\]` \(type lock\)"):
        use.submit(0, threading.Lock())
    with pytest.raises(ValueNotPortable, match=r"`other` \(type lock\)"):
        use.submit(0, other=threading.Lock())


def test_a_variable_that_cannot_travel_is_named(world: FlowWorld) -> None:
    connection = sqlite3.connect(":memory:")

    @task
    def ask() -> object:
        return connection.execute("select 1").fetchone()

    with closing(connection), pytest.raises(ValueNotPortable, match="`connection`, which task 'ask' uses, cannot be"):
        ask.submit()


@pytest.mark.parametrize("is_mapped", [False, True], ids=["submit", "map"])
def test_a_result_that_cannot_be_stored_fails_its_task_which_is_not_run_again(
    world: FlowWorld, tmp_path: Path, is_mapped: bool
) -> None:
    @task(retries=3)
    def make(number: int) -> object:
        if number != 1:
            return number
        with (tmp_path / "count").open("a") as file:
            file.write("x")
        return threading.Lock()

    @flow
    def making() -> list[object]:
        futures = make.map(range(3)) if is_mapped else [make.submit(number) for number in range(3)]
        return [future.result(raise_on_failure=False) for future in futures]

    first, error, last = making()

    assert (first, last, type(error)) == (0, 2, ValueNotPortable)
    record = world.tasks("making")[1]
    assert (record.state, record.attempt) == (State.FAILED, 1)
    assert "The result of make (type lock) cannot be stored" in record.message
    assert (tmp_path / "count").read_text() == "x"
