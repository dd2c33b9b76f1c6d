"""The built extension in a real JupyterLab: it draws what a stored notebook holds, without running anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
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

    assert load.get_attribute("data-state") == "COMPLETED"
    assert load.locator(".orc-word").inner_text() == "Completed"
    assert load.locator(".orc-time").inner_text() == "00:28"
    assert clean.get_attribute("data-state") == "FAILED"
    assert clean.locator(".orc-error").inner_text() == f"ValueError: {ERROR.message}"
    assert clean.locator(".orc-where").inner_text() == "cell 4, line 3"


def test_the_line_is_one_row_and_opens_into_the_trace(stored: Page) -> None:
    clean = stored.locator(".orc-output > .orc-task[data-orchestra-task=clean]")
    box = clean.locator(".orc-line").bounding_box()
    assert box is not None
    assert box["height"] == 28

    clean.locator(".orc-toggle").press("Enter")

    assert "Traceback (most recent call last)" in clean.locator(".orc-trace").inner_text()


def test_what_was_saved_in_the_middle_of_a_run_is_not_shown_as_running(stored: Page) -> None:
    task = stored.locator(".orc-task[data-orchestra-task='saved in the middle']")

    assert task.get_attribute("data-live") == "false"
    assert task.locator(".orc-word").inner_text() == "Running when saved"


def test_the_flow_is_a_graph_opened_at_its_failure(stored: Page) -> None:
    flow = stored.locator(".orc-flow")

    assert flow.locator(".orc-node").evaluate_all("nodes => nodes.map(node => node.dataset.state)") == [
        "COMPLETED",
        "FAILED",
    ]
    assert flow.locator(".orc-edge").count() == 1
    assert flow.locator(".orc-chosen .orc-task").get_attribute("data-orchestra-task") == "clean"
    flow.get_by_role("tab", name="Tasks").click()
    assert flow.locator(".orc-tasks-body [role=row]").count() == 2
    for name in ("Timeline", "Logs", "Results"):
        flow.get_by_role("tab", name=name).click()
        flow.get_by_role("tabpanel", name=name).locator(":scope > *").wait_for()
        take_pictures(stored, f"inline-{name.lower()}", flow)
    flow.locator(".orc-values > .orc-problem:not([hidden])").wait_for()  # this server knows no such run


def test_several_outputs_are_drawn_by_jupyterlab_and_stay_untrusted(stored: Page) -> None:
    outputs = stored.locator(".orc-outputs")

    assert outputs.locator("[data-mime-type='application/vnd.jupyter.stdout']").inner_text().strip() == "1200 rows"
    assert outputs.locator("b").inner_text() == "a table"
    assert outputs.locator("img[onerror]").count() == 0
    assert stored.evaluate("window.harmed") is None


def test_the_panel_teaches_the_first_step_and_opens_from_the_palette(stored: Page) -> None:
    stored.evaluate("void jupyterapp.commands.execute('orchestra:open-panel')")

    panel = stored.locator("#orchestra-nb-panel")
    panel.locator("[data-connection=connected]").wait_for()
    taught = panel.locator("[data-section=recent] + .orc-note .orc-empty")
    assert "No runs yet." in taught.inner_text()
    assert "%%task" in taught.inner_text()


def test_the_colours_follow_the_theme(stored: Page) -> None:
    word = stored.locator(".orc-output > .orc-task[data-orchestra-task=clean] .orc-word")
    colour = "node => getComputedStyle(node).color"

    set_theme(stored, "Dark")
    assert word.evaluate(colour) == "rgb(239, 83, 80)"
    set_theme(stored, "Light")
    assert word.evaluate(colour) == "rgb(183, 28, 28)"
