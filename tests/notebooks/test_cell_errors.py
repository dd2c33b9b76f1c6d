"""What a kernel says of an error, read for people."""

from __future__ import annotations

from typing import Any

import pytest

from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.notebooks.cell_errors import asks_to_end, describe_error, is_good_exit, read_error

#: As IPython writes it, colours included: the cell calls a function of its own that fails in its third line.
TRACE = [
    "\x1b[31m---------------------------------------------------------------------------\x1b[39m",
    "\x1b[31mValueError\x1b[39m                                Traceback (most recent call last)",
    "\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[4]\x1b[39m\x1b[32m, line 4\x1b[39m\n----> 4 f()",
    "\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[4]\x1b[39m\x1b[32m, line 2\x1b[39m, in f()\n----> 2 g()",
    "\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[1]\x1b[39m\x1b[32m, line 9\x1b[39m, in g()\n----> 9 raise",
    "\x1b[31mValueError\x1b[39m: no",
]


@pytest.mark.parametrize("name", ["SyntaxError", "IndentationError"])
def test_a_syntax_error_is_told_without_the_name_that_the_kernel_gave_the_cell(name: str) -> None:
    content = {"ename": name, "evalue": "unexpected indent (2942934890.py, line 2)", "traceback": []}

    error = read_error(content, cell="cell 3", source="x = 1\n  y = 2", execution_count=4)

    assert describe_error(error) == f"{name}: unexpected indent (cell 3, line 2)"
    assert error.source_line == "y = 2"
    of_module = content | {"evalue": "unexpected indent (module.py, line 2)"}
    assert (
        "module.py, line 2" in read_error(of_module, cell="cell 3", source="import module", execution_count=4).message
    )


def test_the_line_is_the_deepest_one_in_the_failing_cell() -> None:
    source = "def f():\n    g()\n\nf()"

    error = read_error(
        {"ename": "ValueError", "evalue": "no", "traceback": TRACE}, cell="cell 3", source=source, execution_count=4
    )

    assert (error.type, error.message, error.cell, error.line, error.source_line) == (
        "ValueError",
        "no",
        "cell 3",
        2,
        "g()",
    )
    assert error.traceback is not None
    assert "\x1b" not in error.traceback
    assert error.traceback.endswith("ValueError: no")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param({"ename": "", "evalue": "128", "traceback": []}, ("Error", "exited with 128"), id="exit-code"),
        pytest.param({"ename": "", "evalue": "why", "traceback": None}, ("Error", "why"), id="no-name"),
        pytest.param({"status": "aborted"}, ("Error", ""), id="nothing-told"),
        pytest.param({"ename": "E", "evalue": "a\udc80"}, ("E", "a\\udc80"), id="undecodable"),
        pytest.param({"ename": "E", "evalue": "x" * 5_000}, ("E", "x" * 2_000), id="long"),
    ],
)
def test_errors_of_all_kernels_become_records(content: dict[str, Any], expected: tuple[str, str]) -> None:
    error = read_error(content, cell="cell 1", source="x", execution_count=1)

    assert (error.type, error.message, error.line) == (*expected, None)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        pytest.param(
            ErrorInfo(type="E", message="no\nmore", cell="cell 4", line=3), "E: no (cell 4, line 3)", id="full"
        ),
        pytest.param(ErrorInfo(type="E", message="", cell="cell 4"), "E (cell 4)", id="no-message"),
        pytest.param(ErrorInfo(type="E", message="no"), "E: no", id="no-place"),
    ],
)
def test_an_error_is_one_line_for_people(error: ErrorInfo, line: str) -> None:
    assert describe_error(error) == line


@pytest.mark.parametrize(
    ("value", "is_good"),
    [("", True), ("0", True), ("None", True), ("1", False), ("why", False), ("00", False)],
)
def test_only_the_exit_codes_of_success_end_a_notebook_well(value: str, is_good: bool) -> None:
    assert is_good_exit({"ename": "SystemExit", "evalue": value}) is is_good
    assert not is_good_exit({"ename": "ValueError", "evalue": value})


def test_a_kernel_that_is_to_be_kept_is_not_ending() -> None:
    assert asks_to_end({"payload": [{"source": "ask_exit", "keepkernel": False}]})
    assert not asks_to_end({"payload": [{"source": "ask_exit", "keepkernel": True}]})
    assert not asks_to_end({"payload": [{"source": "page"}]})
    assert not asks_to_end({})
