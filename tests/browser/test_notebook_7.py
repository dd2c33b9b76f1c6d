"""The built extension in a real Notebook 7, which has neither side bar nor tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lab_pages import take_pictures, wait_until_ready, write_cells
from patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


def test_notebook_7_runs_a_flow_cell_and_shows_it_live(chromium: Browser, jupyterlab: Lab) -> None:
    pytest.importorskip("notebook", reason="Notebook 7 is not installed. Run: pip install -e .[test]")
    write_cells(jupyterlab, "seven.ipynb", "%load_ext orchestra_nb\n%flow", "%%task nap\nimport time\ntime.sleep(2)")
    errors: list[str] = []
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    page.context.set_default_timeout(1000 * PATIENCE_SECONDS)
    page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
    page.goto(f"{jupyterlab.url}notebooks/seven.ipynb?token={jupyterlab.token}")
    wait_until_ready(page)

    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")

    flow = page.locator(".orc-flow")
    flow.locator(".orc-node[data-orchestra-task=nap][data-state=RUNNING]").wait_for()
    flow.get_by_role("tab", name="Timeline").click()
    flow.locator(".orc-bar[data-state=COMPLETED]").wait_for()
    flow.and_(page.locator("[data-state=COMPLETED]")).wait_for()
    take_pictures(page, "notebook-7", flow)
    with page.expect_popup() as opened:
        flow.get_by_role("button", name="Open").click()
    opened.value.wait_for_url("**/orchestra/runs/**")
    page.context.close()
    assert [error for error in errors if "orchestra" in error.lower()] == []  # Notebook has some of its own


def test_notebook_7_has_badges_and_runs_again_what_failed(chromium: Browser, jupyterlab: Lab) -> None:
    pytest.importorskip("notebook", reason="Notebook 7 is not installed. Run: pip install -e .[test]")
    shaky = "%%task shaky\nfrom pathlib import Path\nif not Path('mended').exists():\n    raise ValueError('not yet')"
    write_cells(jupyterlab, "again.ipynb", "%load_ext orchestra_nb\n%flow", shaky)
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    page.context.set_default_timeout(1000 * PATIENCE_SECONDS)
    page.goto(f"{jupyterlab.url}notebooks/again.ipynb?token={jupyterlab.token}")
    wait_until_ready(page)
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
    flow = page.locator(".orc-flow")
    badge = page.locator(".jp-CodeCell > .orc-cell-badge[data-cell-id=c1]")

    flow.and_(page.locator("[data-state=FAILED]")).wait_for()
    badge.and_(page.locator("[data-state=FAILED]")).wait_for(state="attached")
    (jupyterlab.root / "mended").touch()
    flow.get_by_role("button", name="Retry failed").click()

    flow.and_(page.locator("[data-state=COMPLETED]")).wait_for()
    badge.and_(page.locator("[data-state=COMPLETED]")).wait_for(state="attached")
    page.get_by_role("group", name="Task shaky").get_by_role("button", name="Completed").first.wait_for()
    take_pictures(page, "notebook-7-again", flow)
    page.context.close()
