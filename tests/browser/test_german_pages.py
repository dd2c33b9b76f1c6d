"""All pages in German, with runs, automations and messages in every state: no sentence of ours is left in English."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from patience import eventually
from served_pages import Service
from standalone_pages import keep_picture, open_alone

from orchestra_nb.model.deployments import DeploymentSchedule
from orchestra_nb.model.schedules import CronSchedule
from orchestra_nb.operations.deployments import pause_deployment
from tests.server.webhook_messages import body_of, standard

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

#: Words of English sentences that are no German ones, nor in names and values of this test.
_ENGLISH = re.compile(
    r"\b(the|is|are|of|and|has|have|had|waits?|which|nothing|there|it|its|this|that|with|for|from|to|not|no|by|"
    r"again|already|nobody|somebody|does|died|killed|retried|message to)\b"
)
_AUTOMATIONS = """
automations:
  - name: melder
    when: {state: FAILED, deployment: nacht}
    do:
      - emit: nacht.kaputt
        resource: nacht
      - pause: nacht
      - cancel: "{{ run.name }}"
  - name: still
    when: {absent: {event: puls}, within: 1s, after: {event: nacht.kaputt}, for_each: resource}
    do: [{resume: nacht}]
  - name: quote
    when: {metric: success_rate, of: {deployment: nacht}, over: 5, below: 0.5}
    do: [{move: nacht, pool: karten}]
"""
_DIES = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
_FORMS = {
    "pools": ("Neuer Pool…", "Pool anlegen"),
    "variables": ("Variable setzen…", "Setzen"),
    "webhooks": ("Neuer Webhook…", "Webhook anlegen"),
    "automations": ("Neue Automatisierung…", "Automatisierung anlegen"),
    "notifications": ("Neuer Kanal…", "Kanal anlegen"),
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    try:
        service.start()
        yield service
    finally:
        service.close()


def english_on(page: Page) -> list[str]:
    """Return the lines of a page that look English; what is code, a trace, a notebook's path, or typed, does not count."""
    lines: str = page.evaluate(
        """() => {
            const copy = document.body.cloneNode(true);
            copy.querySelectorAll('pre, code, script, style, textarea, kbd').forEach(node => node.remove());
            const walker = document.createTreeWalker(copy, NodeFilter.SHOW_TEXT);
            const texts = [];
            while (walker.nextNode()) texts.push(walker.currentNode.data);
            copy.querySelectorAll('[title], [aria-label]').forEach(node => texts.push(
                node.getAttribute('title') ?? '', node.getAttribute('aria-label') ?? ''));
            return texts.join('\\n');
        }"""
    )
    found = {line.strip() for line in lines.split("\n") if _ENGLISH.search(line)}
    return sorted(line for line in found if not re.fullmatch(r"/\S+\.ipynb", line))


def send(address: str, secret: str, payload: dict[str, int]) -> None:
    """Send a message that can start nothing."""
    body = body_of(payload)
    with pytest.raises(urllib.error.HTTPError, match="422"):
        urllib.request.urlopen(urllib.request.Request(address, body, standard(secret, body)))


def fill_store(service: Service) -> dict[str, str]:
    """Make runs, automations and messages in every state; return ids of runs by what became of them."""
    deployed = service.deployed

    def orchestra(*words: str) -> str:
        code, said, error = deployed.orchestra(*words)
        assert code == 0, error
        return said

    orchestra("pools", "create", "karten", "--paused")
    orchestra("pools", "create", "leer")
    (deployed.folder / "orchestra.yaml").write_text(_AUTOMATIONS)
    night = deployed.deploy_notebook("nacht", "raise ValueError('kaputt')")
    orchestra("automations", "create", "-f", "orchestra.yaml")
    later = DeploymentSchedule(schedule=CronSchedule(expression="0 9 * * 1", timezone="Europe/Berlin"))
    cards = deployed.deploy_notebook("bilder", "1", pool="karten", schedules=(later,))
    pause_deployment(deployed.store, "bilder", datetime.now(UTC))
    nobody = deployed.deploy_notebook("niemand", "1", pool="leer")
    dying = deployed.deploy_notebook("stirbt", _DIES)
    runs = {
        "failed": deployed.ask(night),
        "paused": deployed.ask(cards),
        "unserved": deployed.ask(nobody),
        "crashed": deployed.ask(dying),
    }
    made = json.loads(
        orchestra("webhooks", "create", "eingang", "--deployment", "nacht", "-p", "x={{ payload.x }}", "--json")
    )
    send(f"{service.url.removesuffix('/')}{made['path']}", made["secret"], {"x": 1})
    send(f"{service.url.removesuffix('/')}{made['path']}", made["secret"], {})
    orchestra("webhooks", "create", "ruhig", "--event", "bestellt", "--paused")
    orchestra("variables", "set", "stadt", "Berlin")
    runs["cancelled"] = deployed.ask(nobody)
    orchestra("runs", "cancel", runs["cancelled"])
    for ended in ("failed", "crashed", "cancelled"):
        deployed.wait(runs[ended])
    eventually(lambda: "outcome" in orchestra("automations", "show", "melder", "--json") or None)
    return runs


def test_no_sentence_of_ours_is_left_in_english_on_german_pages(chromium: Browser, service: Service) -> None:
    runs = fill_store(service)
    left: dict[str, list[str]] = {}
    with open_alone(chromium, locale="de-DE") as page:
        page.goto(f"{service.url}orchestra/?token={service.token}")

        def look(name: str) -> None:
            page.locator("[aria-busy=true]").first.wait_for(state="detached")
            keep_picture(page, f"german-{name.replace('/', '-')}")
            if found := english_on(page):
                left[name] = found

        for path in (
            *("", "flows", "flows/nacht", "flows/stirbt", "flows/bilder", "dead-letters", "automations", "pools"),
            *("notifications", "variables", "webhooks", *(f"runs/{run}" for run in runs.values())),
        ):
            page.goto(f"{service.url}orchestra/{path}")
            page.locator("main h1, main h2, h1").first.wait_for()
            look(path)
            if path in _FORMS:
                opening, making = _FORMS[path]
                page.get_by_role("button", name=opening).first.click()
                page.get_by_role("dialog").get_by_role("button", name=making).click()
                page.get_by_role("dialog").locator("[aria-invalid=true], [role=alert]:not([hidden])").first.wait_for()
                look(f"{path}/form")
                page.keyboard.press("Escape")
    assert left == {}, json.dumps(left, indent=1, ensure_ascii=False)
