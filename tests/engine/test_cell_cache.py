"""The key of a task cell's result."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestra_nb.engine.cell_cache import CellCache, code_fingerprint
from orchestra_nb.errors import InvalidTaskLine
from orchestra_nb.notebooks.task_line import parse_task_line


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("source", "outputs", "is_same"),
    [
        ("x = f(1)", None, True),
        ("# a comment\n\nx = f( 1 )  # another", None, True),
        ("#: --cache 2h\nx = f(1)", None, True),
        ("x = f(2)", None, False),
        ("y = f(1)", None, False),
        ("x = f(1)", ("x",), False),
        ("%time x = f(1)", None, False),
    ],
)
def test_the_code_counts_without_its_place_and_layout(
    source: str, outputs: tuple[str, ...] | None, is_same: bool
) -> None:
    assert (code_fingerprint(source, outputs) == code_fingerprint("x = f(1)", None)) is is_same


def test_an_input_without_a_fingerprint_is_named_and_nothing_is_kept() -> None:
    cache = CellCache.of(parse_task_line("load --cache", "x = next(rows)"), "load", None)
    assert cache is not None

    shown: list[dict[str, str]] = []
    context = cast(Any, SimpleNamespace(show=shown.append))

    assert cache.entry({"rows": (row for row in ())}, context) is None

    [message] = shown
    assert message["name"] == "stderr"
    assert re.match("Task 'load' is run without its cache: rows .*generator", message["text"])


def test_a_line_without_cache_has_none() -> None:
    assert CellCache.of(parse_task_line("load", "x = 1"), "load", "it uses exec") is None


def test_reads_that_nobody_knows_must_be_named() -> None:
    with pytest.raises(InvalidTaskLine, match=r"\(it uses exec\).*Name them with --in"):
        CellCache.of(parse_task_line("load --cache", "exec(code)"), "load", "it uses exec")
    assert CellCache.of(parse_task_line("load --cache --in code", "exec(code)"), "load", "it uses exec") is not None
