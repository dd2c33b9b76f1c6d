"""Two notebooks of one name, in two folders, in a real JupyterLab: the runs of each are told apart."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from expectations import expect
from lab_pages import open_lab, take_pictures, wait_until_ready, write_cells
from patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def namesakes(jupyterlab: Lab) -> None:
    """``north/regions.ipynb``, which ran twice, and ``south/regions.ipynb``, which ran once and failed."""
    for folder, source, count in (("north", "print(1)", 2), ("south", "1 / 0", 1)):
        (jupyterlab.root / folder).mkdir()
        write_cells(jupyterlab, f"{folder}/regions.ipynb", source)
        for _ in range(count):
            command = [sys.executable, "-m", "orchestra_nb", "run", "regions.ipynb"]
            ended = subprocess.run(
                command,
                cwd=jupyterlab.root / folder,
                env=jupyterlab.environ,
                capture_output=True,
                text=True,
                timeout=PATIENCE_SECONDS,
            )
            assert (ended.returncode == 0) == (folder == "north"), ended.stderr


def test_the_runs_of_a_notebook_are_its_own_also_where_another_has_its_name(
    page: Page, jupyterlab: Lab, namesakes: None
) -> None:
    page.goto(jupyterlab.notebook_url("north/regions.ipynb"))
    wait_until_ready(page)

    page.evaluate("void jupyterapp.commands.execute('orchestra:show-notebook-runs')")

    of_north = page.locator(".orc-flow-page:visible")
    expect(of_north.locator(".orc-history-table tbody tr")).to_have_count(2)
    expect(of_north.locator(".orc-history-table [data-state=FAILED]")).to_have_count(0)
    choice = of_north.get_by_role("navigation", name="Notebooks of this name")
    expect(choice.locator("[aria-current]")).to_have_text("north/regions.ipynb")
    expect(of_north.get_by_role("heading", level=1)).to_have_text("north/regions.ipynb flow")
    take_pictures(page, "flow-of-notebook", choice)

    choice.get_by_role("link", name="south/regions.ipynb").click()

    of_south = page.locator(".orc-flow-page:visible")
    expect(page.locator("#jp-main-dock-panel .lm-mod-current", has_text="south/regions.ipynb")).to_have_count(1)
    expect(of_south.locator("[aria-current]")).to_have_text("south/regions.ipynb")
    expect(of_south.locator(".orc-history-table tbody tr")).to_have_count(1)
    expect(of_south.locator(".orc-history-table [data-state=FAILED]")).to_have_count(1)
    expect(of_south.locator(".orc-flow-facts")).to_contain_text("0 % of 1")

    # one notebook has one page, whichever way leads to it
    of_south.get_by_role("link", name="north/regions.ipynb").click()
    expect(page.locator("#jp-main-dock-panel .lm-mod-current", has_text="north/regions.ipynb")).to_have_count(1)
    tabs = page.locator("#jp-main-dock-panel .lm-TabBar-tab")
    expect(tabs.filter(has_text="north/regions.ipynb")).to_have_count(1)
    choice.get_by_role("link", name="south/regions.ipynb").click()
    of_south.get_by_role("link", name="All").click()

    every = page.locator(".orc-flow-page:visible")
    expect(every.locator("[aria-current]")).to_have_text("All")
    expect(every.locator(".orc-history-table tbody tr")).to_have_count(3)
    take_pictures(page, "flow-of-namesakes", every.locator(".orc-history-table"))


def test_lists_say_which_notebook_a_run_is_of_where_names_do_not(page: Page, jupyterlab: Lab, namesakes: None) -> None:
    open_lab(page, jupyterlab)

    page.evaluate("void jupyterapp.commands.execute('orchestra:open-page', { path: '' })")
    rows = page.locator(".orc-run-item", has_text="regions")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="south/regions.ipynb")).to_have_attribute("data-state", "FAILED")
    expect(rows.filter(has_text="north/regions.ipynb")).to_have_count(2)
    take_pictures(page, "runs-of-namesakes", rows.first)

    page.evaluate("void jupyterapp.commands.execute('orchestra:open-page', { path: 'flows' })")
    flow = page.locator(".orc-flow-list [data-orchestra-flow=regions]")
    expect(flow.get_by_role("link")).to_have_text(["regions", "south/regions.ipynb", "north/regions.ipynb"])
    take_pictures(page, "flows-of-namesakes", flow)

    page.goto(f"{jupyterlab.url}orchestra/flows/regions/south%2Fregions.ipynb?token={jupyterlab.token}")
    expect(page.locator(".orc-history-table tbody tr")).to_have_count(1)

    (jupyterlab.root / "south" / "regions.ipynb").unlink()
    page.goto(f"{jupyterlab.url}orchestra/flows/regions/south%2Fregions.ipynb?token={jupyterlab.token}")
    expect(page.locator(".orc-history-table [data-state=FAILED]")).to_have_count(1)
    assert page.url.startswith(f"{jupyterlab.url}orchestra/flows/regions/%2F")  # that of links
