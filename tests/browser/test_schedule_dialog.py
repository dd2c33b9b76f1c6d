"""A notebook is scheduled from a real JupyterLab: by each kind of schedule, until its runs really start."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from expectations import expect
from lab_pages import open_lab, take_pictures, wait_until_ready
from patience import PATIENCE_SECONDS, eventually

if TYPE_CHECKING:
    from lab_pages import Lab
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

PARAMETERS = """\
from typing import Literal

needed: int  # how many rows are read
region: Literal["EU", "US"] = "EU"  # where the customers live
"""


def write_notebook(lab: Lab, name: str, *sources: str) -> None:
    """Write a notebook whose first cell has the parameters."""
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "execution_count": None, "source": source, "outputs": []}
        for n, source in enumerate(sources)
    ]
    cells[0]["metadata"] = {"tags": ["parameters"]}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    document = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (lab.root / name).write_text(json.dumps(document))


def ask(lab: Lab, path: str, method: str = "GET", body: object = None) -> dict[str, Any]:
    """Ask the REST API, past the browser."""
    return ask_lab(lab, f"orchestra/api/v1/{path}", method, body)


def ask_lab(lab: Lab, path: str, method: str = "GET", body: object = None) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{lab.url}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"token {lab.token}"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found


def spec_of(lab: Lab, name: str) -> dict[str, Any]:
    found: dict[str, Any] = ask(lab, f"deployments/{name}")["spec"]
    return found


def open_schedule(page: Page, lab: Lab, name: str) -> Locator:
    """Open the dialog for a notebook that is not open itself."""
    open_lab(page, lab)
    return reopen(page, name)


def reopen(page: Page, name: str) -> Locator:
    page.evaluate("path => void jupyterapp.commands.execute('orchestra:schedule-notebook', {path})", name)
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("tab", name="Calendar").wait_for()
    return dialog


def field(dialog: Locator, name: str) -> Locator:
    return dialog.locator(f"[name={name}]")


def primary(dialog: Locator) -> Locator:
    return dialog.locator(".jp-Dialog-footer .jp-mod-accept")


def send(dialog: Locator) -> None:
    primary(dialog).click()
    dialog.wait_for(state="detached")


def has_focus(locator: Locator) -> bool:
    return bool(locator.evaluate("node => node === document.activeElement"))


@pytest.fixture(autouse=True)
def no_deployment_stays(jupyterlab: Lab) -> Iterator[None]:
    """Leave the store of the session without a deployment that a service would start."""
    yield
    for one in ask(jupyterlab, "deployments")["deployments"]:
        ask(jupyterlab, f"deployments/{one['name']}", "DELETE")


@pytest.fixture
def serve(jupyterlab: Lab) -> Iterator[Callable[[], None]]:
    """Have a service start the runs of the server's store, until the end of the test."""
    services: list[subprocess.Popen[str]] = []

    def start() -> None:
        command = [sys.executable, "-m", "orchestra_nb", "serve", "--no-server", "--no-commands"]
        service = subprocess.Popen(
            command, cwd=jupyterlab.root, env=jupyterlab.environ, stderr=subprocess.PIPE, text=True
        )
        services.append(service)
        assert service.stderr is not None
        said = [service.stderr.readline()]
        while "Ready" not in said[-1]:
            said.append(service.stderr.readline())
            assert said[-1], "".join(said)

    yield start
    for service in services:
        service.terminate()
        service.communicate(timeout=PATIENCE_SECONDS)


def test_a_notebook_is_scheduled_by_the_calendar_by_cron_and_by_an_interval(page: Page, jupyterlab: Lab) -> None:
    write_notebook(jupyterlab, "weekly.ipynb", PARAMETERS, "print(needed, region)")
    page.goto(jupyterlab.notebook_url("weekly.ipynb"))
    wait_until_ready(page)
    # changed, so that it is saved before it is deployed
    page.evaluate("jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel.source += '\\nprint(\"saved\")'")
    page.locator(".jp-NotebookPanel-toolbar [data-jp-item-name=orchestra-run] button").click()
    page.locator('.lm-Menu-item[data-command="orchestra:schedule-notebook"]').click()
    dialog = page.get_by_role("dialog")
    words = dialog.locator(".orc-preview-words")

    # it says in words what stands there, and what the button would do
    words.filter(has_text="at 09:00").wait_for()
    expect(dialog.locator(".orc-preview tbody tr")).to_have_count(5)
    expect(primary(dialog)).to_have_text(re.compile("^Schedule from "))
    expect(dialog.get_by_role("note")).to_contain_text("Nothing is running that would start this.")
    expect(dialog.get_by_role("note")).to_contain_text("orchestra service install")
    take_pictures(page, "schedule-calendar", dialog)

    # the clocks of the schedule and of the reader, with the change in spring
    dialog.get_by_label("Time zone").fill("America/New_York")
    words.filter(has_text="America/New_York").wait_for()
    dialog.get_by_label("How often").select_option("On a day of the month")
    field(dialog, "monthDay").select_option("Last")
    field(dialog, "time").fill("17:30")
    words.filter(has_text="17:30").wait_for()
    expect(words).to_contain_text("last day")
    expect(dialog.locator(".orc-preview th")).to_have_count(2)
    expect(dialog.locator(".orc-preview th").first).to_have_text("America/New_York")
    take_pictures(page, "schedule-zones", dialog.locator(".orc-preview"))

    # a parameter without a default must be given
    primary(dialog).click()
    needed = dialog.get_by_label("Needed")
    dialog.get_by_role("alert").filter(has_text="Fill this in.").wait_for()
    expect(needed).to_be_focused()
    needed.fill("3")
    send(dialog)
    page.get_by_text("The deployment weekly is made. Its next run: ").wait_for()
    spec = spec_of(jupyterlab, "weekly")
    assert spec["schedules"] == [
        {"rrule": "FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=17;BYMINUTE=30", "timezone": "America/New_York"}
    ]
    assert (spec["parameters"], spec["concurrency"]) == ({"needed": 3}, 1)
    assert "saved" in (jupyterlab.root / "weekly.ipynb").read_text()

    # a second deployment of it, by cron; a wrong expression is told at its field as it is typed
    dialog = reopen(page, "weekly.ipynb")
    dialog.get_by_label("Deployment", exact=True).select_option("A new one")
    dialog.get_by_role("tab", name="Cron").click()
    cron = dialog.get_by_label("Cron expression")
    cron.fill("0 25 * * *")
    error = dialog.get_by_role("alert").filter(has_text="The hour '25'")
    error.wait_for()
    expect(cron).to_have_attribute("aria-invalid", "true")
    expect(cron).to_have_attribute("aria-describedby", re.compile(re.escape(error.get_attribute("id") or "no id")))
    expect(primary(dialog)).to_have_text("Schedule")
    expect(cron).to_be_focused()
    take_pictures(page, "schedule-bad-cron", dialog)
    # what a change of the clock does to it is marked
    cron.fill("30 2 * * *")
    dialog.get_by_label("Time zone").fill("Europe/Berlin")
    dialog.get_by_text("More options").click()
    field(dialog, "start").fill("2027-03-27T00:00")
    note = dialog.locator(".orc-preview-note").filter(has_text="clocks go forward: 02:30 does not exist, due at 03:00")
    note.wait_for()
    cron.and_(page.locator(":not([aria-invalid])")).wait_for()
    take_pictures(page, "schedule-clocks", note)
    field(dialog, "start").fill("")
    dialog.get_by_label("Time zone").fill("UTC")
    cron.fill("0 7 * * 1-5")
    words.filter(has_text="07:00").wait_for()
    expect(field(dialog, "name")).to_have_value("weekly-2")
    dialog.get_by_label("Needed").fill("4")
    dialog.get_by_label("Region").select_option("US")
    dialog.get_by_label("If a run is missed").select_option("Skip them")
    dialog.get_by_label("If the last run is still going").select_option("Stop the running one")
    dialog.get_by_label("Runs at once").fill("2")
    dialog.get_by_label("Spread starts over").fill("5m")
    dialog.get_by_label("Retries after a failure").fill("2")
    dialog.get_by_label("Time limit").fill("half an hour")
    primary(dialog).click()
    dialog.get_by_role("alert").filter(has_text="'half an hour' is no duration").wait_for()
    expect(dialog.get_by_label("Time limit")).to_be_focused()
    take_pictures(page, "schedule-options", dialog.get_by_label("Time limit"))
    dialog.get_by_label("Time limit").fill("30m")
    send(dialog)
    spec = spec_of(jupyterlab, "weekly-2")
    assert spec["schedules"][0]["cron"] == "0 7 * * 1-5"
    assert (spec["schedules"][0]["catchup"], spec["schedules"][0]["jitter"]) == ("skip", "5m")
    assert (spec["concurrency"], spec["on_conflict"], spec["retries"], spec["timeout"]) == (
        2,
        "cancel-running",
        2,
        "30m",
    )
    assert spec["parameters"] == {"needed": 4, "region": "US"}

    # a name that is taken is told at the name
    dialog = reopen(page, "weekly.ipynb")
    dialog.get_by_label("Deployment", exact=True).select_option("A new one")
    field(dialog, "name").fill("weekly")
    dialog.get_by_role("tab", name="Every").click()
    field(dialog, "count").fill("15")
    dialog.get_by_label("Unit").select_option("minutes")
    words.filter(has_text="Every 15 minutes").wait_for()
    dialog.get_by_label("Needed").fill("5")
    primary(dialog).click()
    dialog.get_by_role("alert").filter(has_text="There is a deployment 'weekly' already.").wait_for()
    expect(field(dialog, "name")).to_be_focused()
    field(dialog, "name").fill("often")
    send(dialog)
    assert spec_of(jupyterlab, "often")["schedules"][0]["every"] == "15m"


def test_a_deployment_is_changed_paused_resumed_and_deleted_and_nobody_is_overwritten(
    page: Page, jupyterlab: Lab
) -> None:
    write_notebook(jupyterlab, "daily.ipynb", "n = 1", "print(n)")
    body = {
        "notebook": str(jupyterlab.root / "daily.ipynb"),
        "schedules": [{"cron": "0 7 * * *", "timezone": "Europe/Berlin", "days_off": ["2099-12-25"]}],
        "tags": {"team": "a"},
        "parameters": {"n": 7},
    }
    ask(jupyterlab, "deployments/daily", "PUT", body)
    ask(jupyterlab, "notifications/channels/chat", "PUT", {"address": "jsons://example.org/x"})
    dialog = open_schedule(page, jupyterlab, "daily.ipynb")

    # it is shown as it is
    expect(dialog.get_by_role("tab", name="Cron")).to_have_attribute("aria-selected", "true")
    expect(dialog.get_by_label("Cron expression")).to_have_value("0 7 * * *")
    expect(dialog.get_by_label("Time zone")).to_have_value("Europe/Berlin")
    expect(field(dialog, "n")).to_have_value("7")
    overlap = dialog.get_by_label("If the last run is still going").locator("option:checked")
    expect(overlap).to_have_text("Run both at once")
    expect(dialog.get_by_label("Runs at once")).to_be_hidden()
    primary(dialog).filter(has_text="Save, next ").wait_for()
    take_pictures(page, "schedule-existing", dialog)

    dialog.get_by_role("button", name="Pause").click()
    dialog.get_by_role("button", name="Resume").wait_for()
    assert ask(jupyterlab, "deployments/daily")["is_paused"] is True
    expect(primary(dialog)).to_have_text("Save, and leave it paused")
    dialog.get_by_role("button", name="Resume").click()
    dialog.get_by_role("button", name="Pause").wait_for()
    assert ask(jupyterlab, "deployments/daily")["is_paused"] is False

    # somebody else changes it meanwhile
    ask(jupyterlab, "deployments/daily", "PUT", {**body, "retries": 3})
    dialog.get_by_label("Cron expression").fill("0 8 * * *")
    dialog.locator(".orc-preview-words").filter(has_text="08:00").wait_for()
    primary(dialog).click()
    problem = dialog.get_by_role("alert").filter(has_text="has version 2 by now, not 1")
    problem.wait_for()
    take_pictures(page, "schedule-conflict", dialog)
    dialog.get_by_role("button", name="Read it again").click()
    problem.wait_for(state="hidden")
    expect(dialog.get_by_label("Cron expression")).to_have_value("0 7 * * *")
    dialog.get_by_label("Cron expression").fill("0 8 * * *")
    dialog.get_by_label("Notify").select_option("chat")
    send(dialog)
    page.get_by_text("The deployment daily is changed.").wait_for()
    spec = spec_of(jupyterlab, "daily")
    assert (spec["retries"], spec["tags"], spec["parameters"]) == (3, {"team": "a"}, {"n": 7})
    assert spec["schedules"] == [{"cron": "0 8 * * *", "timezone": "Europe/Berlin", "days_off": ["2099-12-25"]}]

    # who is told is a rule of the deployment's own
    rule = {"name": "daily", "channels": ["chat"], "deployments": ["daily"]}
    assert ask(jupyterlab, "notifications/rules")["rules"] == [rule]
    dialog = reopen(page, "daily.ipynb")
    expect(dialog.get_by_label("Notify").locator("option:checked")).to_have_text("chat")
    dialog.get_by_label("Notify").select_option("Nobody")
    send(dialog)
    assert ask(jupyterlab, "notifications/rules")["rules"] == []

    # what is deleted is asked for first
    dialog = reopen(page, "daily.ipynb")
    dialog.get_by_role("button", name="Delete…").click()
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    take_pictures(page, "schedule-delete", dialog)
    dialog.get_by_role("button", name="Delete it").click()
    dialog.wait_for(state="detached")
    page.get_by_text("The deployment daily is deleted; its runs stay.").wait_for()
    assert "daily" not in [one["name"] for one in ask(jupyterlab, "deployments")["deployments"]]


def test_a_schedule_of_seconds_starts_runs_that_the_side_bar_shows(
    page: Page, jupyterlab: Lab, serve: Callable[[], None]
) -> None:
    write_notebook(jupyterlab, "ticking.ipynb", "n = 1", "print('tick', n)")
    serve()
    dialog = open_schedule(page, jupyterlab, "ticking.ipynb")
    expect(dialog.get_by_role("note")).to_have_text("A service is up that starts the runs.")
    dialog.get_by_role("tab", name="Every").click()
    field(dialog, "count").fill("3")
    dialog.get_by_label("Unit").select_option("seconds")
    dialog.locator(".orc-preview-words").filter(has_text="Every 3 seconds").wait_for()
    take_pictures(page, "schedule-every", dialog)
    send(dialog)

    page.evaluate("void jupyterapp.commands.execute('orchestra:open-panel')")
    run = page.locator("#orchestra-nb-panel .orc-run", has_text="ticking")
    run.get_by_title("Completed", exact=True).first.wait_for()
    take_pictures(page, "schedule-fired", page.locator("#orchestra-nb-panel"))

    dialog = reopen(page, "ticking.ipynb")
    dialog.get_by_role("button", name="Delete…").click()
    dialog.get_by_role("button", name="Delete it").click()
    dialog.wait_for(state="detached")
    # nothing of it goes on when the service ends
    eventually(lambda: None if ask(jupyterlab, "runs?state=running,pending,scheduled")["runs"] else True)


def test_the_dialog_is_used_with_the_keyboard_alone_on_a_narrow_screen(page: Page, jupyterlab: Lab) -> None:
    write_notebook(jupyterlab, "narrow.ipynb", PARAMETERS)
    dialog = open_schedule(page, jupyterlab, "narrow.ipynb")
    page.set_viewport_size({"width": 320, "height": 640})
    tab = {name: dialog.get_by_role("tab", name=name) for name in ("Every", "Calendar", "Cron")}
    expect(tab["Calendar"]).to_be_focused()
    content = dialog.locator(".jp-Dialog-content")
    assert content.evaluate("node => node.scrollWidth <= node.clientWidth")
    assert content.evaluate("node => node.getBoundingClientRect().right <= window.innerWidth")
    take_pictures(page, "schedule-narrow", dialog)

    page.keyboard.press("ArrowRight")
    expect(tab["Cron"]).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(tab["Every"]).to_be_focused()
    page.keyboard.press("Tab")
    expect(field(dialog, "count")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("2")
    dialog.locator(".orc-preview-words").filter(has_text="Every 2 hours").wait_for()
    needed = dialog.get_by_label("Needed")
    needed.wait_for()
    for _ in range(8):  # past the unit, the zone, and what the server may have said meanwhile
        if not has_focus(needed):
            page.keyboard.press("Tab")
    expect(needed).to_be_focused()
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    dialog.wait_for(state="detached")
    assert spec_of(jupyterlab, "narrow")["schedules"][0]["every"] == "2h"

    dialog = reopen(page, "narrow.ipynb")
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


def test_a_notebook_is_scheduled_from_the_file_browser(page: Page, jupyterlab: Lab) -> None:
    write_notebook(jupyterlab, "listed.ipynb", "n = 1")
    open_lab(page, jupyterlab)
    page.locator(".jp-DirListing-item[data-file-type=notebook]", has_text="listed.ipynb").click(button="right")
    page.locator('.lm-Menu-item[data-command="orchestra:schedule-notebook"]').click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("tab", name="Calendar").wait_for()
    dialog.get_by_role("button", name="Cancel").click()
    dialog.wait_for(state="detached")
    assert "listed" not in [one["name"] for one in ask(jupyterlab, "deployments")["deployments"]]


@pytest.fixture
def german(jupyterlab: Lab) -> Iterator[None]:
    """Have JupyterLab speak German."""
    settings = Path(jupyterlab.environ["JUPYTERLAB_SETTINGS_DIR"]) / "@jupyterlab/translation-extension"
    settings.mkdir()
    chosen = settings / "plugin.jupyterlab-settings"
    chosen.write_text(json.dumps({"locale": "de_DE"}))
    yield
    chosen.unlink()
    settings.rmdir()


def test_jupyterlab_in_german_has_our_words_in_german(page: Page, jupyterlab: Lab, german: None) -> None:
    write_notebook(jupyterlab, "bericht.ipynb", "region = 'EU'")
    open_lab(page, jupyterlab)

    page.evaluate("void jupyterapp.commands.execute('orchestra:schedule-notebook', {path: 'bericht.ipynb'})")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("tab", name="Kalender").wait_for()
    dialog.locator(".jp-Dialog-header", has_text="Zeitplan für bericht.ipynb").wait_for()  # which React draws later
    dialog.get_by_role("tab", name="Cron").click()
    dialog.get_by_label("Cron-Ausdruck").fill("0 9 * * 1-5")
    dialog.locator(".orc-preview-words").filter(has_text="Um 09:00, Montag bis Freitag").wait_for()
    take_pictures(page, "german-schedule", of=dialog)
    send(dialog)
    page.evaluate("jupyterapp.commands.execute('orchestra:open-panel')")
    panel = page.locator("#orchestra-nb-panel")
    panel.locator("[data-section=schedules]").get_by_text("Zeitpläne").wait_for()
    row = panel.locator(".orc-schedule[data-deployment=bericht]")
    row.wait_for()
    assert row.locator(".orc-row-message").inner_text() == "um 09:00, Montag bis Freitag, UTC"
    take_pictures(page, "german-panel", of=panel)
    assert page.evaluate("jupyterapp.commands.label('orchestra:open-panel')") == "Orchestra-Läufe anzeigen"
    assert page.evaluate("jupyterapp.commands.label('orchestra:run-notebook')") == "Als Flow ausführen…"
    titles = ask_lab(jupyterlab, "lab/api/settings/orchestra-nb:overview")
    assert titles["schema"]["title"] == "Orchestra: Seitenleiste"
