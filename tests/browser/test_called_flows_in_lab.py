"""A flow that a cell calls, in a JupyterLab with our extension: the same view as that of `%flow`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lab_pages import open_cells, take_pictures

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

FLOW = """import time
from pathlib import Path
from orchestra_nb import flow, task, get_run_logger

@task
def load():
    get_run_logger().info("loading")
    while not Path("go").exists():
        time.sleep(0.05)
    return 1

@task
def square(n, of):
    if n == 400:
        raise ValueError("no such region")
    return of * n

@flow
def report():
    return sum(square.map(range(500), of=load.submit()).result())

report()
"""


def test_a_called_flow_is_seen_live_and_whole_when_it_has_ended(jupyterlab: Lab, page: Page) -> None:
    open_cells(page, jupyterlab, "called.ipynb", FLOW)
    flow = page.locator(".orc-output > .orc-flow[data-orchestra-flow=report]")

    flow.locator(".orc-node[data-orchestra-task^=load][data-state=RUNNING]").wait_for()
    assert flow.get_by_role("button", name="Cancel").is_visible()
    flow.get_by_role("tab", name="Logs").click()
    flow.locator(".orc-log-text", has_text="loading").wait_for()
    flow.get_by_role("tab", name="Graph").click()
    take_pictures(page, "called-live", flow)
    (jupyterlab.root / "go").touch()

    flow.and_(page.locator("[data-state=FAILED]")).wait_for()
    flow.locator(".orc-node[data-orchestra-task=square][data-count='500'][data-state=FAILED]").wait_for()
    flow.locator(".orc-flow-left").wait_for(state="hidden")  # the server knows all tasks
    flow.get_by_role("tab", name="Tasks").click()
    flow.locator(".orc-tasks-table[aria-rowcount='502']").wait_for()
    take_pictures(page, "called-failed", flow)

    # what may be done: the cell is run again, as a new run
    assert flow.get_by_role("button", name="Retry failed").is_hidden()
    first = flow.locator(".orc-flow-head").inner_text()
    flow.get_by_role("button", name="Run cell again").click()
    page.wait_for_function(
        "first => !document.querySelector('.orc-output > .orc-flow .orc-flow-head')?.innerText.includes(first)",
        arg=first.split("run ")[1].split()[0],
    )
