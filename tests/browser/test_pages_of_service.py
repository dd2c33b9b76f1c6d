"""The pages of ``orchestra serve``: a run of a deployment is retried and run again there, with the server gone in between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from expectations import expect
from served_pages import Service
from standalone_pages import axe_finds, keep_picture, open_alone

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

FAILS_ONCE = (
    "from pathlib import Path\nassert not fails or Path('mended').exists(), 'not mended yet'\nprint('done', region)"
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    try:
        service.start()
        yield service
    finally:
        service.close()


def test_a_run_of_a_deployment_is_retried_and_run_again_with_other_parameters(
    chromium: Browser, service: Service
) -> None:
    parameters = (
        "from typing import Annotated\nfrom pydantic import Field\n"
        "region: str = 'DE'\nshare: float = 0.5\nfails: bool = True\nrows: Annotated[int, Field(ge=1)] = 3\n"
        "codes: list[int] = []"
    )
    deployment = service.deployed.deploy_notebook(
        "nightly", FAILS_ONCE, parameters_cell=parameters, parameters={"region": "EU"}
    )
    run_id = service.deployed.ask(deployment, region="CH", share=0.5, fails=True)
    with open_alone(chromium) as page:
        page.goto(f"{service.url}orchestra/runs/{run_id}?token={service.token}")
        page.get_by_role("region", name="What failed").get_by_text("not mended yet").first.wait_for()
        page.wait_for_url(f"{service.url}orchestra/runs/{run_id}")
        keep_picture(page, "service-failed")

        # the page comes back with the server
        service.stop()
        page.get_by_text("No connection, trying again…").wait_for()
        page.get_by_role("button", name="Retry", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("could not be foreseen: The server did not answer.").wait_for()
        dialog.get_by_role("button", name="Retry", exact=True).click()
        dialog.get_by_role("alert").get_by_text("The server did not answer.").wait_for()
        dialog.get_by_role("button", name="Leave as it is").click()
        service.start()
        page.get_by_text("Live", exact=True).wait_for()

        (service.deployed.folder / "mended").touch()
        page.get_by_role("button", name="Retry", exact=True).click()
        dialog = page.get_by_role("dialog", name=re.compile("^Retry run"))
        dialog.get_by_text("1 cell that completed runs again: the run was made without --cache").wait_for()
        keep_picture(page, "service-retry")
        dialog.get_by_role("button", name="Retry").click()
        page.locator(".orc-run-header [data-state=COMPLETED]").wait_for()
        page.get_by_role("region", name="What failed").wait_for(state="hidden")

        # what is right all the same, or wrong, is said by hand
        page.get_by_role("button", name="Set state…").click()
        dialog = page.get_by_role("dialog", name="Set the state of run")
        dialog.get_by_label("State").select_option("Failed")
        dialog.get_by_label("Note").fill("the numbers are <b>wrong</b>")
        assert axe_finds(page) == []
        keep_picture(page, "service-set-state")
        dialog.get_by_role("button", name="Set state").click()
        page.locator(".orc-run-header [data-state=FAILED]").wait_for()
        page.get_by_text("the numbers are <b>wrong</b>").first.wait_for()

        page.get_by_role("button", name="Run again…").click()
        dialog = page.get_by_role("dialog", name="Run nightly again")
        expect(dialog.get_by_label("Region", exact=True)).to_have_value("CH")
        expect(dialog.get_by_label("Fails")).to_be_checked()
        dialog.get_by_label("Start from").select_option("The defaults")  # those of the deployment
        expect(dialog.get_by_label("Region", exact=True)).to_have_value("EU")
        dialog.get_by_label("Start from").select_option(index=0)
        expect(dialog.get_by_label("Region", exact=True)).to_have_value("CH")
        dialog.get_by_label("Share").fill("much")
        dialog.get_by_role("button", name="Run it", exact=True).click()
        dialog.get_by_text("Write a number.").wait_for()
        dialog.get_by_label("Share").fill("0.25")
        dialog.get_by_label("Region", exact=True).fill("US")
        dialog.get_by_label("Rows").fill("0")
        dialog.get_by_role("button", name="Run it", exact=True).click()
        dialog.get_by_role("alert").get_by_text("At least 1.").wait_for()
        # what only the server knows is said at the field, too
        dialog.get_by_label("Codes").fill('["x"]')
        dialog.get_by_label("Rows").fill("1")
        dialog.get_by_role("button", name="Run it", exact=True).click()
        wrong = dialog.locator("[aria-invalid=true]")
        wrong.wait_for()
        expect(wrong).to_have_attribute("name", "codes")
        assert axe_finds(page) == []
        keep_picture(page, "service-run-again")
        dialog.get_by_label("Codes").fill("[1]")
        dialog.get_by_role("button", name="Run it", exact=True).click()
        dialog.wait_for(state="detached")
        page.wait_for_url(lambda address: not address.endswith(run_id))
        page.locator(".orc-run-header [data-state=COMPLETED]").wait_for()
        page.get_by_role("tab", name="Parameters").click()
        page.get_by_role("tabpanel").get_by_text("US", exact=True).wait_for()
        page.get_by_role("tab", name="Logs").click()
        page.get_by_text("done US").wait_for()

        page.get_by_role("link", name="Service").click()
        page.get_by_role("heading", name="Services of the store").wait_for()
        page.get_by_role("link", name="Runs", exact=True).first.click()
        page.locator(".orc-run-item").nth(1).wait_for()
