"""The example notebook of flows and tasks runs from top to bottom through ``orchestra run``, and shows what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.notebook_kernel import without_colours
from tests.integration.test_run_notebooks import Ran, run

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "flows.ipynb"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run(tmp_path_factory.mktemp("flows"), NOTEBOOK, "-p", "days", "12", "-p", "patience", "0.5", "-k", "python3")


def shown(ran: Ran, cell_id: str) -> list[str]:
    """The lines that a cell printed, and then that of its value."""
    [cell] = [cell for cell in ran.code_cells if cell["id"] == cell_id]
    outputs = cell["outputs"]
    printed = [output["text"] for output in outputs if output.get("name") == "stdout"]
    values = [output["data"]["text/plain"] for output in outputs if "data" in output]
    return [*_lines(printed), *_lines(values)]


def _lines(texts: list[list[str]]) -> list[str]:
    return "\n".join("".join(text) for text in texts).splitlines()


def test_every_cell_of_it_completes(ran: Ran) -> None:
    assert ran.document["parameters"] == {"days": 12, "patience": 0.5}
    assert set(ran.states) == {"COMPLETED"}, ran.document["message"]


@pytest.mark.parametrize(
    ("cell_id", "last_line"),
    [
        ("visualize", "● total × 3"),
        ("functions", "the shop in Rome 8 10"),
        ("mapping", "[1, 4]"),
        ("options", "hook: prices-of-01-03 Completed"),
        ("caching", "Cached 15"),
        ("subflows", "hook: season Completed"),
        ("coroutines", "'page 9'"),
        ("twins", "'page 3'"),
        ("runners", "[1]"),
        ("placement", "'a model of EU, a model of US, a model of Asia'"),
        ("shared", "['EU', 'US', 'Asia']"),
        ("assets", "'145 sold'"),
        ("waiting", "Review(rows=12, speed='slow', until=datetime.date(2026, 12, 31), comment='nobody was there')"),
        ("answers", "42"),
        ("transactions", "Failed False"),
        ("transactions", "Completed True"),
        ("isolation", "1 update"),
        ("again", "'Failed'"),
    ],
)
def test_a_section_shows_what_it_says(ran: Ran, cell_id: str, last_line: str) -> None:
    assert last_line in shown(ran, cell_id)


def test_states_are_honest(ran: Ran) -> None:
    lines = [line for line in shown(ran, "states") if line]

    assert lines[:2] == ["attempt 3", "got ZeroDivisionError('division by zero')"]
    assert lines[2:4] == ["NotReady", "TimedOut"]
    assert "ZeroDivisionError" in lines[-1]


def test_the_failed_flow_is_run_again_by_the_shell(ran: Ran) -> None:
    lines = [without_colours(line) for line in shown(ran, "retry")]

    assert any(line.split()[1:2] == ["fragile"] for line in lines), lines
    assert lines[-1].startswith("fragile-")
    assert lines[-1].endswith("✓ Completed")
