"""The page of work pools on a real service: pools are made, changed and deleted, and who may not sees no button."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from served_pages import Service
from standalone_pages import assert_no_sideways_scrolling, axe_finds, keep_picture, open_alone

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    try:
        service.start()
        yield service
    finally:
        service.close()


def check_looks(page: Page, name: str) -> None:
    """Check what axe finds, and that nothing is lost in a narrow window; keep pictures of both themes."""
    size = page.viewport_size
    assert size is not None
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        assert axe_finds(page) == []
        keep_picture(page, f"{name}-{scheme}")
    page.set_viewport_size({"width": 320, "height": 640})
    assert_no_sideways_scrolling(page)
    assert axe_finds(page) == []
    keep_picture(page, f"{name}-narrow")
    page.set_viewport_size(size)


def form_of(service: Service, name: str) -> dict:
    return json.loads(service.deployed.orchestra("pools", "show", name, "--json")[1])["form"]


def test_a_pool_is_made_changed_and_deleted(chromium: Browser, service: Service) -> None:
    def field(name: str) -> Locator:
        return dialog.locator(f"[name='{name}']:visible")

    with open_alone(chromium) as page:
        page.goto(f"{service.url}orchestra/pools?token={service.token}")
        page.get_by_role("row", name="default").wait_for()
        assert page.get_by_role("button", name="Delete… default").count() == 0
        page.get_by_role("button", name="New pool…").click()
        dialog = page.get_by_role("dialog", name="New pool")
        dialog.get_by_role("button", name="Make the pool").click()
        dialog.get_by_text("Fill this in.").wait_for()
        field("name").fill("boxes")
        dialog.get_by_label("Runs at once").fill("0")
        dialog.get_by_role("button", name="Make the pool").click()
        dialog.get_by_text("At least 1.").wait_for()
        dialog.get_by_label("Runs at once").fill("2")
        check_looks(page, "pool-new")
        dialog.get_by_label("Kind").select_option(label="docker: a container for each run")
        field("job/image").fill("a/b:1")
        dialog.locator("summary:visible", has_text="More job variables").click()
        assert field("job/command").input_value().startswith('["python", "-m"')
        field("job/mem_limit").fill("much")
        dialog.get_by_role("button", name="Make the pool").click()
        dialog.get_by_role("alert").get_by_text("'much' is no size. Write 512m or 2g.").wait_for()
        assert page.locator("[name='job/mem_limit']:focus").count() == 1
        check_looks(page, "pool-wrong")
        field("job/mem_limit").fill("2g")
        field("job/env").fill('{"TZ": "Europe/Berlin"}')
        dialog.get_by_role("button", name="Make the pool").click()
        # a container does not see the store, which is a file
        page.get_by_role("status").get_by_text("a container does not see the store").wait_for()
        made = form_of(service, "boxes")
        assert made == {
            "name": "boxes",
            "kind": "docker",
            "concurrency": 2,
            "job": {"image": "a/b:1", "mem_limit": "2g", "env": {"TZ": "Europe/Berlin"}},
        }
        check_looks(page, "pool-warned")

        page.get_by_role("button", name="Pause boxes").click()
        page.get_by_role("button", name="Change… boxes").click()
        dialog = page.get_by_role("dialog", name="Change pool boxes")
        assert field("job/mem_limit").input_value() == "2g"
        field("job/mem_limit").fill("")
        dialog.get_by_label("Runs at once").fill("")
        field("job/volumes").fill('["/:/"]')
        check_looks(page, "pool-change")
        assert service.deployed.orchestra("pools", "update", "boxes", "--description", "cards")[0] == 0
        dialog.get_by_role("button", name="Change", exact=True).click()
        dialog.get_by_role("alert").get_by_text("Somebody else has changed boxes meanwhile.").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Throw it away").click()
        page.get_by_role("button", name="Change… boxes").click()
        assert dialog.get_by_label("Description").input_value() == "cards"
        field("job/mem_limit").fill("")
        field("job/volumes").fill('["/:/"]')
        dialog.get_by_role("button", name="Change", exact=True).click()
        page.get_by_role("status").get_by_text("Pool boxes is changed.").wait_for()
        assert form_of(service, "boxes") == {
            **made,
            "description": "cards",
            "paused": True,
            "job": {"image": "a/b:1", "env": {"TZ": "Europe/Berlin"}, "volumes": ["/:/"]},
        }

        page.get_by_role("button", name="Delete… boxes").click()
        page.get_by_role("dialog").get_by_text("Nothing uses it.").wait_for()
        service.deployed.ask(service.deployed.deploy_notebook("nightly", "1", pool="boxes"))
        page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("alert").get_by_text("Meanwhile something else uses pool boxes.").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Delete… boxes").click()
        page.get_by_role("dialog").get_by_text("These deployments name it: nightly.").wait_for()
        page.get_by_role("dialog").get_by_text("1 run waits in it").wait_for()
        check_looks(page, "pool-delete")
        page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("status").get_by_text("Pool boxes is deleted.").wait_for()
        assert service.deployed.orchestra("pools", "show", "boxes")[0] == 3


def test_what_the_server_says_of_the_fields_of_a_pool_is_german_for_germans(
    chromium: Browser, service: Service
) -> None:
    with open_alone(chromium, locale="de-DE") as page:
        page.goto(f"{service.url}orchestra/pools?token={service.token}")
        page.get_by_role("button", name="Neuer Pool…").click()
        dialog = page.get_by_role("dialog", name="Neuer Pool")
        dialog.get_by_label("Art").select_option(label="kubernetes: ein Job je Lauf")
        dialog.locator("summary:visible", has_text="Weitere Job-Variablen").click()
        dialog.get_by_text("Der Namespace, in dem seine Jobs angelegt werden.").wait_for()
        helps = dialog.locator(".orc-form-help:visible").all_inner_texts()
        assert len(helps) > 15
        assert [text for text in helps if " the " in f" {text} ".lower()] == []
        dialog.locator("[name=name]").fill("cloud")
        dialog.locator("[name='job/namespace']:visible").fill("A B")
        dialog.get_by_role("button", name="Pool anlegen").click()
        dialog.get_by_role("alert").get_by_text("'A B' ist kein Name in Kubernetes").wait_for()
        check_looks(page, "pool-german")
