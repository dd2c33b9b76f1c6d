"""The pages by the keyboard alone, in a browser and in tabs of JupyterLab: what has the focus is seen, and comes back."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from expectations import expect
from lab_pages import each_theme, open_lab, take_pictures, write_cells
from patience import PATIENCE_SECONDS
from standalone_pages import AXE, assert_no_sideways_scrolling, axe_finds, keep_picture, open_alone

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

#: A name that nobody breaks into lines.
LONG = "quarterly_revenue_reconciliation_for_all_subsidiaries_and_regions_of_the_group"
PARAMETERS = "rows: int = 3  # how many\nregion: str = 'EU'"
FAILING = "def share(n):\n    return 1 / n\n\nshare(0)"

#: What has the focus: its name, and whether that is seen; null at the end of the page.
FOCUSED = """() => {
    const node = document.activeElement;
    if (node === null || node === document.body) { return null; }
    const style = getComputedStyle(node);
    const {width, height} = node.getBoundingClientRect();
    const isMarked = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
    const name = node.getAttribute('aria-label') || node.textContent || node.name || node.className;
    return [name.trim(), isMarked && width > 0 && height > 0];
}"""

#: The levels of the headings that are seen, in their order.
HEADINGS = """[...document.querySelectorAll('main :is(h1, h2, h3, h4, h5, h6)')]
    .filter(node => node.offsetParent !== null).map(node => Number(node.tagName[1]))"""


@pytest.fixture(scope="module")
def runs(jupyterlab: Lab) -> dict[str, str]:
    """Runs of notebooks with and without a failure, one with a long name; flow to run id."""
    for name, cell in (("sales", "print(rows)"), ("report", FAILING), (LONG, FAILING)):
        write_cells(jupyterlab, f"{name}.ipynb", PARAMETERS, cell)
        path = jupyterlab.root / f"{name}.ipynb"
        document = json.loads(path.read_text())
        document["cells"][0]["metadata"]["tags"] = ["parameters"]
        path.write_text(json.dumps(document))
        orchestra(jupyterlab, "run", path.name)
    orchestra(jupyterlab, "variables", "set", "regions", '["EU"]')
    orchestra(jupyterlab, "deploy", "sales.ipynb", "--cron", "0 8 * * *")
    listed = json.loads(orchestra(jupyterlab, "runs", "ls", "--json"))
    return {run["flow_name"]: run["run_id"] for run in listed["runs"]}


def orchestra(lab: Lab, *words: str) -> str:
    """Return what a command of the user's shell prints; a run may fail."""
    command = [sys.executable, "-P", "-m", "orchestra_nb", *words]
    done = subprocess.run(
        command, env=lab.environ, cwd=lab.root, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 0 or words[0] == "run", done.stderr
    return done.stdout


def walk(page: Page) -> list[tuple[str, bool]]:
    """Go through the page by Tab: what has the focus each time, and whether that is seen."""
    stops: list[tuple[str, bool]] = []
    while len(stops) < 200:
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        if stop is None:
            break
        stops.append((stop[0], stop[1]))
    return stops


def test_the_focus_is_seen_at_each_stop_and_headings_are_an_outline(
    chromium: Browser, jupyterlab: Lab, runs: dict[str, str]
) -> None:
    with open_alone(chromium) as page:
        page.goto(f"{jupyterlab.url}orchestra/?token={jupyterlab.token}")
        page.locator(".orc-run-item").first.wait_for()
        for path, ready in {
            "": ".orc-run-item",
            f"runs/{runs['report']}": ".orc-failure h2",
            "flows": ".orc-flow-list tbody tr",
            "flows/sales": ".orc-history-run",
            "dead-letters": ".orc-page h1",
            "variables": "tbody tr",
            "automations": ".orc-page h1",
            "runs/nobody": ".orc-problem",
            "service": "dl",
        }.items():
            page.goto(f"{jupyterlab.url}orchestra/{path}")
            page.locator(ready).first.wait_for()

            stops = walk(page)

            assert [name for name, is_seen in stops if not is_seen] == [], path
            assert "Flows" in [name for name, _ in stops], path
            levels = page.evaluate(HEADINGS)
            assert levels[0] == 1, path
            assert all(later <= before + 1 for before, later in pairwise(levels)), path


def test_a_dialog_gives_the_focus_back_to_what_opened_it(
    chromium: Browser, jupyterlab: Lab, runs: dict[str, str]
) -> None:
    with open_alone(chromium) as page:
        page.goto(f"{jupyterlab.url}orchestra/?token={jupyterlab.token}")
        for path, names in {
            f"runs/{runs['sales']}": ["Run again…", "Set state…"],
            f"runs/{runs['report']}": ["Resume from here…"],
            "variables": ["Set a variable…", "Change… regions", "Delete… regions"],
            "automations": ["New automation…"],
            "webhooks": ["New webhook…"],
            "notifications": ["New channel…"],
            "pools": ["Change… default"],
        }.items():
            page.goto(f"{jupyterlab.url}orchestra/{path}")
            for name in names:
                button = page.get_by_role("button", name=name, exact=True).first
                button.focus()
                page.keyboard.press("Enter")
                dialog = page.get_by_role("dialog")
                dialog.wait_for()
                assert dialog.evaluate("node => node.contains(document.activeElement)"), name
                page.keyboard.press("Escape")
                dialog.wait_for(state="detached")
                expect(button).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_long_names_stay_within_a_narrow_window(
    chromium: Browser, jupyterlab: Lab, runs: dict[str, str], scheme: str
) -> None:
    with open_alone(chromium, scheme=scheme, width=320) as page:
        page.goto(f"{jupyterlab.url}orchestra/?token={jupyterlab.token}")
        for path, ready in {
            "": ".orc-run-item",
            f"runs/{runs[LONG]}": ".orc-failure h2",
            "flows": ".orc-flow-list tbody tr",
            f"flows/{LONG}": ".orc-history-run",
            "dead-letters": ".orc-page h1",
            "service": "dl",
        }.items():
            page.goto(f"{jupyterlab.url}orchestra/{path}")
            page.locator(ready).first.wait_for()
            assert_no_sideways_scrolling(page)
            assert axe_finds(page) == [], path
            keep_picture(page, f"long-names-{path.split('/')[0] or 'list'}-{scheme}")


def test_pages_are_tabs_of_jupyterlab_that_axe_finds_nothing_in(
    page: Page, jupyterlab: Lab, runs: dict[str, str]
) -> None:
    if AXE.exists():
        page.context.add_init_script(path=AXE)
    open_lab(page, jupyterlab)
    shown = ".jp-MainAreaWidget:not(.lm-mod-hidden) .orc-page"
    found: dict[str, list[list[str]]] = {}

    def look(name: str, place: str) -> None:
        page.locator(place).first.wait_for()
        for theme in each_theme(page):
            found[f"{name}, {theme}"] = axe_finds(page, place)
        take_pictures(page, f"tab-{name}", page.locator(place).first)

    for path, ready in {
        "": ".orc-run-item",
        "flows": ".orc-flow-list tbody tr",
        "flows/sales": ".orc-history-run",
        "dead-letters": ".orc-list-bar",
        "notifications": ".orc-list-bar",
        "pools": "tbody tr",
        "variables": "tbody tr",
        "automations": ".orc-list-bar",
        "webhooks": ".orc-list-bar",
    }.items():
        page.evaluate("path => void jupyterapp.commands.execute('orchestra:open-page', {path})", path)
        page.locator(f"{shown} {ready}").first.wait_for()
        look(path or "runs", shown)
    page.get_by_role("button", name="New webhook…").click()
    look("dialog", "dialog")
    page.keyboard.press("Escape")
    assert {name: wrong for name, wrong in found.items() if wrong} == {}

    # what a page keeps in its own address is not put into that of JupyterLab
    page.evaluate("void jupyterapp.commands.execute('orchestra:open-page', {path: ''})")
    page.locator(shown).get_by_label("State").select_option("Failed")
    page.locator(f"{shown} .orc-run-item[data-state=COMPLETED]").first.wait_for(state="detached")
    assert "/lab" in page.url
    page.locator(shown).get_by_role("link", name="report", exact=True).first.click()
    page.locator(".orc-flow-page:visible").get_by_role("heading", name="report").wait_for()
    assert "/lab" in page.url


def test_a_page_has_the_room_of_its_tab_and_not_of_the_window(
    page: Page, jupyterlab: Lab, runs: dict[str, str]
) -> None:
    open_lab(page, jupyterlab)
    page.evaluate("void jupyterapp.commands.execute('orchestra:open-page', {path: 'variables'})")
    row = page.locator(".orc-page:visible tbody tr").first
    row.wait_for()
    assert row.evaluate("node => getComputedStyle(node).display") == "table-row"

    page.evaluate(
        """() => {
            const {shell} = jupyterapp;
            shell.add(shell.currentWidget, 'main', {mode: 'split-right'});
            document.querySelector('.orc-page-widget').style.maxWidth = '320px';
        }"""
    )

    page.wait_for_function("getComputedStyle(document.querySelector('.orc-page tbody tr')).display === 'block'")


def test_a_badge_that_cannot_be_read_and_a_form_without_earlier_runs_say_so(
    page: Page, jupyterlab: Lab, runs: dict[str, str]
) -> None:
    away = {"code": "store_unavailable", "detail": "The store is away.", "status": 503}
    refuse = {"status": 503, "content_type": "application/problem+json", "body": json.dumps(away)}
    page.route("**/orchestra/api/v1/presence*", lambda route: route.fulfill(**refuse))
    open_lab(page, jupyterlab)
    page.get_by_text("Failures are not told here before the panel was open").first.wait_for()

    page.unroute("**/orchestra/api/v1/presence*")
    page.route("**/orchestra/api/v1/runs?flow=sales*", lambda route: route.fulfill(**refuse))
    page.evaluate("void jupyterapp.commands.execute('orchestra:run-notebook', {path: 'sales.ipynb'})")
    dialog = page.locator(".jp-Dialog", has_text="Run sales.ipynb as a flow")
    dialog.get_by_text("Earlier runs could not be read: The store is away.").wait_for()
    assert dialog.get_by_label("Rows").input_value() == "3"
