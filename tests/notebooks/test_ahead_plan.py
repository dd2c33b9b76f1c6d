"""Which cells of a notebook are planned to run ahead of their turn, and why a run stays in order."""

from __future__ import annotations

import pytest

from orchestra_nb.model.ahead_plans import AheadPlan
from orchestra_nb.notebooks.ahead_plan import plan_cells_ahead
from orchestra_nb.notebooks.dataflow import analyse_sources
from orchestra_nb.notebooks.notebook_analysis import NotebookAnalysis
from orchestra_nb.notebooks.run_time_guess import HEAVY_SECONDS, LIGHT_SECONDS, defined_functions, guess_seconds

LOAD = "import time\ndata = [1, 2, 3]"


def plan(
    sources: list[str], seconds: dict[int, float] | None = None, *, workers: int = 2, start: float = 0.0
) -> AheadPlan:
    analysis = NotebookAnalysis(path="", cells=analyse_sources([("", source) for source in sources]))
    return plan_cells_ahead(analysis, sources, seconds or {}, workers=workers, cluster_start_seconds=start)


def test_independent_long_cells_run_beside_the_first_of_them() -> None:
    sources = [LOAD, *(f"time.sleep(4)\nr{number} = sum(data)" for number in range(3)), "print(r0, r1, r2)"]

    planned = plan(sources)

    assert planned.ahead == (2, 3)
    assert planned.gain_seconds == pytest.approx(8, abs=0.2)
    assert planned.describe() == "--parallel: cells 3, 4 run ahead, 8.0 of 12.1 s less expected"


def test_cells_are_named_by_their_numbers_in_the_users_own_file() -> None:
    sources = ["rows = 1", "rows = 2", LOAD, *(f"time.sleep(4)\nr{number} = sum(data)" for number in range(3))]
    analysis = NotebookAnalysis(path="", cells=analyse_sources([("", source) for source in sources]))

    planned = plan_cells_ahead(analysis, sources, {}, workers=2, injected_at=1)
    history = [*sources, "print(Out)"]
    in_order = plan_cells_ahead(
        NotebookAnalysis(path="", cells=analyse_sources([("", source) for source in history])),
        history,
        {},
        workers=2,
        injected_at=1,
    )

    assert planned.ahead == (4, 5)
    assert planned.describe().startswith("--parallel: cells 4, 5 run ahead, ")
    assert [cell.name for cell in planned.cells[:3]] == ["cell 1", "the cell of the parameters", "cell 2"]
    assert in_order.why == "cell 6 reads what the last lines of earlier cells gave"


def test_a_chain_runs_beside_another_with_the_short_cells_between() -> None:
    one = ["time.sleep(4)\na = 1", "b = a + 1", "time.sleep(4)\nc = b + 1"]
    other = ["time.sleep(4)\nx = 1", "y = x + 1", "time.sleep(4)\nz = y + 1"]

    planned = plan([LOAD, *one, *other])

    assert planned.ahead == (4, 6)
    assert planned.cells[5].goes_along


def test_the_times_of_earlier_runs_count_more_than_what_the_source_looks_like() -> None:
    sources = [LOAD, "time.sleep(9)\na = 1", "time.sleep(9)\nb = 1"]

    assert plan(sources, {1: 0.01, 2: 0.01}).why == "no two long cells are independent"
    assert plan([LOAD, "a = 1", "b = 1"], {1: 9.0, 2: 9.0}).ahead == (2,)


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ("time.sleep(9)\nb = a", "no two long cells are independent"),
        ("time.sleep(9)\nopen('f', 'w').write('x')", "no two long cells are independent"),
        ("time.sleep(9)\nexec('x = 1')", "no two long cells are independent"),
        ("time.sleep(9)\nx = globals()", "no two long cells are independent"),
        ("time.sleep(9)\n!ls", "no two long cells are independent"),
        ("%%task\ntime.sleep(9)", "no two long cells are independent"),
        ("%%bash\nsleep 9", "no two long cells are independent"),
        ("time.sleep(9)\nprint(_)", "cell 3 reads what the last lines of earlier cells gave"),
    ],
    ids=["dependent", "writes a file", "exec", "globals", "a command", "a task cell", "another language", "history"],
)
def test_what_has_to_run_in_the_kernel_stays_there(second: str, why: str) -> None:
    planned = plan([LOAD, "time.sleep(9)\na = 1", second], {1: 9.0, 2: 9.0})

    assert (planned.ahead, planned.why) == ((), why)


def test_a_run_stays_in_order_where_the_gain_does_not_pay() -> None:
    sources = [LOAD, "a = 1", "b = 1"]

    assert plan(sources, {1: 0.25, 2: 0.25}).why == (
        "the gain that is expected (0.2 of 0.5 s) does not pay for the transfer"
    )
    assert plan(sources, {1: 2.0, 2: 2.0}, start=3.0).why == (
        "the gain that is expected (0.0 of 4.0 s) does not pay for starting a cluster"
    )
    assert plan(sources, {1: 9.0, 2: 9.0}, start=3.0).ahead == (2,)


def test_cells_that_draw_from_one_generator_keep_their_order() -> None:
    sources = ["import random\nrandom.seed(1)", "a = random.random()", "b = random.random()", "c = random.random()"]

    assert plan(sources, {1: 9.0, 2: 9.0, 3: 9.0}).ahead == ()


@pytest.mark.parametrize(
    ("source", "seconds"),
    [
        ("time.sleep(2)", LIGHT_SECONDS + 2),
        ("for n in range(10):\n    time.sleep(2)", LIGHT_SECONDS + 20),
        ("slow()", LIGHT_SECONDS + 3),
        ("model.fit(x, y)", LIGHT_SECONDS + HEAVY_SECONDS),
        ("simulation(10**6)", LIGHT_SECONDS + HEAVY_SECONDS),
        ("while busy:\n    step()", LIGHT_SECONDS + HEAVY_SECONDS),
        ("def late():\n    time.sleep(9)", LIGHT_SECONDS),
        ("x = 1 +", LIGHT_SECONDS),
    ],
)
def test_long_cells_are_told_from_short_ones_by_their_source(source: str, seconds: float) -> None:
    functions = defined_functions(["def slow():\n    time.sleep(3)\n    slow()", "def simulation(n):\n    return n"])

    assert guess_seconds(source, functions) == pytest.approx(seconds, abs=0.05)


@pytest.mark.parametrize(
    ("second", "is_ahead"),
    [
        ("url = os.environ['API_URL']", True),
        ("found = {**os.environ}", False),
        ("run = os.environ.get('ORCHESTRA_RUN_ID')", False),
        ("parent = os.getenv('JPY_PARENT_PID')", False),
    ],
)
def test_a_cell_that_asks_for_single_variables_goes_ahead_where_workers_have_the_environment(
    second: str, is_ahead: bool
) -> None:
    sources = ["import os, time", "time.sleep(9)\na = 1", f"time.sleep(9)\n{second}"]
    analysis = NotebookAnalysis(path="", cells=analyse_sources([("", source) for source in sources]))

    planned, elsewhere = (
        plan_cells_ahead(analysis, sources, {}, workers=2, has_environment=it) for it in (True, False)
    )

    assert planned.ahead == ((2,) if is_ahead else ())
    assert elsewhere.ahead == ()
