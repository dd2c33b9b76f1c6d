"""What a keyboard, a screen reader and forced colours find in our parts of a real JupyterLab."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from expectations import expect, focused
from lab_pages import each_theme, open_cells, open_lab, take_pictures, wait_until_ready, write_cells
from patience import PATIENCE_SECONDS
from standalone_pages import AXE, axe_finds, keep_picture, open_alone

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser

TRAINING = """\
from orchestra_nb import flow, task


@task
def load():
    return list(range(40))


@task
def model(n):
    if n == 17:
        raise ValueError("no such region")
    return n


@flow
def training():
    return [future.result() for future in model.map(load())]


training()
"""

PARAMETERS = """\
from typing import Literal

rows: int  # how many rows are read
region: Literal["EU", "US"] = "EU"  # where the customers live
is_final: bool = False  # whether this is sent to everybody
"""

TASKS = (
    "%load_ext orchestra_nb",
    "%%task done\nrows = 3",
    "%%task broken --retries 1\nraise KeyError('EU')",
    "%flow",
)


@pytest.fixture(scope="module")
def work(jupyterlab: Lab) -> None:
    """A notebook with parameters that is scheduled, runs of it, and a failed flow with mapped tasks."""
    write_cells(jupyterlab, "sales.ipynb", PARAMETERS, "print(rows)")
    path = jupyterlab.root / "sales.ipynb"
    document = json.loads(path.read_text())
    document["cells"][0]["metadata"]["tags"] = ["parameters"]
    path.write_text(json.dumps(document))
    (jupyterlab.root / "training.py").write_text(TRAINING)
    orchestra = [sys.executable, "-P", "-m", "orchestra_nb"]
    for command, is_good in (
        ([sys.executable, "training.py"], False),
        ([*orchestra, "run", "sales.ipynb", "-p", "rows", "3"], True),
        ([*orchestra, "deploy", "sales.ipynb", "--cron", "0 8 * * 1-5", "-p", "rows", "3"], True),
    ):
        ended = subprocess.run(
            command,
            cwd=jupyterlab.root,
            env=jupyterlab.environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert (ended.returncode == 0) is is_good, ended


def execute(page: Page, command: str, **args: str) -> None:
    """Start a command, and wait for nothing."""
    page.evaluate("([command, args]) => void jupyterapp.commands.execute(command, args)", [command, args])


def close_dialog(page: Page) -> None:
    page.keyboard.press("Escape")
    page.locator(".jp-Dialog").wait_for(state="detached")


def open_training(page: Page) -> Locator:
    """Open the page of the failed run from the side bar."""
    execute(page, "orchestra:open-panel")
    panel = page.locator("#orchestra-nb-panel")
    panel.locator(".orc-run[data-orchestra-run]", has_text="training").locator(".orc-row-name").first.click()
    run_page = page.locator(".jp-MainAreaWidget .orc-run-page")
    run_page.get_by_role("region", name="What failed").wait_for()
    return run_page


def test_axe_finds_nothing_in_our_parts_of_jupyterlab(page: Page, jupyterlab: Lab, work: None) -> None:
    if AXE.exists():
        page.context.add_init_script(path=AXE)
    found: dict[str, list[list[str]]] = {}

    def look(name: str, *places: str) -> None:
        page.locator(places[0]).first.wait_for()
        for theme in each_theme(page):
            found[f"{name}, {theme}"] = axe_finds(page, *places)
        take_pictures(page, f"a11y-{name}", page.locator(places[0]).first)

    open_cells(page, jupyterlab, "tasks.ipynb", *TASKS)
    page.locator(".orc-cell-badge[data-state=FAILED]").wait_for(state="attached")
    # while the line of a task is seen its badge is not
    page.evaluate("jupyterapp.shell.currentWidget.content.widgets[2].outputHidden = true")
    page.locator(".orc-cell-badge[data-state=FAILED]").wait_for()
    execute(page, "orchestra:open-panel")
    page.locator("#orchestra-nb-panel .orc-cluster").wait_for()
    look("notebook", ".orc-flow", ".orc-task", ".orc-cell-badge", ".orc-menu-button")
    look("side-bar", "#orchestra-nb-panel", ".orc-status-item")
    page.locator(".jp-CodeCell .cm-content").nth(2).click()
    execute(page, "orchestra:edit-task")
    look("task-dialog", ".jp-Dialog")
    close_dialog(page)
    execute(page, "orchestra:run-notebook", path="sales.ipynb")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    page.locator(".jp-Dialog").get_by_text("Fill this in.").wait_for()
    look("run-dialog", ".jp-Dialog")
    close_dialog(page)
    execute(page, "orchestra:schedule-notebook", path="sales.ipynb")
    for tab in ("Every", "Calendar", "Cron"):
        page.locator(".jp-Dialog").get_by_role("tab", name=tab).click()
        page.locator(".orc-preview tbody tr").first.wait_for()
        look(f"schedule-{tab.lower()}", ".jp-Dialog")
    close_dialog(page)
    run_page = open_training(page)
    for tab in ("Graph", "Timeline", "Tasks", "Logs", "Results", "Artifacts", "Parameters"):
        run_page.get_by_role("tab", name=tab).click()
        look(f"run-{tab.lower()}", ".orc-run-page")

    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_the_menu_of_a_notebook_is_used_by_the_keyboard(page: Page, jupyterlab: Lab, work: None) -> None:
    write_cells(jupyterlab, "plain.ipynb", "print('plain')")
    page.goto(jupyterlab.notebook_url("plain.ipynb"))
    wait_until_ready(page)
    button = page.get_by_role("button", name="Run as flow", exact=True)

    button.focus()
    page.keyboard.press("ArrowDown")
    items = page.get_by_role("menu").get_by_role("menuitem")
    items.first.wait_for()
    expect(button).to_have_attribute("aria-expanded", "true")
    labels = page.locator(".lm-Menu-itemLabel")
    expect(labels).to_have_text(["Run Now…", "Run in the Background", "Schedule…", "Show Its Runs"])
    take_pictures(page, "notebook-menu", button)
    page.keyboard.press("Escape")
    items.first.wait_for(state="detached")
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "false")

    page.keyboard.press("Enter")  # a dialog gives the focus back
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_text("This notebook takes no parameters.").wait_for()
    close_dialog(page)
    expect(button).to_be_focused()

    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_text("of plain has started.").first.wait_for()
    button.click()
    page.locator('.lm-Menu-item[data-command="orchestra:show-notebook-runs"]').click()
    flow = page.locator(".jp-MainAreaWidget .orc-flow-page")
    flow.get_by_role("heading", name="plain").wait_for()
    flow.get_by_role("tabpanel").get_by_role("link").first.click()
    page.locator(".jp-MainAreaWidget .orc-run-page").get_by_role("link", name="plain").click()
    flow.get_by_role("heading", name="plain").wait_for()
    assert flow.count() == 1  # the tab that was there


def test_arrows_lead_through_timeline_and_squares(page: Page, jupyterlab: Lab, work: None) -> None:
    open_lab(page, jupyterlab)
    run_page = open_training(page)
    # one region says what becomes of the run
    expect(run_page.locator("[role=status]:not([hidden])")).to_have_count(1)

    def expect_label(beginning: str) -> None:
        expect(focused(page)).to_have_attribute("aria-label", re.compile(f"^{beginning}"))

    run_page.locator(".orc-square[tabindex='0']").focus()
    page.keyboard.press("Home")
    expect_label("model-0, Completed")
    page.keyboard.press("ArrowRight")
    expect_label("model-1, Completed")

    run_page.get_by_role("tab", name="Timeline").click()
    names = run_page.locator(".orc-timeline-name")
    names.first.focus()
    page.keyboard.press("ArrowDown")
    expect_label("model ×40")
    page.keyboard.press("ArrowRight")
    names.nth(2).wait_for()
    page.keyboard.press("End")
    expect_label("model-39")
    expect(run_page.locator(".orc-timeline-name[tabindex='0']")).to_have_count(1)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    names.nth(2).wait_for(state="detached")
    expect_label("model ×40")


def test_marks_are_seen_in_forced_colours(chromium: Browser, jupyterlab: Lab, work: None) -> None:
    with open_alone(chromium) as page:
        page.emulate_media(forced_colors="active", reduced_motion="reduce")
        open_lab(page, jupyterlab)
        run_page = open_training(page)

        failed = run_page.locator(".orc-square[data-tone=failed]")
        expect(failed).to_have_css("border-top-style", "double")
        bar = run_page.locator(".orc-state-bar > [data-tone=failed]")
        expect(bar).to_have_css("background-image", re.compile("gradient"))
        dot = page.locator(".orc-connection[data-connection=connected]").first
        colour = dot.evaluate("node => getComputedStyle(node, '::before').backgroundColor")
        assert colour == page.evaluate("getComputedStyle(document.body).color")
        keep_picture(page, "forced-run")
        run_page.get_by_role("tab", name="Timeline").click()
        run_page.locator(".orc-bar").first.wait_for()
        keep_picture(page, "forced-timeline")
