"""``flow.visualize()`` in a real JupyterLab: the graph of a flow that was not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from expectations import expect
from lab_pages import open_cells, take_pictures

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

SEASON = """\
from orchestra_nb import flow, task


@task
def load(day): return [day]

@task
def clean(rows): return rows

@task
def model(rows, depth): return depth

@task
def compare(models): return models

@task
def report(best, rows): return best

@flow
def publish(text): return report(text, [])

@flow
def season(days=3):
    rows = clean.submit(load.map(range(days)))
    models = model.map(rows, [1, 2, 3, 4])
    best = compare.submit(models)
    report.submit(best, rows)
    publish("done")

season.visualize()
"""


def test_a_plan_is_drawn_as_a_graph_in_both_themes(page: Page, jupyterlab: Lab) -> None:
    open_cells(page, jupyterlab, "season.ipynb", SEASON)
    flow = page.locator(".orc-flow")
    flow.wait_for()

    take_pictures(page, "plan", flow)

    expect(flow).to_have_attribute("data-state", "NOT_RUN")
    names = ["load × 3", "clean-0", "model × 4", "compare-0", "report-0", "publish-0"]
    expect(flow.locator(".orc-node-name")).to_have_text(names)
    expect(flow.locator(".orc-edge")).to_have_count(5)
    graph = flow.locator(".orc-graph")
    assert graph.evaluate("node => node.scrollWidth <= node.clientWidth")
    expect(flow.locator(".orc-node-words:visible")).to_have_count(0)
    is_whole = "nodes => nodes.every(node => node.scrollWidth <= node.clientWidth)"
    assert flow.locator(".orc-node-name").evaluate_all(is_whole)


def test_a_plan_has_a_table_too(page: Page, jupyterlab: Lab) -> None:
    open_cells(page, jupyterlab, "season-table.ipynb", SEASON)
    flow = page.locator(".orc-flow")

    flow.get_by_role("button", name="Details").click()
    flow.get_by_role("tab", name="Tasks").click()
    take_pictures(page, "plan-table", flow)

    expect(flow.locator("tbody tr")).to_have_count(6)
