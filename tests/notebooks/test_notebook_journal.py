"""The file of a running notebook: whole for every reader at any moment, and written about once."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestra_nb.notebooks.notebook_journal import NotebookJournal

REST = b' "metadata": {}\n}\n'


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def cell(number: int, text: str = "") -> bytes:
    return json.dumps([number, text]).encode()


def cells_in(path: Path) -> list[object]:
    found: list[object] = json.loads(path.read_bytes())["cells"]
    return found


def test_what_has_ended_stays_where_it_is_and_each_byte_is_written_about_once(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    journal = NotebookJournal(path)
    waiting = [cell(number) for number in range(50)]
    journal.write(waiting, REST)
    inode = path.stat().st_ino

    for number in range(50):
        changed: list[bytes | None] = [None] * 50
        changed[number] = cell(number, "x" * 100_000)
        journal.write(changed, REST, ended=number + 1)
        assert (
            cells_in(path)[: number + 2]
            == [[n, "x" * 100_000] for n in range(number + 1)] + [[number + 1, ""]][: 49 - number]
        )
    journal.write([None] * 50, REST, is_last=True)

    assert journal.written_bytes < 1.02 * path.stat().st_size
    assert path.stat().st_ino == inode
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.ipynb"]


@pytest.mark.parametrize("text", ["", "short", "y" * 5_000])
def test_a_cell_before_others_may_change_its_size(tmp_path: Path, text: str) -> None:
    path = tmp_path / "out.ipynb"
    journal = NotebookJournal(path)
    journal.write([cell(0, "long" * 100), cell(1), cell(2, "z")], REST)

    journal.write([None, cell(1, text), None], REST)

    assert cells_in(path) == [[0, "long" * 100], [1, text], [2, "z"]]
    assert [json.loads(journal.read_cell(number)) for number in range(3)] == cells_in(path)


def test_a_notebook_without_cells_is_one_too(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    journal = NotebookJournal(path)

    journal.write([], REST)
    journal.write([], b' "metadata": {"a": 1}\n}\n', is_last=True)

    assert json.loads(path.read_bytes()) == {"cells": [], "metadata": {"a": 1}}


def test_a_reader_that_looks_all_the_time_never_sees_a_part(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    journal = NotebookJournal(path)
    journal.write([cell(number) for number in range(8)], REST)
    reading = (
        "import json, sys\n"
        "print('on', flush=True)\n"
        "count = 0\n"
        "while True:\n"
        "    with open(sys.argv[1], 'rb') as file:\n"
        "        cells = json.loads(file.read(10) + file.read())['cells']\n"
        "    count += 1\n"
        "    if cells[-1][1] == 'end':\n"
        "        break\n"
        "print(count)"
    )
    with subprocess.Popen([sys.executable, "-c", reading, path], stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        for turn in range(300):
            changed: list[bytes | None] = [None] * 8
            changed[turn % 8] = cell(turn % 8, "x" * (turn % 7) * 30_000)
            journal.write(changed, REST, is_last=turn % 50 == 0)
        journal.write([None] * 7 + [cell(7, "end")], REST, is_last=True)
        count = int(reader.stdout.read())

    assert reader.returncode == 0
    assert count > 0


def test_who_has_the_file_open_keeps_what_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    journal = NotebookJournal(path)
    journal.write([cell(0), cell(1)], REST)

    with path.open("rb") as reader:
        journal.write([cell(0, "new"), None], REST)

        assert json.loads(reader.read())["cells"] == [[0, ""], [1, ""]]
    assert cells_in(path) == [[0, "new"], [1, ""]]


def test_a_large_cell_that_grows_is_written_again_only_now_and_then(tmp_path: Path) -> None:
    clock = Clock()
    journal = NotebookJournal(tmp_path / "out.ipynb", clock)
    journal.write([cell(0)], REST)

    grown = [journal.write([cell(0, "x" * 100_000 * turn)], REST) for turn in range(1, 60)]
    clock.seconds = 3_600
    is_written_later = journal.write([cell(0, "x" * 100_000 * 60)], REST)

    assert grown[0]
    assert not all(grown)
    assert is_written_later
    assert journal.written_bytes < 1.5 * 6_000_000


def test_a_file_that_is_held_open_is_rewritten_at_growing_intervals(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    journal = NotebookJournal(path, Clock())
    journal.write([cell(number) for number in range(100)], REST)
    pending: dict[int, bytes] = {}

    for number in range(100):
        pending[number] = cell(number, "x" * 100_000)
        with path.open("rb"):
            if journal.write([pending.get(place) for place in range(100)], REST, ended=number + 1):
                pending.clear()
    journal.write([pending.get(place) for place in range(100)], REST, is_last=True)

    assert cells_in(path) == [[number, "x" * 100_000] for number in range(100)]
    assert journal.written_bytes < 2.5 * path.stat().st_size


def test_a_file_that_was_replaced_by_hand_is_replaced_in_its_turn(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    journal = NotebookJournal(path)
    journal.write([cell(0), cell(1)], REST)
    (tmp_path / "other").write_text("{}")
    (tmp_path / "other").rename(path)

    journal.write([None, cell(1, "new")], REST)

    assert cells_in(path) == [[0, ""], [1, "new"]]


def test_a_file_that_somebody_wrote_into_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    journal = NotebookJournal(path)
    journal.write([cell(0)], REST)
    assert not journal.is_overwritten()

    path.write_text("{}")

    assert journal.is_overwritten()


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_where_no_more_can_be_written_the_file_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out.ipynb"
    journal = NotebookJournal(path)
    journal.write([cell(0, "kept"), cell(1, "before")], REST)

    with files_up_to(100_000), pytest.raises(OSError):
        journal.write([None, cell(1, "x" * 2_000_000)], REST, is_last=True)

    assert cells_in(path) == [[0, "kept"], [1, "before"]]
    journal.write([None, cell(1, "after")], REST, is_last=True)
    assert cells_in(path) == [[0, "kept"], [1, "after"]]
    assert os.listdir(tmp_path) == ["out.ipynb"]
