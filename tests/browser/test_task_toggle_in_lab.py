"""Cells become tasks, and their options are edited, in a real JupyterLab: by the cell's toolbar, by keys and menus."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from expectations import expect
from lab_pages import take_pictures, wait_until_ready, write_cells

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

LOADING = "%load_ext orchestra_nb"
TASK = "%%task load --retries 2  # nightly\nx = 1"


def open_notebook(page: Page, lab: Lab, name: str, *sources: str) -> None:
    """Open a notebook with these cells and run none."""
    write_cells(lab, name, *sources)
    page.goto(lab.notebook_url(name))
    wait_until_ready(page)


def cell(page: Page, number: int) -> Locator:
    return page.locator(".jp-Notebook .jp-Cell").nth(number)


def choose(page: Page, number: int) -> Locator:
    """Put the cursor at the end of a cell; return its toolbar."""
    cell(page, number).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    return cell(page, number).locator(".jp-cell-toolbar")


def expect_source(page: Page, number: int, source: str) -> None:
    """Wait until a cell has this text in the model."""
    page.wait_for_function(
        "([number, source]) => jupyterapp.shell.currentWidget.content.model.cells.get(number)"
        ".sharedModel.getSource() === source",
        arg=[number, source],
    )


def expect_pressed(button: Locator, is_pressed: bool) -> None:
    state = "true" if is_pressed else "false"
    button.and_(button.page.locator(f"[aria-pressed={state}]")).wait_for()


def test_the_toolbar_makes_a_cell_a_task_and_an_ordinary_one_again(page: Page, jupyterlab: Lab) -> None:
    open_notebook(page, jupyterlab, "toggle.ipynb", LOADING, TASK, "y = 2")
    toolbar = choose(page, 1)
    button = toolbar.locator("[data-jp-item-name=orchestra-task] jp-button")
    expect_pressed(button, True)
    take_pictures(page, "task-toolbar", cell(page, 1))

    button.click()
    expect_source(page, 1, "x = 1")
    expect_pressed(button, False)
    expect(toolbar.locator("[data-jp-item-name=orchestra-task-options] jp-button:visible")).to_have_count(0)
    button.click()
    expect_source(page, 1, TASK)
    expect_pressed(button, True)

    # each was one step, and what was typed just before is another one
    choose(page, 1)
    page.keyboard.type("0")
    button.click()
    expect_source(page, 1, "x = 10")
    choose(page, 1)
    for undone in (f"{TASK}0", TASK, "x = 1", TASK):
        page.keyboard.press("Control+z")
        expect_source(page, 1, undone)
    page.keyboard.press("Control+Shift+z")
    expect_source(page, 1, "x = 1")


def test_a_key_and_the_menu_of_the_cell_do_it_too(page: Page, jupyterlab: Lab) -> None:
    open_notebook(page, jupyterlab, "keys.ipynb", LOADING, "x = 1")
    choose(page, 1)
    page.keyboard.type("t")
    expect_source(page, 1, "x = 1t")
    page.keyboard.press("Backspace")

    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect_source(page, 1, "%%task\nx = 1")
    page.keyboard.press("t")
    expect_source(page, 1, "x = 1")

    cell(page, 1).locator(".jp-InputArea").click(button="right")
    page.locator(".lm-Menu-item[data-command='orchestra:toggle-task']").click()
    expect_source(page, 1, "%%task\nx = 1")
    cell(page, 1).locator(".jp-InputArea").click(button="right")
    item = page.locator(".lm-Menu-item[data-command='orchestra:toggle-task']")
    item.wait_for()
    expect(item).to_have_class(re.compile(r"\blm-mod-toggled\b"))
    take_pictures(page, "task-menu", cell(page, 1))
    page.keyboard.press("Escape")


def test_a_notebook_without_the_extension_is_told_what_loads_it(page: Page, jupyterlab: Lab) -> None:
    open_notebook(page, jupyterlab, "bare.ipynb", "x = 1", "y = 2")
    choose(page, 1).locator("[data-jp-item-name=orchestra-task] jp-button").click()

    page.get_by_role("button", name="Add this cell").click()

    expect_source(page, 0, LOADING)
    expect_source(page, 2, "%%task\ny = 2")


def test_options_are_edited_in_a_form_and_the_cell_runs_with_them(page: Page, jupyterlab: Lab) -> None:
    open_notebook(page, jupyterlab, "options.ipynb", LOADING, "%%task load --retries=2  # nightly\nprint('ran')")
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-above')")
    toolbar = choose(page, 1)
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-above')")
    toolbar.locator("[data-jp-item-name=orchestra-task-options] jp-button").click()
    dialog = page.get_by_role("dialog")
    name = dialog.get_by_label("Name", exact=True)
    name.wait_for()
    expect(name).to_be_focused()
    expect(dialog.get_by_label("Retries", exact=True)).to_have_value("2")
    take_pictures(page, "task-form", dialog)

    name.fill("load/data")
    dialog.get_by_label("Time limit").fill("soon")
    dialog.get_by_role("button", name="Apply").click()
    dialog.get_by_role("alert").filter(has_text="because of '/'").wait_for()
    dialog.get_by_role("alert").filter(has_text="--timeout soon").wait_for()
    expect(name).to_be_focused()
    take_pictures(page, "task-form-errors", dialog)

    name.fill("load data")
    dialog.get_by_label("Time limit").fill("10m")
    dialog.get_by_label("Tags").fill("team=sales\nstage=first draft")
    dialog.get_by_label("Wait for it").check()
    dialog.get_by_role("button", name="Apply").click()
    dialog.wait_for(state="detached")
    line = '%%task "load data" --retries=2 --timeout 10m --tag team=sales --tag "stage=first draft" --wait  # nightly'
    expect_source(page, 1, f"{line}\nprint('ran')")

    cell(page, 1).locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    task = cell(page, 1).locator(".orc-output > .orc-task[data-state=COMPLETED]")
    task.wait_for()
    expect(task).to_have_attribute("data-orchestra-task", "load data")
    task.locator(".orc-toggle").click()
    task.locator(".orc-facts").get_by_text("team=sales, stage=first draft").wait_for()

    page.keyboard.press("Control+z")
    expect_source(page, 1, "%%task load --retries=2  # nightly\nprint('ran')")


def test_a_line_that_cannot_be_understood_is_left_alone(page: Page, jupyterlab: Lab) -> None:
    broken = "%%task load --retris 2\nx = 1"
    open_notebook(page, jupyterlab, "broken.ipynb", LOADING, broken)
    toolbar = choose(page, 1)

    toolbar.locator("[data-jp-item-name=orchestra-task-options] jp-button").click()

    page.locator(".Toastify__toast", has_text="Did you mean --retries?").wait_for()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_source(page, 1, broken)


def test_the_options_of_an_ordinary_cell_make_it_a_task(page: Page, jupyterlab: Lab) -> None:
    open_notebook(page, jupyterlab, "ordinary.ipynb", LOADING, "x = 1")
    choose(page, 1)
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+t")
    dialog = page.get_by_role("dialog")

    dialog.get_by_label("Keep it for").fill("1h")
    dialog.get_by_label("Keep it for").press("Enter")
    dialog.wait_for(state="detached")

    expect_source(page, 1, "%%task --cache 1h\nx = 1")
