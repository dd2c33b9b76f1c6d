"""The built extension in a real JupyterLab: it draws what a stored notebook holds, without running anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from expectations import expect, expect_attributes
from lab_pages import open_page, set_theme, take_pictures

from orchestra_nb.flow_display import flow_bundle
from orchestra_nb.model.runs import ErrorInfo, Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.run_display import outputs_bundle, task_bundle

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

LONG_AGO = datetime(2026, 1, 1, 8, tzinfo=UTC)
RUN_ID = f"{1:032x}"
MARKUP = '<img src=x onerror="window.harmed = true">'
#: Ends when each image is there or cannot be read, and its handlers have been called.
IMAGES_ARE_READ = """async images => { for (const image of images) { while (!image.complete) {
    await new Promise(resolve => requestAnimationFrame(resolve));
} } }"""


def make_task(number: int, name: str, state: State, **fields: object) -> TaskRun:
    """Return a task run of 2026 that took 28 seconds, with some fields set."""
    task = TaskRun(
        task_run_id=f"{number:032x}",
        run_id=RUN_ID,
        name=name,
        state=state,
        created_at=LONG_AGO,
        started_at=LONG_AGO,
        ended_at=LONG_AGO + timedelta(seconds=28),
        attempt=1,
    )
    return msgspec.structs.replace(task, **fields)


LOAD = make_task(2, "load", State.COMPLETED)
ERROR = ErrorInfo(
    type="ValueError",
    message=f"could not read {MARKUP}",
    cell="cell 4",
    line=3,
    traceback=f'Traceback (most recent call last):\n  File "<clean>", line 3\nValueError: {MARKUP}',
)
CLEAN = make_task(3, "clean", State.FAILED, error=ERROR, upstream=(LOAD.task_run_id,))
SAVED_LIVE = make_task(4, "saved in the middle", State.RUNNING, ended_at=None)
RUN = Run(
    run_id=RUN_ID,
    name="calm-fox",
    flow_name="report",
    kind=RunKind.NOTEBOOK,
    state=State.FAILED,
    created_at=LONG_AGO,
    started_at=LONG_AGO,
    ended_at=LONG_AGO + timedelta(minutes=2),
)
SHOWN = [
    {"output_type": "stream", "name": "stdout", "text": "1200 rows\n"},
    {
        "output_type": "display_data",
        "data": {"text/html": f"<b id='table'>a table</b>{MARKUP}", "text/plain": "a table"},
        "metadata": {},
    },
]


@pytest.fixture(scope="module")
def stored(chromium: Browser, jupyterlab: Lab) -> Iterator[Page]:
    """A page with an untrusted notebook open that has one stored output of each kind."""
    bundles = [
        task_bundle(LOAD),
        task_bundle(CLEAN),
        task_bundle(SAVED_LIVE),
        outputs_bundle(SHOWN)[0],
        flow_bundle(RUN, [LOAD, CLEAN], [(LOAD.task_run_id, CLEAN.task_run_id)]),
    ]
    outputs = [{"output_type": "display_data", "data": bundle, "metadata": {}} for bundle in bundles]
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "source": "", "outputs": outputs}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    document = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (jupyterlab.root / "stored.ipynb").write_text(json.dumps(document))
    with open_page(chromium) as page:
        page.goto(jupyterlab.notebook_url("stored.ipynb"))
        page.wait_for_selector(".orc-flow")
        yield page


def test_a_stored_notebook_shows_its_tasks_without_being_run(stored: Page) -> None:
    load = stored.locator(".orc-output > .orc-task[data-orchestra-task=load]")
    clean = stored.locator(".orc-output > .orc-task[data-orchestra-task=clean]")

    expect(load).to_have_attribute("data-state", "COMPLETED")
    expect(load.locator(".orc-word")).to_have_text("Completed")
    expect(load.locator(".orc-time")).to_have_text("28 s")
    expect(clean).to_have_attribute("data-state", "FAILED")
    expect(clean.locator(".orc-error")).to_have_text(f"ValueError: {ERROR.message}")
    expect(clean.locator(".orc-where")).to_have_text("cell 4, line 3")


def test_the_line_is_one_row_and_opens_into_the_trace(stored: Page) -> None:
    clean = stored.locator(".orc-output > .orc-task[data-orchestra-task=clean]")
    box = clean.locator(".orc-line").bounding_box()
    assert box is not None
    assert box["height"] == 28

    clean.locator(".orc-toggle").press("Enter")

    trace = clean.locator(".orc-trace")
    trace.wait_for()
    expect(trace).to_contain_text("Traceback (most recent call last)")


def test_what_was_saved_in_the_middle_of_a_run_is_not_shown_as_running(stored: Page) -> None:
    task = stored.locator(".orc-task[data-orchestra-task='saved in the middle']")

    expect(task).to_have_attribute("data-live", "false")
    expect(task.locator(".orc-word")).to_have_text("Running when saved")


def test_the_flow_is_a_graph_opened_at_its_failure(stored: Page) -> None:
    flow = stored.locator(".orc-flow")

    expect_attributes(flow.locator(".orc-node"), "data-state", ("COMPLETED", "FAILED"))
    expect(flow.locator(".orc-edge")).to_have_count(1)
    expect(flow.locator(".orc-chosen .orc-task")).to_have_attribute("data-orchestra-task", "clean")
    flow.get_by_role("tab", name="Tasks").click()
    expect(flow.locator(".orc-tasks-body [role=row]")).to_have_count(2)
    for name in ("Timeline", "Logs", "Results"):
        flow.get_by_role("tab", name=name).click()
        flow.get_by_role("tabpanel", name=name).locator(":scope > *").wait_for()
        take_pictures(stored, f"inline-{name.lower()}", flow)
    flow.locator(".orc-values > .orc-problem:not([hidden])").wait_for()  # this server knows no such run


def test_several_outputs_are_drawn_by_jupyterlab_and_stay_untrusted(stored: Page) -> None:
    outputs = stored.locator(".orc-outputs")

    # JupyterLab draws texts and HTML a moment after their outputs
    expect(outputs.locator("[data-mime-type='application/vnd.jupyter.stdout']")).to_have_text("1200 rows")
    expect(outputs.locator("b")).to_have_text("a table")
    expect(outputs.locator("img[onerror]")).to_have_count(0)
    outputs.locator("img").evaluate_all(IMAGES_ARE_READ)
    assert stored.evaluate("window.harmed") is None


def test_the_panel_teaches_the_first_step_and_opens_from_the_palette(stored: Page) -> None:
    stored.evaluate("void jupyterapp.commands.execute('orchestra:open-panel')")

    panel = stored.locator("#orchestra-nb-panel")
    panel.locator("[data-connection=connected]").wait_for()
    taught = panel.locator("[data-section=recent] + .orc-note .orc-empty")
    expect(taught).to_contain_text("No runs yet.")
    expect(taught).to_contain_text("%%task")


def test_the_colours_follow_the_theme(stored: Page) -> None:
    word = stored.locator(".orc-output > .orc-task[data-orchestra-task=clean] .orc-word")

    set_theme(stored, "Dark")
    expect(word).to_have_css("color", "rgb(239, 83, 80)")
    set_theme(stored, "Light")
    expect(word).to_have_css("color", "rgb(183, 28, 28)")
