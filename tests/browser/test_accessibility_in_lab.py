"""What a keyboard, a screen reader and forced colours find in our parts of a real JupyterLab."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from expectations import expect, focused
from lab_pages import each_theme, open_cells, open_lab, take_pictures, wait_until_ready, write_cells
from patience import PATIENCE_SECONDS, eventually
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


LIVE_CELLS = (
    "%load_ext orchestra_nb\n%flow",
    "%%task good\nimport time\ntime.sleep(1)",
    "%%task bad\nraise KeyError('EU')",
)

#: What is read out as it comes: each text that a live region of the page gets, in order.
HEAR = """() => {
    const live = '[role=status], [role=alert], [aria-live=polite], [aria-live=assertive]';
    window.heard = [];
    new MutationObserver(changes => {
        const regions = changes.map(({ target }) =>
            (target instanceof Element ? target : target.parentElement)?.closest(live)
        );
        for (const region of new Set(regions)) {
            const text = region?.isConnected ? region.textContent.trim() : '';
            if (text !== '' && region.checkVisibility({ visibilityProperty: true })) {
                window.heard.push(text);
            }
        }
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


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


def test_what_a_screen_reader_finds_has_names_and_an_order(page: Page, jupyterlab: Lab, work: None) -> None:
    open_lab(page, jupyterlab)
    run_page = open_training(page)

    expect(page.locator("#orchestra-nb-panel")).to_match_aria_snapshot(
        """
        - region "Orchestra Runs":
          - heading "Orchestra" [level=2]
          - status: connected
          - tree "Orchestra":
            - treeitem /^Alerts \\d+$/ [expanded] [level=1]:
              - button "Mark failures as seen"
            - treeitem /^Failed training .* ValueError. no such region$/ [level=2]
            - treeitem /^Active \\d+$/ [expanded] [level=1]
            - treeitem /^Recent \\d+$/ [expanded] [level=1]
            - treeitem /^Completed sales/ [level=2]
            - treeitem /^Failed training/ [level=2]
            - treeitem /^Schedules \\d+$/ [expanded] [level=1]
            - treeitem /^Scheduled sales in .* at 08.00, Monday through Friday/ [level=2]
        """
    )
    expect(run_page).to_match_aria_snapshot(
        """
        - heading /training run/ [level=1]:
          - link "training"
        - text: /Failed .* 41 of 41 tasks/
        - button "Set state…"
        - region "What failed":
          - heading /ValueError. no such region/ [level=2]
          - group "Traceback"
        - tablist "What this run did":
          - tab "Graph" [selected]
          - tab "Timeline"
        - tabpanel "Graph":
          - list "Tasks in their order":
            - listitem:
              - button /load-0 Completed/
            - listitem:
              - button "model ×40 1 failed, 39 completed" [pressed]
          - grid "Runs of this task, by state":
            - row:
              - gridcell "model-0, Completed"
          - group "Task model-17":
            - button "Failed"
            - text: /model-17 ValueError. no such region/
            - button "Logs"
        """
    )
    run = page.locator("#orchestra-nb-panel .orc-run[data-orchestra-run]", has_text="training")
    run.focus()  # where the buttons of the row come up
    run.get_by_role("button", name="Show the logs of").wait_for()
    name = re.compile(r"^Failed training \w+-\w+ [\w ]+ ValueError: no such region$")
    expect(run).to_have_accessible_name(name)
    alert = page.locator("#orchestra-nb-panel .orc-alert.orc-failed", has_text="training")
    alert.focus()
    alert.get_by_role("button", name="Show the logs of").wait_for()
    expect(alert).to_have_accessible_name(
        re.compile(r"^Failed training \w+-\w+ .*\b(now|ago) .*ValueError: no such region$")
    )
    schedule = page.locator("#orchestra-nb-panel .orc-schedule", has_text="sales")
    schedule.focus()
    schedule.get_by_role("button", name="Run sales now").wait_for()
    expect(schedule).to_have_accessible_name(
        re.compile(r"^Scheduled sales in [\w ]+ at 08:00, Monday through Friday, [\w/]+$")
    )
    run_page.get_by_role("tab", name="Timeline").click()
    expect(run_page.get_by_role("tabpanel")).to_match_aria_snapshot(
        """
        - tabpanel "Timeline":
          - button "Show more time"
          - button "Fit" [pressed]
          - button "Show less time"
          - group "Timeline; plus and minus zoom in time":
            - list:
              - listitem:
                - button /load-0, Completed, waited .* ran/
              - listitem:
                - button "model ×40, 1 failed, 39 completed"
        """
    )

    execute(page, "orchestra:run-notebook", path="sales.ipynb")
    expect(page.get_by_role("dialog")).to_match_aria_snapshot(
        """
        - dialog "Run sales.ipynb as a flow":
          - combobox "Start from"
          - group "Parameters":
            - textbox "Rows"
            - combobox "Region":
              - option "EU" [selected]
              - option "US"
            - checkbox "Is final"
          - button "Cancel"
          - button "Run it"
        """
    )
    close_dialog(page)


def test_what_has_ended_is_said_once_and_again_after_a_retry(page: Page, jupyterlab: Lab) -> None:
    write_cells(jupyterlab, "heard.ipynb", *LIVE_CELLS)
    page.goto(jupyterlab.notebook_url("heard.ipynb"))
    wait_until_ready(page)
    execute(page, "orchestra:open-panel")
    page.locator("#orchestra-nb-panel [data-connection=connected]").wait_for()
    page.evaluate(HEAR)

    execute(page, "notebook:run-all-cells")
    flow = page.locator(".jp-Notebook .orc-flow")
    expect(flow).to_have_attribute("data-state", "FAILED")
    run = flow.get_by_text(re.compile(r"^run \w+-\w+$")).inner_text()
    first = ["bad: Failed", f"{run.capitalize()}: Failed", "good: Completed"]
    _expect_heard(page, first)
    flow.get_by_role("button", name="Retry failed").click()

    expect(flow.get_by_text(run, exact=True)).to_have_count(0)
    expect(flow).to_have_attribute("data-state", "FAILED")
    retry = flow.get_by_text(re.compile(r"^run \w+-\w+$")).inner_text()
    _expect_heard(page, [*first, "bad: Failed", f"{retry.capitalize()}: Failed"])


def _expect_heard(page: Page, texts: Sequence[str]) -> None:
    """Wait until all that has been said of these tasks and runs is this, in whatever order they ended."""

    def heard() -> list[str]:
        said: list[str] = page.evaluate("window.heard")
        return sorted(text for text in said if ": " in text)

    eventually(lambda: heard() == sorted(texts) or None)


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
    run_page = page.locator(".jp-MainAreaWidget .orc-run-page")
    run_page.get_by_role("link", name="plain").click()
    expect(flow).to_have_count(2)  # that of the flow, which other notebooks may have, beside that of this notebook
    page.evaluate(
        """() => {
            const tabs = [...jupyterapp.shell.widgets('main')];
            jupyterapp.shell.activateById(tabs.find(tab => tab.node.querySelector('.orc-run-page')).id);
        }"""
    )
    run_page.get_by_role("link", name="plain").click()
    expect(flow.nth(1)).to_be_visible()
    expect(flow).to_have_count(2)  # the tab that was there


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
