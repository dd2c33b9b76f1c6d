"""The pages of lists on a real service: what they show is decided about, changed and paused by clicks."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from expectations import expect, expect_attributes
from patience import eventually
from served_pages import Service
from standalone_pages import assert_no_sideways_scrolling, axe_finds, keep_picture, open_alone
from webhook_receiver import receiving

from orchestra_nb.store.outbox_store import OutboxStore
from tests.server.webhook_messages import body_of, standard

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

FAILS_ONCE = "from pathlib import Path\nassert Path('mended').exists(), 'not mended yet'"

EMIT = """
from orchestra_nb.events import emit_event
emit_event("orders.imported", resource={"id": "orders.eu"})
"""
AUTOMATION = """
automations:
  - name: note
    when: {event: orders.imported}
    do:
      - emit: orders.noted
        resource: orders.eu
"""
EDITED = """name: two
when: [{event: orders.imported}, {success: nigthly}]
do:
  - emit: orders.seen
    resource: orders.eu
"""
UNKNOWN = "there is no deployment 'nigthly' yet. Did you mean nightly?"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    try:
        service.start()
        yield service
    finally:
        service.close()


def refreshed(page: Page) -> Page:
    """Return the page when its only list has been read anew."""
    page.get_by_role("button", name="Refresh").click()
    page.locator("table[aria-busy]").wait_for(state="detached")
    return page


def check_looks(page: Page, name: str) -> None:
    """Check what axe finds, and that nothing is lost in a narrow window; keep pictures of both themes."""
    size = page.viewport_size
    assert size is not None
    assert axe_finds(page) == []
    keep_picture(page, f"{name}-light")
    page.emulate_media(color_scheme="dark")
    assert axe_finds(page) == []
    keep_picture(page, f"{name}-dark")
    page.set_viewport_size({"width": 320, "height": 640})
    assert_no_sideways_scrolling(page)
    assert axe_finds(page) == []
    keep_picture(page, f"{name}-narrow")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(size)


def test_what_failed_for_good_is_run_again_or_discarded(chromium: Browser, service: Service) -> None:
    failing = service.deployed.deploy_notebook("nightly", FAILS_ONCE)
    runs = [service.deployed.ask(failing) for _ in range(2)]
    for run in runs:
        service.deployed.wait(run)
    script = service.deployed.folder / "hand.py"
    script.write_text(
        "from orchestra_nb import flow\n\n@flow\ndef by_hand():\n    raise ValueError('<b>no</b> rows')\n\nby_hand()\n"
    )
    subprocess.run([sys.executable, script], cwd=script.parent, env=service.deployed.environ, capture_output=True)
    with open_alone(chromium) as page:
        page.goto(f"{service.url}orchestra/dead-letters?token={service.token}")
        rows = page.locator("tbody tr")
        rows.nth(2).wait_for()
        expect(page.get_by_role("navigation").locator("[aria-current=page]")).to_have_text("Dead letters")
        hand = page.get_by_role("row", name="by-hand").first
        expect(hand).to_contain_text("<b>no</b> rows")
        hand.get_by_text("Trace", exact=True).click()
        hand.get_by_text("raise ValueError").first.wait_for()
        hand.get_by_text("Trace", exact=True).click()
        check_looks(page, "dead-letters")

        # no service has its code
        page.get_by_role("button", name="Retry by-hand").click()
        page.get_by_role("alert").get_by_text("orchestra dead-letters retry").wait_for()
        page.get_by_role("button", name="Discard… by-hand").click()
        dialog = page.get_by_role("dialog", name="Discard the dead letter of by-hand?")
        dialog.get_by_role("button", name="Keep").click()
        dialog.wait_for(state="detached")
        expect(rows).to_have_count(3)
        page.get_by_role("button", name="Discard… by-hand").click()
        dialog.get_by_label("Why (may be empty)").fill("only a trial")
        assert axe_finds(page) == []
        keep_picture(page, "dead-letters-discard")
        dialog.get_by_role("button", name="Discard", exact=True).click()
        page.get_by_role("status").get_by_text("by-hand is discarded.").wait_for()
        expect(rows).to_have_count(2)

        # it runs again, and ends well now
        (service.deployed.folder / "mended").touch()
        first = page.get_by_role("button", name="Retry nightly").first
        link = rows.first.get_by_role("link").get_attribute("href")
        assert link is not None
        first.click()
        page.get_by_role("status").get_by_text("of nightly is run again").wait_for()
        retried = link.rsplit("/", 1)[-1]
        service.deployed.wait(retried, lambda run: run.state == "COMPLETED")
        keep_picture(page, "dead-letters-retried")

        page.get_by_label("Show").select_option("Discarded")
        page.get_by_text("only a trial").wait_for()
        page.get_by_label("Show").select_option("All")
        rows.nth(2).wait_for()
        assert axe_finds(page) == []
        keep_picture(page, "dead-letters-all")
        page.locator(f"tbody a[href$='{retried}']").click()
        page.locator(".orc-run-header [data-state=COMPLETED]").wait_for()


def test_a_channel_is_tried_and_what_could_not_be_sent_is_decided_about(chromium: Browser, tmp_path: Path) -> None:
    service = Service(tmp_path)
    with receiving() as chat, contextlib.closing(service), open_alone(chromium) as page:
        said, now = service.deployed, datetime.now(UTC)
        add = [sys.executable, "-m", "orchestra_nb", "notifications", "channels", "add", "chat", "--allow-private"]
        subprocess.run(add, input=chat.url().encode(), cwd=tmp_path, env=said.environ, check=True)
        run = said.ask(said.deploy_notebook("nightly", "1"))
        outbox = OutboxStore(said.store.database)
        for moment in ("FAILED", "LATE"):
            words = {"severity": "failure", "title": f"nightly is {moment}", "body": "It <b>ended</b>."}
            assert outbox.add("team", "chat", run_id=run, moment=moment, at=now, **words)
        for lost in outbox.claim("gone", 8, now, now + timedelta(minutes=1), sending={}, most_a_channel=8):
            assert outbox.failed(lost.number, "gone", "It answered 503 Service Unavailable.", None)

        service.start()
        page.goto(f"{service.url}orchestra/notifications?token={service.token}")
        messages = page.get_by_role("table", name="Messages, the newest first").locator("tbody tr")
        messages.nth(1).wait_for()
        page.get_by_text("Text", exact=True).first.click()
        page.get_by_text("It <b>ended</b>.").first.wait_for()
        page.get_by_text("Text", exact=True).first.click()
        check_looks(page, "notifications")

        page.get_by_role("button", name="Test chat").click()
        page.get_by_role("status").get_by_text("Channel chat took a test message.").wait_for()
        chat.status = 503
        page.get_by_role("button", name="Test chat").click()
        page.get_by_role("alert").get_by_text("Channel chat did not take a message").wait_for()
        chat.status = 200

        page.get_by_role("button", name="New rule…").click()
        dialog = page.get_by_role("dialog", name="New rule")
        dialog.get_by_label("Name").fill("team")
        dialog.get_by_text("In which words").click()
        dialog.get_by_label("Title").fill("{{ nothing }}")
        assert axe_finds(page) == []
        keep_picture(page, "rule-dialog")
        dialog.get_by_role("button", name="Make the rule").click()
        dialog.get_by_role("alert").get_by_text("'nothing' is undefined").wait_for()
        dialog.get_by_label("Title").fill("<b>{{ subject }}</b>")
        dialog.get_by_role("button", name="Make the rule").click()
        page.get_by_role("status").get_by_text("Rule team tells of what happens from now on.").wait_for()
        page.get_by_role("button", name="Change… team").click()
        dialog = page.get_by_role("dialog", name="Change rule team")
        dialog.get_by_text("Of which runs").click()
        dialog.get_by_label("Tags").fill("team=data\nprod")
        page.set_viewport_size({"width": 320, "height": 640})
        assert axe_finds(page) == []
        keep_picture(page, "rule-dialog-narrow")
        page.set_viewport_size({"width": 1280, "height": 900})
        dialog.get_by_role("button", name="Change", exact=True).click()
        page.get_by_text("tag team=data, tag prod").wait_for()
        page.get_by_role("button", name="Pause team").click()
        page.get_by_role("status").get_by_text("Rule team is paused").wait_for()
        (rule,) = json.loads(said.orchestra("notifications", "rules", "ls", "--json")[1])["rules"]
        assert (rule["title"], rule["tags"], rule["is_paused"]) == (
            *("<b>{{ subject }}</b>", {"team": "data", "prod": None}),
            True,
        )
        page.get_by_role("button", name="Delete… team").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("status").get_by_text("Rule team is deleted.").wait_for()

        page.get_by_role("button", name="New channel…").click()
        dialog = page.get_by_role("dialog", name="New channel")
        dialog.get_by_label("Name").fill("ops")
        dialog.get_by_role("textbox", name="Address").fill("nosuch://secret")
        dialog.get_by_role("button", name="Make the channel").click()
        dialog.get_by_role("alert").get_by_text("no address that apprise knows").wait_for()
        dialog.get_by_role("textbox", name="Address").fill("json://example.org/secret")
        keep_picture(page, "channel-dialog")
        dialog.get_by_role("button", name="Make the channel").click()
        page.get_by_role("status").get_by_text("Channel ops is made.").wait_for()
        assert "secret" not in page.content()

        page.get_by_role("button", name="Discard… nightly is LATE").click()
        page.get_by_role("dialog").get_by_role("button", name="Discard", exact=True).click()
        page.get_by_role("status").get_by_text("nightly is LATE is discarded.").wait_for()
        page.get_by_role("button", name="Send again: nightly is FAILED").click()
        page.get_by_text("All messages could be sent.").wait_for()
        eventually(lambda: "nightly is FAILED" in chat.titles)
        assert not any("LATE" in title for title in chat.titles)


def test_pools_variables_automations_and_webhooks_are_changed(chromium: Browser, service: Service) -> None:
    deployed = service.deployed
    (deployed.folder / "orchestra.yaml").write_text(AUTOMATION)
    assert deployed.orchestra("pools", "create", "gpu", "--concurrency", "2", "--description", "cards")[0] == 0
    deployed.ask(deployed.deploy_notebook("nightly", "1", pool="gpu"))
    with open_alone(chromium) as page:
        page.goto(f"{service.url}orchestra/variables?token={service.token}")
        page.get_by_text("No variables yet.").wait_for()
        check_looks(page, "variables-empty")
        for name, value in (("regions", '["EU", "US"]'), ("day", "<b>monday</b>")):
            page.get_by_role("button", name="Set a variable…").click()
            page.get_by_role("dialog").get_by_label("Name").fill(name)
            page.get_by_role("dialog").get_by_label("Value").fill(value)
            assert axe_finds(page) == []
            keep_picture(page, "variables-dialog")
            page.get_by_role("dialog").get_by_role("button", name="Set", exact=True).click()
            page.get_by_role("status").get_by_text(f"Variable {name} is set.").wait_for()
        assert deployed.orchestra("variables", "get", "day")[1].strip() == "<b>monday</b>"
        page.get_by_role("button", name="Set a variable…").click()
        page.get_by_role("dialog").get_by_label("Name").fill("day")
        page.get_by_role("dialog").get_by_role("button", name="Set", exact=True).click()
        page.get_by_role("alert").get_by_text("There is a variable day already.").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("dialog", name="Throw away what you have written?").wait_for()
        keep_picture(page, "variables-thrown-away")
        page.get_by_role("button", name="Keep it").click()
        assert page.get_by_role("dialog").get_by_label("Name").input_value() == "day"
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Throw it away").click()
        page.get_by_role("button", name="Change… regions").click()
        page.get_by_role("dialog").get_by_label("Value").fill("[1, 2]")
        page.get_by_role("dialog").get_by_role("button", name="Set", exact=True).click()
        page.get_by_role("status").get_by_text("Variable regions is set.").wait_for()
        check_looks(page, "variables")
        page.get_by_role("button", name="Delete… day").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("status").get_by_text("Variable day is deleted.").wait_for()
        assert [one["name"] for one in json.loads(deployed.orchestra("variables", "ls", "--json")[1])["variables"]] == [
            "regions"
        ]

        page.get_by_role("link", name="Work pools").click()
        page.get_by_role("button", name="Pause gpu").click()
        page.get_by_role("status").get_by_text("Pool gpu is paused").wait_for()
        check_looks(page, "pools")
        page.get_by_role("button", name="Change… gpu").click()
        page.get_by_role("dialog").get_by_label("Runs at once").fill("5")
        page.get_by_role("dialog").get_by_role("button", name="Change", exact=True).click()
        page.get_by_role("status").get_by_text("Pool gpu is changed.").wait_for()
        (gpu,) = [
            one for one in json.loads(deployed.orchestra("pools", "ls", "--json")[1])["pools"] if one["name"] == "gpu"
        ]
        assert (gpu["concurrency"], gpu["description"], gpu["is_paused"]) == (5, "cards", True)
        page.get_by_role("button", name="Resume gpu").click()
        page.get_by_role("button", name="Pause gpu").wait_for()

        page.get_by_role("link", name="Automations").click()
        page.get_by_text("No automations yet.").wait_for()
        assert deployed.orchestra("automations", "create", "-f", "orchestra.yaml")[0] == 0
        subprocess.run([sys.executable, "-c", EMIT], cwd=deployed.folder, env=deployed.environ, check=True)
        eventually(lambda: refreshed(page).get_by_text("orders.imported").count() > 1)
        page.get_by_text("Its last firings").click()
        page.locator(".orc-firings li").first.wait_for()
        check_looks(page, "automations")
        page.get_by_role("button", name="Pause note").click()
        page.get_by_role("status").get_by_text("Automation note is paused: it does nothing.").wait_for()
        shown = json.loads(deployed.orchestra("automations", "show", "note", "--json")[1])
        assert shown["is_active"] is False

        page.get_by_role("button", name="New automation…").click()
        dialog = page.get_by_role("dialog", name="New automation")
        for refusing in ("Try on", "Make the automation"):
            dialog.get_by_role("button", name=refusing).click()
            dialog.get_by_role("alert").get_by_text("Line 6: do[0]: No channel 'CHANNEL'").wait_for()
            dialog.get_by_label("The automation").press("End")
            dialog.get_by_label("The automation").press_sequentially(" ")
        dialog.get_by_label("The automation").fill(EDITED.replace("emit:", "emits:"))
        dialog.get_by_role("button", name="Try on").click()
        dialog.get_by_role("alert").get_by_text("Line 4: do[0]").wait_for()
        assert axe_finds(page) == []
        keep_picture(page, "automation-error")
        dialog.get_by_label("The automation").fill(EDITED)
        kept = page.get_by_role("dialog", name="Throw away what you have written?")
        dialog.get_by_label("Start from").select_option(label="Run one deployment after another")
        keep_picture(page, "automation-thrown-away")
        kept.get_by_role("button", name="Keep it").click()
        expect(dialog.get_by_label("Start from")).to_have_value("0")
        for _ in range(2):  # browsers let only the first of two Escapes in a row be prevented
            page.keyboard.press("Escape")
            kept.wait_for()
            page.keyboard.press("Escape")
            kept.wait_for(state="detached")
        expect(dialog.get_by_label("The automation")).to_have_value(EDITED)
        dialog.get_by_role("button", name="Try on").click()
        dialog.get_by_text("It would have acted 1 time; nothing was done.").wait_for()
        dialog.get_by_role("status").get_by_text(UNKNOWN).wait_for()
        page.set_viewport_size({"width": 320, "height": 640})
        assert axe_finds(page) == []
        keep_picture(page, "automation-tried")
        page.set_viewport_size({"width": 1280, "height": 900})
        dialog.get_by_role("button", name="Make the automation").click()
        page.get_by_role("status").get_by_text("Automation two is made.").wait_for()
        refreshed(page).get_by_role("status").get_by_text(UNKNOWN).wait_for()
        check_looks(page, "automation-warned")
        page.get_by_role("status").get_by_role("button", name="Close").click()
        page.get_by_text(UNKNOWN).wait_for(state="detached")
        page.get_by_role("button", name="Change… two").click()
        text = page.get_by_label("The automation")
        text.fill(text.input_value().replace("orders.seen", "orders.found"))
        page.get_by_role("dialog").get_by_role("button", name="Change", exact=True).click()
        page.get_by_role("row", name="two").get_by_text("orders.found").first.wait_for()
        page.get_by_role("button", name="Delete… two").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("status").get_by_text("Automation two is deleted.").wait_for()

        page.get_by_role("link", name="Webhooks").click()
        page.get_by_text("No webhooks yet.").wait_for()
        page.get_by_role("button", name="New webhook…").click()
        dialog = page.get_by_role("dialog", name="New webhook")
        dialog.get_by_label("Name").fill("a/b")
        offered = dialog.get_by_label("Runs the deployment").get_attribute("list")
        expect_attributes(page.locator(f"[id='{offered}'] option"), "value", ("nightly",))
        dialog.get_by_label("Secret of the sender").fill("whsec_x")
        dialog.get_by_role("button", name="Show", exact=True).click()
        dialog.locator("[name=secret][type=text]").wait_for()
        dialog.get_by_label("Secret of the sender").fill("")
        dialog.get_by_label("Emits the event").fill("orders.imported")
        dialog.get_by_role("button", name="Make the webhook").click()
        dialog.get_by_role("alert").get_by_text("'a/b' is no name of a webhook").wait_for()
        assert axe_finds(page) == []
        keep_picture(page, "webhook-dialog")
        dialog.get_by_label("Name").fill("orders")

        # what may not fit is said before there is a secret
        dialog.get_by_label("Emits the event").fill("")
        dialog.get_by_label("Runs the deployment").fill("nightly")
        dialog.get_by_label("Parameters of the run").fill('{"m": "{{ payload.m }}"}')
        dialog.get_by_role("button", name="Make the webhook").click()
        dialog.get_by_role("status").get_by_text("takes no parameters, and was given m").wait_for()
        dialog.get_by_role("button", name="Make it anyway").wait_for()
        assert axe_finds(page) == []
        keep_picture(page, "webhook-warning")
        assert json.loads(deployed.orchestra("webhooks", "ls", "--json")[1])["webhooks"] == []
        dialog.get_by_label("Runs the deployment").fill("")
        dialog.get_by_label("Parameters of the run").fill("")
        dialog.get_by_label("Emits the event").fill("orders.imported")
        dialog.get_by_role("button", name="Make the webhook").click()
        made = page.get_by_role("dialog", name="Webhook orders is made")
        secret = made.get_by_role("textbox", name="Secret").input_value()
        address = made.get_by_role("textbox", name="Address").input_value()
        assert axe_finds(page) == []
        keep_picture(page, "webhook-secret")
        made.get_by_role("button", name="Close").click()
        page.get_by_role("status").get_by_text("Webhook orders takes messages.").wait_for()
        body = body_of({"rows": 3})
        sent = urllib.request.Request(address, body, standard(secret, body, name="m<b>1"))
        urllib.request.urlopen(sent).close()
        page.get_by_role("button", name="Refresh").last.click()
        page.get_by_role("row", name="m<b>1").get_by_text("event ").wait_for()
        assert secret not in page.content()
        check_looks(page, "webhooks")
        page.get_by_role("button", name="Change… orders").click()
        dialog = page.get_by_role("dialog", name="Change webhook orders")
        assert dialog.get_by_label("Emits the event").input_value() == "orders.imported"
        dialog.get_by_label("Emits the event").fill("")
        dialog.get_by_role("button", name="Change", exact=True).click()
        dialog.get_by_role("alert").get_by_text("Name a deployment or an event.").wait_for()
        dialog.get_by_label("Runs the deployment").fill("nightly")
        dialog.get_by_label("Only messages for which this says yes").fill("{{ payload. }}")
        dialog.get_by_label("Name").fill("sales")
        dialog.get_by_role("button", name="Change", exact=True).click()
        dialog.get_by_role("alert").get_by_text("The condition cannot be used").wait_for()
        assert axe_finds(page) == []
        keep_picture(page, "webhook-change")
        dialog.get_by_label("Only messages for which this says yes").fill("")
        dialog.get_by_role("button", name="Change", exact=True).click()
        page.get_by_role("status").get_by_text("Webhook sales is changed.").wait_for()
        page.get_by_role("row", name="sales").get_by_text("runs nightly").wait_for()
        page.get_by_role("button", name="Pause sales").click()
        page.get_by_role("status").get_by_text("Webhook sales is paused: its messages are ignored.").wait_for()
        body = body_of({})
        address = address.replace("/orders", "/sales")
        urllib.request.urlopen(urllib.request.Request(address, body, standard(secret, body, name="m2"))).close()
        page.get_by_role("button", name="Refresh").last.click()
        page.get_by_role("row", name="m2").get_by_text("The webhook was paused.").wait_for()
        check_looks(page, "webhook-paused")
        page.get_by_role("button", name="Resume sales").click()
        page.get_by_role("status").get_by_text("Webhook sales takes messages again.").wait_for()
        assert deployed.orchestra("webhooks", "update", "sales", "--name", "orders")[0] == 0
        page.get_by_role("button", name="Refresh").first.click()
        page.get_by_role("button", name="New secret… orders").click()
        page.get_by_role("dialog").get_by_role("button", name="Change the secret").click()
        made = page.get_by_role("dialog", name="The new secret of webhook orders")
        assert made.get_by_role("textbox", name="Secret").input_value() not in ("", secret)
        made.get_by_role("button", name="Close").click()
        page.get_by_role("status").get_by_text("Webhook orders has a new secret.").wait_for()
        page.get_by_role("button", name="Delete… orders").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("status").get_by_text("Webhook orders is deleted.").wait_for()
