"""The side bar's sections in a real JupyterLab: alerts, schedules and clusters, with real runs and clusters, live."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from expectations import expect, focused
from lab_pages import open_lab, open_page, take_pictures
from patience import PATIENCE_SECONDS, eventually

from tests.foreign_cluster import foreign_cluster
from tests.services.deployed import wait_until_ready

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def orchestra(lab: Lab, *words: str) -> str:
    """Return what a command of the user's shell prints."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "orchestra_nb", *words],
        env=lab.environ,
        cwd=lab.root,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def deploy(lab: Lab, name: str, source: str, *words: str) -> None:
    """Deploy a notebook of one cell, as its user would."""
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "source": source, "outputs": []}
    document = {"cells": [cell], "metadata": {"kernelspec": KERNEL}, "nbformat": 4, "nbformat_minor": 5}
    (lab.root / f"{name}.ipynb").write_text(json.dumps(document))
    orchestra(lab, "deploy", f"{name}.ipynb", *words)


@contextmanager
def service(lab: Lab) -> Iterator[None]:
    """Have a service start the runs that wait."""
    command = [sys.executable, "-P", "-m", "orchestra_nb", "serve", "--no-server"]
    process = subprocess.Popen(command, env=lab.environ, cwd=lab.root, stderr=subprocess.PIPE, text=True)
    try:
        wait_until_ready(process)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)


def open_panel(page: Page, lab: Lab) -> Locator:
    """Return the panel, connected, in a new page of JupyterLab."""
    open_lab(page, lab)
    page.evaluate("jupyterapp.commands.execute('orchestra:open-panel')")
    panel = page.locator("#orchestra-nb-panel")
    panel.locator("[data-connection=connected]").wait_for()
    return panel


def section(panel: Locator, name: str) -> Locator:
    """Return the row of a section."""
    return panel.locator(f"[data-section={name}]")


def choose(page: Page, row: Locator, command: str) -> None:
    """Choose something from the context menu of a row."""
    row.click(button="right", position={"x": 60, "y": 10})
    page.locator(f'.lm-Menu-item[data-command="{command}"]').click()


def tab_of(page: Page) -> Locator:
    """Return the tab of the panel in the side bar."""
    return page.locator("li.lm-TabBar-tab[data-id=orchestra-nb-panel]")


def test_schedules_are_seen_paused_resumed_and_run_from_the_side_bar(page: Page, jupyterlab: Lab) -> None:
    panel = open_panel(page, jupyterlab)
    section(panel, "schedules").wait_for()

    # deployed in the shell while the panel is open
    deploy(jupyterlab, "nightly", "print('done')", "--cron", "0 8 * * 1-5", "--timezone", "Europe/Berlin")
    row = panel.locator(".orc-schedule[data-deployment=nightly]")
    row.wait_for()
    expect(row.locator(".orc-row-message")).to_have_text("at 08:00, Monday through Friday, Europe/Berlin")
    time = row.locator(".orc-row-time")
    expect(time).to_have_text(re.compile("^in "))
    expect(time).to_have_attribute("title", re.compile("^Next: "))
    no_service = panel.locator(".orc-trouble", has_text="No service is up")
    no_service.wait_for()
    take_pictures(page, "schedules", panel)

    choose(page, row, "orchestra:pause-deployment")
    row.and_(page.locator("[data-paused=true]")).wait_for()
    expect(row.get_by_title("Paused", exact=True)).to_have_count(1)
    expect(time).to_have_text("paused")
    assert json.loads(orchestra(jupyterlab, "deployments", "show", "nightly", "--json"))["is_paused"] is True

    # by the keyboard alone: from the row Tab leads to its buttons
    row.focus()
    page.keyboard.press("Tab")
    expect(focused(page)).to_have_attribute("title", "Run nightly now")
    page.keyboard.press("Tab")
    expect(focused(page)).to_have_attribute("title", "Resume the schedules of nightly")
    page.keyboard.press("Enter")
    row.and_(page.locator("[data-paused=false]")).wait_for()

    # the context menu by the keyboard, too
    row.focus()
    page.keyboard.press("Shift+F10")
    page.locator('.lm-Menu-item[data-command="orchestra:run-deployment"]').wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    run = panel.locator(".orc-run[data-orchestra-run]", has_text="nightly")
    run.get_by_title("Scheduled", exact=True).wait_for()
    expect(run.locator(".orc-row-message")).to_contain_text("orchestra serve")
    with service(jupyterlab):
        run.get_by_title("Completed", exact=True).wait_for()
        no_service.wait_for(state="detached")
    no_service.wait_for()
    orchestra(jupyterlab, "deployments", "delete", "nightly")
    row.wait_for(state="detached")


def test_failures_are_told_until_they_are_seen(page: Page, chromium: Browser, jupyterlab: Lab) -> None:
    panel = open_panel(page, jupyterlab)
    deploy(jupyterlab, "churn", "customers = {}\ncustomers['EU']")
    alert = panel.locator(".orc-failed", has_text="churn")
    run = panel.locator(".orc-run[data-orchestra-run]", has_text="churn")
    status = page.locator(".orc-status-button")

    with service(jupyterlab):
        orchestra(jupyterlab, "deployments", "run", "churn")
        alert.wait_for()
        expect(alert.locator(".orc-row-error")).to_contain_text("KeyError: 'EU'")
        page.locator("li[data-id=orchestra-nb-panel][data-orchestra-badge='1']").wait_for()
        expect(tab_of(page)).to_have_attribute("title", "Orchestra Runs: 1 failure")
        status.get_by_text("1 failed").wait_for()
        take_pictures(page, "alerts", panel)

        section(panel, "alerts").get_by_role("button", name="Mark failures as seen").click()
        alert.wait_for(state="detached")
        page.wait_for_selector("li[data-id=orchestra-nb-panel]:not([data-orchestra-badge])")
        expect(tab_of(page)).to_have_attribute("title", "Orchestra Runs")
        with open_page(chromium) as other:  # remembered for the user, not for the page
            again = open_panel(other, jupyterlab)
            again.locator("[data-section=alerts] .orc-row-count").filter(has_text=re.compile(r"\d")).wait_for()
            expect(again.locator(".orc-failed")).to_have_count(0)
            other.wait_for_selector("li[data-id=orchestra-nb-panel]:not([data-orchestra-badge])")

        # retried, it fails again, and that is new
        choose(page, run, "orchestra:retry-run")
        alert.wait_for()
        choose(page, alert, "orchestra:retry-run")
        name = run.get_attribute("data-orchestra-run")
        assert name is not None
        eventually(lambda: has_failed_in_epoch(jupyterlab, name, 3) or None)

    # a click on the status bar brings the panel back
    page.evaluate("jupyterapp.shell.activateById('filebrowser')")
    panel.wait_for(state="hidden")
    status.click()
    panel.wait_for()

    # what failed for good is decided about from here
    panel.locator(".orc-letters").click()
    # that of the third try: the one before stands there until the list is read again
    letters = panel.locator(".orc-letter[data-letter$='.3']", has_text="churn")
    letters.wait_for()
    take_pictures(page, "dead-letters", panel)
    choose(page, letters, "orchestra:discard-dead-letter")
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    letters.wait_for(state="detached")


def has_failed_in_epoch(lab: Lab, name: str, epoch: int) -> bool:
    """Tell whether a run has failed in this epoch."""
    run = json.loads(orchestra(lab, "runs", "show", name, "--json"))
    run = run.get("run", run)
    return (run["epoch"], run["state"]) == (epoch, "FAILED")


def test_clusters_are_seen_with_their_workers_memory_and_dashboard(page: Page, jupyterlab: Lab, tmp_path: Path) -> None:
    panel = open_panel(page, jupyterlab)
    local = panel.locator(".orc-cluster[data-cluster=local]")
    local.wait_for()
    orchestra(jupyterlab, "cluster", "stop")
    local.get_by_text("not running; the first task starts it").wait_for()

    orchestra(jupyterlab, "cluster", "start", "--workers", "2")
    local.and_(page.locator("[data-running=true]")).wait_for()
    expect(local.locator(".orc-row-message")).to_have_text(re.compile("^2 workers · .* of "))
    local.focus()
    page.keyboard.press("ArrowRight")
    workers = panel.locator(".orc-worker")
    expect(workers.locator(".orc-row-name")).to_have_text(["worker-1", "worker-2"])
    page.keyboard.press("ArrowDown")
    expect(focused(page)).to_have_class(re.compile("orc-worker$"))

    folder = tmp_path / "far"
    folder.mkdir()
    with foreign_cluster(folder, workers=1) as cluster:
        orchestra(jupyterlab, "pools", "create", "lab", "--kind", "dask", "--cluster", cluster.address)
        far = panel.locator(f'.orc-cluster[data-cluster="{cluster.address}"]')
        link = far.get_by_role("link", name="dashboard")
        expect(link).to_have_attribute("href", re.compile("/status$"))
        expect(link).to_have_attribute("rel", "noopener noreferrer")
        take_pictures(page, "clusters", panel)
        with page.context.expect_page() as opened:
            choose(page, far, "orchestra:open-dashboard")
        opened.value.wait_for_url("http://*/status")
        opened.value.close()
    far.locator(".orc-row-error", has_text="No Dask scheduler answered").wait_for()
    orchestra(jupyterlab, "pools", "delete", "lab")
    far.wait_for(state="detached")


def test_sections_fold_remember_it_and_fit_a_narrow_window(page: Page, chromium: Browser, jupyterlab: Lab) -> None:
    panel = open_panel(page, jupyterlab)
    clusters = section(panel, "clusters")
    panel.locator(".orc-cluster").first.wait_for()

    clusters.focus()
    with page.expect_response(lambda answer: answer.request.method == "PUT" and "/settings/" in answer.url):
        page.keyboard.press("ArrowLeft")
    panel.locator(".orc-cluster").first.wait_for(state="detached")
    with open_page(chromium) as other:
        again = open_panel(other, jupyterlab)
        folded = section(again, "clusters").and_(other.locator("[aria-expanded=false]"))
        folded.wait_for()
        with other.expect_response(lambda answer: answer.request.method == "PUT" and "/settings/" in answer.url):
            folded.click()
        again.locator(".orc-cluster").first.wait_for()

        other.set_viewport_size({"width": 320, "height": 720})
        overflow = (
            "panel => [...panel.querySelectorAll('.orc-tree, .orc-row')].filter(n => n.scrollWidth > n.clientWidth)"
        )
        assert again.evaluate(f"panel => ({overflow})(panel).length") == 0
        take_pictures(other, "narrow", again)


def run_flow(lab: Lab, name: str) -> None:
    """Run a flow with this name."""
    script = f"from orchestra_nb import flow\n\n@flow(name={name!r})\ndef report():\n    pass\n\nreport()\n"
    (lab.root / "named.py").write_text(script)
    command = [sys.executable, "named.py"]
    subprocess.run(command, env=lab.environ, cwd=lab.root, check=True, capture_output=True, timeout=PATIENCE_SECONDS)


def test_a_long_name_is_cut_in_its_middle_and_that_of_its_run_goes_below(page: Page, jupyterlab: Lab) -> None:
    name = "monthly-sales-report-of-all-regions-and-branches-2026"
    run_flow(jupyterlab, name)
    panel = open_panel(page, jupyterlab)

    row = panel.locator(".orc-run", has_text=name)
    names = row.locator(".orc-row-names")
    expect(names).to_have_attribute("title", re.compile(name))
    end, alias, room = (
        row.locator(place).first.evaluate("box => box.getBoundingClientRect().toJSON()")
        for place in (".orc-row-name-end", ".orc-row-alias", ".orc-row-names")
    )
    assert row.locator(".orc-row-name-start").first.evaluate("box => box.scrollWidth > box.clientWidth")
    assert end["right"] <= room["right"] + 1
    assert alias["top"] >= end["bottom"] - 1
    assert alias["bottom"] <= room["bottom"] + 1
    take_pictures(page, "long-name", row)

    # whoever hears or copies it gets it whole, once
    run = row.get_attribute("data-orchestra-run")
    expect(row).to_have_accessible_name(re.compile(f"^Completed {name} {run} "))
    copied = names.evaluate("box => { getSelection().selectAllChildren(box); return getSelection().toString(); }")
    assert copied.split() == [name, run]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("sales\n\nof all \t regions, 2026", "sales of all regions, 2026"),
        ("تقرير المبيعات الشهري لجميع الفروع والمناطق والشركات التابعة", None),
        ("\u202egnp.exe-report-of-the-north", None),
    ],
    ids=["lines", "right-to-left", "turned"],
)
def test_names_of_every_script_begin_where_they_are_read_from_and_keep_to_their_row(
    page: Page, jupyterlab: Lab, name: str, line: str | None
) -> None:
    run_flow(jupyterlab, name)
    panel = open_panel(page, jupyterlab)

    row = panel.locator(".orc-run[data-orchestra-run]").filter(has_text=(line or name)[:12]).first
    shown = row.locator(".orc-row-name")
    expect(row).to_have_accessible_name(re.compile(f"^Completed {re.escape(line or name)} "))
    assert shown.evaluate("box => box.offsetHeight") == 20
    if line is None:
        start = row.locator(".orc-row-name-start").first
        expect(row.locator(".orc-row-name > .orc-row-name-end")).to_have_count(0)
        if name[0] != "\u202e":
            expect(start).to_have_css("direction", "rtl")
            # the first word is the one that is seen, at the right
            seen = start.evaluate(
                """box => {
                    const word = document.createRange();
                    word.setStart(box.firstChild, 0);
                    word.setEnd(box.firstChild, box.textContent.indexOf(' '));
                    const room = box.getBoundingClientRect(), at = word.getBoundingClientRect();
                    return box.scrollWidth > box.clientWidth && at.left >= room.left && at.right <= room.right + 1;
                }"""
            )
            assert seen
    take_pictures(page, f"name-{ord(name[0]):x}", row)


def test_a_call_that_fails_is_told_with_its_details(page: Page, jupyterlab: Lab) -> None:
    open_panel(page, jupyterlab)

    page.evaluate("void jupyterapp.commands.execute('orchestra:run-deployment', {deployment: 'nosuch'})")

    page.get_by_text("nosuch could not be run.").first.wait_for()
    page.get_by_role("button", name="Details").click()
    dialog = page.get_by_role("dialog")
    details = dialog.locator(".orc-details")
    expect(details).to_contain_text("Asked: POST deployments/nosuch/runs")
    expect(details).to_contain_text("Status: 404")
    take_pictures(page, "error-details", dialog)
