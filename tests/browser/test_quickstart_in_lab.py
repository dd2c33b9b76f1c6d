"""The quickstart in a real JupyterLab, on a real cluster: what its reader does, and what they see."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from expectations import expect
from lab_pages import restart_kernel, set_theme, wait_until_ready

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.browser]

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"
FAILING = "%%task broken\nvalue = {'region': 'EU'}\nvalue['country']"
PICTURES = os.environ.get("PICTURES_FOLDER")


@pytest.fixture
def notebook(jupyterlab: Lab) -> str:
    """The quickstart with one more cell, which fails."""
    document = json.loads(QUICKSTART.read_text())
    document["cells"].append(
        {"cell_type": "code", "id": "broken", "metadata": {}, "execution_count": None, "source": FAILING, "outputs": []}
    )
    (jupyterlab.root / "quickstart.ipynb").write_text(json.dumps(document))
    return "quickstart.ipynb"


def test_quickstart_from_first_click_to_reopened_notebook(page: Page, jupyterlab: Lab, notebook: str) -> None:
    page.goto(jupyterlab.notebook_url(notebook))
    wait_until_ready(page)
    page.evaluate("void jupyterapp.commands.execute('orchestra:open-panel')")
    panel = page.locator("#orchestra-nb-panel")
    panel.locator("[data-connection=connected]").wait_for()
    record_states(page)

    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")

    panel.locator("[data-state=RUNNING]").first.wait_for()
    page.wait_for_function("window.seenTogether.some(names => names.length >= 2)")
    line(page, "forest").scroll_into_view_if_needed()
    take_picture(page, "running")
    for name in ("load", "linear", "forest", "boosting", "figure", "report"):
        line(page, name).and_(page.locator("[data-state=COMPLETED]")).first.wait_for(state="attached")
    line(page, "broken").and_(page.locator("[data-state=FAILED]")).first.wait_for(state="attached")

    cell = page.locator(".jp-Cell").filter(has=line(page, "broken"))
    cell.scroll_into_view_if_needed()
    expect(cell.first).to_contain_text("KeyError: 'country'")
    answer = page.locator(".jp-OutputArea-output", has_text="of the patients it has never seen")
    answer.first.scroll_into_view_if_needed()
    expect(answer.first).to_contain_text("model is right for")
    page.locator(".jp-CodeCell .jp-OutputArea img[src^='data:image/png']").first.wait_for(state="attached")

    failed = panel.locator("[data-state=FAILED]").first
    failed.wait_for()
    expect(failed).to_contain_text("quickstart")
    expect(panel).to_contain_text("KeyError")
    for theme in ("Dark", "Light"):
        set_theme(page, theme)
        for name in ("load", "figure", "broken"):
            line(page, name).first.scroll_into_view_if_needed()
            take_picture(page, f"{name}-{theme.lower()}")
        page.locator(".orc-flow").first.scroll_into_view_if_needed()
        take_picture(page, f"flow-{theme.lower()}")

    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("!jupyterapp.shell.currentWidget.context.model.dirty")
    stored = json.loads((jupyterlab.root / notebook).read_text())
    assert "widgets" not in stored["metadata"]

    page.evaluate("jupyterapp.commands.execute('kernelmenu:shutdown')")
    page.goto(jupyterlab.notebook_url(notebook))
    page.locator(".orc-flow").first.wait_for(state="attached")
    for name, state in (("load", "COMPLETED"), ("broken", "FAILED")):
        line(page, name).first.scroll_into_view_if_needed()
        expect(line(page, name).first).to_have_attribute("data-state", state)
    take_picture(page, "reopened")

    # the kernel is gone: what is asked for now, the server tells from the store
    flow = page.locator(".orc-flow").first
    flow.scroll_into_view_if_needed()
    flow.get_by_role("tab", name="Logs").click()
    flow.locator(".orc-log-line").first.wait_for()
    expect(flow.locator(".orc-logs-bar select").first).to_contain_text("report")
    flow.get_by_role("tab", name="Timeline").click()
    flow.locator(".orc-bar[data-state=COMPLETED]").first.wait_for()
    flow.get_by_role("button", name="Retry failed").wait_for()
    for theme in ("Dark", "Light"):
        set_theme(page, theme)
        take_picture(page, f"inline-timeline-{theme.lower()}")

    # what failed runs again in another kernel, which has never drawn this: the store tells of it
    page.evaluate(
        """source => {
            const panel = jupyterapp.shell.currentWidget;
            const cells = panel.content.widgets.map(({ model }) => model.sharedModel);
            cells.find(({ id }) => id === 'broken').setSource(source);
        }""",
        FAILING.replace("country", "region"),
    )
    restart_kernel(page)
    page.evaluate(
        """async () => {
            const { session } = jupyterapp.shell.currentWidget.sessionContext;
            await session.kernel.requestExecute({ code: '%load_ext orchestra_nb' }).done;
        }"""
    )
    name = flow.locator(".orc-flow-head .orc-detail").first
    before = name.inner_text()
    flow.get_by_role("button", name="Retry failed").click()
    flow.get_by_role("button", name="Retry failed").wait_for(state="hidden")
    page.locator(".orc-flow[data-state=COMPLETED]").first.wait_for()
    expect(name).not_to_have_text(before)
    take_picture(page, "inline-retried")


def line(page: Page, name: str) -> Locator:
    """The line under the cell of a task."""
    return page.locator(f".jp-OutputArea .orc-output > .orc-task[data-orchestra-task={name}]")


def record_states(page: Page) -> None:
    """Note, whenever a line changes, which tasks are shown as running at that moment."""
    page.evaluate(
        """() => {
            window.seenTogether = [];
            const look = () => {
                const lines = document.querySelectorAll('.orc-output > .orc-task[data-state=RUNNING]');
                const names = [...new Set([...lines].map(line => line.dataset.orchestraTask))];
                if (names.length) window.seenTogether.push(names);
            };
            new MutationObserver(look).observe(document.body, {
                subtree: true, childList: true, attributes: true, attributeFilter: ['data-state']
            });
        }"""
    )


def take_picture(page: Page, name: str) -> None:
    """Keep a screenshot, where somebody wants to look at it."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")
