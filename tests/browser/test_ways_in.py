"""The ways in: launcher, status bar, the list of what runs, palette, menus and shortcuts, in a real JupyterLab."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from lab_pages import open_lab, take_pictures, wait_until_ready

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
#: Runs until somebody stops it.
ENDLESS = "from threading import Event\nEvent().wait()"


def write_notebook(lab: Lab, name: str, source: str) -> None:
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "source": source, "outputs": []}
    document = {"cells": [cell], "metadata": {"kernelspec": KERNEL}, "nbformat": 4, "nbformat_minor": 5}
    (lab.root / name).write_text(json.dumps(document))


def start_run(page: Page, path: str) -> None:
    """Run a notebook without parameters as a flow, as its user does."""
    page.evaluate("path => void jupyterapp.commands.execute('orchestra:run-notebook', {path})", path)
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("This notebook takes no parameters.").wait_for()
    page.keyboard.press("Enter")
    dialog.wait_for(state="detached")


def panel_run(page: Page, name: str, state: str) -> Locator:
    run = page.locator("#orchestra-nb-panel .orc-run[data-orchestra-run]", has_text=name)
    return run.and_(page.locator(f"[data-state={state}]"))


def test_the_launcher_makes_a_notebook_that_is_a_flow(page: Page, jupyterlab: Lab) -> None:
    open_lab(page, jupyterlab)
    card = page.locator(".jp-LauncherCard", has_text="Flow Notebook")
    card.wait_for()
    take_pictures(page, "launcher", card)

    card.click()
    wait_until_ready(page)
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")

    result = page.locator(".jp-OutputArea-output", has_text="1000 numbers, mean ")
    result.wait_for()
    tasks = page.locator(".orc-output > .orc-task")
    tasks.and_(page.locator("[data-state=COMPLETED]")).nth(1).wait_for()  # what it printed may be there before
    assert tasks.evaluate_all("nodes => nodes.map(node => node.dataset.orchestraTask)") == ["load", "summary"]
    take_pictures(page, "flow-notebook", result)
    # and it takes a parameter as a flow
    page.evaluate("void jupyterapp.commands.execute('orchestra:run-notebook')")
    rows = page.get_by_role("dialog").get_by_label("Rows")
    rows.wait_for()
    assert rows.input_value() == "1000"
    page.keyboard.press("Escape")


def test_what_runs_is_told_in_the_status_bar_and_stopped_in_the_list_of_what_runs(page: Page, jupyterlab: Lab) -> None:
    write_notebook(jupyterlab, "endless.ipynb", ENDLESS)
    open_lab(page, jupyterlab)
    start_run(page, "endless.ipynb")

    status = page.locator(".orc-status-button")
    status.get_by_text("1 running").wait_for()
    take_pictures(page, "status-bar", status)
    page.evaluate("void jupyterapp.commands.execute('running:show-panel')")
    running = page.locator("#jp-running-sessions")
    item = running.locator(".orc-running-run", has_text="endless")
    item.wait_for()
    take_pictures(page, "running", running)
    item.hover()
    item.locator(".jp-RunningSessions-itemShutdown").click()

    item.wait_for(state="detached")
    page.wait_for_function("!document.querySelector('.orc-status-button').textContent.includes('running')")
    status.click()
    panel_run(page, "endless", "CANCELLED").wait_for()


def test_a_run_is_run_again_and_its_id_copied_from_the_menu_of_its_row(page: Page, jupyterlab: Lab) -> None:
    write_notebook(jupyterlab, "again.ipynb", "print('again')")
    open_lab(page, jupyterlab)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("void jupyterapp.commands.execute('orchestra:open-panel')")
    start_run(page, "again.ipynb")
    run = panel_run(page, "again", "COMPLETED")
    run.wait_for()

    run.click(button="right")
    page.locator('.lm-Menu-item[data-command="orchestra:copy-run-id"]').click()
    page.get_by_text("The run id has been copied.").first.wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == run.get_attribute("data-run-id")

    run.click(button="right")
    again = page.locator('.lm-Menu-item[data-command="orchestra:run-again"]')
    again.wait_for()
    assert not page.locator('.lm-Menu-item[data-command="orchestra:retry-run"]').is_visible()
    again.click()
    page.get_by_role("dialog").get_by_text("This notebook takes no parameters.").wait_for()
    page.keyboard.press("Enter")
    run.nth(1).wait_for()


def test_every_command_is_in_the_palette_and_two_have_a_shortcut(page: Page, jupyterlab: Lab) -> None:
    write_notebook(jupyterlab, "plain.ipynb", "print('plain')")
    page.goto(jupyterlab.notebook_url("plain.ipynb"))
    wait_until_ready(page)

    page.keyboard.press("Control+Shift+O")
    page.locator("#orchestra-nb-panel [data-connection=connected]").wait_for()
    page.locator(".jp-Notebook .cm-content").first.click()
    page.keyboard.press("Control+Shift+Enter")
    page.get_by_role("dialog").get_by_text("This notebook takes no parameters.").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")

    page.evaluate("void jupyterapp.commands.execute('apputils:activate-command-palette')")
    page.locator("#command-palette input, #modal-command-palette input").first.fill("orchestra")
    entries = page.locator(".lm-CommandPalette-item[data-command^='orchestra:']")
    entries.first.wait_for()
    found = set(entries.evaluate_all("nodes => nodes.map(node => node.dataset.command)"))
    assert found >= {
        f"orchestra:{name}"
        for name in (
            *("open-panel", "open-run", "open-logs", "run-notebook", "run-again", "copy-run-id"),
            *("run-deployment", "pause-deployment", "resume-deployment", "open-dashboard", "mark-alerts-seen"),
            "new-flow-notebook",
        )
    }
