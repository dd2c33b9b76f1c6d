"""The pages at ``/orchestra/``, and the run page in JupyterLab: real runs, a real server, logged in with its token."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from expectations import expect, focused
from lab_pages import open_lab, take_pictures, wait_for_lab
from patience import PATIENCE_SECONDS
from standalone_pages import assert_no_sideways_scrolling, axe_finds, keep_picture, open_alone

from orchestra_nb.model.events import Event, RunCreated, RunStateChanged, TaskRunCreated
from orchestra_nb.model.runs import Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

TRAINING = """\
from orchestra_nb import flow, task
from orchestra_nb.artifacts import create_markdown_artifact, create_table_artifact
from orchestra_nb.task_runners import ThreadPoolTaskRunner

tries = []


@task(log_prints=True)
def load():
    print("loading <b>everything</b>")
    return list(range(40))


@task(retries=2, retry_delay_seconds=0.3)
def clean(rows):
    tries.append(1)
    if len(tries) < 2:
        raise ConnectionError("not yet")
    return rows


@task
def model(n):
    if n == 17:
        raise ValueError("no such region: <img src=x onerror=alert(1)>")
    return n


@flow(task_runner=ThreadPoolTaskRunner)
def training(region="EU"):
    rows = clean(load())
    create_markdown_artifact("See https://example.org/report", key="notes")
    create_table_artifact({"region": ["EU", "US"], "rows": [1, 2]}, key="counts")
    return [future.result() for future in model.map(rows)]


training()
"""

APPROVAL = """\
from typing import Literal

from pydantic import Field

from orchestra_nb import flow, pause_flow_run
from orchestra_nb.input import RunInput


class Review(RunInput):
    rows: int = Field(description="How many rows shall be kept?")
    region: Literal["EU", "US"] = "EU"
    codes: list[str] = []


@flow
def approval():
    asked = Review.with_initial_data(description="Is <b>this</b> right?")
    found = pause_flow_run(wait_for_input=asked, timeout=600)
    pause_flow_run(timeout=600)
    return found.rows, found.region, found.codes


print(approval())
"""

NOTEBOOK = (
    "region = 'EU'",
    "import math\nprint('read', region)",
    "def share(n):\n    return 1 / n\n\nshare(0)",
)
#: What a cell may show that wants to run, or to be asked of somebody.
HOSTILE = """\
from IPython.display import HTML, SVG, Image, Javascript, display

print("<img src=x onerror=alert(1)> </script><script>alert(2)</script> \\x1b[31mred\\x1b[0m")
display(HTML("<img src='https://elsewhere.invalid/x.png' onerror='alert(3)'><script>alert(4)</script>"))
display(Javascript("alert(5)"))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(6)'><script>alert(7)</script></svg>"))
pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
display({"image/png": pixel, "text/plain": "<Figure of 1 axis>"}, raw=True)
"""


@dataclass(frozen=True, slots=True)
class MadeRuns:
    """The ids of the runs that the tests look at."""

    training: str
    report: str
    many: str


def _notebook(lab: Lab, name: str, *sources: str) -> None:
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "execution_count": None, "source": source, "outputs": []}
        for n, source in enumerate(sources)
    ]
    cells[0]["metadata"] = {"tags": ["parameters"]}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    document = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (lab.root / name).write_text(json.dumps(document))


def _many(store: RunStore) -> str:
    """Store a run with ten thousand mapped task runs, as its driver would have."""
    now = datetime.now(UTC) - timedelta(minutes=5)
    run = Run(
        run_id=f"{0:031x}a",
        name="busy-bee",
        flow_name="everything",
        kind=RunKind.FLOW,
        state=State.RUNNING,
        created_at=now,
        started_at=now,
    )
    states = (*[State.COMPLETED] * 9, State.FAILED)
    tasks = [
        TaskRun(
            task_run_id=f"{number:032x}",
            run_id=run.run_id,
            name=f"item-{number}",
            state=states[number % 10],
            created_at=now,
            started_at=now + timedelta(milliseconds=number),
            ended_at=now + timedelta(milliseconds=number + 50),
        )
        for number in range(10_000)
    ]
    ended = RunStateChanged(run_id=run.run_id, state=State.FAILED, at=now + timedelta(seconds=11), message="it failed")
    store.apply([RunCreated(run=run), *(TaskRunCreated(task_run=task) for task in tasks), ended])
    return run.run_id


@pytest.fixture(scope="module")
def made(jupyterlab: Lab) -> Iterator[MadeRuns]:
    """Real runs: of a flow, whose 18th mapped task fails, and of a notebook, whose third cell does."""
    (jupyterlab.root / "training.py").write_text(TRAINING)
    _notebook(jupyterlab, "report.ipynb", *NOTEBOOK)
    commands = ([sys.executable, "training.py"], [sys.executable, "-m", "orchestra_nb", "run", "report.ipynb"])
    for command in commands:
        ended = subprocess.run(
            command,
            cwd=jupyterlab.root,
            env=jupyterlab.environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert ended.returncode != 0, ended
        assert "no such region" in ended.stderr or "ZeroDivisionError" in ended.stdout + ended.stderr, ended
    database = open_database(jupyterlab.environ["ORCHESTRA_STORE_URL"])
    store = RunStore(database)
    try:
        found = {run.flow_name: run.run_id for run in store.list_runs(limit=20)}
        yield MadeRuns(found["training"], found["report"], _many(store))
    finally:
        database.close()


def _open(page: Page, lab: Lab, path: str = "") -> None:
    """Go to a page as a link with the token does."""
    page.goto(f"{lab.url}orchestra/{path}?token={lab.token}")


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 320)], ids=["light", "dark", "narrow"]
)
def test_the_list_leads_to_a_run_and_its_failure_is_first(
    chromium: Browser, jupyterlab: Lab, made: MadeRuns, scheme: str, width: int
) -> None:
    with open_alone(chromium, scheme=scheme, width=width) as page:
        _open(page, jupyterlab)
        page.get_by_role("heading", name="Runs").wait_for()
        page.get_by_text("Live", exact=True).wait_for()
        assert "token" not in page.url
        item = page.locator(".orc-run-item", has_text="training")
        item.get_by_text("Failed").wait_for()
        found = {"list": axe_finds(page)}
        assert_no_sideways_scrolling(page)
        keep_picture(page, f"runs-{scheme}-{width}")

        item.locator(".orc-run-link").click()
        failure = page.get_by_role("region", name="What failed")
        failure.get_by_role("heading").get_by_text("model-17: ValueError: no such region: <img").wait_for()
        page.wait_for_url(f"**/orchestra/runs/{made.training}")
        assert page.title().startswith("training · ")
        assert failure.get_by_role("group", name="Traceback").inner_text().count("raise ValueError") == 1
        assert page.locator("img").count() == 0
        page.locator(".orc-square").first.wait_for()
        expect(page.locator(".orc-square[data-state=FAILED]")).to_have_count(1)
        for tab in ("Graph", "Timeline", "Tasks", "Logs", "Results", "Artifacts", "Parameters"):
            page.get_by_role("tab", name=tab).click()
            page.get_by_role("tabpanel", name=tab).wait_for()
            if tab == "Logs":
                page.get_by_text("loading <b>everything</b>").wait_for()
            if tab == "Artifacts":
                page.get_by_role("link", name="https://example.org/report").wait_for()
            found[tab] = axe_finds(page)
            assert_no_sideways_scrolling(page)
            keep_picture(page, f"run-{tab.lower()}-{scheme}-{width}")
        assert {tab: wrong for tab, wrong in found.items() if wrong} == {}

        page.go_back()
        page.get_by_role("heading", name="Runs").wait_for()


def test_attempts_are_bars_with_their_wait_between_them(chromium: Browser, jupyterlab: Lab, made: MadeRuns) -> None:
    with open_alone(chromium) as page:
        _open(page, jupyterlab, f"runs/{made.training}")
        page.get_by_role("tab", name="Timeline").click()
        row = page.locator(".orc-timeline-row", has_text=re.compile("^clean-0"))
        row.locator(".orc-bar[data-kind=run]").nth(1).wait_for()
        kinds = row.locator(".orc-bar").evaluate_all("bars => bars.map(bar => bar.dataset.kind)")

        assert kinds[-3:] == ["run", "wait", "run"]
        page.get_by_role("button", name=re.compile("^model ×40")).click()
        expect(page.get_by_role("button", name=re.compile("^model-17, Failed"))).to_have_count(1)


def test_the_keyboard_reaches_everything_on_a_run(chromium: Browser, jupyterlab: Lab, made: MadeRuns) -> None:
    with open_alone(chromium) as page:
        _open(page, jupyterlab, f"runs/{made.training}")
        page.locator(".orc-square").first.wait_for()
        page.keyboard.press("Tab")
        expect(focused(page)).to_have_text("Skip to the content")
        page.keyboard.press("Enter")

        page.get_by_role("tab", name="Graph").focus()
        page.keyboard.press("ArrowRight")
        expect(focused(page)).to_have_text("Timeline")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")  # the graph scrolls, then the chosen box
        chosen = page.locator(".orc-node-box[aria-pressed=true]")
        chosen.focus()
        page.keyboard.press("ArrowLeft")
        expect(focused(page)).to_have_attribute("aria-label", re.compile("^clean-0 Completed"))
        page.keyboard.press("Enter")
        expect(page.locator(".orc-chosen .orc-task")).to_have_attribute("data-orchestra-task", "clean-0")


def test_a_notebooks_run_shows_its_cells_and_where_one_failed(
    chromium: Browser, jupyterlab: Lab, made: MadeRuns
) -> None:
    with open_alone(chromium) as page:
        _open(page, jupyterlab, f"runs/{made.report}")
        failure = page.get_by_role("region", name="What failed")
        failure.get_by_role("heading").get_by_text("ZeroDivisionError").wait_for()
        expect(failure.get_by_role("link")).to_have_attribute("href", re.compile(r"/lab/tree/report\..*#cell-id=c2$"))
        expect(page.get_by_role("tab", name="Tasks")).to_have_attribute("aria-selected", "true")
        expect(page.get_by_role("tab", name="Graph")).to_have_count(0)
        expect(page.get_by_role("rowheader").last).to_have_text(re.compile("^cell 3"))

        failure.get_by_role("button", name="Show the executed cell").click()
        notebook = page.get_by_role("tabpanel", name="Notebook")
        marked = notebook.locator(".orc-nb-cell[aria-current=true]")
        marked.get_by_text("return 1 / n").first.wait_for()
        expect(marked).to_have_attribute("data-state", "FAILED")
        marked.get_by_role("group", name="Traceback").get_by_text("ZeroDivisionError").first.wait_for()
        notebook.get_by_role("button", name=re.compile("^Completed cell 2")).click()
        marked.get_by_text("read EU", exact=True).wait_for()
        notebook.get_by_role("link", name="Executed notebook").wait_for()
        assert axe_finds(page) == []
        keep_picture(page, "run-of-notebook")


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 320)], ids=["dark", "narrow"])
def test_the_executed_notebook_grows_on_its_page_and_nothing_that_it_shows_runs(
    chromium: Browser, jupyterlab: Lab, made: MadeRuns, scheme: str, width: int
) -> None:
    gate = jupyterlab.root / f"gate-{width}"
    name = f"hostile-{width}"
    wait = f"import time\nfrom pathlib import Path\nwhile not Path({gate.name!r}).exists():\n    time.sleep(0.05)"
    _notebook(jupyterlab, f"{name}.ipynb", HOSTILE, wait, "print('the last one')")
    command = [sys.executable, "-m", "orchestra_nb", "run", f"{name}.ipynb"]
    with (
        subprocess.Popen(command, cwd=jupyterlab.root, env=jupyterlab.environ, stdout=subprocess.DEVNULL) as run,
        open_alone(chromium, scheme=scheme, width=width) as page,
    ):
        try:
            page.on("dialog", lambda dialog: pytest.fail(f"the notebook ran: {dialog.message}"))
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            _open(page, jupyterlab)
            page.locator(".orc-run-item[data-state=RUNNING]", has_text=name).locator(".orc-run-link").click()
            page.get_by_role("tab", name="Notebook").click()
            page.get_by_text("</script><script>alert(2)</script> red", exact=False).first.wait_for()
            page.locator(".orc-nb-cell[data-state=RUNNING]").wait_for()
            figure = page.get_by_role("img", name="<Figure of 1 axis>")
            expect(figure).to_have_attribute("src", re.compile("^data:image/png"))
            expect(page.locator(".orc-nb img")).to_have_count(1)
            expect(page.locator(".orc-nb :is(script, iframe, svg[onload])")).to_have_count(0)
            gate.touch()
            page.get_by_text("the last one", exact=True).wait_for()
            page.locator(".orc-run-header [data-state=COMPLETED]").wait_for()
            assert not any("elsewhere.invalid" in url for url in asked)
            assert axe_finds(page) == []
            assert_no_sideways_scrolling(page)
            keep_picture(page, f"executed-notebook-{scheme}-{width}")
            assert run.wait(PATIENCE_SECONDS) == 0
        finally:
            gate.touch()
            run.kill()


def test_it_is_run_again_with_other_parameters_and_followed_live(
    chromium: Browser, jupyterlab: Lab, made: MadeRuns
) -> None:
    _notebook(jupyterlab, "slow.ipynb", "seconds = 0.0", "import time\nwhile seconds:\n    time.sleep(0.05)")
    subprocess.run(
        [sys.executable, "-m", "orchestra_nb", "run", "slow.ipynb"],
        cwd=jupyterlab.root,
        env=jupyterlab.environ,
        check=True,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    with open_alone(chromium) as page, open_alone(chromium) as other:
        _open(other, jupyterlab)
        other.locator(".orc-run-item", has_text="slow").wait_for()
        _open(page, jupyterlab)
        page.locator(".orc-run-item", has_text="slow").locator(".orc-run-link").click()
        page.get_by_role("button", name="Run again…").click()
        dialog = page.get_by_role("dialog", name="Run slow again")
        dialog.get_by_label("Seconds", exact=True).fill("many")
        dialog.get_by_role("button", name="Run it", exact=True).click()
        dialog.get_by_text("Write a number.").wait_for()
        assert axe_finds(page) == []
        keep_picture(page, "run-again")
        dialog.get_by_label("Seconds", exact=True).fill("1")
        dialog.get_by_role("button", name="Run it", exact=True).click()
        dialog.wait_for(state="detached")

        # it goes on until it is cancelled, and the list of another page follows without being asked
        page.locator(".orc-run-header [data-state=RUNNING]").wait_for()
        other.locator(".orc-run-item[data-state=RUNNING]", has_text="slow").wait_for()
        keep_picture(page, "run-live")
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.get_by_role("button", name="Keep running").click()
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.get_by_role("button", name="Cancel run").click()
        page.locator(".orc-run-header [data-state=CANCELLED]").wait_for()
        other.locator(".orc-run-item[data-state=CANCELLED]", has_text="slow").wait_for()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)], ids=["light", "narrow"])
def test_a_notebook_is_resumed_from_a_cell_and_as_a_whole_where_nothing_was_kept(
    chromium: Browser, jupyterlab: Lab, made: MadeRuns, scheme: str, width: int
) -> None:
    name, flag, counted = (f"{word}-{width}" for word in ("resumed", "flag", "counted"))
    cells = (
        "rows = 3",
        f"open({counted!r}, 'x').write('x')\nshares = [1 / n for n in range(1, rows)]",
        f"from pathlib import Path\nassert Path({flag!r}).exists(), 'no rates yet'\nprint(sum(shares))",
        "print('report is written')",
    )
    _notebook(jupyterlab, f"{name}.ipynb", *cells)
    command = [sys.executable, "-m", "orchestra_nb", "run", f"{name}.ipynb", "--cache"]
    known = {"cwd": jupyterlab.root, "env": jupyterlab.environ, "timeout": PATIENCE_SECONDS}
    assert subprocess.run(command, capture_output=True, check=False, **known).returncode == 1
    with open_alone(chromium, scheme=scheme, width=width) as page:
        _open(page, jupyterlab, f"runs/{made.report}")  # it ran without --cache
        page.get_by_role("region", name="What failed").get_by_role("button", name="Resume from here…").click()
        dialog = page.get_by_role("dialog", name=re.compile("^Resume run .* from cell 3$"))
        dialog.get_by_text("Nothing was kept of the cells above cell 3.").wait_for()
        dialog.get_by_text("that completed run again: the run was made without --cache").wait_for()
        expect(dialog.get_by_role("button")).to_have_text(["Leave as it is", "Run all cells again"])
        assert_no_sideways_scrolling(page)
        keep_picture(page, f"resume-whole-{scheme}-{width}")
        dialog.get_by_role("button", name="Leave as it is").click()

        (jupyterlab.root / flag).touch()
        _open(page, jupyterlab)
        page.locator(".orc-run-item", has_text=name).locator(".orc-run-link").click()
        page.get_by_role("region", name="What failed").get_by_role("button", name="Resume from here…").click()
        dialog.get_by_text("cell 1 to cell 2, as far as they were kept.").wait_for()
        dialog.get_by_text("cell 3 to cell 4", exact=True).wait_for()
        assert axe_finds(page) == []
        assert_no_sideways_scrolling(page)
        keep_picture(page, f"resume-{scheme}-{width}")
        dialog.get_by_role("button", name="Resume").click()
        dialog.wait_for(state="detached")
        page.locator(".orc-run-header [data-state=COMPLETED]").wait_for()

        page.get_by_role("tab", name="Notebook").click()
        page.locator(".orc-nb-cell[data-state=CACHED]", has_text="shares = ").wait_for()
        page.locator(".orc-nb-cell", has_text="report is written").get_by_role("button").click()
        page.get_by_role("dialog", name=re.compile("from cell 4$")).get_by_text("cell 1 to cell 3, as far").wait_for()
        page.keyboard.press("Escape")
        assert axe_finds(page) == []
        assert_no_sideways_scrolling(page)
        keep_picture(page, f"resumed-{scheme}-{width}")
        assert (jupyterlab.root / counted).read_text() == "x"


def test_a_paused_run_is_answered_on_its_page_and_another_page_of_it_agrees(
    chromium: Browser, jupyterlab: Lab, made: MadeRuns
) -> None:
    (jupyterlab.root / "approval.py").write_text(APPROVAL)
    with (
        subprocess.Popen(
            [sys.executable, "approval.py"],
            cwd=jupyterlab.root,
            env=jupyterlab.environ,
            stdout=subprocess.PIPE,
            text=True,
        ) as asking,
        open_alone(chromium) as page,
        open_alone(chromium, scheme="dark", width=320) as other,
    ):
        try:
            _open(page, jupyterlab)
            page.locator(".orc-run-item[data-state=PAUSED]", has_text="approval").locator(".orc-run-link").click()
            question = page.get_by_role("region", name="What this run waits for")
            question.get_by_role("heading", name="Is <b>this</b> right?").wait_for()
            other.goto(f"{page.url}?token={jupyterlab.token}")
            elsewhere = other.get_by_role("region", name="What this run waits for")
            elsewhere.get_by_role("button", name="Resume").wait_for()
            assert_no_sideways_scrolling(other)
            keep_picture(other, "question-dark-320")

            question.get_by_role("button", name="Resume").click()
            question.get_by_text("Fill this in.").wait_for()
            question.get_by_label("Rows").fill("7")
            question.get_by_label("Codes").fill('["a", 1]')
            expect(question.get_by_label("Region").locator("option")).to_have_text(["EU", "US"])
            question.get_by_role("button", name="Resume").click()
            question.get_by_text("1 is not of type 'string'").wait_for()
            assert axe_finds(page) == []
            keep_picture(page, "question")
            question.get_by_label("Codes").fill('["a"]')
            question.get_by_role("button", name="Resume").click()

            # the flow asks a second time, for nothing but to go on
            question.get_by_label("Rows").wait_for(state="detached")
            elsewhere.get_by_text("Answered elsewhere: by user").wait_for()
            question.get_by_role("button", name="Resume").click()
            page.locator(".orc-run-header [data-state=COMPLETED]").wait_for()
            question.get_by_role("button").first.wait_for(state="detached")
            assert asking.communicate(timeout=PATIENCE_SECONDS)[0] == "(7, 'EU', ['a'])\n"
        finally:
            asking.kill()


def test_the_list_is_filtered_by_state_and_name_and_the_filter_is_in_the_address(
    chromium: Browser, jupyterlab: Lab, made: MadeRuns
) -> None:
    with open_alone(chromium) as page:
        _open(page, jupyterlab)
        page.locator(".orc-run-item").first.wait_for()
        page.get_by_label("State").select_option("completed")
        page.locator(".orc-run-item", has_text="training").wait_for(state="detached")
        page.get_by_label("State").select_option("")
        page.get_by_label("Flow or run").fill("busy-bee")
        page.keyboard.press("Enter")
        page.locator(".orc-run-item", has_text="training").wait_for(state="detached")
        page.locator(".orc-run-item", has_text="everything").wait_for()
        expect(page.locator(".orc-run-item")).to_have_count(1)
        page.reload()
        page.locator(".orc-run-item", has_text="everything").wait_for()
        expect(page.get_by_label("Flow or run")).to_have_value("busy-bee")
        page.get_by_label("Flow or run").fill("RAINI")
        page.keyboard.press("Enter")
        page.locator(".orc-run-item", has_text="training").first.wait_for()
        page.locator(".orc-run-item", has_text="everything").wait_for(state="detached")
        page.get_by_label("Flow or run").fill("no-such")
        page.keyboard.press("Enter")
        page.get_by_text("No run is like this.").wait_for()


def test_ten_thousand_mapped_tasks_are_one_box_and_few_nodes(
    chromium: Browser, jupyterlab: Lab, made: MadeRuns
) -> None:
    with open_alone(chromium) as page:
        _open(page, jupyterlab, f"runs/{made.many}")
        page.locator(".orc-node-box", has_text="item ×10000").wait_for()
        page.locator(".orc-square").first.wait_for()
        assert page.locator(".orc-square").count() < 2_000
        keep_picture(page, "run-many")
        page.get_by_role("tab", name="Tasks").click()
        page.get_by_role("rowheader").first.wait_for()
        expect(page.get_by_role("table", name="Tasks")).to_have_attribute("aria-rowcount", "10001")
        page.locator(".orc-tasks-scroll").evaluate("node => { node.scrollTop = node.scrollHeight }")
        page.locator(".orc-tasks-row[aria-rowindex='10001']").wait_for()
        page.get_by_role("tab", name="Timeline").click()
        page.get_by_role("button", name=re.compile("^item ×10000")).click()
        page.locator(".orc-timeline-row").nth(10).wait_for()
        assert page.locator("*").count() < 10_000


def test_a_run_that_is_not_there_and_a_page_that_is_none_say_so(chromium: Browser, jupyterlab: Lab) -> None:
    with open_alone(chromium) as page:
        _open(page, jupyterlab, f"runs/{'f' * 32}")
        page.get_by_role("alert").get_by_text("No run").wait_for()
        _open(page, jupyterlab, "runs/%2F..%2Fx")
        page.get_by_role("alert").get_by_text("There is no run that is called /../x.").wait_for()
        expect(page.locator(".orc-connection-place")).to_be_hidden()  # nothing is followed that is not there
        page.get_by_role("link", name="Look among all runs").click()
        page.get_by_role("heading", name="Runs").wait_for()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)], ids=["light", "narrow"])
def test_an_address_that_is_none_says_so_in_the_frame_of_the_pages_and_leads_on(
    chromium: Browser, jupyterlab: Lab, scheme: str, width: int
) -> None:
    with open_alone(chromium, scheme=scheme, width=width) as page:
        answer = page.goto(f"{jupyterlab.url}orchestra/nonsense/at/all?token={jupyterlab.token}")
        page.get_by_role("heading", name="There is no such page").wait_for()

        assert answer is not None
        assert answer.status == 404
        expect(page.locator(".orc-connection-place")).to_be_hidden()
        assert axe_finds(page) == []
        assert_no_sideways_scrolling(page)
        keep_picture(page, f"no-such-page-{scheme}-{width}")
        page.locator("main").get_by_role("link", name="Work pools").click()
        page.wait_for_url("**/orchestra/pools")
        page.get_by_role("heading", name="Work pools").wait_for()


@pytest.mark.parametrize(
    ("locale", "tab", "attempts"),
    [("en-US", "Tasks", "2 of 3"), ("de-DE", "Aufgaben", "2 von 3")],
    ids=["english", "german"],
)
def test_the_tasks_of_a_run_are_cards_on_a_telephone_with_all_that_their_columns_have(
    chromium: Browser, jupyterlab: Lab, made: MadeRuns, locale: str, tab: str, attempts: str
) -> None:
    with open_alone(chromium, width=320, locale=locale) as page:
        _open(page, jupyterlab, f"runs/{made.training}")
        page.get_by_role("tab", name=tab).click()
        scroll = page.locator(".orc-tasks-scroll[data-cards=true]")
        card = scroll.locator(".orc-tasks-body > .orc-tasks-row[data-orchestra-task=clean-0]")
        card.wait_for()

        expect(card.locator("[role=cell]").nth(4)).to_have_text(attempts)
        assert scroll.evaluate("box => box.scrollWidth <= box.clientWidth")
        cells = card.locator("[role=cell]:not(:last-child)")
        cut = "cells => cells.filter(cell => cell.scrollWidth > cell.clientWidth).map(cell => cell.textContent)"
        assert cells.evaluate_all(cut) == []
        # a message that it has not takes no line
        assert card.locator("[role=cell]").last.evaluate("cell => cell.offsetHeight") == 0
        keep_picture(page, f"cards-{locale}")
        page.locator(".orc-tasks input[type=search]").fill("model-17")
        failed = page.locator(".orc-tasks-body > .orc-tasks-row[data-state=FAILED]")
        expect(failed).to_contain_text("no such region")
        failed.scroll_into_view_if_needed()
        expect(failed.locator("[role=cell]").last).to_be_in_viewport(ratio=1)
        within = "row => [...row.children].every(cell => cell.offsetTop + cell.offsetHeight <= row.clientHeight)"
        assert failed.evaluate(within)
        keep_picture(page, f"cards-failed-{locale}")
        page.set_viewport_size({"width": 1280, "height": 900})
        page.locator(".orc-tasks-scroll[data-cards=false]").wait_for()
        assert failed.evaluate("row => row.offsetHeight") == 30


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
def test_the_time_of_a_task_and_what_is_expected_of_it_have_room(
    chromium: Browser, jupyterlab: Lab, made: MadeRuns, locale: str
) -> None:
    now = datetime.now(UTC)
    flow_name = f"patience {locale}"

    def run_with_task(number: int, state: State, started: timedelta, took: timedelta | None) -> str:
        run_id, begin = f"{number:02x}{ord(locale[0]):030x}", now - started
        run = Run(
            run_id=run_id,
            name=f"slow-{locale[:2]}-{number}",
            flow_name=flow_name,
            kind=RunKind.FLOW,
            state=State.RUNNING,
            created_at=begin,
            started_at=begin,
        )
        task = TaskRun(
            task_run_id=f"{number:02x}{ord(locale[0]):030x}",
            run_id=run_id,
            name="load",
            state=state,
            created_at=begin,
            started_at=begin,
            ended_at=None if took is None else begin + took,
        )
        events: list[Event] = [RunCreated(run=run), TaskRunCreated(task_run=task)]
        if took is not None:
            events.append(RunStateChanged(run_id=run_id, state=State.COMPLETED, at=begin + took))
        store.apply(events)
        return run_id

    database = open_database(jupyterlab.environ["ORCHESTRA_STORE_URL"])
    try:
        store = RunStore(database)
        run_with_task(1, State.COMPLETED, timedelta(hours=1), timedelta(seconds=150))
        run_id = run_with_task(2, State.RUNNING, timedelta(seconds=72), None)
        with open_alone(chromium, locale=locale) as page:
            _open(page, jupyterlab, f"runs/{run_id}")
            words = page.locator(".orc-node .orc-node-words")
            expect(words).to_contain_text(re.compile(r"· \d+ min \d+ s$"))
            assert words.evaluate("words => words.scrollWidth <= words.clientWidth")
            box = page.locator(".orc-node-box")
            expect(box).to_have_attribute("title", re.compile("~2 min 30 s"))
            expect(box).to_have_accessible_name(re.compile(r"load .* ~2 min 30 s$"))
            keep_picture(page, f"expected-graph-{locale}")

            page.get_by_role("tab").nth(2).click()
            row = page.locator(".orc-tasks-body > .orc-tasks-row")
            time = row.locator("[role=cell]").nth(3)
            expect(time).to_contain_text("~2 min 30 s")
            fits = "cell => cell.scrollWidth <= cell.clientWidth"
            for width in (1280, 880, 320):  # beside the longest columns, at the last width with columns, on a card
                page.set_viewport_size({"width": width, "height": 900})
                page.locator(f".orc-tasks-scroll[data-cards={str(width == 320).lower()}]").wait_for()
                assert time.evaluate(fits), width
                keep_picture(page, f"expected-table-{locale}-{width}")
            # the narrowest table: a pixel less, and its rows are cards
            page.locator(".orc-tasks-scroll").evaluate("box => box.style.width = '814px'")
            page.set_viewport_size({"width": 1280, "height": 900})
            page.locator(".orc-tasks-scroll[data-cards=false]").wait_for()
            assert time.evaluate(fits)
    finally:
        database.close()


def test_the_place_in_the_table_of_tasks_is_kept_when_its_rows_become_cards(
    chromium: Browser, jupyterlab: Lab, made: MadeRuns
) -> None:
    with open_alone(chromium) as page:
        _open(page, jupyterlab, f"runs/{made.many}")
        page.get_by_role("tab", name="Tasks").click()
        scroll = page.locator(".orc-tasks-scroll")
        page.locator(".orc-tasks-table[aria-rowcount='10001']").wait_for()
        scroll.evaluate("box => box.scrollTop = 9000 * 30")
        row = page.locator(".orc-tasks-body > .orc-tasks-row[aria-rowindex='9002']")

        for width, cards in ((320, "true"), (1280, "false"), (320, "true")):
            page.set_viewport_size({"width": width, "height": 900})
            page.locator(f".orc-tasks-scroll[data-cards={cards}]").wait_for()
            row.wait_for()
            # the first below the head, which scrolls along with cards
            below = row.evaluate(
                """row => row.getBoundingClientRect().top
                    - row.closest('.orc-tasks-scroll').getBoundingClientRect().top"""
            )
            assert 0 < below < 120, (width, below)


def test_a_run_is_found_by_its_name(chromium: Browser, jupyterlab: Lab, made: MadeRuns) -> None:
    with open_alone(chromium) as page:
        _open(page, jupyterlab, "runs/busy-bee")
        page.wait_for_url(f"**/orchestra/runs/{made.many}")
        page.locator(".orc-node-box", has_text="item ×10000").wait_for()


def test_the_way_back_from_a_run_that_was_found_by_its_name_does_not_lead_to_it_again(
    chromium: Browser, jupyterlab: Lab, made: MadeRuns
) -> None:
    with open_alone(chromium) as page:
        _open(page, jupyterlab, "pools")
        page.get_by_role("heading", name="Work pools").wait_for()
        page.goto(f"{jupyterlab.url}orchestra/runs/busy-bee")
        page.wait_for_url(f"**/orchestra/runs/{made.many}")

        page.go_back()

        page.get_by_role("heading", name="Work pools").wait_for()


def test_a_run_that_is_opened_by_its_name_has_one_tab_in_jupyterlab(
    page: Page, jupyterlab: Lab, made: MadeRuns
) -> None:
    open_lab(page, jupyterlab)
    open_page = "path => void jupyterapp.commands.execute('orchestra:open-page', {path})"
    tabs = page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text="busy-bee")

    page.evaluate(open_page, "runs/busy-bee")
    page.locator(".orc-run-page .orc-node-box", has_text="item ×10000").wait_for()
    page.evaluate(open_page, f"runs/{made.many}")
    page.evaluate(open_page, "runs/busy-bee")

    expect(page.locator(".orc-page-widget")).to_have_count(1)
    expect(tabs).to_have_count(1)
    expect(tabs).to_have_text("everything · busy-bee")


def test_the_pages_are_german_for_a_german_browser_and_fit_a_telephone(
    chromium: Browser, jupyterlab: Lab, made: MadeRuns
) -> None:
    with open_alone(chromium, width=320, height=640, locale="de-AT") as page:
        for path, said in {
            "": "Alle Zustände",
            f"runs/{made.report}": "Fehlgeschlagen",
            "flows": "Letzte Läufe",
            "notifications": "Kanäle",
            "variables": "Variable setzen…",
        }.items():
            _open(page, jupyterlab, path)
            page.get_by_role("navigation", name="Seiten").wait_for()
            expect(page.locator("html")).to_have_attribute("lang", "de-DE")
            page.locator("main").get_by_text(said).first.wait_for(state="attached")
            keep_picture(page, f"german-{path.split('/')[0] or 'list'}")
            assert_no_sideways_scrolling(page)


def test_who_is_not_logged_in_sees_nothing(chromium: Browser, jupyterlab: Lab, made: MadeRuns) -> None:
    with open_alone(chromium) as page:
        page.goto(f"{jupyterlab.url}orchestra/runs/{made.training}")

        assert "/login?next=" in page.url


def test_the_run_page_is_a_tab_in_jupyterlab_and_is_there_after_a_reload(
    page: Page, jupyterlab: Lab, made: MadeRuns
) -> None:
    page.goto(f"{jupyterlab.url}lab/workspaces/run-page?token={jupyterlab.token}&reset")
    wait_for_lab(page)
    page.evaluate("jupyterapp.commands.execute('orchestra:open-panel')")
    rows = page.locator(f"#orchestra-nb-panel .orc-run[data-run-id='{made.training}']")
    rows.first.locator(".orc-row-name").click()  # among the alerts, or the recent ones
    tab = page.locator(".jp-MainAreaWidget .orc-run-page")
    tab.get_by_role("region", name="What failed").wait_for()
    take_pictures(page, "run-page-in-lab", tab)
    # the layout is saved a moment after it changes
    page.evaluate(
        """async () => {
            const {serverSettings, workspaces} = jupyterapp.serviceManager;
            for (;;) {
                const found = await workspaces.fetch('run-page').catch(() => null);
                if (JSON.stringify(found ?? {}).includes('orchestra-pages:')) { return; }
                await new Promise(resolve => setTimeout(resolve, 100));
            }
        }"""
    )

    page.goto(f"{jupyterlab.url}lab/workspaces/run-page")
    tab.get_by_role("region", name="What failed").wait_for()

    page.evaluate(f"void jupyterapp.commands.execute('orchestra:open-run-page', {{runId: '{made.report}'}})")
    report = page.locator(".orc-run-page:visible", has_text="report")
    report.get_by_role("region", name="What failed").get_by_role("button", name="cell 3").click()
    notebook = page.locator(".jp-NotebookPanel")
    notebook.locator(".jp-Cell.jp-mod-active", has_text="share(0)").wait_for()

    # the notebook that was run opens beside the page, which stays in sight
    page.evaluate(f"void jupyterapp.commands.execute('orchestra:open-run-page', {{runId: '{made.report}'}})")
    report.get_by_role("tab", name="Notebook").click()
    report.get_by_role("button", name="Open Notebook beside this page").click()
    page.locator(".jp-NotebookPanel:visible").locator(".jp-Cell", has_text="share(0)").first.wait_for()
    report.locator(".orc-nb-cell[data-state=FAILED]").wait_for()
    take_pictures(page, "run-page-beside-notebook", report)
