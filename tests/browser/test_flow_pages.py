"""The pages of flows of ``orchestra serve``: real runs of a flow and of a deployed notebook, one of each three failed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from expectations import expect, expect_attributes
from patience import PATIENCE_SECONDS
from served_pages import Service
from standalone_pages import assert_no_sideways_scrolling, axe_finds, keep_picture, open_alone

from orchestra_nb.model.deployments import DeploymentSchedule
from orchestra_nb.model.schedules import CronSchedule
from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

TRAINING = """\
import sys

from orchestra_nb import flow, task
from orchestra_nb.task_runners import ThreadPoolTaskRunner


@task
def load(rows):
    return list(range(rows))


@task
def fit(n):
    if n == 4:
        raise ValueError("no such region: <img src=x onerror=alert(1)>")
    return n


@task
def judge(fitted):
    return sum(fitted)


@flow(name="training/2026", task_runner=ThreadPoolTaskRunner)
def training(rows):
    return judge([one.result() for one in fit.map(load(rows))])


training(int(sys.argv[1]))
"""

NIGHTLY = (
    "from orchestra_nb import record\nprint('read', region)",
    "assert region != 'nowhere', 'no such region'\nrecord(total=3 if region == 'EU' else 4, kind='sum')",
)


@dataclass(frozen=True, slots=True)
class Made:
    """A service with runs; ``nightly`` holds the ids of the runs of the deployment, the oldest first."""

    service: Service
    nightly: tuple[str, ...]

    def open(self, page: Page, path: str) -> None:
        page.goto(f"{self.service.url}orchestra/{path}?token={self.service.token}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    service = Service(tmp_path_factory.mktemp("flows"))
    try:
        service.start()
        deployed = service.deployed
        new_year = CronSchedule(expression="0 9 1 1 *", timezone="Europe/Berlin")
        cells = {"parameters_cell": "region: str = 'EU'"}
        deployed.deploy_notebook("nightly", *NIGHTLY, **cells)
        deployment = deployed.deploy_notebook(
            "nightly", *NIGHTLY, **cells, schedules=(DeploymentSchedule(schedule=new_year),), concurrency=1
        )
        nightly = []
        for region in ("EU", "nowhere", "US"):
            nightly.append(deployed.ask(deployment, region=region))
            deployed.wait(nightly[-1])
        (deployed.folder / "training.py").write_text(TRAINING)
        for rows in (3, 6, 4):
            command = [sys.executable, "training.py", str(rows)]
            ended = subprocess.run(
                command, cwd=deployed.folder, env=deployed.environ, capture_output=True, timeout=PATIENCE_SECONDS
            )
            assert (ended.returncode == 0) == (rows < 5), ended
        yield Made(service, tuple(nightly))
    finally:
        service.close()


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 320)], ids=["light", "dark", "narrow"]
)
def test_a_flow_shows_its_history_and_two_of_its_runs_compared(
    chromium: Browser, made: Made, scheme: str, width: int
) -> None:
    found = {}
    with open_alone(chromium, scheme=scheme, width=width) as page:

        def look(name: str) -> None:
            found[name] = axe_finds(page)
            keep_picture(page, f"flow-{name}-{scheme}-{width}")
            assert_no_sideways_scrolling(page)

        made.open(page, "flows")
        row = page.locator("[data-orchestra-flow=nightly]")
        row.get_by_text("66 % of 3").or_(row.get_by_text("67 % of 3")).wait_for()
        expect_attributes(row.locator(".orc-outcome"), "data-state", ("COMPLETED", "FAILED", "COMPLETED"))
        look("list")

        row.get_by_role("link", name="nightly").click()
        page.get_by_role("heading", name="nightly flow").wait_for()
        page.locator(".orc-history-run").nth(2).wait_for()
        look("runs")
        boxes = page.get_by_role("checkbox")
        boxes.nth(0).check()
        boxes.nth(2).check()
        page.get_by_role("button", name="Compare").click()
        page.locator("[data-name=region][data-same=false]").wait_for()
        for name, said in {
            "region": ["region differs", "EU", "US"],
            "total": ["total differs", "3", "4"],
            "kind": ["kind", "sum", "sum"],
        }.items():
            expect(page.locator(f"[data-name={name}] > *")).to_have_text(said)
        expect(page.locator("[data-name^=cell]")).to_have_count(3)
        look("comparison")
        page.get_by_label("Only what differs").check()
        page.locator("[data-name=kind]").wait_for(state="hidden")
        page.wait_for_url(f"**?compare={made.nightly[0]},{made.nightly[2]}")
        page.reload()
        page.get_by_role("tabpanel", name="Comparison").get_by_text("Returned values").first.wait_for()

        page.get_by_role("tab", name="Tasks").click()
        page.get_by_role("rowheader", name="cell 2").wait_for()
        look("cells")
        page.get_by_role("tab", name="Schedules and versions").click()
        page.get_by_role("region", name="Versions of nightly").get_by_text("concurrency: – → 1").wait_for()
        page.get_by_text("Europe/Berlin").first.wait_for()
        look("deployments")
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)], ids=["light", "narrow"])
def test_tasks_are_shown_run_by_run_and_lead_to_the_run(chromium: Browser, made: Made, scheme: str, width: int) -> None:
    with open_alone(chromium, scheme=scheme, width=width) as page:
        made.open(page, "")
        page.locator(".orc-run-item").first.get_by_role("link", name="training/2026").click()
        page.get_by_role("heading", name="training/2026 flow").wait_for()
        page.wait_for_url("**/orchestra/flows/training%2F2026")
        page.get_by_role("tab", name="Tasks").click()
        rows = page.locator(".orc-matrix tbody tr")
        for row, (name, states) in enumerate(
            {
                "load": ("Completed", "Completed", "Completed"),
                "fit": ("Completed", "Failed", "Completed"),
                "judge": ("Completed", "not in this run", "Completed"),
            }.items()
        ):
            expect(rows.nth(row).get_by_role("rowheader")).to_have_text(name)
            # the median, then what became of it in each run
            cells = [re.compile("^"), *(re.compile(rf"^{state}(,|$)") for state in states)]
            expect(rows.nth(row).locator("td")).to_have_text(cells)
        expect(rows).to_have_count(3)
        expect(page.locator("[data-task=fit] .orc-outcome[data-state=FAILED]")).to_have_attribute(
            "title", re.compile(".")
        )
        assert axe_finds(page) == []
        assert_no_sideways_scrolling(page)
        keep_picture(page, f"flow-tasks-{scheme}-{width}")

        bars = page.locator(".orc-history-run")
        bars.last.focus()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Enter")
        page.locator(".orc-run-header [data-state=FAILED]").wait_for()
        page.locator(".orc-run-header").get_by_role("link", name="training/2026").click()
        page.locator(".orc-history-run").first.wait_for()


def test_a_run_that_is_made_comes_without_a_reload_and_an_unknown_flow_is_said(chromium: Browser, made: Made) -> None:
    deployed = made.service.deployed
    with open_alone(chromium) as page:
        made.open(page, "flows/nosuch")
        page.get_by_role("alert").get_by_text("No run and no deployment has a flow 'nosuch'").wait_for()
        made.open(page, "flows/late")
        page.get_by_role("alert").wait_for()
        deployment = deployed.deploy_notebook("late", "print('here')")
        made.open(page, "flows/late")
        page.get_by_text("This flow has not run yet.").wait_for()
        assert axe_finds(page) == []

        run = deployed.wait(deployed.ask(deployment))

        assert run.state is State.COMPLETED
        page.locator(".orc-history-run[data-state=COMPLETED]").wait_for()
