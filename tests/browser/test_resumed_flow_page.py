"""The page of a flow's run, in ``orchestra serve``: it is resumed from a task, from all runs of one, and from one of them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from patience import PATIENCE_SECONDS
from served_pages import Service
from standalone_pages import assert_no_sideways_scrolling, axe_finds, keep_picture, open_alone

from orchestra_nb.model.states import State

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

FLOW = """
from orchestra_nb import flow, task
from orchestra_nb.task_runners import ThreadPoolTaskRunner

@task
def load():
    return list(range(12))

@task
def model(row):
    return row

@task
def report(rows):
    return sum(rows)

@flow(persist_result=True, task_runner=ThreadPoolTaskRunner)
def sales():
    return report.submit(model.map(load.submit()))
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    try:
        service.start()
        yield service
    finally:
        service.close()


def ran(service: Service, run_id: str, epoch: int) -> list[str]:
    """Return the tasks of an epoch whose code ran."""
    tasks = service.deployed.store.task_runs(run_id)
    return sorted(task.name for task in tasks if task.epoch == epoch and not task.is_cached)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)], ids=["light", "narrow"])
def test_a_flow_is_resumed_from_a_task_on_its_page(
    chromium: Browser, service: Service, scheme: str, width: int
) -> None:
    run_id = service.deployed.ask(service.deployed.deploy_flow("sales", FLOW))
    service.deployed.wait(run_id)
    with open_alone(chromium, scheme=scheme, width=width) as page:
        page.goto(f"{service.url}orchestra/runs/{run_id}?token={service.token}")

        # all runs of a mapped task, from its box
        page.get_by_role("button", name=re.compile("^model ×12")).click()
        keep_picture(page, f"resume-mapped-{scheme}-{width}")
        page.get_by_role("button", name="Resume from all runs of model…").click()
        dialog = page.get_by_role("dialog", name=re.compile("^Resume run .* from model$"))
        dialog.get_by_text("model ×12, report-0, and what the flow calls after it").wait_for()
        dialog.get_by_text("The results of other tasks that were kept").wait_for()
        assert axe_finds(page) == []
        assert_no_sideways_scrolling(page)
        keep_picture(page, f"resume-task-{scheme}-{width}")
        dialog.get_by_role("button", name="Resume").click()
        dialog.wait_for(state="detached")
        service.deployed.wait(run_id, lambda run: run.epoch == 2 and run.state.is_terminal)
        page.locator(".orc-run-header [data-state=COMPLETED]").wait_for()
        assert ran(service, run_id, 2) == sorted([*(f"model-{number}" for number in range(12)), "report-0"])

        # one of them, from its row
        page.get_by_role("tab", name="Tasks").click()
        page.get_by_label("Find a task").fill("model-7")
        page.get_by_role("button", name="model-7", exact=True).click()
        page.get_by_role("button", name="Resume from here…").click()
        dialog = page.get_by_role("dialog", name=re.compile("from model-7$"))
        dialog.get_by_text("model-7, report-0, and what").wait_for()
        dialog.get_by_role("button", name="Resume").click()
        dialog.wait_for(state="detached")
        service.deployed.wait(run_id, lambda run: run.epoch == 3 and run.state.is_terminal)
        assert ran(service, run_id, 3) == ["model-7", "report-0"]
        page.get_by_label("Find a task").fill("")
        page.locator(".orc-tasks-row[data-state=CACHED]", has_text="load-0").wait_for()

        # what became of each attempt, and why it was begun again
        page.get_by_role("button", name="attempt 3 of 3").click()
        attempts = page.get_by_role("region", name="Attempts").get_by_role("listitem")
        attempts.nth(2).wait_for()
        assert [text.splitlines()[0] for text in attempts.all_inner_texts()] == ["Attempt 3", "Attempt 2", "Attempt 1"]
        attempts.nth(0).get_by_text(re.compile("^resumed from .*model-7")).wait_for()
        assert attempts.get_by_role("button").count() == 0  # a flow has no notebook
        assert_no_sideways_scrolling(page)
        assert axe_finds(page) == []
        keep_picture(page, f"resumed-task-{scheme}-{width}")


def test_a_flow_of_no_deployment_leads_to_the_command_that_resumes_it(chromium: Browser, service: Service) -> None:
    (service.deployed.folder / "alone.py").write_text(f"{FLOW}\nsales()\n")
    command = [sys.executable, "alone.py"]
    subprocess.run(
        command,
        cwd=service.deployed.folder,
        env=service.deployed.environ,
        check=True,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    (run,) = service.deployed.store.list_runs()
    with open_alone(chromium) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"{service.url}orchestra/runs/{run.run_id}?token={service.token}")
        page.get_by_role("button", name=re.compile("^report-0")).click()
        page.get_by_role("button", name="Resume from here…").click()
        dialog = page.get_by_role("dialog", name=re.compile("from report-0$"))
        dialog.get_by_text("It is of no deployment, so no service can run it again.").wait_for()
        assert axe_finds(page) == []
        keep_picture(page, "resume-command")
        dialog.get_by_role("button", name="Copy").click()
        dialog.get_by_text("Copied.").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == f"orchestra runs retry {run.name} --from report-0"
        assert dialog.get_by_role("button").all_inner_texts() == ["Copy", "Close"]
        dialog.get_by_role("button", name="Close").click()

        # a new run of it
        page.get_by_role("button", name="Run again…").click()
        dialog = page.get_by_role("dialog", name="Run sales again")
        assert axe_finds(page) == []
        keep_picture(page, "run-again-command")
        dialog.get_by_role("button", name="Copy").click()
        dialog.get_by_text("Copied.").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == f"orchestra runs again {run.name}"


NAMED = """
from orchestra_nb import flow, task
from orchestra_nb.task_runners import ThreadPoolTaskRunner

@task
def load():
    return 1

@task(persist_result=True, task_run_name="sales of {year}")
def of_year(year):
    return year

@flow(task_runner=ThreadPoolTaskRunner)
def years():
    load.submit()
    return of_year.map([2024, 2025])
"""


def test_a_mapped_task_whose_runs_have_names_of_their_own_is_resumed_from_its_box(
    chromium: Browser, service: Service
) -> None:
    run_id = service.deployed.ask(service.deployed.deploy_flow("years", NAMED))
    service.deployed.wait(run_id)
    with open_alone(chromium) as page:
        page.goto(f"{service.url}orchestra/runs/{run_id}?token={service.token}")
        page.get_by_role("button", name=re.compile("^of_year ×2")).click()
        page.get_by_role("button", name="Resume from all runs of of_year…").click()
        dialog = page.get_by_role("dialog", name=re.compile("from of_year$"))
        dialog.get_by_text("of_year ×2, load, and what the flow calls after it").wait_for()
        assert dialog.get_by_role("definition").first.inner_text() == "Nothing"  # load, the only other one, is not kept
        keep_picture(page, "resume-nothing-kept")
        dialog.get_by_text("1 task run that completed runs again, since its result is not kept: load.").wait_for()
        dialog.get_by_text("persist_result=True, of @task or @flow").wait_for()
        assert axe_finds(page) == []
        keep_picture(page, "resume-named")
        dialog.get_by_role("button", name="Resume").click()
        dialog.wait_for(state="detached")
        service.deployed.wait(run_id, lambda run: run.epoch == 2 and run.state.is_terminal)
        assert ran(service, run_id, 2) == ["load-0", "sales of 2024", "sales of 2025"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_notebook_of_which_nothing_was_kept_is_run_as_a_whole_from_the_dialog(
    chromium: Browser, service: Service, scheme: str
) -> None:
    run_id = service.deployed.ask(service.deployed.deploy_notebook("report", "rows = 3", "rows + 1"))
    service.deployed.wait(run_id)
    path = service.deployed.folder / "report.ipynb"
    path.write_text(path.read_text().replace("rows = 3", "rows = 4"))
    with open_alone(chromium, scheme=scheme) as page:
        page.goto(f"{service.url}orchestra/runs/{run_id}?token={service.token}")
        page.get_by_role("tab", name="Tasks").click()
        page.get_by_role("button", name=re.compile("^cell 2")).click()
        page.get_by_role("button", name="Resume from here…").click()
        dialog = page.get_by_role("dialog", name=re.compile("from cell 2"))
        dialog.get_by_text("Nothing was kept of the cells above cell 2").wait_for()
        dialog.get_by_text("2 cells that completed run again: the run was made without --cache").wait_for()
        dialog.get_by_text("report.ipynb has changed since it was deployed").wait_for()
        assert axe_finds(page) == []
        keep_picture(page, f"resume-whole-{scheme}")
        dialog.get_by_role("button", name="Run all cells again").click()
        dialog.wait_for(state="detached")
        run = service.deployed.wait(run_id, lambda run: run.epoch == 2 and run.state.is_terminal)
        assert (run.state, run.fresh_from_index) == (State.COMPLETED, 0)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)], ids=["light", "narrow"])
def test_the_command_for_the_notebook_of_today_is_copied_from_the_dialog_of_a_retry(
    chromium: Browser, service: Service, scheme: str, width: int
) -> None:
    run_id = service.deployed.ask(service.deployed.deploy_notebook("report", "rows = 3", "rows / 0"))
    service.deployed.wait(run_id)
    service.deployed.deploy_notebook("report", "rows = 3", "rows / 1")
    with open_alone(chromium, scheme=scheme, width=width) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"{service.url}orchestra/runs/{run_id}?token={service.token}")
        page.get_by_role("button", name="Retry", exact=True).click()
        dialog = page.get_by_role("dialog", name=re.compile("^Retry run "))
        dialog.get_by_text("report.ipynb was deployed anew since: it runs as it was then.").wait_for()
        assert (
            dialog.get_by_label("As it is deployed now", exact=True).input_value() == "orchestra deployments run report"
        )
        assert axe_finds(page) == []
        assert_no_sideways_scrolling(page)
        keep_picture(page, f"retry-code-{scheme}-{width}")
        dialog.get_by_label("As it is deployed now", exact=True).press("Enter")
        dialog.get_by_role("button", name="Copy: As it is deployed now").click()
        dialog.get_by_text("Copied.").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == "orchestra deployments run report"
        page.keyboard.press("Escape")
        dialog.wait_for(state="detached")
        page.get_by_role("button", name="Resume from here…").dblclick()
        page.get_by_role("dialog", name=re.compile("^Resume run ")).wait_for()
        assert page.get_by_role("dialog").count() == 1
    assert service.deployed.store.get_run(run_id).epoch == 1
