"""A notebook with parameters is run as a flow from a real JupyterLab: its form, its errors, its run in the side bar."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from expectations import expect
from lab_pages import open_lab, take_pictures, wait_until_ready

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

IMPORTS = """\
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Literal

from pydantic import Field

from orchestra_nb.variables import Secret


class Unit(Enum):
    PIECES = "pieces"
    KILOGRAMS = "kg"
"""

PARAMETERS = """\
rows: Annotated[int, Field(ge=1)]  # how many rows are read
share: Annotated[float, Field(gt=0, le=1)] = 0.5  # of the rows that are shown
region: Literal["EU", "US"] = "EU"  # where the customers live
unit: Unit = Unit.PIECES
day: date = date(2026, 3, 1)  # the first day
at: datetime = datetime(2026, 3, 1, 8, 30)
limit: int | None = None
tags: list[str] = ["new", "old"]
is_final: bool = False  # whether this is sent to everybody
token: Secret = Secret("")  # for the API
note = "none"
"""

USE = """\
print(rows, share, region, unit, day, at, limit, tags, is_final, len(token.get()), note)
"""


def write_notebook(lab: Lab, name: str, *sources: str) -> None:
    """Write a notebook whose second cell, if there is one, has the parameters."""
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "execution_count": None, "source": source, "outputs": []}
        for n, source in enumerate(sources)
    ]
    if len(cells) > 1:
        cells[1]["metadata"] = {"tags": ["parameters"]}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    document = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (lab.root / name).write_text(json.dumps(document))


def test_a_notebook_is_run_as_a_flow_with_a_form_for_its_parameters(page: Page, jupyterlab: Lab) -> None:
    write_notebook(jupyterlab, "sales.ipynb", IMPORTS, PARAMETERS, USE)
    page.goto(jupyterlab.notebook_url("sales.ipynb"))
    wait_until_ready(page)
    # changed, so that it is saved before it runs
    page.evaluate("jupyterapp.shell.currentWidget.content.widgets[2].model.sharedModel.source += 'print(\"saved\")'")
    page.locator(".jp-NotebookPanel-toolbar [data-jp-item-name=orchestra-run] button").click()
    page.locator('.lm-Menu-item[data-command="orchestra:run-notebook"]').click()
    dialog = page.get_by_role("dialog")
    rows, share = dialog.get_by_label("Rows"), dialog.get_by_label("Share")
    rows.wait_for()
    expect(rows).to_be_focused()
    expect(share).to_have_value("0.5")
    take_pictures(page, "run-form", dialog)

    # what can be seen here is told at once, at its field, and the first wrong one has the focus
    share.fill("2")
    dialog.get_by_label("Tags").fill('["new"')
    dialog.get_by_role("button", name="Run").click()
    errors = dialog.get_by_role("alert")
    expect(errors).to_have_text(["Fill this in.", "At most 1.", re.compile("^This is no JSON: ")])
    expect(rows).to_have_attribute("aria-invalid", "true")
    expect(rows).to_be_focused()
    take_pictures(page, "run-errors", dialog)

    # all else is told by the server, at its field too
    rows.fill("12")
    share.fill("0.25")
    dialog.get_by_label("Tags").fill('["new", 1]')
    dialog.get_by_label("Region").select_option("US")
    dialog.get_by_label("Token").fill("S3cr3t-hunter2")
    rows.press("Enter")
    tags_error = errors.filter(has_text="[1]")
    tags_error.wait_for()
    expect(dialog.get_by_label("Tags")).to_be_focused()
    take_pictures(page, "run-server-error", dialog)
    dialog.get_by_label("Tags").fill('["new"')
    dialog.get_by_label("Tags").press("Enter")  # a line of its own
    dialog.get_by_label("Tags").press("]")
    expect(dialog.get_by_label("Tags")).to_have_value('["new"\n]')
    dialog.get_by_role("button", name="Run").click()
    dialog.wait_for(state="detached")

    page.get_by_role("button", name="Show", exact=True).click()
    run = page.locator("#orchestra-nb-panel .orc-run", has_text="sales")
    run.get_by_title("Completed", exact=True).wait_for()
    take_pictures(page, "run-in-panel", page.locator("#orchestra-nb-panel"))
    output = next(jupyterlab.root.glob("sales.*.ipynb")).read_text()
    assert "12 0.25 US Unit.PIECES 2026-03-01 2026-03-01 08:30:00 None ['new'] False 14 none" in output
    assert "saved" in output
    assert "hunter2" not in output

    # the next time the form can start from that run; the secret is not kept
    page.evaluate("void jupyterapp.commands.execute('docmanager:open', {path: 'sales.ipynb'})")
    page.evaluate("void jupyterapp.commands.execute('orchestra:run-notebook', {path: 'sales.ipynb'})")
    preset = dialog.get_by_label("Start from")
    preset.select_option(index=1)
    expect(preset.locator("option:checked")).to_have_text(re.compile("^As in run "))
    expect(rows).to_have_value("12")
    expect(share).to_have_value("0.25")
    expect(dialog.get_by_label("Region").locator("option:checked")).to_have_text("US")
    expect(dialog.get_by_label("Token")).to_have_attribute("placeholder", "is not kept: give it again")
    take_pictures(page, "run-preset", dialog)
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


def test_a_notebook_without_parameters_is_run_from_the_file_browser(page: Page, jupyterlab: Lab) -> None:
    write_notebook(jupyterlab, "plain.ipynb", "print('plain')")
    open_lab(page, jupyterlab)
    item = page.locator(".jp-DirListing-item[data-file-type=notebook]", has_text="plain.ipynb")
    item.click(button="right")
    page.locator('.lm-Menu-item[data-command="orchestra:run-notebook"]').click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("This notebook takes no parameters.").wait_for()
    take_pictures(page, "run-plain", dialog)
    page.keyboard.press("Enter")

    page.get_by_role("button", name="Show", exact=True).click()
    page.locator("#orchestra-nb-panel .orc-run", has_text="plain").get_by_title("Completed", exact=True).wait_for()
    assert "plain\\n" in next(jupyterlab.root.glob("plain.*.ipynb")).read_text()
