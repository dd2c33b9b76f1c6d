"""The form of a flow that waits for people, in a real JupyterLab: usable while its cell runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from expectations import expect
from lab_pages import open_cells, take_pictures

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

REVIEW = """\
from datetime import date
from enum import Enum
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from orchestra_nb import flow, pause_flow_run
from orchestra_nb.input import RunInput


class Region(Enum):
    EUROPE = "EU"
    AMERICA = "US"


class Review(RunInput):
    rows: int = Field(gt=0, description="How many rows shall be kept?")
    share: float = 0.5
    region: Region
    speed: Literal["slow", "fast"] = "slow"
    day: date = date(2026, 3, 1)
    columns: list[str] = ["price", "amount"]
    is_final: bool = Field(default=False, title="This is the last review")
    comment: str = ""

    @field_validator("comment")
    @classmethod
    def no_shouting(cls, value):
        if value.isupper():
            raise ValueError("please do not shout")
        return value


@flow
def review():
    asked = Review.with_initial_data(description="Is what was loaded right?")
    return pause_flow_run(wait_for_input=asked, timeout=600)


found = review()
print("found", found.rows, found.share, found.region, found.day, found.columns, found.is_final, found.comment)
"""

PLAIN = """\
from orchestra_nb import flow, pause_flow_run

@flow(name="deploy")
def deploy():
    pause_flow_run(timeout=600)
    return "gone on"

deploy()
"""


def test_a_form_is_filled_in_while_its_cell_runs(page: Page, jupyterlab: Lab) -> None:
    open_cells(page, jupyterlab, "review.ipynb", REVIEW)
    form = page.locator(".orchestra-input")
    form.wait_for()
    resume = form.get_by_role("button", name="Resume")

    resume.click()
    rows = form.locator(".widget-vbox").filter(has=page.get_by_label("Rows *"))
    expect(rows.get_by_role("alert")).to_have_text("Fill this in.")
    form.get_by_label("Rows *").fill("0")
    form.get_by_label("Region *").select_option("EU")
    form.get_by_label("Comment").fill("LOUD")
    resume.click()
    rows.get_by_role("alert").filter(has_text="greater than 0").wait_for()
    take_pictures(page, "input-form", form)
    comment = form.locator(".widget-vbox").filter(has=page.get_by_label("Comment"))
    expect(comment.get_by_role("alert")).to_contain_text("please do not shout")

    form.get_by_label("Rows *").fill("12")
    form.get_by_label("Comment").fill("fine")
    form.get_by_label("This is the last review").check()
    resume.click()

    found = page.locator(".jp-OutputArea-output", has_text="found 12")
    expect(found).to_have_text("found 12 0.5 Region.EUROPE 2026-03-01 ['price', 'amount'] True fine")
    expect(page.locator(".orchestra-input")).to_have_count(0)
    answered = page.locator(".jp-OutputArea-output", has_text="Resumed")
    expect(answered.locator("tr", has_text="Rows").locator("td")).to_have_text(["Rows", "12"])


def test_a_plain_pause_has_buttons_to_go_on_and_to_cancel(page: Page, jupyterlab: Lab) -> None:
    open_cells(page, jupyterlab, "plain.ipynb", PLAIN, PLAIN)
    form = page.locator(".orchestra-input")
    form.wait_for()
    take_pictures(page, "plain-pause", form)

    form.get_by_role("button", name="Resume").click()

    page.locator(".jp-OutputArea-output", has_text="gone on").wait_for()
    second = page.locator(".jp-CodeCell").nth(1).locator(".orchestra-input")
    second.get_by_role("button", name="Cancel").click()
    page.locator(".jp-OutputArea-output", has_text="Cancelled").first.wait_for()
    page.locator(".jp-CodeCell").nth(1).locator(
        ".jp-OutputArea-output", has_text="cancelled by the form in the notebook"
    ).first.wait_for()
