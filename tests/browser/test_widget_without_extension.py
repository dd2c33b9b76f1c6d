"""The widget of a run in a JupyterLab that has widgets but not our extension, as VS Code and Colab have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from lab_pages import open_cells, take_pictures, wait_for_lab
from missing import miss
from running_lab import running_lab

from orchestra_nb.run_widget import BUNDLE, VIEW_MIME

if TYPE_CHECKING:
    from lab_pages import Lab
    from nbformat import NotebookNode
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

IMPORTS = """import time
from pathlib import Path
from orchestra_nb import flow, task, get_run_logger
"""

FLOW = f"""{IMPORTS}
@task
def load(n):
    get_run_logger().info("loaded %s", n)
    while n == 1 and not Path("go").exists():
        time.sleep(0.05)
    return n

@task
def add(rows):
    return sum(rows)

@flow
def report():
    return add.submit(load.map(range(3))).result()

report()
"""


@pytest.fixture(scope="module")
def plain_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab with widgets and without our extension."""
    if not BUNDLE.exists():
        miss("The widget is not built. Run: make test, or jlpm build:widget in labextension/")
    with running_lab(tmp_path_factory.mktemp("plain-lab"), with_extension=False) as lab:
        yield lab


def save(page: Page) -> None:
    page.evaluate("jupyterapp.shell.currentWidget.context.save()")


def outputs_in(path: Path) -> list[NotebookNode]:
    """Return the data of each display in a notebook that was saved."""
    document = nbformat.read(path, as_version=4)
    return [output.data for cell in document.cells for output in cell.outputs if "data" in output]


def test_a_flow_that_a_cell_calls_is_seen_live_with_its_logs_and_stays_when_it_has_ended(
    plain_lab: Lab, page: Page
) -> None:
    open_cells(page, plain_lab, "called.ipynb", FLOW)
    widget = page.locator(".orc-widget")

    widget.locator(".orc-node[data-orchestra-task=load][data-state=RUNNING]").wait_for()
    take_pictures(page, "widget-live", widget)
    widget.get_by_role("tab", name="Logs").click()
    widget.locator(".orc-log-text", has_text="loaded 1").wait_for()  # while the cell runs
    take_pictures(page, "widget-logs", widget)
    (plain_lab.root / "go").touch()

    widget.locator(".orc-flow[data-state=COMPLETED]").wait_for()
    assert widget.get_by_role("tab", name="Logs").get_attribute("aria-selected") == "true"
    widget.locator(".orc-log-text", has_text="Finished in state Completed").wait_for()
    widget.get_by_role("tab", name="Results").click()
    widget.locator(".orc-values > .orc-empty:not([hidden])").wait_for()
    take_pictures(page, "widget-ended", widget)
    page.locator(".jp-OutputArea-output", has_text="3").last.wait_for()
    save(page)
    (shown,) = [data for data in outputs_in(plain_lab.root / "called.ipynb") if "text/html" in data]
    assert "✓&nbsp;Completed" in shown["text/html"]
    assert "4 of 4 tasks" in shown["text/plain"]

    page.reload()
    wait_for_lab(page)  # the kernel is there, and so is the widget

    widget.locator(".orc-flow[data-state=COMPLETED]").wait_for()
    widget.get_by_role("button", name="Details").click()
    widget.get_by_role("tab", name="Logs").click()
    widget.locator(".orc-log-text", has_text="loaded 1").wait_for()


def test_a_flow_is_cancelled_from_its_widget(plain_lab: Lab, page: Page) -> None:
    endless = f"{IMPORTS}\n@flow\ndef endless():\n    while True:\n        time.sleep(0.05)\n\nendless()"
    open_cells(page, plain_lab, "endless.ipynb", endless)
    widget = page.locator(".orc-widget")

    widget.get_by_role("button", name="Cancel").click()

    widget.locator(".orc-flow[data-state=CANCELLED]").wait_for()
    page.locator(".jp-OutputArea-output", has_text="TaskWasCancelled").first.wait_for()


def test_task_cells_that_failed_run_again_from_the_widget_of_the_flow(plain_lab: Lab, page: Page) -> None:
    fails_once = """%%task shaky
from pathlib import Path
tried = Path("tried")
if not tried.exists():
    tried.touch()
    raise ValueError("not yet")
value = 7
"""
    cells = ("%load_ext orchestra_nb\n%flow", fails_once, "%%task after\ntwice = 2 * value")
    open_cells(page, plain_lab, "shaky.ipynb", *cells)
    widget = page.locator(".orc-widget", has=page.locator(".orc-flow"))
    widget.locator(".orc-node[data-orchestra-task=after][data-state=UPSTREAM_FAILED]").wait_for()
    take_pictures(page, "widget-failed", widget)

    widget.get_by_role("button", name="Retry failed").click()

    widget.locator(".orc-node[data-orchestra-task=after][data-state=COMPLETED]").wait_for()
    lines = page.locator(".jp-RenderedHTMLCommon", has_text="shaky")
    lines.filter(has_text="Completed").first.wait_for()
    take_pictures(page, "widget-retried", widget)


def test_a_widget_whose_kernel_is_gone_says_so_and_shows_what_it_knew(plain_lab: Lab, page: Page) -> None:
    dies = "import os, time\nwhile not os.path.exists('die'):\n    time.sleep(0.05)\nos.kill(os.getpid(), 9)"
    cells = ("%load_ext orchestra_nb\n%flow", "%%task nap\nimport time\ntime.sleep(600)", dies)
    open_cells(page, plain_lab, "gone.ipynb", *cells)
    widget = page.locator(".orc-widget", has=page.locator(".orc-flow"))
    widget.locator(".orc-node[data-orchestra-task=nap][data-state=RUNNING]").wait_for()

    (plain_lab.root / "die").touch()

    widget.locator(".orc-silence", has_text="The kernel has not been heard since").wait_for()
    assert widget.locator(".orc-flow").get_attribute("data-live") == "false"
    dialog = page.locator(".jp-Dialog", has_text="appears to have died")
    dialog.get_by_role("button", name="Ok").click()
    dialog.wait_for(state="detached")
    widget.get_by_role("button", name="Details").click()
    widget.get_by_role("tab", name="Logs").click()
    widget.locator(".orc-logs > .orc-notice", has_text="The kernel").wait_for()
    take_pictures(page, "widget-gone", widget)


def test_a_notebook_whose_kernel_was_shut_down_keeps_static_pictures(plain_lab: Lab, page: Page) -> None:
    cells = ("%load_ext orchestra_nb\n%flow", "%%task quick\nx = 1")
    open_cells(page, plain_lab, "shut.ipynb", *cells)
    widget = page.locator(".orc-widget", has=page.locator(".orc-flow"))
    widget.locator(".orc-flow[data-state=COMPLETED]").wait_for()

    page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    page.locator(".jp-RenderedHTMLCommon table", has_text="quick").wait_for()
    assert page.locator(".orc-widget").count() == 0
    save(page)
    shown = outputs_in(plain_lab.root / "shut.ipynb")
    assert [VIEW_MIME in data for data in shown] == [False] * len(shown)
