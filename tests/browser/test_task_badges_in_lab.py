"""The badges of cells in a real JupyterLab: while a task runs, after a reload, a restart, in two tabs, and windowed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from expectations import expect
from lab_pages import open_page, restart_kernel, take_pictures, wait_until_ready, write_cells
from patience import PATIENCE_SECONDS, eventually

from orchestra_nb.model.events import CellRunChanged, RunCreated
from orchestra_nb.model.runs import CellRun, ErrorInfo, Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser

LOADING = "%load_ext orchestra_nb"
WAITING = """\
%%task slow --timeout 10m
import pathlib, time
while not pathlib.Path({file!r}).exists():
    time.sleep(0.05)
"""


def badge(page: Page, cell_id: str) -> Locator:
    return page.locator(f".jp-CodeCell > .orc-cell-badge[data-cell-id='{cell_id}']")


def expect_state(page: Page, cell_id: str, state: str) -> Locator:
    """Wait until the badge of a cell is in the page with this state."""
    found = badge(page, cell_id).and_(page.locator(f"[data-state={state}]"))
    found.wait_for(state="attached")
    return found


def run_cell(page: Page, number: int) -> None:
    page.evaluate(
        """async number => {
            jupyterapp.shell.currentWidget.content.activeCellIndex = number;
            void jupyterapp.commands.execute('notebook:run-cell');
        }""",
        number,
    )


def wait_until_ran(page: Page, number: int) -> None:
    """Wait until a cell, the first that ran in its kernel, has run."""
    page.wait_for_function(f"jupyterapp.shell.currentWidget.content.widgets[{number}].model.executionCount === 1")


def fold_output(page: Page, number: int, is_folded: bool) -> None:
    page.evaluate(
        "([number, isFolded]) => { jupyterapp.shell.currentWidget.content.widgets[number].outputHidden = isFolded }",
        [number, is_folded],
    )


def scroll_to(page: Page, cell_id: str, state: str, step: int) -> str:
    """Turn the mouse's wheel over the notebook until the badge of a cell is there with this state; return its text.

    JupyterLab moves what it shows while it learns how high cells are, so it is turned again where that was passed.
    """
    selector = f".jp-CodeCell > .orc-cell-badge[data-cell-id='{cell_id}'][data-state={state}]"
    page.mouse.move(700, 500)

    def look() -> str | None:
        text: str | None = page.evaluate("selector => document.querySelector(selector)?.textContent", selector)
        if text is None:
            page.mouse.wheel(0, step)
        return text

    return eventually(look)


@contextmanager
def setting(page: Page, lab: Lab, plugin: str, **values: object) -> Iterator[None]:
    """Have settings of a plugin for a while: pages that are opened then have them."""
    url = f"{lab.url}lab/api/settings/{plugin}"
    headers = {"Authorization": f"token {lab.token}"}
    before = page.request.get(url, headers=headers).json()["raw"]
    try:
        raw = json.dumps(json.loads(before or "{}") | values)
        assert page.request.put(url, headers=headers, data=json.dumps({"raw": raw})).ok
        yield
    finally:
        assert page.request.put(url, headers=headers, data=json.dumps({"raw": before or "{}"})).ok


@contextmanager
def opened_store(lab: Lab) -> Iterator[RunStore]:
    database = open_database(lab.environ["ORCHESTRA_STORE_URL"])
    try:
        yield RunStore(database)
    finally:
        database.close()


def run_of(path: Path, number: int) -> Run:
    """Return a run of a notebook."""
    return Run(
        run_id=f"{number:032x}",
        name="calm-fox",
        flow_name=path.stem,
        kind=RunKind.NOTEBOOK,
        state=State.COMPLETED,
        created_at=datetime.now(UTC) - timedelta(minutes=2),
        notebook_path=str(path),
    )


def test_a_task_cell_says_what_it_does_and_did_wherever_it_is_looked_at(
    page: Page, chromium: Browser, jupyterlab: Lab, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    write_cells(jupyterlab, "slow.ipynb", LOADING, WAITING.format(file=str(go)), "y = 2")
    url = jupyterlab.notebook_url("slow.ipynb")
    page.goto(url)
    wait_until_ready(page)
    run_cell(page, 0)
    wait_until_ran(page, 0)
    expect(page.locator(".orc-cell-badge")).to_have_count(0)

    run_cell(page, 1)
    running = expect_state(page, "c1", "RUNNING")
    running.wait_for(state="hidden")  # the line below says it
    page.locator(".orc-output > .orc-task[data-state=RUNNING]").wait_for()
    fold_output(page, 1, True)
    running.wait_for(state="visible")
    take_pictures(page, "badge-running", running)
    go.touch()
    done = expect_state(page, "c1", "COMPLETED")
    expect(done.locator(".orc-word")).to_have_text("Completed")
    expect(page.locator(".orc-cell-badge")).to_have_count(1)
    fold_output(page, 1, False)
    done.wait_for(state="hidden")

    page.goto(url.replace("&reset", ""))
    expect_state(page, "c1", "COMPLETED")
    wait_until_ready(page)
    restart_kernel(page)
    wait_until_ready(page)
    expect_state(page, "c1", "COMPLETED")

    # a second tab sees what the first one runs
    go.unlink()
    with open_page(chromium) as other:
        other.goto(jupyterlab.notebook_url("slow.ipynb"))
        expect_state(other, "c1", "COMPLETED")
        run_cell(page, 0)
        run_cell(page, 1)
        expect_state(other, "c1", "RUNNING")
        go.touch()
        expect_state(other, "c1", "COMPLETED")
        expect_state(page, "c1", "COMPLETED")

    # its logs are one click away
    fold_output(page, 1, True)
    badge(page, "c1").get_by_role("button").click()
    page.locator("li.lm-TabBar-tab", has_text="Logs: ").wait_for()


def test_what_a_task_did_goes_with_its_line_and_comes_back_with_it(page: Page, jupyterlab: Lab, tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.touch()
    write_cells(jupyterlab, "line.ipynb", LOADING, WAITING.format(file=str(go)))
    page.goto(jupyterlab.notebook_url("line.ipynb"))
    wait_until_ready(page)
    run_cell(page, 0)
    run_cell(page, 1)
    done = expect_state(page, "c1", "COMPLETED")
    fold_output(page, 1, True)
    done.wait_for(state="visible")

    page.evaluate("jupyterapp.commands.execute('orchestra:toggle-task')")
    done.wait_for(state="hidden")
    page.evaluate("jupyterapp.commands.execute('orchestra:toggle-task')")
    done.wait_for(state="visible")


def test_cells_of_a_run_say_what_was_replayed_and_what_an_edit_made_stale(page: Page, jupyterlab: Lab) -> None:
    write_cells(jupyterlab, "kept.ipynb", "factor = 2", "table = [n * factor for n in range(9)]", "print('apart')")
    command = [sys.executable, "-m", "orchestra_nb", "run", "kept.ipynb", "--cache"]
    for _ in range(2):
        subprocess.run(
            command,
            cwd=jupyterlab.root,
            env=jupyterlab.environ,
            check=True,
            timeout=PATIENCE_SECONDS,
            capture_output=True,
        )

    page.goto(jupyterlab.notebook_url("kept.ipynb"))
    for cell_id in ("c0", "c1", "c2"):
        expect(expect_state(page, cell_id, "CACHED")).to_have_attribute("data-stale", "false")
    page.evaluate(
        """async () => {
            const panel = jupyterapp.shell.currentWidget;
            panel.content.model.cells.get(0).sharedModel.setSource('factor = 3');
            await panel.context.save();
        }"""
    )

    badge(page, "c1").and_(page.locator("[data-stale=true]")).wait_for()
    reason = badge(page, "c1").locator(".orc-badge-reason")
    expect(reason).to_have_text(re.compile(r"^Stale: upstream changed \(cell 1\)"))
    expect(badge(page, "c0").locator(".orc-badge-reason")).to_have_text("Stale: changed: its source is another one")
    expect(badge(page, "c2")).to_have_attribute("data-stale", "false")
    take_pictures(page, "badge-stale", badge(page, "c1"))

    # what runs here now is not what the run did
    wait_until_ready(page)
    run_cell(page, 2)
    badge(page, "c2").wait_for(state="hidden")
    wait_until_ran(page, 2)
    expect(badge(page, "c2")).to_be_hidden()
    expect(badge(page, "c1")).to_be_visible()

    # also after a reload, until something newer is known of the cell
    page.reload()
    wait_until_ready(page)
    badge(page, "c1").and_(page.locator("[data-stale=true]")).wait_for()
    assert badge(page, "c2").count() == 0
    subprocess.run(
        command,
        cwd=jupyterlab.root,
        env=jupyterlab.environ,
        check=True,
        timeout=PATIENCE_SECONDS,
        capture_output=True,
    )
    expect_state(page, "c2", "CACHED").wait_for(state="visible")


def test_a_windowed_notebook_of_200_cells_has_its_badges_wherever_it_is_scrolled(page: Page, jupyterlab: Lab) -> None:
    path = jupyterlab.root / "long.ipynb"
    write_cells(jupyterlab, path.name, *(f"value_{n} = {n}\nvalue_{n} + 1" for n in range(200)))
    run = run_of(path, 0x7000)
    began = run.created_at

    def cell(number: int, state: State, **fields: object) -> CellRunChanged:
        ended = None if state is State.RUNNING else began + timedelta(seconds=12)
        record = CellRun(
            run_id=run.run_id,
            index=number,
            cell_id=f"c{number}",
            state=state,
            started_at=began,
            ended_at=ended,
            **fields,  # type: ignore[arg-type]
        )
        return CellRunChanged(cell=record)

    with (
        opened_store(jupyterlab) as store,
        setting(page, jupyterlab, "@jupyterlab/notebook-extension:tracker", windowingMode="full"),
    ):
        store.apply([RunCreated(run=run), *(cell(number, State.COMPLETED) for number in range(199))])
        store.apply([cell(199, State.RUNNING)])
        page.goto(jupyterlab.notebook_url(path.name))
        wait_until_ready(page)
        expect_state(page, "c5", "COMPLETED")

        # the active cell, the first one, stays in the page
        assert scroll_to(page, "c199", "RUNNING", 600).startswith("Running")
        badge(page, "c5").wait_for(state="detached")
        assert page.locator(".jp-Notebook .jp-CodeCell .jp-InputArea").count() < 100
        assert scroll_to(page, "c5", "COMPLETED", -600) == "Completed12 s"
        badge(page, "c199").wait_for(state="detached")
        # what changes out of sight is right when it is seen again
        store.apply([cell(199, State.FAILED, error=ErrorInfo(type="KeyError", message="'country'"))])
        assert scroll_to(page, "c199", "FAILED", 600).endswith("KeyError: 'country'")
        take_pictures(page, "badge-failed", badge(page, "c199"))


def test_badges_can_be_switched_off(page: Page, jupyterlab: Lab) -> None:
    path = jupyterlab.root / "quiet.ipynb"
    write_cells(jupyterlab, path.name, "x = 1")
    run = run_of(path, 0x7001)
    record = CellRun(run_id=run.run_id, index=0, cell_id="c0", state=State.FAILED, started_at=run.created_at)
    with opened_store(jupyterlab) as store:
        store.apply([RunCreated(run=run), CellRunChanged(cell=record)])
    page.goto(jupyterlab.notebook_url(path.name))
    expect_state(page, "c0", "FAILED")

    with setting(page, jupyterlab, "orchestra-nb:cell-badges", showBadges=False):
        page.goto(jupyterlab.notebook_url(path.name))
        wait_until_ready(page)
        run_cell(page, 0)
        wait_until_ran(page, 0)
        expect(page.locator(".orc-cell-badge")).to_have_count(0)
